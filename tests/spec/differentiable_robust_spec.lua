--- DARTS of both orders and its relatives against collapse: stabilized, robust, smooth, DARTS-; indicators and rules that stop.
local collapse = require "vega.supernet.collapse"
local core = require "vega.core"
local helper = require "spec.differentiable_helper"
local mixed = require "vega.supernet.mixed"
local shared = require "spec.supernet_helper"
local smooth = require "vega.differentiable.smooth_darts"
local vega = require "vega"

-- What a preset's search holds at its end, and at the end of another's.
local function both(a, b)
  local x, y = assert(helper.search(a)), assert(helper.search(b))
  return helper.values(x.net), helper.values(y.net), x, y
end

describe("DARTS", function()
  it("of second order and amended is of first order bit for bit where the correction is nothing", function()
    local first, second = both({ preset = "darts" }, { preset = "darts_second", set = { hypergradient = { name = "unrolled", rate = 0 } } })
    assert.same(first, second)
    local set = { hypergradient = { name = "amended", eta = 0 } }
    local plain, amended = both({ preset = "darts", epochs = 1 }, { preset = "stabilized", epochs = 1, set = set })
    assert.same(plain, amended)
  end)

  it("of second order and amended goes other ways than first order", function()
    local first, second = both({ preset = "darts", epochs = 1 }, { preset = "darts_second", epochs = 1 })
    local _, amended = both({ preset = "darts", epochs = 1 }, { preset = "stabilized", epochs = 1 })
    assert.not_same(first["arch.normal.node1"], second["arch.normal.node1"])
    assert.not_same(first["arch.normal.node1"], amended["arch.normal.node1"])
  end)

  it("leaves weights and running statistics alone in a step of the architecture", function()
    local seen = 0
    for _, name in ipairs { "darts", "darts_second", "stabilized" } do
      local before
      local function snapshot(s)
        local all = {}
        for key, value in pairs(helper.values(s.net)) do if not key:find "^arch" and not key:find "^mix" then all[key] = value end end
        return all
      end
      assert(helper.search { epochs = 1, disc_gap = false, preset = helper.preset(name, {
        fill = function(s, phase) if phase == "arch" then before = snapshot(s) end end,
        after_arch = function(s)
          assert.same(before, snapshot(s))
          seen = seen + 1
        end }) })
    end
    assert.equal(9, seen)
  end)
end)

describe("SmoothDARTS", function()
  it("brings perturbed rows back to distributions", function()
    local rng = vega.rng.new(1, "rows")
    for _ = 1, 200 do
      local row, sum = {}, 0.0
      for k = 1, 5 do row[k] = rng:uniform(-0.6, 0.9) end
      for _, w in ipairs(smooth.parts.project(row)) do
        assert.is_true(w >= 0 and w <= 1)
        sum = sum + w
      end
      assert.is_true(helper.near(1, sum, 1e-12))
    end
    assert.same({ 0, 1, 0 }, smooth.parts.project { -0.5, -0.1, -0.2 })
  end)

  it("perturbs the weights' steps within its box, and nothing else", function()
    local epsilon, largest = 0.1, 0.0
    assert(helper.search { preset = helper.preset("smooth_darts", { fill = function(s, phase)
      smooth.fill(s, phase)
      for _, d in ipairs(s:parameters()) do
        local shift = s.net:buffer(d.name, "shift")
        local size = shift:abs():max():item()
        assert.is_true(phase == "weights" or size == 0)
        for r = 1, #d.live do
          local sum = 0.0
          for k = 1, #d.live[r] do sum = sum + shift:get(r, k) end
          assert.is_true(helper.near(0, sum, 1e-6))                       -- rows stay distributions
        end
        largest = math.max(largest, size)
      end
    end }), set = { epsilon = epsilon, epsilon_end = epsilon } })
    assert.is_true(largest > 0 and largest < 0.2, largest)                 -- 0.1 before the row is divided by its sum
  end)

  it("finds by gradient what hurts more than chance does", function()
    local rise = {}
    for _, kind in ipairs { "random", "adversarial" } do
      local sum, n = 0.0, 0
      assert(helper.search { epochs = 3, disc_gap = false, set = { epsilon = 0.2, epsilon_end = 0.2, attack = kind },
        preset = helper.preset("smooth_darts", { fill = function(s, phase)
          local before = {}
          for i, d in ipairs(s:parameters()) do before[i] = d.alpha:totable() end
          smooth.fill(s, phase)
          for i, d in ipairs(s:parameters()) do assert.same(before[i], d.alpha:totable()) end
          if phase ~= "weights" then return end
          local function loss() return assert(s.arch:gradients(s.x, s.y, { group = "arch", frozen = true })) end
          local kept, hurt = {}, loss()
          for i, d in ipairs(s:parameters()) do
            local shift = s.net:buffer(d.name, "shift")
            kept[i] = shift:copy()
            local w = core.op.softmax(d.alpha) + shift
            for r = 1, #d.live do
              local total = 0
              for k = 1, #d.live[r] do
                assert.is_true(w:get(r, k) >= -1e-6 and w:get(r, k) <= 1 + 1e-6)
                total = total + w:get(r, k)
              end
              assert.is_true(helper.near(1, total, 1e-5))
            end
            shift:fill(0)
          end
          local plain = loss()
          assert.is_true(kind == "random" or hurt >= plain)                    -- kept only where the loss rose
          sum, n = sum + hurt - plain, n + 1
          for i, d in ipairs(s:parameters()) do s.net:buffer(d.name, "shift"):assign(kept[i]) end
        end }) })
      rise[kind] = sum / n
    end
    assert.is_true(rise.adversarial > 0 and rise.adversarial > 2 * rise.random, rise.random .. " " .. rise.adversarial)
    assert.error_matches(function() helper.search { preset = "smooth_darts", set = { attack = "adversarial", edge_norm = true } } end,
      "knows mixtures alone", 1, true)
  end)

  it("without a box is DARTS bit for bit", function()
    local a, b = both({ preset = "darts" }, { preset = "smooth_darts", set = { epsilon = 0, epsilon_end = 0 } })
    assert.same(a, b)
  end)
end)

describe("DARTS-", function()
  it("has a skip that fades to nothing in the last epoch", function()
    local seen = {}
    local found = assert(helper.search { preset = helper.preset("darts_minus", { fill = function(s, phase)
      require "vega.differentiable.darts_minus".fill(s, phase)
      seen[s.epoch] = s.net:buffer("normal.node1", "extra"):get(1, 1)
    end }), epochs = 3 })
    assert.same({ 1.0, 0.5, 0.0 }, seen)
    assert.equal(3, #found.weights[1].rows[1])                             -- the extra skip has no part in what is read out
  end)

  it("without it is DARTS", function()
    local space, x = helper.cells(), vega.tensor.randn({ 4, 8, 8, 3 }, vega.rng.new(1, "x"))
    local plain = mixed.new { space = space, input = { 8, 8, 3 }, classes = 2 }
    local extra = mixed.new { space = space, input = { 8, 8, 3 }, classes = 2, extra = "skip_connect" }
    for name, t in pairs(extra.graph:params()) do t:assign(plain.graph:params()[name]) end
    assert.is_true((plain.graph:run(x) - extra.graph:run(x)):abs():max():item() < 1e-6)
    extra:buffer("normal.node1", "extra"):fill(0.5)
    assert.is_true((plain.graph:run(x) - extra.graph:run(x)):abs():max():item() > 1e-3)
    assert.error_matches(function()
      mixed.new { space = helper.cells { ops = { "sep_conv_3x3" } }, input = { 8, 8, 3 }, classes = 2, extra = "skip_connect" }
    end, "has no candidate 'skip_connect' for the extra term", 1, true)
  end)
end)

describe("the eigenvalue", function()
  it("is that of the Hessian by finite differences of the loss", function()
    -- Operations without ReLU: the loss is smooth in the architecture. With them the two differ by a fifth, as kinks lie between the points.
    local found = assert(helper.search { space = helper.cells { ops = { "none", "skip_connect", "avg_pool_3x3" } }, epochs = 1, batch = 32,
      eigen = { every = 1, iterations = 40 } })
    local net, entry = found.net, found.history[1]
    local x, y
    do                                                                     -- the whole validation set, as the search saw it
      local loader <close> = helper.data(32, 2):loader { batch = 32, mean = found.normalise.mean, std = found.normalise.std }
      x, y = loader:next()
    end
    local values, gradients = net.graph:arena "arch"
    local arch = core.train.new(net.graph, { group = "arch", optimiser = "sgd", lr = 1, total_steps = 1 })
    local n, H, before = values:count(), {}, values:copy()
    for i = 1, n do
      local function at(h)
        values:assign(before)
        values:set(i, before:get(i) + h)
        assert(arch:gradients(x, y, { group = "arch", frozen = true }))
        return gradients:copy()
      end
      H[i] = ((at(0.02) - at(-0.02)) * (1 / 0.04)):totable()
    end
    values:assign(before)
    -- power iteration on the whole matrix, in double
    local v, lambda = {}, 0
    for i = 1, n do v[i] = 1 + i % 3 end
    for _ = 1, 200 do
      local u, norm = {}, 0
      for i = 1, n do
        u[i] = 0
        for k = 1, n do u[i] = u[i] + H[i][k] * v[k] end
        norm = norm + u[i] ^ 2
      end
      norm, lambda = math.sqrt(norm), 0
      for i = 1, n do lambda, u[i] = lambda + u[i] * v[i], u[i] / norm end
      v = u
    end
    assert.is_true(helper.near(lambda + 1e-3, entry.lambda_max, 0.05 * math.abs(lambda) + 1e-4), lambda .. " " .. entry.lambda_max)
  end)
end)

describe("rules that stop", function()
  local function history(values, from, step)
    local list, last = {}, from + (#values - 1) * step
    for e = 1, last do list[e] = { epoch = e, skips = { normal = 0 }, stable_for = 0 } end
    for i, v in ipairs(values) do list[from + (i - 1) * step].lambda_max = v end
    return list
  end

  it("eigen: the average over five measurements has grown by 1.3 within four; the earlier epoch is taken", function()
    local rule, name = collapse.rule("eigen", 1)
    assert.equal("eigen", name)
    local values = {}
    for i = 1, 12 do values[i] = i <= 8 and 1.0 or 1.0 + 0.5 * (i - 8) end  -- measured at epochs 2, 4, ..., 24; grows from epoch 18
    -- average around the 7th, 8th, 9th, 10th: 1.1, 1.3, 1.6, 2.0; around the 3rd to 6th: 1, 1, 1, 1.0 (the 6th: 4 to 8)
    local fired
    for n = 5, 12 do
      local epoch = rule(history(table.move(values, 1, n, 1, {}), 2, 2))
      if epoch and not fired then fired = { 2 * n, epoch } end
    end
    assert.same({ 22, 10 }, fired)                                          -- at the 11th: 1.6 / 1 > 1.3, around epochs 18 and 10: 22 - 12
    assert.is_nil(collapse.rule({ rule = "eigen", from = 12 }, 1)(history(table.move(values, 1, 11, 1, {}), 2, 2)))
  end)

  it("skips and stable", function()
    assert.equal(2, collapse.rule({ rule = "skips", count = 3 }, 1) { { skips = { normal = 0 } }, { skips = { normal = 3, reduce = 0 } } })
    assert.is_nil(collapse.rule("skips", 1) { { skips = { normal = 1, reduce = 1 } } })
    assert.equal(1, collapse.rule({ rule = "stable", epochs = 4 }, 1) { { stable_for = 4 } })
    assert.error_matches(function() collapse.rule("eigne", 1) end, "unknown stop rule 'eigne'; did you mean 'eigen'", 1, true)
  end)

  it("end a search, which takes what was read out then", function()
    local found = assert(helper.search { epochs = 6, stop = { rule = "stable", epochs = 1 } })
    assert.same({ rule = "stable", epoch = #found.history }, found.stopped)
    assert.is_true(#found.history < 6)
    local own = assert(helper.search { epochs = 4, stop = function(so_far) return #so_far == 3 and 2 or nil end })
    assert.same(own.history[2].arch, own.arch)
    assert.equal(3, #own.history)
    local watched = assert(helper.search { epochs = 17, eigen = { every = 1, iterations = 1 }, disc_gap = false, on_epoch = function(e)
      e.lambda_max = e.epoch <= 12 and 1 or 1000                               -- in the place of what was measured
      return true
    end })
    assert.same({ epoch = 10, arch = watched.history[10].arch }, watched.eigen_stop)
    assert.equal(17, #watched.history)                                         -- it is told, not followed
    local robust = assert(helper.search { preset = "robust_darts", eigen = { every = 1, iterations = 2 } })
    assert.is_number(robust.history[2].lambda_max)
  end)
end)

describe("the shape of a cell", function()
  it("is its longest way of operations with weights, and how many nodes read an input", function()
    local arch = { ["normal.node1.inputs"] = { 1, 2 }, ["normal.node1.op1"] = "sep_conv_3x3", ["normal.node1.op2"] = "skip_connect",
      ["normal.node2.inputs"] = { 1, 3 }, ["normal.node2.op1"] = "max_pool_3x3", ["normal.node2.op2"] = "dil_conv_5x5",
      ["normal.node3.inputs"] = { 3, 4 }, ["normal.node3.op1"] = "skip_connect", ["normal.node3.op2"] = "sep_conv_5x5" }
    local depth, width = collapse.shape(arch)
    assert.same({ { normal = 3 }, { normal = 2 } }, { depth, width })
    local chain = helper.nb201.parse "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|"
    depth, width = collapse.shape(chain)
    assert.same({ { cell = 2 }, { cell = 1 } }, { depth, width })
    local cut = helper.nb201.parse "|none~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    assert.equal(0, collapse.shape(cut).cell)                               -- no way leads through its convolutions
  end)
end)

describe("disc_gap", function()
  it("is what the accuracy loses when the mixtures are settled, and leaves the supernet as it was", function()
    local found = assert(helper.search { epochs = 1 })
    local without = assert(helper.search { epochs = 1, disc_gap = false })
    assert.is_nil(without.history[1].disc_gap)
    assert.same(helper.values(without.net), helper.values(found.net))
    local net = found.net
    net:settle(found.arch)
    local score = assert(net:score(helper.data(32, 2), { batch = 16, normalise = found.normalise }))
    assert.equal(found.history[1].accuracy - score.accuracy, found.history[1].disc_gap)
    -- settled, the supernet computes the stand-alone network of these weights
    local x = shared.batch({ 8, 8, 3 }, 8)
    for _, d in ipairs(net.decisions) do
      for row = 1, d.rows do
        local kept = require("vega.util").contains(found.arch[d.name .. ".inputs"], row)
        local mask, shift = net:buffer(d.name, "mask"), net:buffer(d.name, "shift")
        local sum = 0
        for k = 1, 3 do sum = sum + shift:get(row, k) + mask:get(row, k) end
        assert.equal(kept and 1 or 0, sum)
      end
    end
    assert.same({ 8, 2 }, net.graph:run(x):shape())
  end)
end)
