--- Parameters and multiply-adds of whole benchmarks, one network at a time, to the integer.
local core = require "vega.core"
local vega = require "vega"
local nn = require "vega.nn"

local DATA = (os.getenv "VEGA_SHARED" or "../shared") .. "/data/"

local function read(path)
  local file = io.open(DATA .. path, "rb")
  if not file then return nil end
  file:close()
  return assert(core.csv.read(DATA .. path, { arch = true })).columns
end

local function describe_network(space, arch, input, classes)
  return nn.describe(input, function(net) return space:construct(net, arch) end, { classes = classes })
end

describe("counts of NAS-Bench-201", function()
  local columns = read "nas-bench-201/nasbench201.csv.gz"
  local check = columns and it or pending
  local space = vega.space "nb201"
  local SETS = { { "c10", 10, { 32, 32, 3 } }, { "c100", 100, { 32, 32, 3 } }, { "in16", 120, { 16, 16, 3 } } }

  local function compare(i, set, count)
    local params, flops = columns[set .. "_params"][i], columns[set .. "_flops"][i]
    if count.params ~= params or count.macs + count.linear_bias_adds ~= flops then
      error(("%s, %s: %d parameters and %d multiply-adds, expected %d and %d"):format(set, columns.arch[i], count.params,
        count.macs + count.linear_bias_adds, params, flops))
    end
  end

  check("agree in all 15,625 cells on three data sets", function()
    assert.equal(15625, #columns.arch)
    for i, text in ipairs(columns.arch) do
      local graph <close> = describe_network(space, assert(space.parse(text)), { 32, 32, 3 }, 10)
      for _, set in ipairs(SETS) do
        local name, classes, input = table.unpack(set)
        local count, more = core.cost.count(graph, { input = input }), classes - 10
        -- The body is counted; the classifier's other classes are a product, which the next test holds against built networks.
        count.params, count.macs = count.params + 65 * more, count.macs + 64 * more
        count.linear_bias_adds = classes
        compare(i, name, count)
      end
    end
  end)

  check("agree in every 25th cell, built for its data set", function()
    for i = 1, 15625, 25 do
      for _, set in ipairs(SETS) do
        local graph <close> = describe_network(space, assert(space.parse(columns.arch[i])), set[3], set[2])
        local count = core.cost.count(graph)
        compare(i, set[1], count)
        assert.equal(count.macs + count.linear_bias_adds, core.cost.count(graph, { convention = "nb201" }))
      end
    end
  end)
end)

describe("counts of NAS-Bench-Macro", function()
  local columns = read "nas-bench-macro/nasbench_macro_cifar10.csv.gz"
  local space = vega.space "nb_macro"

  local check = columns and it or pending
  check("agree in all 6,561 networks", function()
    assert.equal(6561, #columns.arch)
    for i, digits in ipairs(columns.arch) do
      local graph <close> = describe_network(space, assert(space.parse(digits)), { 32, 32, 3 }, 10)
      local count = core.cost.count(graph)
      if count.params ~= columns.params[i] or count.macs ~= columns.flops[i] then
        error(("%s: %d parameters and %d multiply-adds, expected %d and %d"):format(digits, count.params, count.macs, columns.params[i], columns.flops[i]))
      end
    end
  end)

  it("reads and writes the benchmark's digits", function()
    assert.equal("02012100", space.text(assert(space.parse "02012100")))
    assert.same({ nil, "nb_macro: eight digits 0 to 2 expected, got '0201210'", "EFORMAT" }, { space.parse "0201210" })
    assert.equal(6561, space.size)
  end)
end)
