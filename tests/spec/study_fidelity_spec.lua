--- Studies under a scheduler: pause, resume, clone; a journal that is cut anywhere; checkpoints.
local here = debug.getinfo(1, "S").source:match("^@(.*)study_fidelity_spec%.lua$")
local core = require "vega.core"
local evaluate = require "vega.evaluate"
local fidelity = dofile(here .. "fidelity_helper.lua")
local problem = require "vega.problem"
local scheduler = require "vega.scheduler"
local space = require "vega.space"
local strategy = require "vega.strategy"
local vega_study = require "vega.study"

-- A folder in memory where there is one: these tests commit thousands of transactions.
local function scratch()
  local path = os.tmpname()
  os.remove(path)
  local memory = "/dev/shm/" .. path:match "[^/]*$"
  if not core.sys.make_dirs(memory) then
    assert(core.sys.make_dirs(path))
    return path
  end
  return memory
end
local function remove(folder)
  for _, name in ipairs(core.sys.list(folder) or {}) do
    if core.sys.list(folder .. "/" .. name) then remove(folder .. "/" .. name) end
    os.remove(folder .. "/" .. name)
  end
  os.remove(folder)
end

local CURVES = problem.curves(200)
-- Trains as far as it may, reporting each step.
local function train(arch, trial)
  local step, to = trial.fidelity.from, trial.fidelity.to
  while step < to do
    step = step + 1
    if trial:report(step, { loss = CURVES.values(arch, nil, step).loss }) ~= "continue" then break end
  end
  return { loss = CURVES.values(arch, nil, step).loss }
end

local function options(more)
  local o = { space = CURVES.space, objectives = CURVES.objectives, strategy = strategy.random {}, evaluate = train, seed = 3, quiet = true,
    scheduler = scheduler.asha { max = 9 }, budget = { trials = 20 } }
  for k, v in pairs(more or {}) do o[k] = v end
  return o
end

local function results(study)
  local list = {}
  for i, t in ipairs(study:trials()) do
    list[i] = ("%s %s %s %s %s"):format(t.hash, t.state, t.fidelity, t.values.loss, #t.curves)
  end
  return list
end

describe("a study under a scheduler", function()
  it("runs to the end of the schedule", function()
    local study = vega_study(options { strategy = fidelity.sequence(), scheduler = scheduler.successive_halving { n = 27, max = 27 },
      budget = { trials = 1000 } })
    local front = assert(study:run())
    assert.equal(15, front:best().arch.config)
    local states = {}
    for _, t in ipairs(study:trials()) do states[t.state] = (states[t.state] or 0) + 1 end
    assert.same({ COMPLETE = 1, PRUNED = 26 }, states)
    local t = study:trials()[16]
    assert.same({ "COMPLETE", 27.0, 4, 27 }, { t.state, t.fidelity, t.attempts, #t.curves })
    assert.equal(1, study:trials()[3].fidelity)
  end)

  it("counts the steps trained when the budget says so, and wants one where nothing ends", function()
    local study = vega_study(options { budget = { cost = 100 } })
    study:run()
    local cost = study.driver:stats().cost
    assert.is_true(cost >= 100 and cost < 109)
    local o = options()
    o.budget = nil
    assert.error_matches(function() vega_study(o) end, "option 'budget' is missing: this scheduler never ends by itself")
    o.scheduler = scheduler.hyperband { max = 3, rounds = 1 }
    assert(vega_study(o):run())
    o.scheduler, o.budget = nil, { cost = 3 }
    assert.error_matches(function() vega_study(o) end, "there is none")
  end)

  it("marks what a rule has stopped", function()
    local study = vega_study(options { scheduler = scheduler.percentile { max = 9, grace = 2 } })
    study:run()
    local states = {}
    for _, t in ipairs(study:trials()) do
      states[t.state] = (states[t.state] or 0) + 1
      if t.state == "PRUNED" then assert.equal(#t.curves, math.tointeger(t.fidelity)) end
    end
    assert.is_true(states.PRUNED > 3 and states.COMPLETE >= 2)
    assert.equal(9, study:front().trials[1].fidelity)
  end)

  it("takes what was measured before", function()
    local o = options { evaluate = function(arch) return { loss = arch.config } end, budget = { trials = 3 } }
    o.scheduler = nil
    local study = vega_study(o)
    assert.is_true((study:observe({ config = 77 }, { loss = -5 })))
    assert.is_nil((study:observe({ config = 777 }, { loss = -5 })))
    local front = study:run()
    assert.equal(77, front:best().arch.config)
    assert.equal(4, #study:trials())
  end)

  it("remembers what was measured before when it is resumed", function()
    local folder = scratch()
    local function make(trials)
      local o = options { evaluate = function(arch) return { loss = arch.config } end, budget = { trials = trials }, store = folder .. "/o.db",
        strategy = strategy.aging { population = 3, tournament = 2 } }
      o.scheduler = nil
      return vega_study(o)
    end
    local study = make(4)
    study:observe({ config = 77 }, { loss = -5 })
    study:run()
    study:close()
    study = make(9)
    assert.equal(77, assert(study:run()):best().arch.config)
    assert.equal(10, #study:trials())
    study:close()
    remove(folder)
  end)
end)

-- The store with a commit that fails: as if the program were killed there. Counts commits.
local function kill_at(study, n)
  local db, count = study.journal.db, 0
  study.journal.db = setmetatable({ commit = function()
    count = count + 1
    if count == n then
      db:rollback()
      error("interrupted!", 0)
    end
    return db:commit()
  end }, { __index = function(_, name) return function(_, ...) return db[name](db, ...) end end })
  return function() return count end
end

describe("a journal that is cut at any event", function()
  local long = os.getenv "VEGA_LONG"
  local function undisturbed(make, folder)
    local study = vega_study(make(folder .. "/whole.db"))
    local count = kill_at(study, -1)
    study:run()
    local list = results(study)
    study:close()
    return list, count()
  end

  local function check(name, make, cuts)
    it("goes on as if undisturbed: " .. name, function()
      local folder = scratch()
      local whole, commits = undisturbed(make, folder)
      for cut = 1, commits - 1, long and 1 or math.max(1, commits // (cuts or 12)) do
        local path = ("%s/cut%d.db"):format(folder, cut)
        local study = vega_study(make(path))
        kill_at(study, cut)
        assert.error_matches(function() study:run() end, "interrupted!")
        study.journal.db = nil                                       -- the process is gone; the file is opened anew
        study = vega_study(make(path))
        study:run()
        assert.same(whole, results(study))
        study:close()
      end
      remove(folder)
    end)
  end

  for _, name in ipairs(scheduler.names()) do
    local params = scheduler[name].class.params
    check(name, function(path)
      local given = { max = 9 }
      if params.n then given.n = 9 end
      if params.grace then given.grace = 2 end
      return options { scheduler = scheduler[name](given), store = path, budget = { trials = long and 60 or 14 } }
    end)
  end
  -- Here the checkpoints matter: a clone that did not begin with its parent's weights would end elsewhere.
  check("pbt, with checkpoints", function(path)
    local sp = space.define { name = "toy", choices = { h0 = space.ordinal { 0, 0.25, 0.5, 1 }, h1 = space.ordinal { 0, 0.25, 0.5, 1 } } }
    return options { store = path, space = sp, objectives = { loss = "min" }, budget = { trials = 100 },
      scheduler = scheduler.pbt { population = 3, interval = 2, max = 8 }, evaluate = function(h, trial)
        local step, t0, t1 = 0, 0.9, 0.9
        local file = io.open(trial.checkpoint, "r")
        if file then
          step, t0, t1 = file:read("n", "n", "n")
          file:close()
        end
        for _ = step + 1, trial.fidelity.to do t0, t1 = t0 - 0.04 * h.h0 * t0, t1 - 0.04 * h.h1 * t1 end
        assert(core.sys.write_file(trial.checkpoint, ("%d %.17g %.17g"):format(trial.fidelity.to, t0, t1)))
        return { loss = t0 ^ 2 + t1 ^ 2 }
      end }
  end)
  for _, name in ipairs(strategy.names()) do
    local s = strategy[name]
    local models = s.class.fidelity == "rungs"                          -- then each ask fits one, in each replay
    check("strategy " .. name, function(path)
      local o = options { strategy = s {}, store = path, budget = { trials = long and 60 or models and 7 or 14 } }
      o.scheduler, o.evaluate = nil, function(arch) return { loss = CURVES.values(arch, nil, 9).loss } end
      return o
    end, models and 3)
  end
end)

-- Real training ------------------------------------------------------------------------------------------------------------------------

local Set = {}
Set.__index = Set
Set.__len = function(self) return self.n end
local function make_set(n, seed) return setmetatable({ n = n, seed = seed, n_classes = 2, shape = { 4 } }, Set) end
function Set:stats() return { mean = { 0 }, std = { 1 }, n = self.n } end
function Set:split(o) return make_set(o.n, 90), make_set(self.n - o.n, self.seed) end
function Set:loader(o)
  local epoch, batch, count = 1, 1, self.n // o.batch
  local function draw()
    local rng, rows, labels = core.rng.new(self.seed, "epoch " .. (o.shuffle and epoch or 0), batch), {}, {}
    for i = 1, o.batch do
      local row = { rng:normal(), rng:normal(), rng:normal(), rng:normal() }
      rows[i], labels[i] = row, row[1] * row[2] > 0 and 1 or 0
    end
    return core.tensor.new(rows), core.tensor.new(labels, { dtype = "i32" })
  end
  return { batches = function() return count end, close = function() end, seek = function(_, e, b) epoch, batch = e, b end, next = function()
    if batch > count then
      epoch, batch = epoch + 1, 1
      return
    end
    local x, y = draw()
    batch = batch + 1
    return x, y
  end }
end

local function network(width, seed)
  local g = core.graph.new { 4 }
  local function linear(x, name, from, to)
    local w = g:param(name .. ".weight", { to, from }, "kaiming_normal", from, true)
    return g:op("linear", { x, w, (g:param(name .. ".bias", { to }, "zeros", from, false)) }, nil, name)
  end
  local hidden = g:op("relu", { linear(1, "hidden", 4, width) }, nil, "relu")
  return g:output(linear(hidden, "head", width, 2)):materialise(seed)
end

describe("evaluate.train under a scheduler", function()
  local last                                                          -- the network that was built last
  local widths = space.define { name = "widths", choices = { width = space.int(8, 40) } }
  function widths.network(_, arch, _, _, seed)
    last = network(arch.width, seed)
    return last
  end
  local OPTIMISER = { name = "sgd", lr = 0.1, momentum = 0.9 }
  local function training() return evaluate.train { data = make_set(800, 3), validation = 160, batch = 32, optimiser = OPTIMISER, latency = false,
    schedule = { name = "cosine", warmup = 5 } } end
  local function make(path, more)
    local o = { space = widths, objectives = { accuracy = "max" }, strategy = strategy.random {}, evaluate = training(), seed = 2, quiet = true,
      store = path,
      scheduler = scheduler.successive_halving { n = 4, max = 4, eta = 2 }, budget = { trials = 100 } }
    for k, v in pairs(more or {}) do o[k] = v end
    return o
  end
  local function weights(model)
    local list = {}
    for name, p in pairs(model:params()) do list[name] = p:totable() end
    return list
  end

  local threads = core.sys.threads()
  before_each(function() core.sys.threads(1) end)
  after_each(function() core.sys.threads(threads) end)

  it("gives a paused and resumed trial the bits of an undisturbed training", function()
    local folder = scratch()
    local study = vega_study(make(folder .. "/s.db"))
    local best = assert(study:run()):best()
    assert.equal(3, study:trials()[best.id].attempts)                 -- epochs 1, 2 and 4
    local resumed, seed = weights(last), nil
    for _, t in ipairs(study.driver.told) do if t.id == best.id then seed = study.driver.entries[t.id].suggestion.seed end end
    local whole = evaluate.train { data = make_set(800, 3), validation = 160, batch = 32, optimiser = OPTIMISER, latency = false,
      schedule = { name = "cosine", warmup = 5 }, epochs = 4 }
    local values = assert(whole(best.arch, { seed = seed }, widths))
    assert.equal(values.accuracy, best.values.accuracy)
    assert.same(weights(last), resumed)
    study:close()
    remove(folder)
  end)

  it("does not begin again after a kill in the middle of a trial", function()
    local folder = scratch()
    local reference = vega_study(make(":memory:"))
    reference:run()
    for _, kill in ipairs { 2, 5, 7, 9 } do
      local path, count, inner = ("%s/%d.db"):format(folder, kill), 0, training()
      local study = vega_study(make(path, { evaluate = function(arch, trial, sp)
        local report = trial.report
        trial.report = function(...)
          count = count + 1
          if count == kill then error("interrupted!", 0) end
          return report(...)
        end
        return inner(arch, trial, sp)
      end }))
      assert.error_matches(function() study:run() end, "interrupted!")
      study:close()
      study = vega_study(make(path))
      study:run()
      local got, expected = study:trials(), reference:trials()
      for i, t in ipairs(expected) do
        assert.same({ t.hash, t.state, t.values.accuracy, t.curves }, { got[i].hash, got[i].state, got[i].values.accuracy, got[i].curves })
      end
      study:close()
    end
    reference:close()
    remove(folder)
  end)

  it("keeps few checkpoints, and trains anew what has none with the same result", function()
    local folder = scratch()
    local function run(name, keep)
      local study = vega_study(make(folder .. "/" .. name .. ".db", { checkpoints = keep, scheduler = scheduler.asha { max = 4, eta = 2 },
        budget = { trials = 12 } }))
      study:run()
      local list, files = {}, core.sys.list(folder .. "/" .. name .. "-checkpoints/study")
      for i, t in ipairs(study:trials()) do list[i] = { t.hash, t.state, t.fidelity, t.values.accuracy } end
      study:close()
      local ids = {}
      for _, file in ipairs(files) do ids[file:match "^%d+"] = true end
      local n = 0
      for _ in pairs(ids) do n = n + 1 end
      return list, n
    end
    local all, many = run("all", {})
    local few, little = run("few", { best = 1, paused = 1 })
    assert.same(all, few)
    assert.is_true(little <= 2 and many > little)
    remove(folder)
  end)

  it("says that the scheduler sets the epochs", function()
    local study = vega_study(make(":memory:", { evaluate = evaluate.train { data = make_set(800, 3), validation = 160, epochs = 9 } }))
    local _, message = study:run()
    assert.matches("epochs = 9, but the scheduler trains up to 4", message)
    study:close()
  end)
end)
