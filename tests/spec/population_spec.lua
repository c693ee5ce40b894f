--- Schedulers that make architectures of their own: PBT, DEHB; and BOHB, which changes who is asked.
local here = debug.getinfo(1, "S").source:match("^@(.*)population_spec%.lua$")
local core = require "vega.core"
local fidelity = dofile(here .. "fidelity_helper.lua")
local problem = require "vega.problem"
local scheduler = require "vega.scheduler"
local space = require "vega.space"
local strategy = require "vega.strategy"

-- The toy problem of the PBT paper: train on 1.2 - h0 t0^2 - h1 t1^2, be judged by 1.2 - t0^2 - t1^2.
local TOY = space.define { name = "toy", choices = { h0 = space.float(0, 2), h1 = space.float(0, 2) } }
local FIRST = { { 0.9, 0.9 }, { 0.9, 0.8999 } }             -- at an exact tie a strictly-worse rule never fires

local function ascend(theta, h, steps)
  for _ = 1, steps do theta = { theta[1] - 0.02 * 2 * h.h0 * theta[1], theta[2] - 0.02 * 2 * h.h1 * theta[2] } end
  return theta
end

local function toy_driver(options, seed)
  local class = setmetatable({ name = "pbt" }, { __index = scheduler.pbt.class })
  class.__index = class
  class.new = function(p, context) return setmetatable(scheduler.pbt.class.new(p, context), class) end
  -- h <- clip(h + U(-0.1, 0.1), 0, 2) of the member that is replaced: only so are the specification's figures reached, in which weights are
  -- copied and hyper-parameters are not.
  function class:explore(_, own)
    local new = {}
    for _, name in ipairs { "h0", "h1" } do new[name] = math.max(0, math.min(2, own[name] + self.rng:uniform(-0.1, 0.1))) end
    return new
  end
  options.max, options.interval = 200, 5
  return strategy.create(fidelity.sequence { { h0 = 1.0, h1 = 0.0 }, { h0 = 0.0, h1 = 1.0 } },
    { space = TOY, objectives = { q = "max" }, seed = seed, scheduler = scheduler.use(class, options) })
end

-- Runs the toy to its end; the weights by trial and step, and the number of clones.
local function play_toy(driver)
  local weights, clones = {}, 0
  while true do
    local s = driver:ask(1)[1]
    if not s then return weights, clones end
    local theta
    if s.kind == "new" then theta = FIRST[s.id]
    elseif s.kind == "clone" then
      clones, weights[s.id] = clones + 1, {}
      theta = weights[s.parent][s.fidelity.from]
    else theta = weights[s.id][s.fidelity.from] end
    theta = ascend(theta, s.config, s.fidelity.to - s.fidelity.from)
    weights[s.id] = weights[s.id] or {}
    weights[s.id][s.fidelity.to] = theta
    driver:tell(s.id, { status = "ok", values = { q = 1.2 - theta[1] ^ 2 - theta[2] ^ 2 } })
  end
end

describe("population-based training", function()
  local function finals(driver)
    local list = {}
    for _, slot in ipairs(driver.scheduler.slots) do list[#list + 1] = -slot.cost end
    return list
  end

  it("solves the toy problem, which no member can alone", function()
    for seed = 1, 6 do
      local driver = toy_driver({ population = 2, synchronous = true }, seed)
      local _, clones = play_toy(driver)
      assert.is_true(clones > 3)
      for _, q in ipairs(finals(driver)) do assert.is_true(q >= 1.199, q) end
    end
    local alone = toy_driver({ population = 2, quantile = 0.0 }, 1)
    local _, clones = play_toy(alone)
    assert.equal(0, clones)
    for _, q in ipairs(finals(alone)) do assert.is_true(math.abs(q - 0.39) < 0.005, q) end
  end)

  it("solves it asynchronously too", function()
    for seed = 1, 6 do
      local driver = toy_driver({ population = 2 }, seed)
      play_toy(driver)
      for _, q in ipairs(finals(driver)) do assert.is_true(q >= 1.195, q) end
    end
  end)

  it("compares members at the same step only when synchronous", function()
    local driver, value = fidelity.curves(200, scheduler.pbt { population = 4, max = 12, interval = 3, synchronous = true })
    for _ = 1, 16 do
      local open = driver:ask(4)
      assert.equal(4, #open)
      for i, s in ipairs(open) do
        assert.equal(open[1].fidelity.from, s.fidelity.from)
        if i > 1 then assert.is_false(s.kind == "clone" and open[i - 1].kind == "resume") end
      end
      for _, s in ipairs(open) do driver:tell(s.id, fidelity.train(driver, s, value)) end
      if open[1].fidelity.to == 12 then break end
    end
    assert.equal("finished", select(2, driver:ask(1)))
  end)

  it("gives a lineage that leads to the same bits on a fresh model", function()
    local driver = toy_driver({ population = 2 }, 3)
    local weights = play_toy(driver)
    local best = driver:best()
    local schedule = driver.scheduler:lineage(best.id)
    assert.is_true(#schedule > 2)
    assert.equal(0, schedule[1].from)
    assert.equal(200, schedule[#schedule].to)
    local theta = FIRST[schedule[1].id]
    for i, piece in ipairs(schedule) do
      if i > 1 then assert.equal(schedule[i - 1].to, piece.from) end
      for at = piece.from, piece.to - 5, 5 do theta = ascend(theta, piece.config, math.min(5, piece.to - at)) end
    end
    assert.same(weights[best.id][200], theta)
    assert.error_matches(function() driver.scheduler:lineage(12345) end, "trial 12345 is no member")
  end)

  it("never copies with one member", function()
    local driver, value = fidelity.curves(200, scheduler.pbt { population = 1, max = 20 })
    local log, status = fidelity.run(driver, nil, value)
    assert.equal(20, #log)
    assert.equal("finished", status)
    assert.equal(1, driver:stats().asked)
  end)

  it("replaces a failed member by a clone of the best, and ends when all have failed", function()
    local driver = fidelity.curves(200, scheduler.pbt { population = 3, max = 4 })
    local list = driver:ask(3)
    driver:tell(list[1].id, { status = "failed" })
    driver:tell(list[2].id, { status = "ok", values = { loss = 2 } })
    driver:tell(list[3].id, { status = "ok", values = { loss = 1 } })
    local next_one = driver:ask(1)[1]
    assert.same({ "clone", true, 1, 2 }, { next_one.kind, next_one.parent ~= list[1].id, next_one.fidelity.from, next_one.fidelity.to })
    local all = fidelity.curves(200, scheduler.pbt { population = 3, max = 4 })
    for _ = 1, 3 do all:tell(all:ask(1)[1].id, { status = "failed" }) end
    assert.equal("finished", select(2, all:ask(1)))
  end)

  it("changes numbers by a factor within their bounds, steps to neighbours, draws categories anew", function()
    local sp = space.define { name = "h", choices = { lr = space.float(1e-4, 1, { log = true }), depth = space.ordinal { 1, 2, 4, 8 },
      width = space.int(1, 64), act = space.choice { relu = { slope = space.float(0, 1) }, none = {} } } }
    local pbt = scheduler.pbt.class.new(scheduler.pbt { resample = 0.0 }.params, { rng = core.rng.new(1), space = sp })
    local seen = {}
    for _ = 1, 200 do
      local new = pbt:explore { lr = 0.9, depth = 8, width = 10, act = "relu", ["act.relu.slope"] = 0.5 }
      assert(sp:check(new))
      assert.is_true(new.lr == 1 or math.abs(new.lr - 0.72) < 1e-12)
      assert.equal(4, new.depth)
      assert.is_true(new.width == 9 or new.width == 11)
      seen[new.act] = true
      if new.act == "relu" then assert.is_true(math.abs(new["act.relu.slope"] - 0.5) < 0.11) end
    end
    assert.same({ none = true, relu = true }, seen)
  end)
end)

describe("dehb", function()
  local unit = space.define { name = "unit", choices = function(s) for i = 1, 6 do s:float("x" .. i, 0, 1) end end }
  local function create(options, more)
    local spec = { space = unit, objectives = { value = "min" }, seed = 5, scheduler = scheduler.dehb(options) }
    for k, v in pairs(more or {}) do spec[k] = v end
    return strategy.create(strategy.random, spec)
  end
  -- Hartmann-6 seen through a bias that fades with the fidelity, and differs from place to place.
  local hartmann = problem.hartmann6()
  local function biased(arch, step, most)
    return hartmann.values(arch).value + 0.3 * (1 - step / most) * math.sin(7 * arch.x1 + 5 * arch.x4)
  end
  -- The best of the whole trainings that `units` of them pay for.
  local function run(driver, units, most)
    local best = math.huge
    while driver:stats().cost < units * most do
      local s = driver:ask(1)[1]
      local _, trial = driver:tell(s.id, { status = "ok", values = { value = biased(s.config, s.fidelity.to, most) } })
      if trial.fidelity == most then best = math.min(best, trial.cost) end
    end
    return best
  end

  it("has a population for each rung, as large as the largest bracket needs", function()
    local driver = create { max = 27 }
    local sizes = {}
    for i, f in ipairs(driver.scheduler.order) do sizes[i] = driver.scheduler.populations[f].size end
    assert.same({ 1, 3, 9, 27 }, driver.scheduler.order)
    assert.same({ 27, 9, 6, 4 }, sizes)
  end)

  it("with F = 0 and CR = 1 gives back the base vector", function()
    local driver = create { max = 9, factor = 0.0, crossover = 1.0 }
    local self = driver.scheduler
    local a, b, c = { 0.1, 0.5, 0.9 }, { 0.3, 0.2, 0.1 }, { 0.7, 0.7, 0.7 }
    assert.same(a, self:cross(b, self:mutant(a, b, c)))
    local strict = create { max = 9, crossover = 0.0 }.scheduler
    local x, differing = strict:cross(b, { 9, 9, 9 }), 0
    for i = 1, 3 do if x[i] ~= b[i] then differing = differing + 1 end end
    assert.equal(1, differing)                                     -- one coordinate of the mutant always
    for _, v in ipairs(strict:mutant({ 0.9, 0.9, 0.9 }, { 0.9, 0.9, 0.9 }, { 0.1, 0.1, 0.1 })) do assert.is_true(v >= 0 and v <= 1) end
  end)

  it("promotes in the first round, then trains children from the beginning; no population becomes worse", function()
    local driver = create { max = 27 }
    local self, kinds, best = driver.scheduler, { {}, {} }, {}
    for _ = 1, 300 do
      local s = driver:ask(1)[1]
      local round = self.begun <= #self.plan and 1 or 2
      kinds[round][s.kind] = (kinds[round][s.kind] or 0) + 1
      driver:tell(s.id, { status = "ok", values = { value = biased(s.config, s.fidelity.to, 27) } })
      for _, f in ipairs(self.order) do
        for slot, member in pairs(self.populations[f].members) do
          local key = f .. ":" .. slot
          assert.is_true(member.cost <= (best[key] or math.huge))
          best[key] = member.cost
        end
      end
    end
    assert.is_true(kinds[1].resume > 10)
    assert.is_nil(kinds[2].resume)
    assert.is_true(kinds[2].new > 100)
  end)

  it("comes within 0.1 of the minimum of Hartmann-6 in 300 trainings, in the median of 20 seeds", function()
    local function median(make)
      local list = {}
      for seed = 1, 20 do list[seed] = run(make(seed), 300, 9) + 3.3223680114 end
      table.sort(list)
      return (list[10] + list[11]) / 2
    end
    local evolved = median(function(seed) return create({ max = 9 }, { seed = seed }) end)
    assert.is_true(evolved < 0.1, evolved)
    assert.is_true(evolved < 0.5 * median(function(seed) return create({}, { seed = seed, scheduler = scheduler.hyperband { max = 9 } }) end))
  end)
end)

describe("bohb", function()
  it("is Hyperband when all is random", function()
    local function run(descriptor)
      local driver, value = fidelity.curves(200, descriptor, { strategy = strategy.random {} })
      return (fidelity.run(driver, 120, value))
    end
    assert.same(run(scheduler.hyperband { max = 27 }), run(scheduler.bohb { max = 27, random = 1.0 }))
  end)

  -- Falkner et al., section 5.1: 8 bits and 8 coins; sorted by what the best configuration is truly worth.
  it("ends nearer to the optimum of counting-ones than Hyperband, with every seed", function()
    local ones = problem.counting_ones(8)
    local function distance(descriptor, model, seed)
      local driver = strategy.create(model, { space = ones.space, objectives = ones.objectives, seed = seed, scheduler = descriptor })
      while driver:stats().cost < 64 * 729 do
        local s = driver:ask(1)[1]
        driver:tell(s.id, { status = "ok", values = ones.values(s.config, { seed = s.seed }, s.fidelity.to) })
      end
      local left = 16
      for _, v in pairs(driver:best().arch) do left = left - v end
      return left
    end
    for seed = 1, os.getenv "VEGA_LONG" and 20 or 4 do
      local modelled = distance(scheduler.bohb { min = 9, max = 729 }, strategy.tpe {}, seed)
      assert.is_true(modelled < distance(scheduler.hyperband { min = 9, max = 729 }, strategy.random {}, seed))
    end
  end)

  it("asks the model of the highest rung that has enough results", function()
    local Model = { name = "model", ask = print, tell = print }
    local asked = {}
    Model.new = function(sp, _, rng)
      local told = {}
      return { ask = function()
        table.insert(asked, { told[1] or 0, #told })
        return sp:random(rng)
      end, tell = function(_, trial) table.insert(told, trial.fidelity) end }
    end
    local driver, value = fidelity.curves(200, scheduler.bohb { max = 9, random = 0.0, points = 4 }, { strategy = Model })
    fidelity.run(driver, 100, value)
    local highest = 0
    for _, each in ipairs(asked) do
      assert.is_true(each[1] >= highest)                            -- never back to a lower rung
      highest = math.max(highest, each[1])
      if each[1] > 1 then assert.is_true(each[2] >= 4) end
    end
    assert.equal(9, highest)
  end)
end)
