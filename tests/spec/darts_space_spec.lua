--- The cell space of DARTS: net:cell_node in its three meanings, sizes, and counts of published networks to the integer.
local nn = require "vega.nn"
local equal = require("spec.supernet_helper").equal
local space = require "vega.space"
local supernet = require "vega.supernet"
local vega = require "vega"

local darts = vega.space "darts"
local SHORT = { s3 = "sep_conv_3x3", s5 = "sep_conv_5x5", d3 = "dil_conv_3x3", d5 = "dil_conv_5x5", mp = "max_pool_3x3", ap = "avg_pool_3x3",
  sk = "skip_connect" }

-- "s3:1 s3:0 ..." for each cell, as a genotype.
local function genotype(normal, reduce)
  local function list(short)
    return "[" .. short:gsub("(%w+):(%d)", function(op, input) return ("('%s', %s),"):format(SHORT[op], input) end) .. "]"
  end
  return ("X = Genotype(normal=%s, normal_concat=range(2, 6), reduce=%s, reduce_concat=[2, 3, 4, 5])"):format(list(normal), list(reduce))
end

local function describe_network(sp, arch, input, classes)
  return nn.describe(input or sp.input, function(net) return sp:construct(net, arch) end, { classes = classes or 10 })
end

local function names_of(graph)
  local set = {}
  for name in pairs(graph:params()) do set[name] = true end
  return set
end

-- params and multiply-adds with 36 channels and 20 cells, then with 16 and 8; 10 classes, without auxiliary head
local PUBLISHED = {
  DARTS_V1 = { "s3:1 s3:0 sk:0 s3:1 sk:0 s3:1 s3:0 sk:2", "mp:0 mp:1 sk:2 mp:0 mp:0 sk:2 sk:2 ap:0", 3169414, 500987520, 232890, 41355776 },
  DARTS_V2 = { "s3:0 s3:1 s3:0 s3:1 s3:1 sk:0 sk:0 d3:2", "mp:0 mp:1 sk:2 mp:1 mp:0 sk:2 sk:2 mp:1", 3349342, 528359040, 246106, 43444736 },
  PDARTS = { "sk:0 d3:1 sk:0 s3:1 s3:1 s3:3 s3:0 d5:4", "ap:0 s5:1 s3:0 d5:2 mp:0 d3:1 d3:1 d5:3", 3433798, 532174464, 292026, 48138752 },
  PC_DARTS_cifar = { "s3:1 sk:0 s3:0 d3:1 s5:0 s3:1 ap:0 d3:1", "s5:1 mp:0 s5:1 s5:2 s3:0 s3:3 s3:1 s3:2", 3634678, 556670592, 335738, 53258752 },
  PC_DARTS_image = { "sk:1 s3:0 s3:0 sk:1 s3:1 s3:3 s3:1 d5:4", "s3:0 sk:1 d5:2 mp:1 s3:2 s3:1 s5:0 s3:3", 3721510, 570466944, 327546, 52460032 },
  DrNAS_cifar10 = { "s3:0 s5:1 s3:1 s3:2 sk:0 s3:1 s3:2 d5:3", "mp:0 s5:1 d5:2 s5:1 s5:1 d5:3 sk:4 s5:1", 4099294, 635135616 },
  GDAS_V1 = { "sk:0 sk:1 sk:0 s5:2 s3:3 sk:0 s5:4 s3:3", "s5:0 s3:1 s5:2 s5:1 d5:2 s3:1 s5:0 s5:2", 3368782, 519428736 },
}

describe("space darts", function()
  it("has the published number of cells", function()
    assert.equal(1037664180 * 1037664180, darts.size)
    assert.equal(180 * 8 ^ 8, darts.new { ops = darts.operations, cells = 1, reductions = {} }.size)
    assert.equal(243, darts.new { cells = 1, reductions = {}, nodes = 2, ops = { "none", "skip_connect", "sep_conv_3x3" } }.size)
  end)

  it("has the published parameters as a search network, with and without none", function()
    for _, case in ipairs { { 16, 8, 1930618 }, { 8, 5, 394210 }, { 4, 5, 136182 } } do
      for _, ops in ipairs { darts.operations, table.move(darts.operations, 2, 8, 1, {}) } do
        local sp = darts.new { channels = case[1], cells = case[2], ops = ops }
        assert.equal(case[3], supernet.new({ space = sp, classes = 10 }).graph:n_params())
      end
    end
  end)

  it("counts the published evaluation networks to the integer", function()
    local large, small = darts.new { network = "evaluation", cells = 20, channels = 36 }, darts.new { network = "evaluation" }
    for name, p in pairs(PUBLISHED) do
      local arch = assert(large.parse(genotype(p[1], p[2])))
      for i, sp in ipairs { large, small } do
        local count = vega.cost.count(describe_network(sp, arch))
        if p[1 + 2 * i] then assert.same({ p[1 + 2 * i], p[2 + 2 * i] }, { count.params, count.macs }, name) end
      end
    end
    local v2 = assert(large.parse(genotype(PUBLISHED.DARTS_V2[1], PUBLISHED.DARTS_V2[2])))
    assert.equal(3349342 + 51930, vega.cost.count(describe_network(large, v2, nil, 100)).params)
  end)

  it("leaves weights and biases of batch norms out of search networks", function()
    local arch = darts:random(vega.rng.new(1, "affine"))
    local search = vega.cost.count(describe_network(darts, arch))
    local final = vega.cost.count(describe_network(darts.new { network = "evaluation" }, arch))
    assert.equal(2 * 48, search.norm_params)
    assert.equal(search.params - search.norm_params, final.params - final.norm_params)
    assert.equal(search.macs, final.macs)
  end)

  it("reads and writes genotypes", function()
    local rng = vega.rng.new(2, "genotypes")
    for _ = 1, 200 do
      local arch = darts:random(rng)
      assert.same(arch, assert(darts.parse(darts.text(arch))))
    end
    local text = darts.text(assert(darts.parse(genotype(PUBLISHED.DARTS_V2[1], PUBLISHED.DARTS_V2[2]))))
    assert.equal("Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), " ..
      "('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), " ..
      "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('max_pool_3x3', 1), ('skip_connect', 2), " ..
      "('max_pool_3x3', 0), ('skip_connect', 2), ('max_pool_3x3', 1), ('skip_connect', 2)], " ..
      "reduce_concat=range(2, 6))", text)
    local function message(from, to)
      local arch, what, code = darts.parse((text:gsub(from, to, 1)))
      assert.is_nil(arch)
      assert.equal("EFORMAT", code)
      return what
    end
    assert.match("sep_conv_4x4", message("sep_conv_3x3", "sep_conv_4x4"))
    assert.match("state 2 cannot enter node 2", message("', 1%)", "', 2)"))
    assert.match("reads state 0 twice", message("', 1%)", "', 0)"))
    assert.match("normal has 7 pairs, an even number is expected", message("%('sep_conv_3x3', 0%), ", ""))
    assert.match("normal_concat names state 5", message("%('skip_connect', 0%), %('dil_conv_3x3', 2%)", ""))
    assert.match("unknown field 'reduced'", message("reduce=", "reduced="))
  end)

  it("is known as two cells: encodings, and one form of isomorphic cells", function()
    local arch = darts:random(vega.rng.new(3, "cells"))
    assert.equal(2 * (2 + 3 + 4 + 5) * (7 + 1), #darts:encode(arch, "adjacency"))
    assert.equal(2 * 2 * (7 + 49 + 343 + 2401), #darts:encode(arch, "path"))
    local function cell_of(first, second)                              -- two nodes that read the cell's inputs alone
      local sp = darts.new { cells = 1, reductions = {}, nodes = 2 }
      local a = { ["normal.node1.inputs"] = { 1, 2 }, ["normal.node2.inputs"] = { 1, 2 } }
      for i, ops in ipairs { first, second } do a[("normal.node%d.op1"):format(i)], a[("normal.node%d.op2"):format(i)] = table.unpack(ops) end
      return sp:hash(a, "graph")
    end
    local a, b = { "skip_connect", "sep_conv_3x3" }, { "sep_conv_3x3", "sep_conv_3x3" }
    assert.equal(cell_of(a, b), cell_of(b, a))
    assert.not_equal(cell_of(a, b), cell_of({ "sep_conv_3x3", "skip_connect" }, b))
  end)

  it("refuses what it cannot build", function()
    assert.error_matches(function() darts.new { ops = { "sep_conv_4x4" } } end, "unknown operation 'sep_conv_4x4'; did you mean 'sep_conv_%dx%d'")
    assert.match("darts_space_spec.lua:%d+:", select(2, pcall(function() darts.new { ops = { "sep_conv_4x4" } } end)))
    assert.error_matches(function() darts.new { ops = {} } end, "at least one operation")
    assert.error_matches(function() darts.new { reductions = { 9 } } end, "a cell 1 to 8 expected, got 9")
    assert.error_matches(function() darts.new { network = "final" } end, "must be one of search, evaluation")
    assert.error_matches(function() darts.new { cell = 3 } end, "unknown option 'cell'; did you mean 'cells'")
  end)
end)

describe("net:cell_node", function()
  local small = darts.new { cells = 3, reductions = { 2 }, channels = 4, nodes = 3, ops = darts.operations }

  it("is, in a supernet, the stand-alone network of each architecture to the bit; odd sizes too", function()
    for _, input in ipairs { { 8, 8, 3 }, { 7, 9, 1 } } do
      local net, rng = supernet.new { space = small, input = input, classes = 3 }, vega.rng.new(4, "archs")
      local x = vega.tensor.randn({ 2, table.unpack(input) }, rng)
      for _ = 1, 8 do
        local arch = small:random(rng)
        local own, alone = small:network(arch, input, 3), net:extract(arch)
        -- what none leaves without a reader is dropped from an extracted network
        assert.equal(vega.cost.count(own:extract()).params, vega.cost.count(alone:extract()).params)
        assert.is_true(equal(net:run(x, arch), alone:run(x)))
        assert.is_true(equal(net:run(x, arch, { train = true }), alone:run(x, { train = true })))
        assert.same(own:run(x):shape(), alone:run(x):shape())
      end
    end
  end)

  it("gives the stand-alone network the layers of the extracted one", function()
    local sp = darts.new { cells = 3, reductions = { 2 }, channels = 4 }
    local net, rng = supernet.new { space = sp, input = { 8, 8, 3 }, classes = 3 }, vega.rng.new(5, "archs")
    for _ = 1, 8 do
      local arch = sp:random(rng)
      local own, counts = vega.cost.count(sp:network(arch, { 8, 8, 3 }, 3)), vega.cost.count(net:extract(arch))
      own.peak_at, counts.peak_at = nil, nil                                             -- layers are numbered otherwise
      assert.same(own, counts)
    end
  end)

  it("has one weight for an operation on a state, whichever pick reads it", function()
    local net = supernet.new { space = small, input = { 8, 8, 3 }, classes = 3 }
    local arch = small:random(vega.rng.new(6, "archs"))
    for _, kind in ipairs { "normal", "reduce" } do
      for i = 1, 3 do
        arch[("%s.node%d.inputs"):format(kind, i)] = { 1, 2 }
        for k = 1, 2 do arch[("%s.node%d.op%d"):format(kind, i, k)] = "skip_connect" end
      end
    end
    local function weights(inputs, op1, op2)
      arch["normal.node3.inputs"], arch["normal.node3.op1"], arch["normal.node3.op2"] = inputs, op1, op2
      return names_of(net:extract(arch))
    end
    assert.same(weights({ 1, 3 }, "skip_connect", "sep_conv_3x3"), weights({ 3, 4 }, "sep_conv_3x3", "skip_connect"))
    assert.not_same(weights({ 1, 3 }, "skip_connect", "sep_conv_3x3"), weights({ 3, 4 }, "skip_connect", "sep_conv_3x3"))
  end)

  it("is zeros of its shape where nothing enters", function()
    local sp = darts.new { cells = 2, reductions = { 2 }, channels = 4, nodes = 1, ops = { "none", "skip_connect" } }
    local net = supernet.new { space = sp, input = { 7, 8, 3 }, classes = 3 }
    local nothing = {}
    for _, kind in ipairs { "normal", "reduce" } do
      nothing[kind .. ".node1.inputs"], nothing[kind .. ".node1.op1"], nothing[kind .. ".node1.op2"] = { 1, 2 }, "none", "none"
    end
    local x = vega.tensor.randn({ 2, 7, 8, 3 }, vega.rng.new(1, "x"))
    local bias = net.graph:params()["linear1.bias"]
    for _, y in ipairs { net:run(x, nothing), net:extract(nothing):run(x) } do
      for row = 0, 1 do
        for c, v in ipairs(bias:totable()) do assert.equal(v, y:totable()[row + 1][c]) end
      end
    end
  end)

  it("takes any number of states, and of strides", function()
    local sp = space.define { name = "wide", input = { 8, 8, 2 }, build = function(net)
      local ops = { { "pool", function(n, x, stride) return n:max_pool(x, { kernel = 3, stride = stride, pad = 1 }) end },
        { "conv", function(n, x, stride) return n:conv(x, 2, { kernel = 3, stride = stride }) end } }
      local x = net:input()
      local half = net:max_pool(x, { kernel = 2, stride = 2 })
      local y = net:cell_node("node", { { x, 2 }, half, { net:relu(x), 2 }, net:relu(half) }, ops, 3)
      return net:linear(net:global_avg_pool(y), 2)
    end }
    assert.equal(4 * 8, sp.size)
    local net = supernet.new { space = sp }
    local x = vega.tensor.randn({ 2, 8, 8, 2 }, vega.rng.new(1, "x"))
    for i = 1, sp.size do assert.is_true(equal(net:run(x, sp:unrank(i)), net:extract(sp:unrank(i)):run(x))) end
  end)

  it("refuses wrong lists at the line of build", function()
    local function define(...)
      local arguments = table.pack(...)
      return function() space.define { name = "wrong", build = function(net) net:cell_node(table.unpack(arguments, 1, arguments.n)) end } end
    end
    local id = { { "id", function(_, x) return x end } }
    assert.error_matches(define("n", { 1 }, id), "net:cell_node 'n': k must be 1 to 1, the number of its states, got 2")
    assert.match("darts_space_spec.lua:%d+:", select(2, pcall(define("n", { 1 }, id))))
    assert.error_matches(define("n", { 1, 2 }, id, 0), "k must be 1 to 2")
    assert.error_matches(define("n", { 1, 2 }), "a table of ops expected, got nil")
    assert.error_matches(define("n", nil, id), "a list of states expected, got nil")
    assert.error_matches(define("n", { 1, 2 }, { "id" }), "op 'id' must be a function, got string")
  end)
end)
