--- Presets that sample: SNAS, GDAS, ProxylessNAS, DrNAS.
local core = require "vega.core"
local dirichlet = require "vega.supernet.dirichlet"
local gdas = require "vega.differentiable.gdas"
local helper = require "spec.differentiable_helper"
local mixed = require "vega.supernet.mixed"
local proxyless = require "vega.differentiable.proxyless"
local relax = require "vega.supernet.relax"
local shared = require "spec.supernet_helper"
local snas = require "vega.differentiable.snas"
local vega = require "vega"

-- A supernet with a preset's mixtures, and what its functions take for a search.
local function supernet(preset, space, settings)
  local p = settings or {}
  for name, rule in pairs(preset.params or {}) do if p[name] == nil then p[name] = rule[1] end end
  local net = mixed.new { space = space, input = { 8, 8, 3 }, classes = 2, paths = preset.paths, weights = function(b, alpha, place)
    return preset.weights(b, alpha, place, p)
  end }
  local s = { net = net, graph = net.graph, p = p, seed = 1, step = 1, epoch = 1, epochs = 4, part = 0.25 }
  function s:rng(what) return vega.rng.new(self.seed, what, self.step) end
  function s:parameters() return net:parameters() end
  return s
end

local function spread(net, seed)                                  -- parameters that differ
  local rng = vega.rng.new(seed or 9, "alpha")
  for _, d in ipairs(net:parameters()) do
    local shape = d.alpha:shape()
    for r = 1, shape[1] do for k = 1, shape[2] do d.alpha:set(r, k, rng:normal(0, 0.7)) end end
  end
end

-- The gradient of the loss by the architecture parameters, as the engine has it, and the loss.
local function gradient(s, x, y)
  local arch = core.train.new(s.graph, { group = "arch", optimiser = "sgd", lr = 1, total_steps = 1 })
  local loss = assert(arch:gradients(x, y, { group = "arch", frozen = true, settings = s.net:paths() }))
  local _, g = s.graph:arena "arch"
  return g:copy(), loss
end

local function loss_of(s, x, y)
  return core.op.cross_entropy(s.graph:run(x, { train = true, slots = s.net.settings }), y):item()
end

describe("GDAS", function()
  local space = helper.cells { ops = { "none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3" } }

  it("computes the drawn operations alone, with weight 1", function()
    local s = supernet(gdas, space)
    spread(s.net)
    for step = 1, 6 do
      s.step = step
      gdas.fill(s, "weights")
      local x = shared.batch({ 8, 8, 3 }, 4, step, 2)
      local full = mixed.new { space = space, input = { 8, 8, 3 }, classes = 2 }
      for name, t in pairs(s.graph:params()) do full.graph:params()[name]:assign(t) end
      for _, d in ipairs(s.net.decisions) do
        for row = 1, d.rows do
          local k = s.net.settings[d.slots[row][1]] + 1
          full:keep(d.name, row, d.labels[k])
        end
      end
      local difference = (s.graph:run(x, { train = true, slots = s.net.settings }) - full.graph:run(x, { train = true })):abs():max():item()
      assert.is_true(difference < 1e-5, difference)
    end
  end)

  it("goes on where it drew nothing but none", function()
    local nothing = vega.space.define { name = "nothing", input = { 8, 8, 3 }, build = function(net)
      local y = net:choice("op", { { "none", function() return false end }, { "skip_connect", function(x) return x end } })(net:input())
      return net:linear(net:global_avg_pool(net:sum({ y }, net:input())), 2)
    end }
    local s = supernet(gdas, nothing)
    s.net:take("op", 1, 1)
    local arch = core.train.new(s.graph, { group = "arch", optimiser = "adam", lr = 0.1, total_steps = 1 })
    local before = s.graph:arena("arch"):copy()
    assert(arch:step(shared.batch({ 8, 8, 3 }, 4, 1, 2), vega.tensor.new({ 0, 1, 0, 1 }, { dtype = "i32" }), { s.net.settings }))
    assert.equal(0, (s.graph:arena("arch") - before):abs():sum():item())
  end)

  it("trains what it drew, and leaves the other operations alone", function()
    local s = supernet(gdas, space)
    gdas.fill(s, "weights")
    local x, y = shared.batch({ 8, 8, 3 }, 8, 1, 2)
    local before, moved, still = shared.copies(s.graph), 0, 0
    local weights = core.train.new(s.graph, { lr = 0.1, momentum = 0.9, weight_decay = 1e-2, total_steps = 9 })
    assert(weights:step(x, y, s.net:paths()))
    for name, t in pairs(s.graph:params()) do
      if name:find "^conv" then
        if (t - before[name]):abs():sum():item() > 0 then moved = moved + 1 else still = still + 1 end
      end
    end
    assert.is_true(moved > 0 and still > 0, moved .. " " .. still)
  end)

  it("has the gradient of its formula: that of the soft weight of what was drawn", function()
    local s = supernet(gdas, space)
    spread(s.net)
    gdas.fill(s, "arch")
    local x, y = shared.batch({ 8, 8, 3 }, 8, 1, 2)
    local g = gradient(s, x, y)
    -- dL/dh of each edge's drawn candidate, by differences of the mask; then times dq_k/dalpha, q = softmax((log softmax(alpha) + noise) / tau)
    local at, tau = 0, s.last_tau
    for _, d in ipairs(s.net:parameters()) do
      local q = core.op.softmax((core.op.log_softmax(d.alpha) + s.net:buffer(d.name, "gumbel")) * (1 / tau))
      local shift, place = s.net:buffer(d.name, "shift"), s.net.places[d.name]
      for row = 1, #d.live do
        local k = s.net.settings[place.slots[row][1]] + 1
        local function loss(h)
          shift:set(row, k, h)
          return loss_of(s, x, y)
        end
        local slope = (loss(0.01) - loss(-0.01)) / 0.02
        shift:set(row, k, 0)
        for i = 1, #d.live[row] do
          local expected = slope * q:get(row, k) * ((i == k and 1 or 0) - q:get(row, i)) / tau
          at = at + 1
          assert.is_true(helper.near(expected, g:get(at), 2e-3 * math.max(1e-2, math.abs(slope))), ("%s %d %d"):format(d.name, row, i))
        end
      end
    end
  end)

  it("and SNAS use the first and the last temperature", function()
    local seen = {}
    local found = assert(helper.search { epochs = 3, preset = helper.preset("gdas", { fill = function(s, phase)
      gdas.fill(s, phase)
      if phase == "weights" then seen[#seen + 1] = 1 / s.net:buffer("normal.node1", "coldness"):get(1) end
    end }) })
    assert.equal(9, #seen)
    assert.is_true(helper.near(10, seen[1], 1e-5))
    assert.is_true(helper.near(10 - 9.9 * 8 / 9, seen[9], 1e-5))           -- the last of nine steps
    assert.equal(3, #found.history)
    assert.equal(1, snas.parts.temperature { p = { tau = 1, tau_end = 0.03 }, part = 0 })
    assert.equal(0.03, snas.parts.temperature { p = { tau = 1, tau_end = 0.03 }, part = 1 })
  end)

  it("draws as softmax(alpha) says", function()
    local s = supernet(gdas, space)
    spread(s.net)
    local d, counts, n = s.net:parameters()[1], { 0, 0, 0, 0 }, 3000
    local p = core.op.softmax(d.alpha)
    for step = 1, n do
      s.step = step
      relax.gumbel(s.net:buffer(d.name, "gumbel"), s:rng "test")
      local k = relax.largest(core.op.log_softmax(d.alpha) + s.net:buffer(d.name, "gumbel"), 1)
      counts[k] = counts[k] + 1
    end
    local chi = 0
    for k = 1, 4 do chi = chi + (counts[k] - n * p:get(1, k)) ^ 2 / (n * p:get(1, k)) end
    assert.is_true(chi < 16.3, chi)                                        -- 0.999 of chi squared with three degrees
  end)
end)

describe("SNAS", function()
  it("has distributions as its weights, which the temperature sharpens", function()
    local found = assert(helper.search { preset = "snas", epochs = 2 })
    assert.same(found.arch, found.space:check(found.arch))
    local s = supernet(snas, helper.cells())
    local d, top = s.net:parameters()[1], {}
    for _, part in ipairs { 0, 0.5, 1 } do                                 -- the same noise each time
      s.part = part
      snas.fill(s, "weights")
      local w = core.op.softmax((core.op.log_softmax(d.alpha) + s.net:buffer(d.name, "gumbel")) * s.net:buffer(d.name, "coldness"):get(1))
      top[#top + 1] = w:get(1, relax.largest(w, 1))
    end
    assert.is_true(top[1] < top[2] and top[2] < top[3] and top[3] > 0.9, table.concat(top, " "))
  end)
end)

describe("ProxylessNAS", function()
  it("with two candidates has the gradient of all, and computes one of them", function()
    local space = helper.cells { ops = { "skip_connect", "sep_conv_3x3" } }
    local s = supernet(proxyless, space)
    spread(s.net)
    proxyless.fill(s, "arch")
    local x, y = shared.batch({ 8, 8, 3 }, 8, 1, 2)
    local g, at = gradient(s, x, y), 0
    for _, d in ipairs(s.net:parameters()) do
      local p, shift = core.op.softmax(d.alpha), s.net:buffer(d.name, "shift")
      for row = 1, #d.live do
        local slope = {}
        for k = 1, 2 do
          local function loss(h)
            shift:set(row, k, h)
            return loss_of(s, x, y)
          end
          slope[k] = (loss(0.01) - loss(-0.01)) / 0.02
          shift:set(row, k, 0)
        end
        for i = 1, 2 do
          local expected = 0
          for j = 1, 2 do expected = expected + slope[j] * p:get(row, j) * ((i == j and 1 or 0) - p:get(row, i)) end
          at = at + 1
          assert.is_true(helper.near(expected, g:get(at), 5e-3 * math.max(1e-2, math.abs(slope[1]), math.abs(slope[2]))), d.name .. row)
        end
      end
    end
  end)

  it("leaves the probabilities of what was not drawn, and the mass of what was", function()
    local checked = 0
    assert(helper.search { space = helper.cells { ops = { "none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3" } }, epochs = 2, arch = { lr = 0.3 },
      preset = helper.preset("proxyless", { every = 1, warmup = 0,
        fill = function(s, phase)
          proxyless.fill(s, phase)
          if phase == "arch" then
            s.before = {}
            for _, d in ipairs(s:parameters()) do s.before[d.name] = core.op.softmax(d.alpha) end
          end
        end,
        after_arch = function(s)
          proxyless.after_arch(s)
          for _, d in ipairs(s:parameters()) do
            local now, before = core.op.softmax(d.alpha), s.before[d.name]
            for row, pair in ipairs(s.pairs[d.name]) do
              local mass, moved = 0, false
              assert.equal(2, #pair.places)
              for k = 1, 4 do
                local change = now:get(row, k) - before:get(row, k)
                if k == pair.places[1] or k == pair.places[2] then
                  mass, moved = mass + change, moved or math.abs(change) > 1e-4
                else assert.is_true(math.abs(change) < 1e-6, change) end
              end
              assert.is_true(math.abs(mass) < 2e-6, mass)
              checked = checked + (moved and 1 or 0)
            end
          end
        end }) })
    assert.is_true(checked > 10, checked)
  end)

  it("trains weights on one path", function()
    local s = supernet(proxyless, helper.cells())
    proxyless.fill(s, "weights")
    for _, d in ipairs(s.net.decisions) do
      for row = 1, d.rows do
        assert.equal(3, s.net.settings[d.slots[row][2]])                   -- nothing
        assert.is_true(s.net.settings[d.slots[row][1]] < 3)
      end
    end
    local w = mixed.new { space = helper.cells(), input = { 8, 8, 3 }, classes = 2, paths = 2 }
    assert.error_matches(function() mixed.new { space = helper.cells(), input = { 8, 8, 3 }, paths = 1, edge_norm = true } end, "exclude each other")
    assert.is_table(w.settings)
  end)
end)

describe("DrNAS", function()
  local rng = vega.rng.new(4, "gamma")

  it("draws from the gamma distribution, with its distribution function", function()
    for _, c in ipairs { 0.3, 1.0, 4.5 } do
      local sum, square, n = 0, 0, 4000
      for _ = 1, n do
        local g = dirichlet.gamma(c, rng)
        sum, square = sum + g, square + g * g
      end
      assert.is_true(helper.near(c, sum / n, 4 * math.sqrt(c / n)), c)
      assert.is_true(helper.near(c, square / n - (sum / n) ^ 2, 0.25 * c), c)
    end
    assert.is_true(helper.near(1 - math.exp(-0.7), dirichlet.gamma_cdf(0.7, 1), 1e-9))
    assert.is_true(helper.near(1 - math.exp(-3) * (1 + 3), dirichlet.gamma_cdf(3, 2), 1e-9))
    assert.is_true(helper.near(0.6826894921, dirichlet.gamma_cdf(0.5, 0.5), 1e-8))       -- erf(sqrt(x))
  end)

  it("has the derivative of the draw along its quantile", function()
    for _, c in ipairs { 0.4, 1.0, 2.7 } do
      for _, g in ipairs { 0.05, 0.8, 2.0, 6.0 } do
        local h, u = 1e-3, dirichlet.gamma_cdf(g, c)
        local function quantile(concentration)                             -- by bisection
          local low, high = 0, 60
          for _ = 1, 60 do
            local middle = (low + high) / 2
            if dirichlet.gamma_cdf(middle, concentration) < u then low = middle else high = middle end
          end
          return low
        end
        local expected = (quantile(c + h) - quantile(c - h)) / (2 * h)
        assert.is_true(helper.near(expected, dirichlet.derivative(g, c), 2e-4 * math.max(1, math.abs(expected))), c .. " " .. g)
      end
    end
  end)

  it("has the gradient of the mean of a linear function", function()
    local c, a, n = { 1.5, 0.8, 2.2 }, { 1.0, -2.0, 0.5 }, 20000
    local total, mean = c[1] + c[2] + c[3], 0
    for i = 1, 3 do mean = mean + a[i] * c[i] / total end
    local sum, square = { 0, 0, 0 }, { 0, 0, 0 }
    for _ = 1, n do
      local g, s, h = {}, 0, 0
      for i = 1, 3 do
        g[i] = dirichlet.gamma(c[i], rng)
        s = s + g[i]
      end
      for i = 1, 3 do h = h + a[i] * g[i] / s end
      for i = 1, 3 do
        local d = (a[i] - h) / s * dirichlet.derivative(g[i], c[i])
        sum[i], square[i] = sum[i] + d, square[i] + d * d
      end
    end
    for i = 1, 3 do
      local expected, deviation = (a[i] - mean) / total, math.sqrt(square[i] / n)
      assert.is_true(helper.near(expected, sum[i] / n, 4 * deviation / math.sqrt(n)), ("%d: %g %g"):format(i, expected, sum[i] / n))
    end
  end)

  it("passes that gradient through the supernet", function()
    local preset = require "vega.differentiable.drnas"
    local s = supernet(preset, helper.cells { ops = { "skip_connect", "avg_pool_3x3" } })
    spread(s.net)
    preset.fill(s, "arch")
    local x, y = shared.batch({ 8, 8, 3 }, 8, 1, 2)
    local g, at = gradient(s, x, y), 0
    for _, d in ipairs(s.net:parameters()) do
      local draw, by = s.net:buffer(d.name, "draw"), s.net:buffer(d.name, "slope")
      for row = 1, #d.live do
        for k = 1, 2 do
          local before = draw:get(row, k)
          local function loss(h)
            draw:set(row, k, before + h)
            return loss_of(s, x, y)
          end
          local expected = (loss(0.01) - loss(-0.01)) / 0.02 * by:get(row, k)
          draw:set(row, k, before)
          at = at + 1
          assert.is_true(helper.near(expected, g:get(at), 1e-3), expected .. " " .. g:get(at))
        end
      end
    end
  end)
end)
