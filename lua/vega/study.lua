--- A study: a space, a strategy, an evaluator and a store, run until the budget is spent.
--    local study = vega.study { space = s, strategy = vega.strategy.nsga2 {}, evaluate = function(arch, trial) return { acc = f(arch) } end,
--                               objectives = { acc = "max" }, budget = { trials = 40 }, store = "runs/x.db", seed = 1 }
--    local front = study:run()        -- run the same script again to resume
-- Every ask, report and tell is one transaction of the store (vega.study.journal). Resuming replays them: the strategy's state is a pure function of
-- that journal. With scheduler = vega.scheduler.NAME {} trials are trained as far as it says: see vega.study.trial for what an evaluation does then.
local Checkpoints = require "vega.study.checkpoints"
local Front = require "vega.study.front"
local Journal = require "vega.study.journal"
local core = require "vega.core"
local exchange = require "vega.study.exchange"
local objective = require "vega.objective"
local progress = require "vega.study.progress"
local strategy = require "vega.strategy"
local trials = require "vega.study.trial"
local util = require "vega.util"

local OPTIONS = { space = true, strategy = true, evaluate = true, objectives = true, constraints = true, budget = true, store = true, name = true,
  seed = true, dedup = true, quiet = true, title = true, scheduler = true, ordered = true, window = true, checkpoints = true }
local KEEP = { best = { 5, min = 0, about = "complete trials whose checkpoint is kept" },
  paused = { 64, min = 0, about = "paused trials whose checkpoint is kept" } }

local Study = {}
Study.__index = Study

-- Running -----------------------------------------------------------------------------------------------------------------------------

local function evaluator(given)
  local meta = getmetatable(given)
  if type(given) == "function" or type(meta) == "table" and meta.__call then return given end
  if type(given) == "table" and type(given.evaluate) == "function" then return function(...) return given:evaluate(...) end end
  error("study: evaluate must be a function or an object with evaluate(self, arch, trial), got " .. type(given), 3)
end

-- What an evaluator returned, as an outcome; the values are checked here, so that a wrong one is recorded with its reason.
local function judge(self, ok, values, message, code)
  if not ok then
    local text = type(values) == "table" and not getmetatable(values) and tostring(values.message or "an error without a message") or tostring(values)
    return { status = "failed", reason = text == "not enough memory" and "oom" or "script", message = text, values = {} }
  end
  if values == nil then
    local reason = code == "ENAN" and "nan" or code == "ENOMEM" and "oom" or "script"
    return { status = "failed", reason = reason, message = tostring(message or "evaluate returned nothing"), values = {} }
  end
  if type(values) ~= "table" then
    return { status = "failed", reason = "script", message = "evaluate must return a table of values, got " .. type(values), values = {} }
  end
  local kept = {}
  for name, v in pairs(values) do if type(name) == "string" and type(v) == "number" then kept[name] = v end end
  local _, why, reason = objective.costs(self.driver.objectives, values)
  if not why then _, why, reason = objective.violation(self.driver.constraints, values) end
  if why then return { status = "failed", reason = reason, message = why, values = kept } end
  return { status = "ok", values = kept }
end

local function evaluate(self, s)
  local points, started = {}, core.sys.clock()
  local traced
  local ok, values, message, code = xpcall(self.evaluate, function(e)
    traced = type(e) == "string" and debug.traceback(e, 2) or e
    return e
  end, util.copy(s.config), trials.new(self, s, points), self.space)                 -- a copy: what it does to it is no part of the journal
  local stopped = core.sys.interrupted() or code == "EINTR" or not ok and tostring(values):match "interrupted!%s*$"      -- it may have caught it
  if stopped then error("interrupted!", 0) end
  local seconds = core.sys.clock() - started
  if not ok then values = traced or values end                                       -- running out of memory is not traced
  return judge(self, ok, values, message, code), points, seconds
end

local function spent(self)
  local budget, stats = self.budget, self.driver:stats()
  return budget.trials and stats.told - stats.observed >= budget.trials or budget.seconds and self.elapsed >= budget.seconds
    or budget.cost and stats.cost >= budget.cost
end

-- A suggestion that was in flight when the study ended, or a new one.
local function next_suggestion(self)
  local s = table.remove(self.waiting, 1)
  if s then
    self.journal:retry(s)
    return s
  end
  s = self.driver:ask(1)[1]
  if not s then return nil end
  if s.kind == "clone" then self.checkpoints:copy(s.parent, s.id) end                -- before the parent goes on
  self.journal:ask(s, self.driver.next_id)
  return s
end

local function step(self)
  local s = next_suggestion(self)
  if not s then return false end
  if s.kind == "resume" and s.fidelity.from == 0 then self.checkpoints:drop(s.id) end  -- the scheduler wants a fresh start
  local outcome, points, seconds = evaluate(self, s)
  local _, trial = assert(self.driver:tell(s.id, outcome))
  local retired = self.driver:retired()
  self.journal:tell(s, trial, outcome, points, seconds, retired, self.driver.objectives)
  self.checkpoints:told(trial, retired)
  self.elapsed = self.elapsed + seconds
  if outcome.status == "failed" then self.last_failure = outcome.message end
  return true
end

--- The front found so far: trials, best(objective), hypervolume(ref), report(path).
function Study:front() return Front.of(self) end

--- Runs until the budget is spent, the space exhausted or the schedule finished. Returns the front; nil, message, "EFAILED" when no trial succeeded.
-- An interruption leaves the store as it was after the last event and goes on upwards.
function Study:run()
  local bar = progress.new(self)
  core.sys.resumable(self.where.kind ~= "memory")
  local ok, message = xpcall(function()
    while not spent(self) and step(self) do bar:update() end
  end, function(e) return e end)
  bar:finish()
  if ok then core.sys.resumable(false) end
  if not ok then
    pcall(self.journal.status, self.journal, "PAUSED")                               -- the reason to stop counts, be the store still there or not
    error(message, 0)
  end
  self.journal:status "DONE"
  local stats = self.driver:stats()
  if stats.told > 0 and stats.failed == stats.told then
    local reason = tostring(self.last_failure or "see the store"):match "^[^\n]*"
    return nil, util.failure(3, "study '%s': all %d trials failed; the last one: %s", self.name, stats.told, reason), "EFAILED"
  end
  return self:front()
end

--- What was measured elsewhere: values as an evaluation returns them. Counts for the strategy and the front, not for the budget.
-- Returns true, or nil and a message when arch is not of the space.
function Study:observe(arch, values)
  local outcome = { status = "ok", values = util.copy(values) }
  local ok, trial = self.driver:observe(arch, outcome)
  if not ok then return nil, trial end
  self.journal:observe(trial, outcome, self.driver.objectives, self.driver.next_id)
  return true
end

--- All trials in the order they were asked: { id, arch, hash, values, state, reason, message, seconds, curves, params, macs, fidelity, attempts,
-- parent }.
function Study:trials() return self.journal:trials() end

--- Closes the store.
function Study:close()
  self.checkpoints:close()
  self.journal:close()
end
Study.__close = Study.close

local function check_budget(given, scheduler)
  util.check_options("study: budget", given or {}, { trials = true, seconds = true, cost = true }, 3)
  if not given and scheduler and scheduler.endless then
    error("study: option 'budget' is missing: this scheduler never ends by itself; trials, seconds or cost (steps trained) limit it", 3)
  end
  if given and given.cost and not scheduler then error("study: budget.cost counts steps trained under a scheduler; there is none", 3) end
  local budget = given or scheduler and {} or { trials = 100 }
  for _, name in ipairs(util.sorted_keys(budget)) do
    local v = budget[name]
    if type(v) ~= "number" or v <= 0 then error(("study: budget.%s must be > 0, got %s"):format(name, tostring(v)), 3) end
  end
  return budget
end

-- Beside the store's file, if it is one.
local function checkpoint_folder(path, name)
  return path and ("%s-checkpoints/%s"):format(path:gsub("%.db$", ""), name:gsub("[^%w_.-]", "_")) or nil
end

local function check_type(name, value, kind, level)
  if type(value) ~= kind then error(("study: %s must be a %s, got %s"):format(name, kind, type(value)), level) end
end

-- Brings a study back to where its journal ends.
local function resume(self)
  local checkpoints = self.checkpoints
  checkpoints.replaying = true
  self.journal:replay(self.driver, function(trial, seconds)
    self.elapsed = self.elapsed + seconds
    checkpoints:told(trial, self.driver:retired())
  end)
  checkpoints.replaying = false
  local pending = self.driver:pending()
  for i, id in ipairs(pending) do self.waiting[i] = self.driver:suggestion(id) end
  checkpoints:sweep(pending)
end

--- Opens a study, or one begun before in the same store. Raises on a wrong option, or when what was begun differs.
-- Options beside those above: constraints, dedup, ordered and window (vega.strategy.create); name; quiet; title;
-- checkpoints = { best = 5, paused = 64 }.
local function new(options)
  util.check_options("study", options, OPTIONS, 2)
  for _, name in ipairs { "space", "strategy", "evaluate", "objectives" } do
    if options[name] == nil then error(("study: option '%s' is missing"):format(name), 2) end
  end
  local url, name = options.store or "mem:", options.name or "study"
  check_type("store", url, "string", 3)
  check_type("name", name, "string", 3)
  if options.seed ~= nil and math.type(options.seed) ~= "integer" then error("study: seed must be a whole number, got " .. tostring(options.seed), 2) end
  local keep = util.parameters("study: checkpoints", KEEP, options.checkpoints or {}, 2)
  local self = setmetatable({ name = name, space = options.space, evaluate = evaluator(options.evaluate), seed = options.seed or 0,
    where = core.store.where(url), waiting = {}, elapsed = 0, quiet = options.quiet, options = options }, Study)
  if type(self.space) == "string" then self.space = require "vega.space" (self.space) end
  if type(self.space) ~= "table" or not self.space.decisions then
    error(("study: space: the name of a search space or vega.space.define { ... } expected, got %s"):format(type(options.space)), 2)
  end
  self.driver = strategy.create(options.strategy, { space = self.space, objectives = options.objectives, constraints = options.constraints,
    seed = self.seed, budget = options.budget or { trials = 100 }, dedup = options.dedup, scheduler = options.scheduler, ordered = options.ordered,
    window = options.window })
  local scheduler = self.driver.scheduler
  self.budget = check_budget(options.budget, scheduler)
  if scheduler and scheduler.clones then keep.paused = math.huge end                 -- a clone cannot be trained from the beginning
  self.checkpoints = Checkpoints.new(checkpoint_folder(self.where.path, name), keep)
  self.journal = Journal.open(url, name, self.driver, self.budget)
  resume(self)
  return self
end

return setmetatable({ new = new, Study = Study, export = exchange.export, import = exchange.import }, { __call = function(_, options) return new(options) end })
