local here = debug.getinfo(1, "S").source:match("^@(.*)model_spec%.lua$")
local contract = dofile(here .. "contract/strategy.lua")
local core = require("vega.core").model
local history = require "vega.model.history"
local problem = require "vega.problem"
local rng = require("vega.core").rng
local space = require "vega.space"
local strategy = require "vega.strategy"

-- growth = false: a model looks at every trial at each ask. Frozen asks change with the strategy, its model or what draws from the generator.
contract(describe, it, "gp", function() return strategy.gp {} end, { asks = 30, growth = false, frozen = "41298dbb3196c92b" })
contract(describe, it, "tpe", function() return strategy.tpe {} end, { growth = false, frozen = "62ea46d1d9ad278e" })
contract(describe, it, "forest", function() return strategy.forest {} end, { growth = false, frozen = "cddbccc0cdbbf1f5" })
contract(describe, it, "bananas", function() return strategy.bananas { epochs = 20 } end, { asks = 30, growth = false, frozen = "4a42161e23434332" })

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

-- Runs a strategy on a problem, `batch` suggestions at a time; returns the driver.
local function search(descriptor, p, trials, seed, batch, more)
  local spec = { space = p.space, objectives = p.objectives, seed = seed, budget = { trials = trials } }
  for k, v in pairs(more or {}) do spec[k] = v end
  local s, done = strategy.create(descriptor, spec), 0
  while done < trials do
    local list = s:ask(batch or 1)
    for _, t in ipairs(list) do
      done = done + 1
      s:tell(t.id, { status = "ok", values = p:evaluate(t.config) })
    end
  end
  return s
end

local function regrets(descriptor, p, trials, seeds, batch)
  local list = {}
  for seed = 1, seeds do list[seed] = p:regret(search(descriptor, p, trials, seed, batch):best().values) end
  return median(list)
end

describe("model-based search", function()
  it("of one objective comes much closer than random search", function()
    local branin, hartmann, micro = problem.branin(), problem.hartmann6(), problem.micro()
    assert.is_true(regrets(strategy.gp {}, branin, 40, 5) < 2e-3)
    assert.is_true(regrets(strategy.gp {}, hartmann, 60, 5, 4) < 0.5)
    assert.is_true(regrets(strategy.tpe {}, hartmann, 120, 11) < 0.15)
    assert.is_true(regrets(strategy.tpe {}, hartmann, 60, 11, 4) < 0.5)
    assert.is_true(regrets(strategy.forest {}, branin, 100, 7) < 0.1)
    for name, s in pairs { gp = strategy.gp {}, tpe = strategy.tpe {}, forest = strategy.forest {}, bananas = strategy.bananas { epochs = 60 } } do
      assert.is_true(regrets(s, micro, 100, 5) < 0.035, name)                 -- random search: 0.045
    end
  end)

  it("finds NAS-Bench-201's good cells by their validation accuracy after 12 epochs", function()
    local bench = require("vega.table").nas_bench_201("cifar10", { epochs = 12 })
    if not bench then return pending "no shared data: set VEGA_SHARED" end
    for name, s in pairs { gp = strategy.gp {}, bananas = strategy.bananas {} } do
      local sum = 0
      for seed = 1, 3 do sum = sum + search(s, bench, 100, seed):best().values.test_accuracy end
      assert.is_true(sum / 3 > 93.9, name)                                    -- after 200 epochs; random search: 93.74, the best cell: 94.37
    end
  end)

  it("of several objectives finds more than NSGA-II at 100 trials", function()
    local zdt = problem.zdt(1)
    local choices = {}
    for i = 1, 5 do choices["x" .. i] = space.float(0, 1) end
    local five = space.define { name = "five", choices = choices }
    local small = problem.define { name = "zdt1", space = five, objectives = zdt.objectives, reference = { 1.1, 1.1 },
      values = function(a)
        local g = 1 + 9 * (a.x2 + a.x3 + a.x4 + a.x5) / 4
        return { f1 = a.x1, f2 = g * (1 - math.sqrt(a.x1 / g)) }
      end }
    local function volume(descriptor, trials)
      local points = {}
      for i, t in ipairs(search(descriptor, small, trials, 1):front()) do points[i] = t.costs end
      return small:hypervolume(points)
    end
    local evolved = volume(strategy.nsga2 {}, 100)
    assert.is_true(volume(strategy.gp {}, 60) > math.max(0.85, evolved))       -- the exact front has 0.8767
    assert.is_true(volume(strategy.gp { multi = "parego" }, 60) > math.max(0.75, evolved))
    assert.is_true(volume(strategy.tpe {}, 100) > evolved)
  end)

  it("keeps to constraints that only evaluation reveals", function()
    local branin = problem.branin()
    local names = {}
    for i, d in ipairs(branin.space.decisions) do names[i] = d.name end
    local disk = problem.define { name = "disk", space = branin.space, objectives = branin.objectives, optimum = branin.optimum, values = function(a)
      local values = branin.values(a)
      values.outside = (a[names[1]] - 2.5) ^ 2 + (a[names[2]] - 7.5) ^ 2 - 50           -- two of the three minima are outside
      return values
    end }
    for name, s in pairs { gp = strategy.gp {}, forest = strategy.forest {}, tpe = strategy.tpe {} } do
      local limit = { constraints = { outside = { le = 0 } } }
      local good = 0
      local driver = search(s, disk, 60, 2, 1, limit)
      for _, t in ipairs(driver.told) do if t.violation == 0 then good = good + 1 end end
      local found = driver:best()
      assert.is_true(found ~= nil and found.values.outside <= 0, name)
      assert.is_true(good > 25, name .. ": " .. good)                          -- at random 16 of 60 are inside
      assert.is_true(disk:regret(found.values) < 1.5, name)
    end
  end)

  it("respects clauses and conditions of the space", function()
    local sp = space.define { name = "net", choices = {
      kind = space.choice { conv = { kernel = space.choice { 3, 5, 7 }, width = space.int(8, 64) }, pool = { size = space.float(1, 4) } },
      depth = space.int(1, 9), norm = space.bool() }, forbid = { { kind = "conv", norm = false }, { depth = 5 } } }
    local p = problem.define { name = "net", space = sp, objectives = { loss = "min" }, optimum = 0, values = function(a)
      local conv = a.kind == "conv" and math.abs(a["kind.conv.width"] - 40) / 10 + a["kind.conv.kernel"] / 100
      return { loss = math.abs(a.depth - 6) + (conv or 3 + a["kind.pool.size"]) }
    end }
    for name, s in pairs { gp = strategy.gp {}, tpe = strategy.tpe {}, forest = strategy.forest {}, bananas = strategy.bananas {} } do
      local best = search(s, p, 80, 3):best()
      assert.equal("conv", best.arch.kind, name)
      assert.is_true(best.values.loss < 0.5, name .. " " .. best.values.loss)
    end
  end)

  it("believes that failures are bad", function()
    local sp = space.define { name = "line", choices = { x = space.float(0, 1) } }
    for name, s in pairs { gp = strategy.gp {}, tpe = strategy.tpe {}, forest = strategy.forest {} } do
      local driver, failed = strategy.create(s, { space = sp, objectives = { y = "min" }, seed = 1, budget = { trials = 60 } }), 0
      for i = 1, 60 do
        local t = driver:ask(1)[1]
        local x = t.config.x
        if x > 0.5 and i > 20 then failed = failed + 1 end
        driver:tell(t.id, x > 0.5 and { status = "failed", reason = "oom" } or { status = "ok", values = { y = (x - 0.45) ^ 2 } })
      end
      assert.is_true(failed < 16, name .. ": " .. failed)                      -- at random 20 of 40
      assert.is_true(driver:best().values.y < 1e-2, name)
    end
  end)

  it("says what a wrong option should have been", function()
    assert.error_matches(function() strategy.gp { acquisition = "pi" } end, "acquisition must be one of ei, lcb, got pi")
    assert.error_matches(function() strategy.tpe { gama = 0.1 } end, "did you mean 'gamma'")
    assert.error_matches(function()
      strategy.create(strategy.bananas { encoding = "path" }, { space = problem.branin().space, objectives = { value = "min" } })
    end, "encoding 'path' needs cells; space 'branin' has none")
    local rows = core.rows({ { levels = 3, category = true } }, {}, {})
    assert.error_matches(function() core.maximise(rows, { kind = "eu" }) end, "unknown kind 'eu'; did you mean 'ei'")
    assert.error_matches(function() core.maximise(rows, { kind = "ei", seed = 1 }) end, "wants 1 objectives, got 0")
    assert.error_matches(function() core.rows({ {} }, { 0, 5, 0, 1 }, {}) end, "looks at what does not exist")
    assert.error_matches(function() core.rows({ { guard = 0, guard_length = 1 } }, { 1, 0, 0, 0 }, {}) end, "no program")
    assert.error_matches(function() core.forest(rows):grow(1, { 1 }, {}, 1) end, "row 1 is not one of the table's 0")
  end)
end)

describe("the history of a model", function()
  it("writes conditions of any kind for the models", function()
    local sp = space.define { name = "deep", choices = {
      depth = space.int(1, 4), opt = space.choice { "sgd", "adam" }, scale = space.float(0, 2),
      momentum = space.when(space.eq("opt", "sgd") & ~space.lt("depth", 3), space.float(0, 1)),
      extra = space.when(space.gt("scale", 0.5) | space.is_in("depth", { 1, 4 }), space.choice { "a", "b" }) } }
    local h, g = history.new(sp), rng.new(1, "test")
    for i = 1, 40 do                                                          -- what C draws decodes to what the space allows
      local row = h.rows:latin(1, i)[1]
      local arch = assert(sp:decode(row))
      for k, d in ipairs(sp.decisions) do assert.equal(arch[d.name] ~= nil, row[k] ~= -1, d.name) end
      assert.is_true((sp:check(sp:random(g))) ~= nil)
    end
  end)

  it("counts a failure as the worst value and a standard deviation", function()
    local sp = space.define { name = "line", choices = { x = space.int(1, 9) } }
    local h = history.new(sp)
    for i, cost in ipairs { 1.0, 3.0, false, 5.0 } do
      h:tell { id = i, arch = { x = i }, costs = cost and { cost } or nil, failed = not cost, violation = 0.0, status = cost and "ok" or "failed" }
    end
    local y = h:targets(function(trial) return trial.costs[1] end)
    assert.near(5.0 + math.sqrt(8 / 3), y[3], 1e-12)
    assert.same({ 3, 3 }, { h:counts() })
  end)

end)
