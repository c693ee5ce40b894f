local genotype = require "vega.genotype"
local helper = require "spec.helper"
local json = require("vega.core").json
local shared = require "vega.table.shared"
local vega = require "vega"

local DARTS_V2 = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), "
  .. "('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), "
  .. "('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
  .. "reduce_concat=range(2, 6))"

-- parameters and multiply-adds without auxiliary head
local CIFAR = { NASNet = { 3830950, 603452448 }, AmoebaNet = { 3145078, 488931552 } }
local IMAGENET = { DARTS_V1 = { 4510432, 505864704 }, DARTS_V2 = { 4718752, 529911552 }, PDARTS = { 4944352, 542819328 },
  PC_DARTS_cifar = { 5270560, 571137408 }, PC_DARTS_image = { 5342464, 581627328 } }

local function small(normal, concat)
  return ("Genotype(normal=%s, normal_concat=%s, reduce=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])"):format(normal, concat or "[2]")
end

describe("genotypes", function()
  it("are written as they were read", function()
    local g = assert(genotype.parse(DARTS_V2))
    assert.equal(DARTS_V2, genotype.text(g))
    assert.same({ op = "dil_conv_3x3", input = 2, node = 5 }, g.normal[8])
    assert.same({ 2, 3, 4, 5 }, g.reduce_concat)
  end)

  it("may come in the other forms that are in use", function()
    local same = small "[('sep_conv_3x3', 1), ('none', 0), ('skip_connect', 2), ('none', 0)]"
    for _, text in ipairs {
      "PC_DARTS =\n  " .. same,
      same:gsub("'", '"'), (same:gsub(" ", "\n\t")), (same:gsub("%)%]", "),]"):gsub("%)$", ",)")),
      small "[[('sep_conv_3x3', 1), ('none', 0)], [('skip_connect', 2), ('none', 0)]]",
      small "[('sep_conv_3x3', 2, 1), ('none', 2, 0), ('skip_connect', 3, 2), ('none', 3, 0,)]",
    } do assert.equal(same:gsub("concat=%[2%]", "concat=range(2, 3)"), genotype.text(assert(genotype.parse(text)))) end
    local sparse = small("[('sep_conv_3x3', 2, 0), ('max_pool_3x3', 4, 0)]", "range(2, 5)")
    assert.same({ 2, 4 }, { genotype.parse(sparse).normal[1].node, genotype.parse(sparse).normal[2].node })
    assert.equal(sparse:gsub("concat=%[2%]", "concat=range(2, 3)"), genotype.text(genotype.parse(sparse)))
  end)

  it("that are wrong are refused with line and column", function()
    local pair = "[('sep_conv_3x3', 1), ('none', 0)]"
    for text, message in pairs {
      [""] = "line 1, column 1: 'Genotype(' expected, found the end",
      [small "[('sep_conv_3', 1), ('none', 0)]"] = "column 19: unknown operation 'sep_conv_3'; did you mean 'sep_conv_3x3'?",
      [small "[('none', 2), ('none', 0)]"] = "column 18: state 2 cannot enter node 2: it reads states 0 to 1",
      [small "[('none', 1)]"] = "normal has 1 pairs, an even number is expected",
      [small(pair, "[2, 3]")] = "normal_concat names state 3, the last one of the cell is 2",
      [small(pair, "[]")] = "normal_concat names no state",
      [small(pair) .. "\n x"] = "line 2, column 2: nothing expected after the genotype, found 'x'",
      [small "[('none', 1), [('none', 0)]]"] = "cannot be mixed",
      [small "[]"] = "line 1, column 18: normal has no edge",
      [small "[('none', 1), ('none')]"] = "line 1, column 38: ',' expected, found ')], normal_",
      [small "[('none', -1), ('none', 0)]"] = "column 27: a number expected, found '-1), ",
      [small("[('none', 1),\n('skip', 0)]")] = "line 2, column 2: unknown operation 'skip'",
      ["NAME = " .. small(pair) .. " -- a note"] = "nothing expected after the genotype, found '-- a note'",
      [small "[('none', 1) ('none', 0)]"] = "',' or the end of the list expected, found '('none', 0)",
      ["Genotype(normal=" .. pair .. ")"] = "normal_concat is missing",
      [small(pair):gsub("reduce=", "reduced=")] = "unknown field 'reduced'",
      [small(pair):sub(1, 40)] = "expected, found",
    } do
      local g, said, code = genotype.parse(text)
      assert.is_nil(g)
      assert.equal("EFORMAT", code)
      assert.is_truthy(said:find(message, 1, true), said)
    end
    assert.error_matches(function() genotype.parse(1) end, "a text expected, got number")
  end)

  it("build networks that train, nodes without an edge included", function()
    local g = assert(genotype.parse(small("[('sep_conv_3x3', 2, 0), ('max_pool_3x3', 4, 1)]", "range(2, 5)")))
    local net = genotype.network(g, { cells = 3, channels = 4, input = { 8, 8, 1 }, classes = 3 }):materialise(1)
    assert.same({ 2, 3 }, net:run(vega.tensor.randn({ 2, 8, 8, 1 }, vega.rng.new(1, "x")), { train = true }):shape())
    assert.error_matches(function() genotype.network(g, { form = "cifar10" }) end, "must be one of cifar, imagenet")
  end)

  it("never end otherwise, however the text is damaged", function()
    for i = 1, #DARTS_V2 do
      assert.is_nil((genotype.parse(DARTS_V2:sub(1, i - 1))))
      for _, byte in ipairs { "", "(", "]", "9", "'", "\n", "\0" } do
        local g, message = genotype.parse(DARTS_V2:sub(1, i - 1) .. byte .. DARTS_V2:sub(i + 1))
        assert.is_true(g ~= nil or type(message) == "string")
      end
    end
  end)

  it("published build their evaluation networks, to the integer", function()
    local path = shared "genotypes/darts_family.json"
    if not path then return pending "no shared data" end
    local n = 0
    for name, cell in pairs(assert(json.decode(helper.read(path)))) do
      local function edges(list)
        local parts = {}
        for i, e in ipairs(list) do parts[i] = ("('%s', %d)"):format(e[1], e[2]) end
        return "[" .. table.concat(parts, ", ") .. "]"
      end
      local g = assert(genotype.parse(("Genotype(normal=%s, normal_concat=[%s], reduce=%s, reduce_concat=[%s])"):format(edges(cell.normal),
        table.concat(cell.normal_concat, ","), edges(cell.reduce), table.concat(cell.reduce_concat, ","))))
      assert.same(g, genotype.parse(genotype.text(g)))
      local counts, want = vega.cost.count(genotype.network(g)), CIFAR[name] or { cell.cifar10_C36_L20_params_no_aux, cell.cifar10_C36_L20_macs }
      assert.same(want, { counts.params, counts.macs }, name)
      if IMAGENET[name] then
        counts = vega.cost.count(genotype.network(g, { form = "imagenet" }))
        assert.same(IMAGENET[name], { counts.params, counts.macs }, name)
      end
      n = n + 1
    end
    assert.equal(10, n)
  end)
end)
