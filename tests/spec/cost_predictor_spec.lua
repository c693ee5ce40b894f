--- Learned predictors: every kind learns, errs about as much as it says, comes back from its file; few-shot transfer; cells.
local cells = require "vega.cost.cells"
local core = require "vega.core"
local helper = require "spec.helper"
local metrics = require "vega.cost.metrics"
local predictor = require "vega.cost.predictor"
local transfer = require "vega.cost.transfer"
local vega = require "vega"

-- Networks with counts of four operations, and a device that takes so long for each.
local function networks(n, seed, rates, noise)
  local rng, rows, y = vega.rng(seed), {}, {}
  for i = 1, n do
    rows[i] = { 1, rng:int(0, 6), rng:int(0, 6), rng:int(0, 6), rng:int(0, 6) }
    y[i] = 0.0
    for j, rate in ipairs(rates) do y[i] = y[i] + rate * rows[i][j] end
    y[i] = y[i] * math.exp((noise or 0) * rng:normal())
  end
  return rows, y
end

local RATES = { 3, 16, 3, 2.5, 1 }
local OPTIONS = { forest = { base = 5 }, gp = { base = 5, most = 60 }, mlp = { epochs = 120, models = 2, width = 32 } }

describe("a predictor of kind", function()
  for _, kind in ipairs(predictor.kinds()) do
    it(kind .. " learns, knows about how much it errs, and comes back from its file", function()
      local rows, y = networks(200, 1, RATES, 0.05)
      local tests, truths = networks(300, 2, RATES, 0.05)
      local p = assert(predictor.fit(kind, rows, y, OPTIONS[kind]))
      local means, deviations = p:predict_all(tests)
      local m = metrics.of(truths, means)
      assert.is_true(m.within_10 > 0.85 and m.rho > 0.97, ("%s: within 10 %% %.2f, rho %.3f"):format(kind, m.within_10, m.rho))
      local within = 0
      for i, mean in ipairs(means) do if math.abs(mean - truths[i]) <= 2 * deviations[i] then within = within + 1 end end
      assert.is_true(within / #truths > 0.8, ("%s: %.2f within two deviations"):format(kind, within / #truths))
      local path = helper.scratch "p.json"
      assert.is_true(p:save(path))
      local back = assert(predictor.load(path, { kind = kind }))
      assert.same(means, (back:predict_all(tests)))
      assert.same({ p:predict(tests[1]) }, { back:predict(tests[1]) })
      assert.error_matches(function() p:predict { 1, 2 } end, "a row of 5 numbers expected, got 2")
    end)
  end

  it("ridge is not moved by networks that a runtime treats in a way of its own", function()
    local rows, y = networks(200, 1, RATES, 0.02)
    for i = 1, 200, 20 do y[i] = y[i] / 8 end
    local tests, truths = networks(300, 2, RATES)
    local robust, plain = predictor.fit("ridge", rows, y, { huber = 2 }), predictor.fit("ridge", rows, y)
    assert.is_true(metrics.of(truths, (robust:predict_all(tests))).within_5 > 0.95)
    assert.is_true(metrics.of(truths, (plain:predict_all(tests))).within_5 < 0.9)
  end)

  it("additive has no coefficient below 0, and is drawn to its prior", function()
    local rows, y = networks(30, 3, { 2, 5, 0, 0, 1 }, 0.1)
    for _, w in ipairs(predictor.fit("additive", rows, y).model.w) do assert.is_true(w >= 0) end
    local p = predictor.fit("additive", rows, y, { prior = { 9, 9, 9, 9, 9 }, penalty = 1e9 })
    for _, w in ipairs(p.model.w) do assert.is_true(math.abs(w - 9) < 1e-3) end
  end)

  for _, kind in ipairs { "ridge", "additive", "mlp" } do
    it(kind .. " has gradients by the row", function()
      local rows, y = networks(100, 1, RATES)
      local p = assert(predictor.fit(kind, rows, y, OPTIONS[kind]))
      local tape <close> = vega.tape()
      local x = vega.tensor.new({ rows[1], rows[2] }):param()
      local out = p:on_tape(x)
      assert.same({ 2 }, out:shape())
      for i = 1, 2 do assert.is_true(math.abs(out:get(i) / p:predict(rows[i]) - 1) < 1e-4) end
      tape:backward(core.op.sum(out))
      local g = x.grad:totable()
      for j = 2, 5 do
        local up, down = { table.unpack(rows[1]) }, { table.unpack(rows[1]) }
        up[j], down[j] = up[j] + 0.01, down[j] - 0.01
        local want = ((p:predict(up)) - (p:predict(down))) / 0.02
        assert.is_true(math.abs(g[1][j] - want) <= 0.05 * math.abs(want) + 0.05, ("%s: %g, %g"):format(kind, g[1][j], want))
      end
      assert.is_true(g[1][2] > 0)
    end)
  end
end)

describe("predictors refuse", function()
  it("what is no data", function()
    local function fit(rows, y, kind, options) return function() predictor.fit(kind or "ridge", rows, y, options) end end
    assert.error_matches(fit({ { 1 }, { 2 } }, { 1 }), "2 rows and 1 targets")
    assert.error_matches(fit({ { 1 }, { 2, 3 } }, { 1, 2 }), "row 2 has 2 numbers, the first has 1")
    assert.error_matches(fit({ { 1 }, { 0 / 0 } }, { 1, 2 }), "row 2, number 1 is ")
    assert.error_matches(fit({ { 1 }, { 2 } }, { 1, -2 }), "target 2 is %-2; a number above 0 expected")
    assert.error_matches(fit({ { 1 }, { 2 } }, { 1, 2 }, "ridges"), "unknown kind 'ridges'; did you mean 'ridge'")
    assert.error_matches(fit({ { 1 }, { 2 } }, { 1, 2 }, "ridge", { huger = 1 }), "unknown option 'huger'; did you mean 'huber'")
    assert.error_matches(fit({ { 1 }, { 2 } }, { 1, 2 }, "forest", { base = 2 }), "base = 2, but rows have 1 columns")
    assert.error_matches(function() predictor.fit("forest", { { 1 }, { 2 } }, { 1, 2 }):on_tape(1) end, "'forest' has no gradients")
  end)

  it("files of something else", function()
    local path = helper.scratch "p.json"
    predictor.fit("ridge", { { 1 }, { 2 } }, { 1, 2 }, { device = "a" }):save(path)
    assert.matches("is for device 'a', not 'b'", select(2, predictor.load(path, { device = "b" })))
    for _, text in ipairs { "", "{}", '{"format":"vega-predictor","version":1,"kind":"ridge","options":{},"about":{},"rows":[[1],[2]],"y":[1,-1]}',
      '{"format":"vega-predictor","version":1,"kind":"tree","options":{},"about":{},"rows":[[1],[2]],"y":[1,1]}',
      '{"format":"vega-predictor","version":1,"kind":"ridge","options":{"x":1},"about":{},"rows":[[1],[2]],"y":[1,1]}' } do
      local none, why, code = predictor.load(helper.write(path, text))
      assert.is_nil(none)
      assert.equal("EFORMAT", code)
      assert.is_string(why)
    end
  end)
end)

describe("transfer", function()
  local rows = networks(300, 1, RATES)
  local function device(rates)
    local times = {}
    for i, row in ipairs(rows) do
      times[i] = 0.0
      for j, rate in ipairs(rates) do times[i] = times[i] + rate * row[j] end
    end
    return times
  end

  it("needs ten networks of a new device", function()
    local known = { a = device { 3, 16, 3, 2, 1 }, b = device { 9, 4, 4, 4, 4 }, c = device { 1, 1, 9, 1, 0.1 } }
    for name, rates in pairs { ["as a"] = { 6, 32, 6, 4, 2 }, between = { 6, 10, 3.5, 3, 2.5 }, ["like none"] = { 1, 0.1, 4, 9, 1 } } do
      local truth, places, y, guesses = device(rates), {}, {}, {}
      for n = 1, 10 do places[n], y[n] = 29 * n, truth[29 * n] end
      local p = transfer.new { known = known, rows = rows } :fit(places, y)
      for i = 1, 300 do guesses[i] = p:predict(i) end
      local m = metrics.of(truth, guesses)
      assert.is_true(m.rho > 0.95, ("%s, by %s: %.3f"):format(name, p.way, m.rho))
    end
  end)

  it("refuses what is no device", function()
    assert.error_matches(function() transfer.new { known = {} } end, "at least one known device")
    assert.error_matches(function() transfer.new { known = { a = { 1, 2 }, b = { 1 } } } end, "device 'b' has 1 networks, the first has 2")
    assert.error_matches(function() transfer.new { known = { a = { 1, -1 } } } end, "time 2 of device 'a' is %-1")
    assert.error_matches(function() transfer.new { known = { a = { 1, 2, 3 } } } :fit({ 1 }, { 1 }) end, "at least three networks")
  end)
end)

describe("cells", function()
  -- 1 -> 2 -> 4 with a dead end at 3; "b" on 3 -> 4 is missing, so 1 -> 3 counts for nobody.
  local function edges(a, b, c, d)
    return { { from = 1, to = 2, op = a }, { from = 1, to = 3, op = b }, { from = 2, to = 4, op = c }, { from = 3, to = 4, op = d } }
  end
  local OPS = { "conv", "pool" }

  it("count by what a runtime prunes", function()
    assert.same({ 1, 2, 1 }, cells.counts(edges("conv", "pool", "conv", "none"), OPS, { prune = "nothing" }))
    assert.same({ 1, 2, 0 }, cells.counts(edges("conv", "pool", "conv", "none"), OPS))
    assert.same({ 1, 1, 1 }, cells.counts(edges("none", "pool", "conv", "none"), OPS, { prune = "nothing" }))
    assert.same({ 1, 1, 0 }, cells.counts(edges("none", "pool", "conv", "none"), OPS))            -- a convolution of zeros is computed
    assert.same({ 1, 0, 0 }, cells.counts(edges("none", "pool", "conv", "none"), OPS, { prune = "unreached" }))
    assert.same({ 1, 2, 0, 1, 0, 0, 0, 1, 0, 0, 0 }, cells.counts(edges("conv", "pool", "conv", "none"), OPS, { one_hot = true }))
    assert.is_true(cells.is_connected(edges("conv", "none", "conv", "none")))
    assert.is_false(cells.is_connected(edges("conv", "none", "none", "conv")))
  end)
end)
