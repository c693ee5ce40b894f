--- Counting beyond the zoo: the memory of a run, dead branches, conventions on norms of both kinds, the tables of pycls and of 545 DARTS cells.
local core = require "vega.core"
local genotype = require "vega.genotype"
local nn = require "vega.nn"
local pycls = require "spec.pycls_networks"
local shared = require "vega.table.shared"
local vega = require "vega"

local function read(name)
  local path = shared(name)
  return path and assert(core.csv.read(path, { index = true, normal = true, reduce = true, config = true })).columns
end

-- Bytes that a run holds at most beyond what lies there anyway, the input included.
local function measured_peak(graph)
  local x = vega.tensor.zeros(graph:shape(1))
  graph:run(x)                                                     -- the library's primitives are made
  collectgarbage()
  collectgarbage()
  local before = core.sys.memory(true)
  graph:run(x)
  local _, peak = core.sys.memory()
  local n = 4
  for _, extent in ipairs(x:shape()) do n = n * extent end
  return peak - before + n
end

describe("peak memory", function()
  for _, name in ipairs { "resnet18", "resnet50", "mobilenet_v2", "vgg16", "densenet121", "efficientnet_b0", "shufflenet_v2_x1_0",
    "squeezenet1_1" } do
    it("of a run of " .. name .. " is within 5 % of what is counted", function()
      for _, size in ipairs { 224, 96 } do
        local model <close> = vega.zoo(name, { input = { size, size, 3 }, classes = 10 }):materialise(1)
        local folded <close> = model:fold()
        for _, graph in ipairs { model, folded } do
          local ratio = measured_peak(graph) / vega.cost.count(graph).engine_peak_bytes
          assert.is_true(math.abs(ratio - 1) < 0.05, ("%s at %d: measured / counted = %.3f"):format(name, size, ratio))
        end
      end
    end)
  end
end)

describe("dead branches", function()
  -- A convolution of zeros, one that nothing reads, and one between input and output.
  local function graph()
    return nn.describe({ 8, 8, 4 }, function(net)
      local x = net:input()
      net:conv_bn(net:conv_bn(x, 5, { kernel = 3 }), 6)
      local zeros = net:conv(net:op("scale", x, { factor = 0 }), 4, { kernel = 3 })
      return net:linear(net:global_avg_pool(net:add(zeros, net:conv(x, 4))), 3)
    end)
  end

  it("are counted, or pruned as a runtime would", function()
    local head, live, constant, dead = 15, 16, 144, 4 * 5 * 9 + 10 + 5 * 6 + 12
    local all, ends, both = vega.cost.count(graph()), vega.cost.count(graph(), { prune = "dead_ends" }),
      vega.cost.count(graph(), { prune = "unreached" })
    assert.equal(head + live + constant + dead, all.params)
    assert.equal(head + live + constant, ends.params)
    assert.equal(head + live, both.params)
    assert.equal(12 + 64 * (live + constant + 180 + 30), all.macs)
    assert.equal(12 + 64 * (live + constant), ends.macs)
    assert.equal(12 + 64 * live, both.macs)
    assert.equal(0, both.norm_elements)
    assert.equal(all.peak_bytes, both.peak_bytes)
    assert.equal(both.macs, vega.cost.count(graph(), { prune = "unreached", convention = "macs" }))
  end)

  it("make a cell that is cut off cost nothing but its frame", function()
    local space = vega.space "nb201"
    local function count(digits, prune)
      local arch, ops = {}, space.decisions[1].domain.values
      for i, d in ipairs(space.decisions) do arch[d.name] = ops[tonumber(digits:sub(i, i)) + 1] end
      local net = nn.describe({ 32, 32, 3 }, function(net) return space:construct(net, arch) end, { classes = 10 })
      return vega.cost.count(net, { prune = prune }).macs
    end
    local first = space.decisions[1].domain.values
    assert.equal("none", first[1])
    assert.equal(7783050 - 10, count "000000")
    assert.is_true(count("000000", "unreached") <= 640)              -- of the classifier, which is fed zeros
  end)

  it("of an unknown kind are refused", function()
    assert.error_matches(function() vega.cost.count(graph(), { prune = "all" }) end, "prune is one of nothing, dead_ends, unreached; got 'all'")
  end)
end)

describe("conventions", function()
  it("count norms without weight and bias half where the counters do", function()
    local function graph(affine)
      return nn.describe({ 8, 8, 2 }, function(net) return net:batch_norm(net:conv(net:input(), 3, { bias = true }), { affine = affine }) end)
    end
    local m, b = 64 * 6, 64 * 3
    for name, want in pairs { macs = { m, m }, flops = { 2 * m, 2 * m }, pycls = { m + b, m + b }, fvcore = { m + 2 * b, m + b },
      fvcore_train = { m + 5 * b, m + 4 * b }, thop = { m + 4 * b, m + 2 * b }, thop_old = { m + b, m + b }, ptflops = { m + 3 * b, m + 3 * b },
      nas_bench_201 = { m, m } } do
      assert.equal(want[1], vega.cost.count(graph(true), { convention = name }), name)
      assert.equal(want[2], vega.cost.count(graph(false), { convention = name }), name)
    end
  end)

  it("of thop's older table print its VGG-16", function()
    assert.equal("15.61", ("%.2f"):format(vega.cost.count(vega.zoo "vgg16", { convention = "thop_old" }) / 1e9))
  end)
end)

describe("counts of pycls's table", function()
  local columns = read "reference-complexity/pycls_complexity.csv"
  local check = columns and it or pending
  check("agree in parameters, flops and activations", function()
    local seen, known = 0, {}
    for i, config in ipairs(columns.config) do
      local key = config:match "([^/_]+)[^/]*$"
      if not known[key] then
        local network = assert(pycls(config), config)
        local graph <close> = nn.describe(network.input, network.build, { classes = network.classes })
        known[key] = vega.cost.count(graph)
      end
      local c = known[key]
      assert.same({ config, columns.params[i], columns.macs[i], columns.acts[i] },
        { config, c.params, c.macs + c.bias_adds, c.acts + c.max_pool_outputs })
      seen = seen + 1
    end
    assert.equal(65, seen)
  end)
end)

describe("counts of the 545 DARTS cells", function()
  local columns = read "darts-bench-545/darts_bench_545.csv.gz"
  local check = columns and it or pending
  local function edges(text)
    local list = {}
    for op, input in text:gmatch "([%w_]+):(%d)" do list[#list + 1] = { op = op, input = tonumber(input), node = #list // 2 + 2 } end
    return list
  end
  check("agree under two conventions", function()
    assert.equal(545, #columns.index)
    for i, index in ipairs(columns.index) do
      local graph <close> = genotype.network { normal = edges(columns.normal[i]), reduce = edges(columns.reduce[i]), normal_concat = { 2, 3, 4, 5 },
        reduce_concat = { 2, 3, 4, 5 } }
      local c = vega.cost.count(graph)
      assert.same({ index, columns.params[i], columns.macs[i], columns.flop_thop[i] },
        { index, c.params, c.macs, vega.cost.count(graph, { convention = "thop" }) })
    end
  end)
end)
