--- A study: a space, a strategy, an evaluator and a store, run until the budget is spent.
--    local study = vega.study { space = s, strategy = vega.strategy.nsga2 {}, evaluate = function(arch, trial) return { acc = f(arch) } end,
--                               objectives = { acc = "max" }, budget = { trials = 40 }, store = "runs/x.db", seed = 1 }
--    local front = study:run()        -- run the same script again to resume
-- Every ask, report and tell is one transaction of the store (vega.study.journal). Resuming replays them: the strategy's state is a pure function of
-- that journal. With scheduler = vega.scheduler.NAME {} trials are trained as far as it says: see vega.study.trial for what an evaluation does then.
local Checkpoints = require "vega.study.checkpoints"
local Front = require "vega.study.front"
local Journal = require "vega.study.journal"
local Lead = require "vega.study.lead"
local core = require "vega.core"
local evaluation = require "vega.study.evaluation"
local exchange = require "vega.study.exchange"
local progress = require "vega.study.progress"
local roles = require "vega.study.role"
local settings = require "vega.settings"
local strategy = require "vega.strategy"
local trials = require "vega.study.trial"
local util = require "vega.util"

local OPTIONS = { space = true, strategy = true, evaluate = true, objectives = true, constraints = true, budget = true, store = true, name = true,
  seed = true, dedup = true, quiet = true, title = true, scheduler = true, ordered = true, window = true, checkpoints = true,
  needs = true }
local KEEP = { best = { 5, min = 0, about = "complete trials whose checkpoint is kept" },
  paused = { 64, min = 0, about = "paused trials whose checkpoint is kept" },
  folder = { "", about = "where they are; by default beside the store's file" } }
local DETERMINISTIC_WINDOW = 8

local Study = {}
Study.__index = Study

-- Running -----------------------------------------------------------------------------------------------------------------------------

local function spent(self)
  local budget, stats = self.budget, self.driver:stats()
  return budget.trials and stats.told - stats.observed >= budget.trials or budget.seconds and self.elapsed >= budget.seconds
    or budget.cost and stats.cost >= budget.cost
end

-- Only one process at a time writes the journal of a study that others can see.
local function take_lead(self)
  if self.lead or self.where.kind == "memory" then return end
  local role = self.role
  self.lead = Lead.take(self.journal, { url = self.url, lease = role.lease, backoff = role.backoff, patient = role.kind == "leader" })
  self:catch_up()
  self.checkpoints:sweep(self.driver:pending())
  self.journal:follow_script()
end

local function give_up_lead(self)
  if self.lead then self.lead:close() end
  self.lead = nil
end

-- What workers found that the strategy does not know yet.
local function tell_unheard(self)
  for _, each in ipairs(self.journal:hear()) do
    if self.driver:suggestion(each.id) then self.journal:exchange({ self:told(each.id, each.outcome, each.seconds) }, {}, self.driver.next_id, {}) end
  end
end

-- A suggestion that was in flight when the study ended, or a new one.
local function next_suggestion(self)
  while #self.waiting > 0 do
    local s = self.driver:suggestion(table.remove(self.waiting, 1))
    if s then
      self.journal:retry(s)
      return s
    end
  end
  local s = self.driver:ask(1)[1]
  if not s then return nil end
  if s.kind == "clone" then self.checkpoints:copy(s.parent, s.id) end                -- before the parent goes on
  self.journal:ask(s, self.driver.next_id)
  return s
end

-- One that was lost (a rank of its gang died) goes on from its checkpoint, as often as it may be tried.
local function evaluate(self, s)
  for attempt = 1, self.role.attempts do
    local points = {}
    local outcome, seconds = evaluation.run(self, s, trials.alone(self, s, points))
    if outcome.status ~= "lost" then return outcome, points, seconds end
    if attempt == self.role.attempts then return { status = "failed", reason = "lost", message = outcome.message, values = {} }, points, seconds end
    self.journal:retry(s)
  end
end

local function step(self)
  if self.lead then self.lead:check() end
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

--- Tells the driver an outcome that a worker found; returns what the journal writes of it (Journal:exchange).
function Study:told(id, outcome, seconds)
  local suggestion = self.driver:suggestion(id)
  local _, trial = assert(self.driver:tell(id, outcome))
  local retired = self.driver:retired()
  self.checkpoints:told(trial, retired)
  self.elapsed = self.elapsed + seconds
  if outcome.status == "failed" then self.last_failure = outcome.message end
  return { suggestion = suggestion, outcome = outcome, seconds = seconds, retired = retired }
end

local function run_alone(self, bar)
  tell_unheard(self)
  while not spent(self) and step(self) do bar:update() end
end

-- Under the lead; whoever loses it has no say any more in what becomes of the study.
local function run_leading(self)
  local bar = progress.new(self)
  local perform = self.role.kind == "leader" and require("vega.study.crew").run or run_alone
  core.sys.resumable(self.where.kind ~= "memory")
  local ok, message = xpcall(function()
    self.journal:status "ACTIVE"
    perform(self, bar)
    self.journal:status "DONE"
  end, function(e) return e end)
  bar:finish()
  if ok then core.sys.resumable(false)
  else
    self.journal:rollback()
    pcall(self.journal.status, self.journal, "PAUSED")                               -- the reason to stop counts, be the store still there or not
  end
  give_up_lead(self)
  if not ok then error(message, 0) end
end

-- In a worker a script's other studies are only looked at: they are over, or this one would not have begun.
local function is_bystander(self) return self.role.kind == "worker" and self.where.kind ~= "memory" and self.name ~= self.role.study end

--- Runs until the budget is spent, the space exhausted or the schedule finished. Returns the front; nil, message, "EFAILED" when no trial succeeded.
-- An interruption leaves the store as it was after the last event and goes on upwards. Under `vega-lua run --workers N` the trials are evaluated by
-- worker processes that run the same script, where this call evaluates trials and does not return.
function Study:run()
  if is_bystander(self) then
    if not spent(self) then error(util.failure(1, "study '%s': a worker of study '%s' cannot run it", self.name, self.role.study), 0) end
    return self:front()
  end
  if self.is_worker then require("vega.study.worker").run(self) end                  -- comes back only to lead
  take_lead(self)
  run_leading(self)
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
  if self.is_worker then return true end                                             -- the leader does
  take_lead(self)
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
  give_up_lead(self)
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

--- Brings the study to where its journal ends.
function Study:catch_up()
  local checkpoints = self.checkpoints
  checkpoints.replaying = true
  self.journal:replay(self.driver, function(trial, seconds)
    self.elapsed = self.elapsed + seconds
    checkpoints:told(trial, self.driver:retired())
  end)
  checkpoints.replaying = false
  self.waiting = self.driver:pending()
end

-- Under `run --deterministic` results are told in order inside a window; a study that was begun so goes on so.
local function order(self)
  local options, role = self.options, self.role
  local ordered, window = options.ordered, options.window
  if self.is_worker then
    window = self.journal:window()
    return window ~= nil, window
  end
  if role.deterministic and not ordered then return true, role.window or DETERMINISTIC_WINDOW end
  return ordered, window
end

local function check_needs(needs)
  local words = {}
  for _, key in ipairs(util.sorted_keys(needs)) do
    local value = needs[key]
    local word = math.type(key) == "integer" and value or key .. tostring(value)
    if type(word) ~= "string" or not word:find "^[%w_.-]+$" then
      error(("study: needs: words such as \"avx512\", cores = 4 or memory_gib = 8 expected, got %s"):format(tostring(value)), 3)
    end
    words[#words + 1] = word
  end
  return words
end

--- Opens a study, or one begun before in the same store. Raises on a wrong option, or when what was begun differs.
-- Options beside those above: constraints, dedup, ordered and window (vega.strategy.create); name; quiet; title;
-- checkpoints = { best = 5, paused = 64, folder = beside the store's file }; needs = { "avx512", cores = 4 }: what a worker must have (docs/workers.md).
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
  local role = roles.get()
  local is_worker = role.kind == "worker" and name == role.study
  if is_worker then url = role.store end
  local fn, batch = evaluation.evaluator(options.evaluate)
  local self = setmetatable({ name = name, space = options.space, evaluate = fn, batch = batch, seed = settings.get("seed", options.seed) or 0, url = url,
    where = core.store.where(url), waiting = {}, elapsed = 0, quiet = options.quiet, options = options, role = role, is_worker = is_worker,
    needs = check_needs(options.needs or {}) }, Study)
  if type(self.space) == "string" then self.space = require "vega.space" (self.space) end
  if type(self.space) ~= "table" or not self.space.decisions then
    error(("study: space: the name of a search space or vega.space.define { ... } expected, got %s"):format(type(options.space)), 2)
  end
  self.journal = is_worker and Journal.open(url, name)
  local ordered, window = order(self)
  self.driver = strategy.create(options.strategy, { space = self.space, objectives = options.objectives, constraints = options.constraints,
    seed = self.seed, budget = options.budget or { trials = 100 }, dedup = options.dedup, scheduler = options.scheduler, ordered = ordered,
    window = window })
  local scheduler = self.driver.scheduler
  self.budget = check_budget(options.budget, scheduler)
  if scheduler and scheduler.clones then keep.paused = math.huge end                 -- a clone cannot be trained from the beginning
  self.checkpoints = Checkpoints.new(keep.folder ~= "" and keep.folder or checkpoint_folder(self.where.path, name), keep)
  if role.kind == "leader" then require("vega.study.crew").check(self) end
  self.journal = self.journal or Journal.open(url, name)
  self.journal:begin(self.driver, self.budget)
  if not is_worker then self:catch_up() end
  return self
end

return setmetatable({ new = new, Study = Study, export = exchange.export, import = exchange.import }, { __call = function(_, options) return new(options) end })
