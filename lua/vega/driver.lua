--- The driver: what is the same for every strategy and scheduler. It gives ids and seeds, keeps duplicates out, issues lost trials again, applies
-- constraints, keeps the best and the front, saves and loads. Made by vega.strategy.create.
--    local s = strategy.create(strategy.aging {}, { space = space, objectives = { acc = "max" }, seed = 1 })
--    local list, status = s:ask(1)            -- "ok", "wait" (tell first), "exhausted" (everything was seen), "finished" (the schedule ended)
--    local decision = s:report(id, step, { acc = 0.7 })     -- "continue", "pause" or "stop"
--    s:tell(id, { status = "ok", values = { acc = 0.9 } })
-- Its state is a pure function of (space, options, seed, the ordered events), each of which draws from a stream of its own.
local Results = require "vega.driver.results"
local core_rng = require("vega.core").rng
local learners = require "vega.fidelity.learners"
local objective = require "vega.objective"
local options = require "vega.driver.options"
local util = require "vega.util"

local RETRIES = 100           -- asks of the method before a duplicate is replaced
local ENUMERABLE = 1000000

local Driver = {}
Driver.__index = Driver

-- Making one --------------------------------------------------------------------------------------------------------------------------

local function add_scheduler(self, descriptor, level)
  self.metric = options.metric(descriptor, self.objectives, self.window, level + 1)
  self.scheduler_name, self.scheduler_params = descriptor.name, descriptor.params
  self.scheduler = descriptor.class.new(descriptor.params, { rng = self.rng, space = self.space, seed = self.seed, budget = self.budget })
end

--- A driver of the strategy that a descriptor names. Raises at `level` on a wrong option.
function Driver.new(descriptor, spec, level)
  local class, name = descriptor.class, descriptor.name
  local dedup, window = options.check(spec, class, level + 1)
  local objectives = objective.parse(spec.objectives)
  if #objectives > 1 and not class.multi_objective then
    error(("strategy '%s' takes one objective, got %d; vega-lua list strategies says which take several"):format(name, #objectives), level + 1)
  end
  local params = util.copy(descriptor.params)
  if class.defaults then
    for key, value in pairs(class.defaults(spec)) do if params[key] == nil then params[key] = value end end
  end
  local seed, results = spec.seed or 0, Results.new(objectives)
  local self = setmetatable({ name = name, params = params, space = spec.space, objectives = objectives, seed = seed, budget = spec.budget,
    constraints = objective.parse_constraints(spec.constraints), dedup = dedup, window = window, max_retries = spec.max_retries or 2,
    rng = core_rng.new(seed, "new", 0), dice = core_rng.new(seed), next_id = 1, jobs = 0, open = {}, open_count = 0, entries = {}, reissue = {},
    seen = {}, n_seen = 0, stored = {}, results = results, told = results.told, held = {}, taught = 0, closed_after_loss = {}, events = {},
    counters = { asked = 0, told = 0, failed = 0, duplicates = 0, lost = 0, reused = 0, resumed = 0, stopped = 0, observed = 0, cost = 0 } }, Driver)
  if #self.space.clauses > 0 then self.space:random(self.dice) end             -- raises when no architecture passes the clauses
  if spec.scheduler then add_scheduler(self, spec.scheduler, level + 1) end
  local scheduler = self.scheduler
  local given = { objectives = objectives, constraints = self.constraints, budget = spec.budget, seed = seed,
    fidelity = scheduler and { name = scheduler.resource, min = scheduler.min, max = scheduler.max } }
  local function make() return class.new(self.space, params, self.rng, given) end
  self.method = scheduler and learners.choose(class, make, scheduler, self.space, self.rng) or make()
  return self
end

-- Asking ------------------------------------------------------------------------------------------------------------------------------

-- When random retries no longer find anything new, the space is walked from a random place.
local function unseen_member(self)
  local size = self.space.size
  if not size or size > ENUMERABLE then return nil, "unknown" end
  local start = self.rng:int(0, size - 1)
  for i = 0, size - 1 do
    local arch = self.space:check(self.space:unrank((start + i) % size + 1))
    if arch then
      local hash = self.space:hash(arch)
      if not self.seen[hash] then return arch, hash end
    end
  end
  return nil, "exhausted"
end

local function fallback(self, arch, hash)
  local other, found = unseen_member(self)
  if other then return other, found, "enumeration" end
  if found == "exhausted" then return nil, "exhausted" end
  return arch, hash, "duplicate"
end

-- One architecture of the method's, its hash and origin; or nil and why not. Under "reuse" one whose result is known is let through.
local function propose(self)
  local arch, origin, hash
  for _ = 1, self.dedup == "allow" and 1 or RETRIES do
    arch, origin = self.method:ask()
    if not arch then return nil, origin or "exhausted" end
    local good, message = self.space:check(arch)
    if not good then error(("strategy '%s' asked for an architecture that is not allowed: %s"):format(self.name, message), 0) end
    arch, hash = good, self.space:hash(good)
    if not self.seen[hash] then return arch, hash, origin end
    self.counters.duplicates = self.counters.duplicates + 1
    if self.dedup == "allow" or self.stored[hash] then return arch, hash, origin end
    if self.space.size and self.n_seen * 100 >= self.space.size * 99 then break end
  end
  return fallback(self, arch, hash)
end

local function see(self, hash, id)
  if not self.seen[hash] then self.seen[hash], self.n_seen = id, self.n_seen + 1 end
end

local function take_id(self)
  local id = self.next_id
  self.next_id = id + 1
  return id
end

-- A suggestion leaves; from here on it is pending. Tables are made whole, as each field that is added later may cost a rehash.
local function issue(self, suggestion)
  local id = suggestion.id
  local entry = self.entries[id]
  if entry then entry.suggestion, entry.verdict = suggestion, nil
  else
    entry = { id = id, suggestion = suggestion, reached = suggestion.fidelity and suggestion.fidelity.from or 0, reported = 0, losses = 0 }
    self.entries[id] = entry
  end
  self.open[id], self.open_count = entry, self.open_count + 1
  return suggestion
end

local function next_job(self)
  self.jobs = self.jobs + 1
  return self.jobs
end

local function issue_new(self, arch, hash, origin, job)
  local id = take_id(self)
  self.counters.asked = self.counters.asked + 1
  see(self, hash, id)
  local suggestion = issue(self, { id = id, job = next_job(self), kind = job and job.kind or "new", config = arch, arch = arch, hash = hash,
    origin = origin or self.name, seed = self.dice:seek(self.seed, "trial", id):int(0, math.maxinteger - 1), parent = job and job.parent,
    fidelity = job and { from = job.from or 0, to = job.to, max = self.scheduler.max } })
  if self.method.on_issued then self.method:on_issued(suggestion) end
  return suggestion
end

local teach

-- A known architecture costs nothing: the method is told the stored result under a new id.
local function reuse(self, arch, hash)
  local known, trial = self.stored[hash], {}
  for key, value in pairs(known) do trial[key] = value end
  trial.id, trial.arch, trial.reused = take_id(self), arch, known.id
  if self.method.on_issued then self.method:on_issued { id = trial.id, config = arch, arch = arch, hash = hash } end
  self.counters.reused = self.counters.reused + 1
  teach(self, trial, "reuse", trial.id)
end

local function new_trial(self, job)
  for _ = 1, RETRIES do
    local id = self.next_id
    self.rng:seek(self.seed, "ask", id)
    local arch, hash, origin = propose(self)
    if not arch then return nil, hash end
    if self.dedup ~= "reuse" or not self.stored[hash] then return issue_new(self, arch, hash, origin, job) end
    reuse(self, arch, hash)
  end
  self.rng:seek(self.seed, "ask", self.next_id)
  local arch, hash, origin = unseen_member(self)
  if not arch and hash == "unknown" then                        -- nothing but known ones in a row of a space too large to walk
    arch, origin = self.space:check(self.space:random(self.rng)), "random"
    hash = self.space:hash(arch)
  end
  if not arch then return nil, "exhausted" end
  return issue_new(self, arch, hash, origin or "enumeration", job)
end

local function resume(self, job)
  local entry = self.entries[job.id]
  local first = entry.suggestion
  self.counters.resumed = self.counters.resumed + 1
  return issue(self, { id = job.id, job = next_job(self), kind = "resume", config = first.config, arch = first.arch, hash = first.hash,
    seed = first.seed, origin = self.scheduler_name,
    fidelity = { from = self.scheduler.restart and 0 or entry.reached, to = job.to, max = self.scheduler.max } })
end

-- An architecture of the scheduler's own.
local function issue_given(self, job)
  local arch, message = self.space:check(job.arch)
  if not arch then error(("scheduler '%s' asked for an architecture that is not allowed: %s"):format(self.scheduler_name, message), 0) end
  return issue_new(self, arch, self.space:hash(arch), self.scheduler_name, job)
end

-- What a scheduler wants done, as a suggestion; nil and why not when the strategy has none.
local function carry_out(self, job)
  local perform = job.kind == "resume" and resume or job.arch and issue_given or new_trial
  local suggestion, status = perform(self, job)
  if not suggestion then return nil, status end
  self.entries[suggestion.id].task = job
  self.scheduler:started(job, suggestion)
  return suggestion
end

-- Asks the scheduler; when it wants a new trial and the strategy has none, once more without.
local function scheduled(self)
  self.rng:seek(self.seed, "schedule", self.jobs + 1)
  local job, status = self.scheduler:next(not self.dry)
  if not job then return nil, status == "dry" and (self.open_count > 0 and "wait" or "exhausted") or status end
  local suggestion
  suggestion, status = carry_out(self, job)
  if suggestion then return suggestion end
  if status == "exhausted" then
    self.dry = true
    if self.scheduler.exhaust then self.scheduler:exhaust() end
  end
  self.rng:seek(self.seed, "schedule", self.jobs + 1)
  job = self.scheduler:next(false)
  if job then return carry_out(self, job) end
  return nil, (status == "wait" or self.open_count > 0) and "wait" or status
end

-- Teaches the next answer in the order of asking, when it is there.
local function settle_next(self)
  local n = self.taught + 1
  local waiting = self.held[n]
  if not waiting then return false end
  self.taught, self.held[n] = n, nil
  teach(self, waiting, "tell", n)
  return true
end

-- With ordered answers the k-th suggestion knows the first k - window answers, or as many more as the method must wait for; never what
-- merely happened to arrive.
local function ask_ordered(self, ask)
  while self.taught < self.jobs + 1 - self.window do
    if not settle_next(self) then return nil, "wait" end
  end
  local suggestion, status = ask(self)
  while not suggestion and status == "wait" and settle_next(self) do suggestion, status = ask(self) end
  return suggestion, status
end

local function ask_one(self)
  if #self.reissue > 0 then return table.remove(self.reissue, 1) end
  local ask = self.scheduler and scheduled or new_trial
  if self.window then return ask_ordered(self, ask) end
  return ask(self)
end

--- Up to n suggestions, and "ok", "wait" (tell first), "exhausted" or "finished".
-- A suggestion: { id, job, kind = "new" | "resume" | "clone", config, hash, seed, origin, fidelity = { from, to, max }, parent }.
function Driver:ask(n)
  local list = {}
  for _ = 1, n or 1 do
    local suggestion, status = ask_one(self)
    if not suggestion then
      if #list > 0 then break end
      return list, status
    end
    list[#list + 1] = suggestion
    self.events[#self.events + 1] = { "ask", suggestion.id }
  end
  return list, "ok"
end

-- Reporting -----------------------------------------------------------------------------------------------------------------------------

-- The value that the scheduler compares, minimised; what is not finite ranks last.
local function metric_cost(self, id, step, values)
  local v = values[self.metric.name]
  if type(v) ~= "number" then
    error(("report: trial %d, step %s: '%s' is missing, by which scheduler '%s' decides"):format(id, step, self.metric.name, self.scheduler_name), 3)
  end
  if v ~= v or v == math.huge or v == -math.huge then return math.huge end
  return self.metric.goal == "max" and 0.0 - v or v + 0.0
end

--- An intermediate result of a running trial. Returns "continue", "pause" or "stop"; or nil, "unknown id".
-- What was reported before (by an evaluation that was interrupted and begins again) is answered as it was, and true is returned beside it.
function Driver:report(id, step, values)
  local entry = self.open[id]
  if not entry then return nil, "unknown id" end
  if math.type(step) ~= "integer" or step < 1 then
    error(("report: trial %s: step must be a whole number >= 1, got %s"):format(id, tostring(step)), 2)
  end
  local scheduler, verdict = self.scheduler, entry.verdict
  if not scheduler then return "continue" end
  if step <= entry.reported then return verdict and step >= verdict.step and verdict.decision or "continue", true end
  local cost = scheduler.report and metric_cost(self, id, step, values)
  self.events[#self.events + 1] = { "report", id, step, values }
  entry.reported = step
  local decision = scheduler.report and scheduler:report(id, step, cost) or "continue"
  local fidelity = entry.suggestion.fidelity
  if step >= scheduler.max then decision = "continue" end                     -- nothing is left to stop: the trial is complete
  if decision == "continue" and step >= fidelity.to and fidelity.to < scheduler.max then decision = "pause" end
  if decision ~= "continue" then entry.verdict = { step = step, decision = decision } end
  return decision
end

-- Telling -------------------------------------------------------------------------------------------------------------------------------

local function lose(self, entry)
  entry.losses = entry.losses + 1
  self.counters.lost = self.counters.lost + 1
  if entry.losses > self.max_retries then return false end
  table.insert(self.reissue, entry.suggestion)
  return true
end

local function measured(outcome)
  if not outcome.constraints then return outcome.values or {} end
  return setmetatable({}, { __index = function(_, k) return outcome.constraints[k] or outcome.values[k] end })
end

-- The record a method learns from.
local function to_trial(self, suggestion, outcome)
  local trial = { id = suggestion.id, arch = suggestion.config, hash = suggestion.hash, values = outcome.values or {}, violation = 0.0,
    status = outcome.status, reason = outcome.reason }
  if outcome.status == "ok" or outcome.status == "stopped" then
    local message, reason
    trial.costs, message, reason = objective.costs(self.objectives, trial.values)
    if trial.costs and #self.constraints > 0 then
      trial.violation, message, reason, trial.slacks = objective.violation(self.constraints, measured(outcome))
    end
    if message then trial.status, trial.reason, trial.message = "failed", reason, message end
  elseif outcome.status ~= "infeasible" then
    trial.status = "failed"
  end
  trial.failed = trial.status == "failed" or trial.status == "infeasible"
  if trial.failed then trial.costs, trial.violation = nil, 0.0 end
  if not trial.failed and #self.objectives == 1 then trial.value = 0.0 - trial.costs[1] end
  return trial
end

-- Under a scheduler a result is of a fidelity: where the trial was stopped, or what it was to reach.
local function add_fidelity(self, entry, trial, outcome)
  local fidelity, verdict = entry.suggestion.fidelity, entry.verdict
  local stopped = verdict and verdict.decision == "stop"
  trial.from = fidelity.from
  trial.fidelity = outcome.fidelity or stopped and verdict.step or math.max(fidelity.to, entry.reported)
  if stopped and not trial.failed then trial.status = "stopped" end
  trial.paused = not trial.failed and not stopped and trial.fidelity < self.scheduler.max
  trial.task = entry.task
  trial.cost = trial.costs and trial.costs[1]
  for i, o in ipairs(self.objectives) do if o == self.metric and trial.costs then trial.cost = trial.costs[i] end end
  entry.reached = trial.fidelity
  self.counters.cost = self.counters.cost + math.max(0, trial.fidelity - fidelity.from)
  if trial.status == "stopped" then self.counters.stopped = self.counters.stopped + 1 end
end

local function record(self, trial)
  self.results:add(trial)
  self.counters.told = self.counters.told + 1
  if trial.failed then self.counters.failed = self.counters.failed + 1 end
end

function teach(self, trial, label, n)
  if self.dedup == "reuse" then self.stored[trial.hash] = self.stored[trial.hash] or trial end
  self.rng:seek(self.seed, label, n)
  self.method:tell(trial)
  if self.scheduler and trial.task then self.scheduler:tell(trial) end
end

local function forget_reissue(self, id)
  for i, waiting in ipairs(self.reissue) do
    if waiting.id == id then
      table.remove(self.reissue, i)
      return
    end
  end
end

local function close_entry(self, entry)
  self.open[entry.id], self.open_count = nil, self.open_count - 1
  if entry.losses > 0 then self.closed_after_loss[entry.id] = entry.suggestion end
  if not self.scheduler then self.entries[entry.id] = nil end
end

--- The outcome of a trial: { status = "ok" | "failed" | "infeasible" | "stopped" | "lost", values =, constraints =, reason =, fidelity = };
-- it belongs to the driver from then on. Returns true and the trial's record, or nil, "unknown id". A lost trial is issued again,
-- max_retries times, then counts as failed; what arrives after all for a trial that was lost once and finished since is an observation.
function Driver:tell(id, outcome)
  local entry = self.open[id]
  if not entry then
    local late = self.closed_after_loss[id]
    if late and outcome.status ~= "lost" then return self:observe(late.config, outcome) end
    return nil, "unknown id"
  end
  self.events[#self.events + 1] = { "tell", id, outcome }
  if outcome.status == "lost" and lose(self, entry) then return true end
  if #self.reissue > 0 then forget_reissue(self, id) end
  close_entry(self, entry)
  local trial, job = to_trial(self, entry.suggestion, outcome), entry.suggestion.job
  if self.scheduler then add_fidelity(self, entry, trial, outcome) end
  record(self, trial)
  if self.window then self.held[job] = trial else teach(self, trial, "tell", job) end
  return true, trial
end

--- What was measured elsewhere. Returns true and the record, or nil and a message when config is not of this space.
function Driver:observe(config, outcome)
  local arch, message = self.space:check(config)
  if not arch then return nil, message end
  local id, hash = take_id(self), self.space:hash(arch)
  see(self, hash, id)
  self.events[#self.events + 1] = { "observe", config, outcome }
  local trial = to_trial(self, { id = id, config = arch, hash = hash }, outcome)
  if self.scheduler then trial.fidelity = outcome.fidelity or self.scheduler.max end
  self.counters.observed = self.counters.observed + 1
  record(self, trial)
  teach(self, trial, "observe", id)
  return true, trial
end

-- Looking -------------------------------------------------------------------------------------------------------------------------------

--- Ids asked and not yet told, ascending.
function Driver:pending()
  local ids = {}
  for id in pairs(self.open) do ids[#ids + 1] = id end
  table.sort(ids)
  return ids
end

--- The suggestion of a pending id, or nil.
function Driver:suggestion(id) return self.open[id] and self.open[id].suggestion end

--- The best trial by an objective (a name, default the first), among those of the highest fidelity reached; nil and the least violating trial
-- when none is feasible. best(k) with a whole number: the list of the k best feasible ones by the first objective.
function Driver:best(which) return self.results:best(which) end

--- All feasible trials of the highest fidelity reached that none dominates, sorted by the first objective.
function Driver:front() return self.results:front() end

--- Does trial a come before b? Deb's rule on the first objective.
function Driver.better(a, b) return objective.before(a, b, 1) end

--- Counters: asked, told, failed, duplicates, lost, reused, resumed, stopped, observed, cost (steps trained, under a scheduler), pending.
function Driver:stats()
  local stats = util.copy(self.counters)
  stats.pending = self.open_count
  return stats
end

--- Ids of paused trials that the scheduler has given up since the last call.
function Driver:retired()
  local scheduler = self.scheduler
  return scheduler and scheduler.retired and scheduler:retired() or {}
end

--- Plain data from which strategy.load rebuilds the same object: the events, since the state is a pure function of them.
function Driver:save()
  return { version = 1, strategy = self.name, scheduler = self.scheduler_name, seed = self.seed,
    events = table.move(self.events, 1, #self.events, 1, {}) }
end

--- Replays saved events. Raises when the replay asks for something else.
function Driver:replay(events)
  for _, event in ipairs(events) do
    local kind, id = event[1], event[2]
    if kind == "ask" then
      local suggestion = self:ask(1)[1]
      if not suggestion or suggestion.id ~= id then error(("strategy '%s': replay does not ask for trial %s"):format(self.name, id), 3) end
    elseif kind == "report" then self:report(id, event[3], event[4])
    elseif kind == "tell" then self:tell(id, event[3])
    else self:observe(id, event[3]) end
  end
  return self
end

return Driver
