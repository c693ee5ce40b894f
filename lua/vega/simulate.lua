--- A search under a virtual clock: W simulated workers, answers told in the order in which they would arrive. A benchmark table or a problem with a
-- formula stands for the training; a trial lasts the `seconds` among its values, or 1 where there are none.
--
--    local run = vega.simulate { problem = vega.problem.branin(), strategy = vega.strategy.aging {}, budget = { trials = 60 }, workers = 4, seed = 1 }
--    print(run.now, run.driver:best().values.value)
--
-- Trials that end at the same moment are all told before the next is asked, so that with trials of equal length W workers are batches of W.
-- With a scheduler a trial is trained from and to the fidelities it is given and answers to what the scheduler says on the way.
local strategy = require "vega.strategy"
local util = require "vega.util"

local OPTIONS = { problem = true, strategy = true, scheduler = true, budget = true, workers = true, seed = true, dedup = true, on_tell = true }
local BUDGET = { trials = true, seconds = true }

-- A job is a coroutine that yields where the training would report, and ends with the outcome. `at` is the moment of its next event.
local function advance(self, job, decision)
  local kind, values, extra = job.resume(decision)
  job.kind, job.values, job.step = kind, values, extra
  job.at = job.began + (values and (values.seconds or 1) or 0) - (kind == "report" and job.before or 0)
  self.busy[#self.busy + 1] = job
end

-- Seconds that training to `from` took before; reports carry the seconds from the very start.
local function seconds_before(problem, suggestion)
  local from = suggestion.fidelity and suggestion.fidelity.from or 0
  if from == 0 then return 0 end
  local values = problem:evaluate(suggestion.config, { seed = suggestion.seed, fidelity = from })
  return values and values.seconds or 0
end

local function start(self, suggestion)
  local problem, trial = self.problem, { id = suggestion.id, seed = suggestion.seed, fidelity = suggestion.fidelity, space = self.problem.space }
  if suggestion.fidelity then trial.report = function(step, values) return coroutine.yield("report", values, step) end end
  local job = { suggestion = suggestion, began = self.now, before = seconds_before(problem, suggestion) }
  job.resume = coroutine.wrap(function()
    local values, message = problem:evaluate(suggestion.config, trial)
    return "end", values, message
  end)
  advance(self, job)
end

local function finish(self, job)
  local outcome = job.values and { status = "ok", values = job.values } or { status = "failed", reason = job.step, values = {} }
  assert(self.driver:tell(job.suggestion.id, outcome))
  self.told = self.told + 1
  if self.on_tell then self.stopped = self.on_tell(self, job.suggestion, job.values) or self.stopped end
end

local function next_moment(self)
  local at = math.huge
  for _, job in ipairs(self.busy) do at = math.min(at, job.at) end
  return at
end

-- All that happens at one moment, in the order of the trials.
local function handle(self, at)
  local due, rest = {}, {}
  for _, job in ipairs(self.busy) do table.insert(job.at == at and due or rest, job) end
  table.sort(due, function(a, b) return a.suggestion.id < b.suggestion.id end)
  self.busy, self.now = rest, at
  for _, job in ipairs(due) do
    if self.stopped then return end
    if job.kind == "report" then advance(self, job, self.driver:report(job.suggestion.id, job.step, job.values)) else finish(self, job) end
  end
end

local function refill(self)
  while not self.stopped and #self.busy < self.workers and self.asked < self.trials do
    local suggestion = self.driver:ask(1)[1]
    if not suggestion then return end
    self.asked = self.asked + 1
    start(self, suggestion)
  end
end

local function check(options)
  util.check_options("simulate", options, OPTIONS, 3)
  for _, name in ipairs { "problem", "strategy", "budget" } do
    if options[name] == nil then error(("simulate: option '%s' is missing"):format(name), 4) end
  end
  util.check_options("simulate: budget", options.budget, BUDGET, 3)
  if not (options.budget.trials or options.budget.seconds) then error("simulate: budget needs trials or seconds", 4) end
end

--- Runs a search. { problem =, strategy =, scheduler =, budget = { trials =, seconds = }, workers = 1, seed = 0, dedup =, on_tell = function(run,
-- suggestion, values) -> true to stop }. A trial under a scheduler counts once for each time it is trained. What is not done when the seconds are
-- over is not told.
-- @return { driver =, now = simulated seconds, told = number of answers }
local function simulate(options)
  check(options)
  local problem, budget = options.problem, options.budget
  local driver = strategy.create(options.strategy, { space = problem.space, objectives = problem.objectives, constraints = problem.constraints,
    seed = options.seed, budget = budget, scheduler = options.scheduler, dedup = options.dedup })
  local self = { problem = problem, driver = driver, workers = options.workers or 1, trials = budget.trials or math.huge, asked = 0, told = 0,
    now = 0.0, busy = {}, on_tell = options.on_tell }
  local horizon = budget.seconds or math.huge
  refill(self)
  while not self.stopped do
    local at = next_moment(self)
    if at > horizon or #self.busy == 0 then break end
    handle(self, at)
    refill(self)
  end
  return self
end

return simulate
