local core = require "vega.core"
local mixed = require "vega.supernet.mixed"
local shared = require "spec.supernet_helper"
local vega = require "vega"

local copies = shared.copies
local function batch(n) return shared.batch({ 8, 8, 3 }, n) end

local function conv(net, x) return net:batch_norm(net:conv(net:relu(x), net:channels(x), { kernel = 3 }), { affine = false }) end
local function pool(net, x) return net:batch_norm(net:max_pool(x, { kernel = 3, stride = 1, pad = 1 }), { affine = false }) end

local function none() return false end
local OPS = { { "none", none }, { "skip", function(_, x) return x end }, { "conv", conv }, { "pool", pool } }

local function cells(net)
  local y = net:conv_bn(net:input(), 8, { kernel = 3 })
  for _ = 1, 2 do
    local states = { y, { net:relu(y), 1 } }
    states[3] = net:cell_node("a", { states[1], states[2] }, OPS, 2)
    y = net:cell_node("b", states, OPS, 2)
  end
  return net:linear(net:global_avg_pool(y), net.classes)
end

local function toy(options)
  local o = { build = cells, input = { 8, 8, 3 }, classes = 10, seed = 1 }
  for k, v in pairs(options or {}) do o[k] = v end
  return mixed.new(o)
end

-- The names of the parameters that differ, of the architecture and of the weights.
local function moved(before, graph)
  local arch, weights = 0, 0
  for name, t in pairs(graph:params()) do
    if (t - before[name]):abs():sum():item() > 0 then
      if name:find "^arch%." then arch = arch + 1 else weights = weights + 1 end
    end
  end
  return arch, weights
end

local function trainer(net, group)
  return core.train.new(net.graph, { group = group, optimiser = "sgd", lr = 0.1, momentum = 0.9, total_steps = 100 })
end

describe("a mixture supernet", function()
  it("shares the rows of a name among the cells", function()
    local net = toy()
    local a, b = table.unpack(net:parameters())
    assert.same({ "a", { 2, 4 }, "b", { 3, 4 } }, { a.name, a.alpha:shape(), b.name, b.alpha:shape() })
    assert.same({ "none", "skip", "conv", "pool" }, a.labels)
    assert.is_true(a.alpha:abs():sum():item() < 0.05)
  end)

  it("begins near the uniform mixture", function()
    for _, d in ipairs(toy():weights()) do
      for _, row in ipairs(d.rows) do
        local sum = 0
        for _, w in ipairs(row) do
          assert.is_true(math.abs(w - 0.25) < 0.01)
          sum = sum + w
        end
        assert.is_true(math.abs(sum - 1) < 1e-6)
      end
    end
  end)

  it("trains one group a step and leaves the other's bits alone", function()
    local net, x, y = toy(), batch(8)
    local weights, arch = trainer(net, "weights"), trainer(net, "arch")
    local before = copies(net.graph)
    assert(arch:step(x, y))
    local a, w = moved(before, net.graph)
    assert.same({ 2, 0 }, { a, w })
    before = copies(net.graph)
    assert(weights:step(x, y))
    a, w = moved(before, net.graph)
    assert.equal(0, a)
    assert.is_true(w > 5)
  end)

  it("computes what the same mixture of stored terms gives", function()
    local net, x = toy(), batch(8)
    local plain = toy { build = function(b)
      b.batch_norm = function(self, ...)                         -- forgets the norm: the mixture reads what batch_norm stored
        local y = mixed.Builder.batch_norm(self, ...)
        self.norms[y] = nil
        return y
      end
      return cells(b)
    end }
    for _, train in ipairs { true, false } do
      local difference = (net.graph:run(x, { train = train }) - plain.graph:run(x, { train = train })):abs():max():item()
      assert.is_true(difference < 1e-5, difference)
    end
  end)

  it("has the gradient of its architecture parameters", function()
    local net, x, y = toy(), batch(8)
    local alpha = net:parameters()[2].alpha
    local function loss() return (core.op.cross_entropy(net.graph:run(x, { train = true }), y)):item() end
    local before, step = alpha:copy(), core.train.new(net.graph, { group = "arch", optimiser = "sgd", lr = 1, total_steps = 1 })
    local numeric, shape = {}, alpha:shape()
    for r = 1, shape[1] do
      for k = 1, shape[2] do
        local v, h = alpha:get(r, k), 0.02
        alpha:set(r, k, v + h)
        local up = loss()
        alpha:set(r, k, v - h)
        local down = loss()
        alpha:set(r, k, v)
        numeric[#numeric + 1] = (up - down) / (2 * h)
      end
    end
    assert(step:step(x, y))
    local i, size = 0, 0
    for _, g in ipairs(numeric) do size = math.max(size, math.abs(g)) end
    for r = 1, shape[1] do
      for k = 1, shape[2] do
        i = i + 1
        assert.is_true(math.abs(before:get(r, k) - alpha:get(r, k) - numeric[i]) < 0.02 * size, ("%d %d"):format(r, k))
      end
    end
  end)

  it("gives `none` its mass and nothing else", function()
    local net = mixed.new { input = { 4, 4, 2 }, build = function(b)
      return b:choice("edge", { { "none", none }, { "skip", function(x) return x end } })(b:input())
    end }
    local x = vega.tensor.randn({ 2, 4, 4, 2 }, vega.rng.new(1, "x"))
    local w = net:weights()[1].rows[1][2]
    assert.is_true((net.graph:run(x) - x * w):abs():max():item() < 1e-6)
  end)

  it("takes its weights from a preset's operators", function()
    local net = toy { weights = function(b, alpha) return b:op("sigmoid", alpha) end }
    local x, y = batch(4)
    assert(trainer(net, "arch"):step(x, y))
  end)

  it("passes a part of the channels through, in both strides", function()
    local net = toy { partial = 4, edge_norm = true, build = function(b)
      local y = b:conv_bn(b:input(), 8, { kernel = 3 })
      local function halve(net, x, stride) return net:max_pool(x, { kernel = 3, stride = stride, pad = 1 }) end
      y = b:cell_node("r", { { y, 2 }, { y, 2 } }, { { "pool", halve }, { "none", none } }, 2)
      assert.same({ 1, 4, 4, 8 }, b:shape(y))
      y = b:cell_node("n", { y, y }, OPS, 2)
      return b:linear(b:global_avg_pool(y), b.classes)
    end }
    assert.same({ 2 }, net:parameters()[1].beta:shape())
    local x, y = batch(4)
    local before = copies(net.graph)
    assert(trainer(net, "arch"):step(x, y))
    assert.equal(4, (moved(before, net.graph)))
  end)

  it("is made of the cell space of DARTS, with its published size", function()
    local darts = vega.space "darts"
    local net = mixed.new { space = darts.new { ops = darts.operations }, classes = 10 }
    assert.equal(1930618 + 224, net.graph:n_params())
    assert.equal(8, #net:parameters())
    local quarter = mixed.new { space = darts.new { ops = darts.operations }, classes = 10, partial = 4 }
    assert.equal(299578 + 224, quarter.graph:n_params())
  end)

  it("trains in bf16", function()
    local net, x, y = toy(), batch(8)
    net.graph:precision "bf16"
    local weights, arch, first, last = trainer(net, "weights"), trainer(net, "arch"), nil, nil
    for _ = 1, 30 do
      assert(arch:step(x, y))
      last = assert(weights:step(x, y))
      first = first or last
    end
    assert.is_true(last < first)
  end)

  it("refuses what it cannot mix", function()
    local function fails(message, build) assert.error_matches(function() toy { build = build } end, message, 1, true) end
    fails("a mixture wants { label, function } pairs", function(b) return b:choice("k", { 1, 2 }) end)
    fails("net:width 'w': a mixture supernet takes", function(b) return b:width("w", { 1, 2 }) end)
    fails("'a' is stated twice with different options", function(b)
      b:cell_node("a", { b:input() }, OPS, 1)
      return b:cell_node("a", { b:input(), b:input() }, OPS, 1)
    end)
    assert.error_matches(function() toy { partial = 0 } end, "option 'partial' must be an integer >= 1, got 0", 1, true)
    assert.error_matches(function() toy { partail = 2 } end, "partail", 1, true)
  end)
end)
