--- Cost models by formula: expected and chained cost with their gradients, losses, rewards, quota, roofline, energy, metrics, least squares.
local chain = require "vega.cost.chain"
local core = require "vega.core"
local energy = require "vega.cost.energy"
local expected = require "vega.cost.expected"
local layers = require "vega.cost.layers"
local metrics = require "vega.cost.metrics"
local nn = require "vega.nn"
local published = require "vega.cost.published"
local quota = require "vega.cost.quota"
local reward = require "vega.cost.reward"
local roofline = require "vega.cost.roofline"
local shared = require "vega.table.shared"
local solve = require "vega.cost.solve"
local vega = require "vega"

local function near(want, got, tolerance)
  local is_near = math.abs(want - got) <= (tolerance or 1e-9)
  if not is_near then error(("expected %.12g, got %.12g"):format(want, got), 2) end
end

-- Rows of random numbers between low and high.
local function random_rows(rng, sizes, low, high)
  local rows = {}
  for l, n in ipairs(sizes) do
    rows[l] = {}
    for j = 1, n do rows[l][j] = rng:uniform(low, high) end
  end
  return rows
end

-- d f / d rows[l][j] by central differences.
local function slope_of(f, rows, l, j)
  local kept, step = rows[l][j], 1e-5
  rows[l][j] = kept + step
  local up = f()
  rows[l][j] = kept - step
  local down = f()
  rows[l][j] = kept
  return (up - down) / (2 * step)
end

describe("expected cost", function()
  it("is the plain sum of a table when weights are one-hot", function()
    local costs, weights, want = random_rows(vega.rng(1), { 3, 4, 2 }, 0, 9), { { 0, 1, 0 }, { 0, 0, 0, 1 }, { 1, 0 } }, 0.0
    for l, row in ipairs(weights) do for j, p in ipairs(row) do if p == 1 then want = want + costs[l][j] end end end
    assert.equal(want, (expected.sum(weights, costs)))
  end)

  it("has the slope through a softmax that differences give, with its sign", function()
    for seed = 1, 20 do
      local rng = vega.rng(seed)
      local alpha, costs, t = random_rows(rng, { 3, 4, 2 }, -2, 2), random_rows(rng, { 3, 4, 2 }, 0, 5), rng:uniform(0.5, 3)
      local _, slope, weights = expected.softmax(alpha, costs, t)
      for l, row in ipairs(alpha) do
        local sum = 0.0
        for j in ipairs(row) do
          near(slope_of(function() return (expected.softmax(alpha, costs, t)) end, alpha, l, j), slope[l][j], 1e-7)
          sum = sum + weights[l][j]
        end
        near(1, sum, 1e-12)
      end
    end
  end)

  it("is the same on a tape, and as a node of a graph", function()
    local rng = vega.rng(3)
    local alpha, costs = random_rows(rng, { 4, 4, 4 }, -2, 2), random_rows(rng, { 4, 4, 4 }, 0, 5)
    local want, slope = expected.softmax(alpha, costs)
    local tape <close> = vega.tape()
    local a = vega.tensor.new(alpha):param()
    local e = expected.on_tape(core.op.softmax(a), vega.tensor.new(costs))
    near(want, e:item(), 1e-5)
    tape:backward(e)
    for l, row in ipairs(a.grad:totable()) do for j, g in ipairs(row) do near(slope[l][j], g, 1e-6) end end

    local net = nn.builder { 2 }
    local weights = net:op("softmax", net.graph:param("arch.a", { 3, 4 }, "zeros", 1, false, "arch"))
    local node = expected.node(net, weights, "costs")
    local graph = net.graph:output(node):materialise(1)
    expected.fill(graph, "costs", costs)
    near((expected.softmax({ { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 } }, costs)), graph:run(vega.tensor.zeros { 1, 2 }):item(), 1e-5)
    assert.error_matches(function() expected.fill(graph, "cost", costs) end, "no buffer 'cost'")
  end)

  it("refuses what is no cost", function()
    assert.error_matches(function() expected.sum({ { 1 } }, { { 1, 2 } }) end, "row 1 has 1 weights and 2 costs")
    assert.error_matches(function() expected.sum({ { 1 } }, { { -1 } }) end, "candidate 1 has the cost %-1")
    assert.error_matches(function() expected.softmax({ { 1 } }, { { 0 / 0 } }) end, "a number >= 0 expected")
  end)
end)

describe("losses with a cost", function()
  local losses = expected.losses

  it("have their published values", function()
    near(0.5 * 0.2 * math.log(20) ^ 0.6, losses.fbnet(0.5, 20))
    near(0.2 * 0.5 * (math.log(20) / math.log(80)) ^ 0.3, losses.proxyless(0.5, 20, 80))
    near(0.5 + 0.15 * math.log(20) / math.log(15), losses.densenas(0.5, 20))
    near(0.5 + 0.1 * (20 - 16) / 16, losses.linear(0.5, 20, 0.1, 16))
    near(2.5, losses.linear(0.5, 20, 0.1))
    near(0.5, losses.limit(0.5, 20, 30, 7))
    near(0.5 + 7 * 5 / 15, losses.limit(0.5, 20, 15, 7))
  end)

  it("take tensors, and their gradients have the sign of a cost", function()
    for name, loss in pairs { fbnet = function(ce, e) return losses.fbnet(ce, e) end,
      proxyless = function(ce, e) return losses.proxyless(ce, e, 80) end,
      densenas = function(ce, e) return losses.densenas(ce, e) end, linear = function(ce, e) return losses.linear(ce, e, 0.1, 16) end,
      limit = function(ce, e) return losses.limit(ce, e, 15, 7) end } do
      local tape <close> = vega.tape()
      local ce, e = vega.tensor.new({ 0.5 }):param(), vega.tensor.new({ 20.0 }):param()
      local value = core.op.sum(loss(ce, e))
      near(loss(0.5, 20.0), value:item(), 1e-5)
      tape:backward(value)
      local h = 1e-4
      near((loss(0.5, 20 + h) - loss(0.5, 20 - h)) / (2 * h), e.grad:item(), 1e-4)
      assert.is_true(e.grad:item() > 0, name)
    end
  end)

  it("want costs above 1 where they take logarithms", function()
    assert.error_matches(function() losses.fbnet(0.5, 0.8) end, "the cost must be above 1 in its unit, got 0.8")
    assert.error_matches(function() losses.proxyless(0.5, 3, 1) end, "the target must be above 1")
  end)

  it("raise the multiplier of a limit while it is broken", function()
    local m = losses.multiplier(10, { rate = 0.5 })
    near(0.5, m.update(20))
    near(0.25, m.update(5))
    near(0, m.update(1))
  end)
end)

describe("chained cost", function()
  local SPACES = { mobilenet_v2 = { "densenas_mbv2_xp32", 54, 36.84365742, 6.91996837, 116.40249568 },
    resnet = { "resv2_32", 87, 21.75896184, 6.49649601, 88.43293286 } }

  local function load(name)
    local path = shared(("lut/densenas_lat_list_%s.json"):format(SPACES[name][1]))
    return path and assert(published.densenas(path))
  end

  -- A space of six blocks and a table of its shape with random costs.
  local function small(rng)
    local net = chain.space { stages = { 0, 1, 1, 2, 2, 3, 3 }, sides = { 8, 8, 8, 4, 4, 4, 4 }, reach = 3, tail_stage = 4 }
    local costs = { stem = rng:uniform(1, 2), classifier = rng:uniform(1, 2), blocks = {}, tail = {} }
    for k = 1, net.n do
      local sizes = {}
      for b = 1, #net.into[k] do sizes[b] = 3 end
      costs.blocks[k] = { heads = random_rows(rng, sizes, 1, 5), stack = random_rows(rng, { 2, 2 }, 0, 3) }
    end
    for b = 1, #net.into[net.n + 1] do costs.tail[b] = rng:uniform(0, 1) end
    return net, costs
  end

  local function random_weights(rng, sizes)
    return select(3, expected.softmax(random_rows(rng, sizes, -1, 1), random_rows(rng, sizes, 0, 1)))
  end

  local function random_beta(net, rng)
    local beta, sizes = {}, {}
    for i = 0, net.n do sizes[i + 1] = #net.out[i] end
    for i, row in ipairs(random_weights(rng, sizes)) do beta[i - 1] = row end
    return beta
  end

  -- Every path, with visit(path, product of beta).
  local function each_path(net, beta, visit)
    local path = { 0 }
    local function go(p)
      local i = path[#path]
      if i > net.n then return visit(path, p) end
      for j, k in ipairs(net.out[i]) do
        path[#path + 1] = k
        go(p * beta[i][j])
        path[#path] = nil
      end
    end
    go(1)
  end

  for name, want in pairs(SPACES) do
    local costs = load(name)
    ;(costs and it or pending)("of the published tables has the published values: " .. name, function()
      local net = chain.space(name)
      assert.equal(want[2], net.n_edges + #net.into[net.n + 1])
      near(want[3], (chain.expected(net, costs)), 1e-6)
      near(want[4], (chain.cheapest(net, costs)), 1e-6)
      near(want[5], (chain.dearest(net, costs)), 1e-6)
    end)
  end

  it("knows the published number of paths, and that a table is of another space", function()
    assert.equal(15456, chain.n_paths(chain.space "mobilenet_v2"))
    local costs = load "resnet"
    if costs then
      assert.error_matches(function() chain.expected(chain.space "mobilenet_v2", costs) end, "another space: it has 20 blocks, the space has 16")
    end
    assert.error_matches(function() chain.space "mobilenet" end, "unknown space 'mobilenet'")
  end)

  it("is the mean over all paths, and one-hot beta that of its path", function()
    for seed = 1, 10 do
      local rng = vega.rng(seed)
      local net, costs = small(rng)
      local beta, mean, cheapest, likeliest = random_beta(net, rng), 0.0, math.huge, 0
      each_path(net, beta, function(path, p)
        local cost = chain.expected(net, costs, { beta = chain.along(net, path) })
        mean, likeliest = mean + p * cost, math.max(likeliest, p)
      end)
      near(mean, (chain.expected(net, costs, { beta = beta })), 1e-9)
      local path, p = chain.likeliest(net, beta)
      near(likeliest, p, 1e-12)
      local best, along = chain.cheapest(net, costs)
      local one_hot = { beta = chain.along(net, along), head = {}, stack = {} }
      local function least(list)
        local at = 1
        for j = 2, #list do if list[j] < list[at] then at = j end end
        local weights = {}
        for j = 1, #list do weights[j] = j == at and 1 or 0 end
        return weights
      end
      for k = 1, net.n do
        one_hot.head[k], one_hot.stack[k] = {}, {}
        for b, list in ipairs(costs.blocks[k].heads) do one_hot.head[k][b] = least(list) end
        for l, list in ipairs(costs.blocks[k].stack) do one_hot.stack[k][l] = least(list) end
      end
      each_path(net, beta, function(other)
        one_hot.beta = chain.along(net, other)
        cheapest = math.min(cheapest, (chain.expected(net, costs, one_hot)))
      end)
      near(cheapest, best, 1e-9)
      assert.is_true(path[1] == 0 and path[#path] == net.n + 1)
    end
  end)

  it("agrees with sampled paths within 1 %", function()
    local rng = vega.rng(5)
    local net, costs = small(rng)
    local beta, sum, n = random_beta(net, rng), 0.0, 20000
    for _ = 1, n do sum = sum + chain.expected(net, costs, { beta = chain.along(net, chain.draw(net, beta, rng)) }) end
    near(1, sum / n / chain.expected(net, costs, { beta = beta }), 0.01)
  end)

  it("has the gradients that differences give, and the same on a tape", function()
    local rng = vega.rng(2)
    local net, costs = small(rng)
    local w = { beta = random_beta(net, rng), head = {}, stack = {} }
    for k = 1, net.n do
      local sizes = {}
      for b = 1, #net.into[k] do sizes[b] = 3 end
      w.head[k], w.stack[k] = random_weights(rng, sizes), random_weights(rng, { 2, 2 })
    end
    local cost, slope, visits = chain.expected(net, costs, w)
    local function f() return (chain.expected(net, costs, w)) end
    for i = 0, net.n do for j in ipairs(w.beta[i]) do near(slope_of(f, w.beta, i, j), slope.beta[i][j], 1e-6) end end
    for k = 1, net.n do
      for b, row in ipairs(w.head[k]) do for c in ipairs(row) do near(slope_of(f, w.head[k], b, c), slope.head[k][b][c], 1e-6) end end
      for l, row in ipairs(w.stack[k]) do for c in ipairs(row) do near(slope_of(f, w.stack[k], l, c), slope.stack[k][l][c], 1e-6) end end
    end
    near(1, visits[net.n + 1], 1e-12)

    local step, mask = chain.tensors(net)
    local rows = {}
    for i = 0, net.n do
      rows[i + 1] = {}
      for j = 1, step:shape()[2] do rows[i + 1][j] = w.beta[i][j] and math.log(w.beta[i][j]) or 0.0 end
    end
    local enter, inside = chain.cost_tensors(net, costs, w)
    local tape <close> = vega.tape()
    local beta = core.op.softmax(vega.tensor.new(rows) + mask):copy():param()
    local total = chain.on_tape(beta, enter:param(), inside:param(), step)
    near(cost, total:item(), 1e-4)
    tape:backward(total)
    local g = beta.grad:totable()
    for i = 0, net.n do for j in ipairs(w.beta[i]) do near(slope.beta[i][j], g[i + 1][j], 1e-4) end end
    local v = inside.grad:totable()
    for k = 1, net.n do near(visits[k], v[k + 1], 1e-6) end
  end)
end)

describe("rewards", function()
  it("have MnasNet's two forms, and the others", function()
    local soft, hard = reward.mnasnet { target = 80 }, reward.mnasnet { target = 80, hard = true }
    near(0.75, soft(0.75, 80))
    near(0.75 * 2 ^ -0.07, soft(0.75, 160))
    near(0.75 * 0.5 ^ -0.07, soft(0.75, 40))
    near(0.75, hard(0.75, 40))
    near(0.375, hard(0.75, 160))
    near(0.75 * 2 ^ 0.1, reward.proxyless { target = 80 } (0.75, 40))
    near(0.75 - 0.07 * 0.5, reward.absolute { target = 80 } (0.75, 40))
    local budgeted = reward.budgeted { target = 80 }
    assert.is_true(budgeted(0.1, 80) > budgeted(0.99, 81) and budgeted(0.5, 81) > budgeted(0.5, 90))
    assert.error_matches(function() reward.mnasnet {} end, "a target above 0 is needed")
    assert.error_matches(function() soft(0.5, 0) end, "the cost must be above 0")
  end)

  it("join an evaluation", function()
    local evaluate = reward.of(function(arch) return arch and { accuracy = 0.5, latency_ms = 160, params = 3 } or nil, "no network", "EARG" end,
      { reward = reward.mnasnet { target = 80, hard = true } })
    assert.same({ accuracy = 0.5, latency_ms = 160, params = 3, reward = 0.25 }, evaluate {})
    assert.same({ nil, "reward: the evaluation gives no 'cost'", "EARG" },
      { reward.of(function() return { accuracy = 1 } end, { reward = reward.mnasnet { target = 1 }, cost = "cost" }) {} })
  end)
end)

describe("a quota", function()
  local function new(limits, costs)
    return quota.new { space = "mobile_tiny", input = { 28, 28, 1 }, classes = 10, limits = limits, costs = costs }
  end

  it("is kept by whatever a space draws, changes or crosses, and so by strategies and samplers", function()
    local q = new({ macs = { le = 1.2e6 }, params = { ge = 2e4, le = 1e5 }, blocks = { le = 6 } },
      { blocks = function(_, arch) return arch["stage1.depth"] + arch["stage2.depth"] + arch["stage3.depth"] end })
    local space, rng, free = q:space(), vega.rng(1), vega.space "mobile_tiny"
    assert.equal(0, #free.clauses)
    local broken = 0
    for _ = 1, 60 do
      if not q:check(free:random(rng)) then broken = broken + 1 end
      local arch = space:random(rng)
      assert.is_true((q:check(arch)))
      assert.is_true((q:check(space:mutate(arch, rng))))
    end
    assert.is_true(broken > 10)
    for _, name in ipairs { "random", "aging", "tpe" } do
      local s = vega.strategy.create(name, { space = space, objectives = { macs = "max" }, seed = 1 })
      for _ = 1, 30 do
        local trial = s:ask(1)[1]
        local good, why, values = q:check(trial.arch)
        assert.is_true(good, why)
        s:tell(trial.id, { status = "ok", values = { macs = values.macs } })
      end
    end
    for _, name in ipairs { "uniform", "sandwich" } do
      local draws = vega.sampler[name].class.new(space, vega.sampler[name].params, rng)
      for step = 1, 10 do for _, arch in ipairs(draws:draw(step, rng)) do assert.is_true((q:check(arch)), name) end end
    end
  end)

  it("that hardly any architecture keeps is kept all the same, and one that none keeps is refused at once", function()
    local free, rng, least, asked = vega.space "mobile_tiny", vega.rng(2), math.huge, 0
    local wide = new { macs = { le = math.huge } }
    for _ = 1, 300 do least = math.min(least, wide:values(free:random(rng)).macs) end
    local function counted(limit)
      return new({ work = { le = limit } }, { work = function(graph)
        asked = asked + 1
        return vega.cost.count(graph).macs
      end })
    end
    local q = counted(0.8 * least)
    local space, seen, n = q:space(), {}, 0
    for _ = 1, 20 do
      local arch = space:random(rng)
      assert.is_true((q:check(arch)))
      local key = space:canonical(arch)
      n, seen[key] = n + (seen[key] and 0 or 1), true
      assert.is_true((q:check(space:mutate(arch, rng))))
    end
    assert.is_true(n > 10, n)
    assert.is_true(asked < 8000, asked)
    asked = 0
    assert.error_matches(function() counted(1e4):space() end,
      "quota: no architecture of 'mobile_tiny' was found within work <= 10000; of the nearest, work is [%d.e+]+, at most 10000 allowed")
    assert.is_true(asked <= 600, asked)
  end)

  it("says what is broken, and guards an evaluation", function()
    local q = new { macs = { le = 1 } }
    local good, why = q:check(vega.space "mobile_tiny":random(vega.rng(1)))
    assert.is_false(good)
    assert.matches("^macs is [%d.e+]+, at most 1 allowed$", why)
    local trained = false
    local none, message, code = q:guard(function() trained = true end)(vega.space "mobile_tiny":random(vega.rng(1)))
    assert.same({ nil, "EQUOTA", false }, { none, code, trained })
    assert.matches("^quota: macs is", message)
    assert.error_matches(function() new { mcs = { le = 1 } } end, "unknown cost 'mcs'; did you mean 'macs'")
    assert.error_matches(function() new { macs = { le = 1, ge = 2 } } end, "cannot be at most 1 and at least 2")
    assert.error_matches(function() new { macs = {} } end, "le or ge is needed")
    assert.error_matches(function() new {} end, "limits such as")
  end)
end)

describe("layers", function()
  it("add up to what is counted", function()
    for _, name in ipairs { "resnet18", "mobilenet_v2", "efficientnet_b0", "densenet121", "shufflenet_v2_x0_5" } do
      local graph = vega.zoo(name)
      local t, c = layers.totals(graph), vega.cost.count(graph)
      assert.equal(c.macs, t.macs)
      assert.equal(c.macs_pointwise, t.macs_pointwise)
      assert.equal(c.macs_depthwise, t.macs_depthwise)
      assert.equal(c.macs_spatial, t.macs_winograd + t.macs_spatial)
      assert.equal(c.macs_linear, t.macs_linear)
      assert.equal(c.acts, t.outputs_conv)
    end
    assert.error_matches(function() layers.of(require("vega.supernet").new({ space = "spos_mobile", classes = 10 }).graph) end, "settle the supernet")
  end)
end)

describe("the roofline", function()
  local function point(c) return nn.describe({ 16, 16, c }, function(net) return net:conv(net:input(), c) end) end
  local device = { name = "toy", flops = { f32 = 1e9 }, bandwidth = 1e8, overhead_s = 1e-3, source = "made up", date = "today" }

  it("takes the slower of arithmetic and traffic", function()
    local wide = roofline.latency(point(64), device)
    near(2 * 256 * 64 * 64 / 1e6 + 1, wide.ms, 1e-9)                     -- 2.1 ms of arithmetic against 1.5 ms of traffic
    near(1e3 * 4 * (2 * 256 * 64 + 64 * 64) / 1e8, wide.traffic_ms, 1e-9)
    assert.same({ "roofline", "toy", "made up", "today" }, { wide.provenance, wide.device, wide.source, wide.date })
    local narrow = roofline.latency(point(4), device)
    near(narrow.traffic_ms + 1, narrow.ms, 1e-9)
    assert.equal(10, roofline.ridge(device))
  end)

  it("reads what was just made from the cache when it fits, and counts fused layers as free", function()
    local function two(act)
      return nn.describe({ 16, 16, 4 }, function(net) return net:conv_bn(net:conv_bn(net:input(), 4, { act = act }), 4) end)
    end
    local cached = { name = "toy", flops = { f32 = 1e9 }, bandwidth = 1e8, cache_bytes = 1 << 20, cache_bandwidth = 1e12 }
    local slow, fast = roofline.latency(two "relu", device), roofline.latency(two "relu", cached)
    near(slow.traffic_ms - fast.traffic_ms, 1e3 * 4 * 1024 * (1 / 1e8 - 1 / 1e12), 1e-9)
    assert.equal(2, slow.kernels)
  end)

  it("ranks the zoo as its sizes do, and says what it does not know", function()
    local last = 0
    for _, name in ipairs { "mobilenet_v3_small", "mobilenet_v2", "resnet18", "resnet50", "vgg16" } do
      local ms = roofline.latency(vega.zoo(name), "titan_xp").ms
      assert.is_true(ms > last, name)
      last = ms
    end
    assert.error_matches(function() roofline.latency(point(4), "titan_xq") end, "unknown device 'titan_xq'; did you mean 'titan_xp'")
    assert.error_matches(function() roofline.latency(point(4), device, { dtype = "int8" }) end, "says nothing of int8 %(it has f32%)")
    assert.error_matches(function() roofline.latency(point(4), { name = "bad", flops = { f32 = 1 }, bandwidth = -1 }) end,
      "bandwidth of 'bad' must be above 0")
  end)
end)

describe("energy", function()
  it("is dominated by traffic, and int8 is some twenty times cheaper in arithmetic", function()
    local f32, int8 = energy.of(vega.zoo "mobilenet_v2"), energy.of(vega.zoo "mobilenet_v2", { dtype = "int8" })
    assert.is_true(f32.memory_j > f32.arithmetic_j)
    near(20, f32.arithmetic_j / int8.arithmetic_j, 0.5)
    near(f32.joules, f32.arithmetic_j + f32.cache_j + f32.memory_j, 1e-15)
    assert.equal("model", f32.provenance)
    assert.is_true(energy.of(vega.zoo "mobilenet_v2", { batch = 32 }).joules < f32.joules)
    near(f32.joules + 1, energy.of(vega.zoo "mobilenet_v2", { static_w = 10, seconds = 0.1 }).joules, 1e-12)
    assert.error_matches(function() energy.of(vega.zoo "mobilenet_v2", { static_w = 10 }) end, "needs seconds")
  end)

  it("fits power to utilisation", function()
    local points, rng = {}, vega.rng(1)
    for i = 1, 20 do
      local c, m = rng:uniform(), rng:uniform()
      points[i] = { compute = c, memory = m, watts = 40 + 120 * c + 30 * m }
    end
    local f = energy.fit_power(points)
    near(40, f.idle_w, 1e-6)
    near(120, f.compute_w, 1e-6)
    near(85 + 30, f.predict(0.5, 0.5), 1e-6)
  end)

  it("reads the machine's counter around its end, or says why not", function()
    near(2e-6, energy.between(5, 7, 100), 1e-15)
    near(12e-6, energy.between(95, 7, 100), 1e-15)
    local kept = energy.FOLDER
    energy.FOLDER = "/nowhere"
    local none, why, code = energy.measure(function() end)
    energy.FOLDER = kept
    assert.same({ nil, "EIO" }, { none, code })
    assert.matches("use the model", why)
  end)

  local path = shared "energy/zeus_gpu_power.csv.gz"
  ;(path and it or pending)("has its least at a limit inside the range for most jobs of Zeus", function()
    local c = assert(core.csv.read(path)).columns
    local jobs, inside, n = {}, 0, 0
    for i = 1, #c.gpu do
      local key = table.concat({ c.gpu[i], c.dataset[i], c.network[i], c.batch_size[i], c.optimizer[i] }, " ")
      jobs[key] = jobs[key] or {}
      table.insert(jobs[key], { limit_w = c.power_limit_W[i], watts = c.average_power_W[i], seconds = c.seconds_per_epoch[i] })
    end
    for _, points in pairs(jobs) do
      if #points >= 4 then
        local _, joules, is_inside = energy.best_limit(points)
        assert.is_true(joules > 0)
        n, inside = n + 1, inside + (is_inside and 1 or 0)
      end
    end
    assert.is_true(n > 20 and inside / n > 0.5, ("%d of %d"):format(inside, n))
  end)
end)

describe("metrics", function()
  it("follow their definitions", function()
    local m = metrics.of({ 1, 2, 4 }, { 1.04, 2.2, 3 })
    near((0.04 + 0.1 + 0.25) / 3, m.mape)
    near(math.sqrt((0.04 ^ 2 + 0.1 ^ 2 + 0.25 ^ 2) / 3), m.rmspe)
    near(1 / 3, m.within_5)
    near(1, m.rho)
    near(1, m.tau)
    near(0.5, metrics.spearman({ 1, 2, 3 }, { 1, 3, 2 }))
    near(math.sqrt(3) / 2, metrics.spearman({ 1, 2, 3 }, { 1, 2, 2 }))
    local regret, precision = metrics.at_k({ 1, 2, 3, 4 }, { 9, 1, 2, 8 }, 2)
    near(1, regret)
    near(0.5, precision)
    assert.error_matches(function() metrics.of({ 0 }, { 1 }) end, "truth 1 is 0; a number above 0 expected")
  end)
end)

describe("least squares", function()
  it("agree with plain conditions of optimality", function()
    for seed = 1, 30 do
      local rng, rows, b = vega.rng(seed), {}, {}
      for i = 1, 12 do
        rows[i], b[i] = {}, rng:uniform(-1, 1)
        for j = 1, 5 do rows[i][j] = rng:uniform(-1, 1) end
      end
      local function slope(x, j)                                           -- half the derivative of |Ax - b|^2 + 0.1 |x|^2
        local sum = 0.1 * x[j]
        for i, row in ipairs(rows) do
          local e = -b[i]
          for k = 1, 5 do e = e + row[k] * x[k] end
          sum = sum + e * row[j]
        end
        return sum
      end
      local x = assert(solve.ridge(rows, b, 0.1))
      for j = 1, 5 do near(0, slope(x, j), 1e-9) end
      x = solve.nonnegative(rows, b, 0.1)
      for j = 1, 5 do assert.is_true(x[j] == 0 and slope(x, j) >= -1e-9 or x[j] > 0 and math.abs(slope(x, j)) < 1e-9) end
    end
    assert.same({ nil, "least squares: the columns depend on each other", "ENAN" }, { solve.ridge({ { 1, 1 }, { 2, 2 } }, { 1, 2 }) })
  end)
end)
