--- LA-DARTS, FairDARTS, Scalable-DARTS: terms of the architecture's loss, sigmoids, blended activations.
local core = require "vega.core"
local fair = require "vega.differentiable.fair_darts"
local helper = require "spec.differentiable_helper"
local la_darts = require "vega.differentiable.la_darts"
local latency = require "vega.supernet.latency"
local mixed = require "vega.supernet.mixed"
local readout = require "vega.supernet.readout"
local vega = require "vega"

local OPS = { "none", "skip_connect", "max_pool_3x3", "sep_conv_3x3" }
local COST = { none = 0.0, skip_connect = 1.0, max_pool_3x3 = 2.0, sep_conv_3x3 = 7.0 }

-- An additive table over a space: what an operation costs grows with its edge's number.
local function table_of(space)
  local costs = {}
  for _, d in ipairs(mixed.new { space = space, input = { 8, 8, 3 }, classes = 2 }:weights()) do
    costs[d.name] = {}
    for r = 1, #d.rows do
      costs[d.name][r] = {}
      for _, label in ipairs(d.labels) do costs[d.name][r][label] = COST[label] * (1 + 0.1 * r) end
    end
  end
  return costs
end

local function cost_of(costs, space, arch)
  local sum = 0.0
  for _, e in ipairs(latency.edges(space, arch)) do sum = sum + costs[e.name][e.row][e.label] end
  return sum
end

-- A search with nothing but its penalty, for the functions of a preset.
local function fake(net, settings)
  local s = { net = net, p = settings, epoch = 1, step = 1 }
  function s:parameters()
    self.params = self.params or net:parameters()
    return self.params
  end
  return s
end

describe("LA-DARTS", function()
  local space = helper.cells { ops = OPS }
  local costs = table_of(space)

  it("has the gradient of the predicted cost, soft, with the edges' weights too", function()
    for _, edges in ipairs { false, true } do
      local net = mixed.new { space = space, input = { 8, 8, 3 }, classes = 2, edge_norm = edges }
      core.train.new(net.graph, { group = "arch", optimiser = "sgd", lr = 1, total_steps = 1 })                -- makes the gradients' room
      local s = fake(net, { cost = latency.additive(costs), lambda = 0.7, reference = 10, soft = true })
      la_darts.fill(s, "arch")
      net.graph:refresh()
      local values, gradients = net.graph:arena "arch"
      gradients:fill(0)
      do
        local tape <close> = core.tape.new()
        tape:backward(la_darts.penalty(s))
      end
      for i = 1, values:count() do
        local before = values:get(i)
        local function at(h)
          values:set(i, before + h)
          return la_darts.penalty(s):item()
        end
        local expected = (at(0.05) - at(-0.05)) / 0.1
        values:set(i, before)
        assert.is_true(helper.near(expected, gradients:get(i), 3e-5 + 1e-3 * math.abs(expected)), i .. ": " .. expected .. " " .. gradients:get(i))
      end
    end
  end)

  it("predicts, straight through, what the architecture costs that would be read out", function()
    local found = assert(helper.search { space = space, epochs = 1 })
    local s = fake(found.net, { cost = latency.additive(costs), lambda = 2.0, reference = 4.0, soft = false })
    la_darts.fill(s, "arch")
    assert.is_true(helper.near(cost_of(costs, space, found.arch) / 2, la_darts.penalty(s):item(), 1e-4))
  end)

  -- On a space of choices: in cells the rows of all edges are pressed alike, kept or not, so that which edges stay is not the predictor's to say.
  it("ends at the cheapest architecture where the term outweighs all", function()
    local rng, random = core.rng.new(3, "costs"), {}
    for _, d in ipairs(mixed.new { space = helper.nb201, input = { 8, 8, 3 }, classes = 2 }:weights()) do
      random[d.name] = { {} }
      for _, label in ipairs(d.labels) do random[d.name][1][label] = rng:uniform() end
    end
    local function search(lambda, soft)
      return assert(helper.search { space = helper.nb201, preset = "la_darts", epochs = 3, arch = { lr = 0.1 }, disc_gap = false,
        set = { cost = latency.additive(random), lambda = lambda, warmup = 0, soft = soft } })
    end
    local least = 0.0                                                                   -- of an additive cost: that of each edge's cheapest operation
    for _, rows in pairs(random) do
      local best = math.huge
      for _, c in pairs(rows[1]) do best = math.min(best, c) end
      least = least + best
    end
    local free, before = search(0), math.huge
    for _, lambda in ipairs { 0.0, 1e4 } do
      for _, soft in ipairs { false, true } do
        local found = search(lambda, soft)
        local cost = cost_of(random, helper.nb201, found.arch)
        if lambda > 0 then assert.is_true(helper.near(least, cost, 1e-9)) else assert.same(free.arch, found.arch) end
        assert.is_true(cost <= before)
        before = cost
      end
    end
  end)

  it("learns costs from whole networks, and its gradient reaches the architecture", function()
    local function true_cost(arch) return 5 + cost_of(costs, space, arch) end
    for kind, options in pairs { ridge = {}, mlp = { models = 1, epochs = 60, weight_decay = 0 } } do
      local learned = assert(latency.measured(space, true_cost, { samples = kind == "mlp" and 600 or 300, kind = kind, options = options }))
      assert.is_true(learned.error < 0.02, kind .. learned.error)
      assert.is_true(learned.tau > 0.9, kind .. learned.tau)
      local net = mixed.new { space = space, input = { 8, 8, 3 }, classes = 2 }
      core.train.new(net.graph, { group = "arch", optimiser = "sgd", lr = 1, total_steps = 1 })
      local s = fake(net, { cost = learned.cost, lambda = 1.0, reference = 10, soft = true })
      la_darts.fill(s, "arch")
      local values, gradients = net.graph:arena "arch"
      gradients:fill(0)
      do
        local tape <close> = core.tape.new()
        tape:backward(la_darts.penalty(s))
      end
      local size, worst = gradients:abs():max():item(), 0
      for i = 1, values:count(), 3 do
        local before = values:get(i)
        local function at(h)
          values:set(i, before + h)
          return la_darts.penalty(s):item()
        end
        worst = math.max(worst, math.abs((at(0.02) - at(-0.02)) / 0.04 - gradients:get(i)))
        values:set(i, before)
      end
      assert.is_true(size > 0 and worst < 0.05 * size, kind .. worst / size)
      s.p.soft, s.reference = false, 1
      la_darts.fill(s, "arch")                                                            -- straight through: what one architecture costs
      local arch = readout.argmax { space = space, weights = net:weights() }
      assert.is_true(helper.near(learned.predict(arch), la_darts.penalty(s):item(), 1e-3))
      assert.is_true(helper.near(1, la_darts.penalty(s):item() / true_cost(arch), 0.05))
    end
    assert.error_matches(function() latency.learned(space, {}, "ridge") end, "at least 20 samples expected, got 0", 1, true)
  end)

  it("says what it wants", function()
    assert.error_matches(function() helper.search { preset = "la_darts" } end, "la_darts wants set = { cost = a function of codes }", 1, true)
  end)
end)

describe("FairDARTS", function()
  it("pushes weights away from one half, in both directions", function()
    local net = mixed.new { space = helper.cells(), input = { 8, 8, 3 }, classes = 2, init = "zeros", weights = fair.weights,
      strength = fair.strength }
    core.train.new(net.graph, { group = "arch", optimiser = "sgd", lr = 1, total_steps = 1 })
    local s, values, gradients = fake(net, { zero_one = 10 }), net.graph:arena "arch"
    assert.equal(0, values:abs():sum():item())
    for i = 1, values:count() do values:set(i, i % 2 == 1 and 0.4 or -0.4) end
    gradients:fill(0)
    do
      local tape <close> = core.tape.new()
      tape:backward(fair.penalty(s))
    end
    local sigma = 1 / (1 + math.exp(-0.4))
    local expected = -10 * 2 * (sigma - 0.5) * sigma * (1 - sigma) / values:count()
    for i = 1, values:count() do assert.is_true(helper.near(i % 2 == 1 and expected or -expected, gradients:get(i), 1e-6)) end
  end)

  it("mixes without competition and is read out by threshold", function()
    local found = assert(helper.search { preset = "fair_darts", space = helper.cells { ops = { "skip_connect", "sep_conv_3x3" } } })
    local row = found.weights[1].rows[1]
    assert.is_true(row[1] + row[2] > 0.9 and row[1] < 0.7)                                                         -- two sigmoids near one half
    assert.is_table(found.details.normal_concat)                                                                   -- the cells, with the edges kept
    assert.is_number(found.history[1].penalty)
  end)
end)

describe("Scalable-DARTS", function()
  local x = vega.tensor.randn({ 4, 8, 8, 3 }, vega.rng.new(1, "x"))

  -- One mixture of two operators, with or without batch norm.
  local function supernet(activations, norm)
    local function conv(kernel)
      return function(net, from)
        local y = net:conv(net:relu(from), 3, { kernel = kernel })
        return norm and net:batch_norm(y, { affine = false }) or y
      end
    end
    return mixed.new { input = { 8, 8, 3 }, activations = activations, build = function(net)
      return net:cell_node("n", { net:input() }, { { "one", conv(1) }, { "three", conv(3) } }, 1)
    end }
  end

  local function spread(net)
    for _, d in ipairs(net:parameters()) do
      d.alpha:set(1, 1, 0.6)
      for k = 1, d.acts and d.acts:shape()[2] or 0 do d.acts:set(1, k, 0.3 * k) end
    end
  end

  -- The full product: each operator behind each activation, weighed by both.
  local function product(net, activations, norm)
    local d = net:weights()[1]
    local sum
    for r = 1, 2 do
      for a, name in ipairs(activations) do
        local single = supernet({ name }, norm)
        for key, t in pairs(single.graph:params()) do if net.graph:params()[key] and key:find "^conv" then t:assign(net.graph:params()[key]) end end
        single:keep("n", 1, d.labels[r])
        local y = single.graph:run(x, { train = true }) * (d.rows[1][r] * d.acts[1][a])
        sum = sum and sum + y or y
      end
    end
    return sum
  end

  it("is the full product of operators and activations where operators are linear, and is not with batch norms", function()
    local names = { "relu", "swish", "elu", "tanh" }
    for _, norm in ipairs { false, true } do
      local net = supernet(names, norm)
      spread(net)
      local difference = (net.graph:run(x, { train = true }) - product(net, names, norm)):abs():max():item()
      if norm then assert.is_true(difference > 1e-3, difference) else assert.is_true(difference < 1e-5, difference) end
    end
  end)

  it("with ReLU alone is the base method bit for bit", function()
    local plain = assert(helper.search { preset = "darts", set = { warmup = 0.3 } })
    local one = assert(helper.search { preset = "darts", set = { warmup = 0.3, activations = { "relu" } } })
    assert.same(helper.values(plain.net), helper.values(one.net))
  end)

  it("knows its activations", function()
    local z = { -2.0, -0.5, 0.0, 1.0, 7.0 }
    local wanted = { relu = function(v) return math.max(v, 0) end, relu6 = function(v) return math.min(6, math.max(v, 0)) end,
      prelu = function(v) return v > 0 and v or 0.25 * v end, swish = function(v) return v / (1 + math.exp(-v)) end,
      hswish = function(v) return v * math.min(6, math.max(0, v + 3)) / 6 end, elu = function(v) return v > 0 and v or math.exp(v) - 1 end,
      sigmoid = function(v) return 1 / (1 + math.exp(-v)) end, tanh = function(v) return (math.exp(2 * v) - 1) / (math.exp(2 * v) + 1) end,
      leaky_relu = function(v) return v > 0 and v or 0.01 * v end }
    for _, name in ipairs(mixed.activations) do
      local net = mixed.new { input = { 1, 5 }, activations = { name }, build = function(b)
        return b:cell_node("n", { b:input() }, { { "act", function(n, from) return n:relu(from) end } }, 1)
      end }
      local y = net.graph:run(vega.tensor.new { { z } })
      for k, v in ipairs(z) do assert.is_true(helper.near(wanted[name](v), y:get(1, 1, k), 1e-5), name .. " " .. v) end
    end
  end)

  -- Two classes lie below zero, where ReLU tells nothing apart.
  it("finds the activation that can tell the classes apart", function()
    local function data(seed)
      local rng, labels, means = vega.rng.new(seed, "signs"), {}, { -0.5, -1.5, 1.0, 1.0 }
      local images = vega.tensor.randn({ 128, 4, 4, 1 }, rng) * 0.1
      for i = 1, 128 do
        labels[i] = math.min(2, i % 4)
        images:rows(i, i):assign(images:rows(i, i) + means[i % 4 + 1])
      end
      return vega.data.from_tensors("signs", images, vega.tensor.new(labels, { dtype = "i32" }), 3)
    end
    local space = vega.space.define { name = "signs", input = { 4, 4, 1 }, build = function(net)
      local function conv(from) return net:conv(net:relu(from), 4, { bias = true }) end
      return net:linear(net:global_avg_pool(net:choice("op", { { "conv_a", conv }, { "conv_b", conv } })(net:input())), net.classes)
    end }
    for seed = 1, 5 do
      local found = assert(vega.differentiable.search { space = space, preset = "scalable_darts", data = data(seed),
        validation = data(seed + 50), epochs = 16, batch = 16, seed = seed, arch = { lr = 0.1 }, disc_gap = false,
        set = { lr = 0.2, warmup = 0, activations = { "relu", "relu6", "elu" } } })
      assert.equal("elu", found.details.activations.op[1])
      assert.is_true(found.weights[1].acts[1][3] > 0.6, seed .. ": " .. found.weights[1].acts[1][3])
    end
  end)

  it("trains one factor while the other rests, and reads both out", function()
    local seen = {}
    local found = assert(helper.search { preset = "scalable_darts", epochs = 4, set = { warmup = 0, activations = { "relu", "swish" } },
      on_epoch = function(e, f)
        local d = f.net:parameters()[1]
        seen[e.epoch] = { d.alpha:totable(), d.acts:totable() }
        return true
      end })
    for e = 2, 4 do
      assert.equal(e % 2 == 1, not pcall(assert.same, seen[e - 1][1], seen[e][1]))                                  -- odd epochs: operators
      assert.equal(e % 2 == 0, not pcall(assert.same, seen[e - 1][2], seen[e][2]))
    end
    for _, d in ipairs(found.net:parameters()) do for r = 1, #d.live do d.acts:set(r, 2, 3) end end
    found.weights = found.net:weights()
    local _, details = require("vega.differentiable.scalable_darts").read(found)
    assert.equal("swish", details.activations["normal.node1"][1])
    local n = 0
    for _, name in pairs(found.arch) do n = n + (name == "sep_conv_3x3" and 1 or 0) end
    assert.equal(n, select(2, details.text:gsub("'sep_conv_3x3@swish'", "")))
    assert.error_matches(function() mixed.new { space = helper.cells(), activations = { "relo" } } end, "unknown activation 'relo'", 1, true)
  end)
end)
