--- Studies read out of a store, without the script that began them: for the command line, the report and the live view.
--    local s <close> = assert(stored.open("runs/x.db", "study"))       -- stored.list(url): what there is
--    for _, t in ipairs(s:trials()) do print(t.id, t.state, t.values.loss) end
-- Nothing here writes, but for the tables of a new version in an old store. Whatever comes out is data: none of it is run.
local Journal = require "vega.study.journal"
local core = require "vega.core"
local objective = require "vega.objective"
local pareto = core.pareto
local store = require "vega.store"
local util = require "vega.util"

local stored = {}

local Stored = {}
Stored.__index = Stored

local function decode(text)
  if text == nil then return nil end
  return store.decode(text)
end

-- Opening -----------------------------------------------------------------------------------------------------------------------------

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

--- As vega.store.where, but nil, a message and an exit code for a wrong URL.
function stored.where(url)
  local ok, where = pcall(store.where, url)
  if ok then return where end
  return nil, (tostring(where):gsub("^[^\n]-%.lua:%d+: ", "")), 2
end

-- A store that is there; nil, a message and an exit code.
local function open_store(url)
  local where, why, exit_code = stored.where(url)
  if not where then return nil, why, exit_code end
  if where.kind == "sqlite" and not exists(where.path) then return nil, ("store '%s': there is no such file"):format(where.shown), 4 end
  local db, message, code = store.open(url)
  if not db then return nil, ("store '%s': %s (%s)"):format(where.shown, message:gsub("^store: ", ""), code), 4 end
  return db, where.shown
end

-- Calls fn; what the store refuses meanwhile comes back as nil, message, exit code.
local function guarded(fn, ...)
  local result = table.pack(pcall(fn, ...))
  if result[1] then return table.unpack(result, 2, result.n) end
  local fault = result[2]
  if type(fault) ~= "table" or not fault.exit_code then error(fault, 0) end
  return nil, fault.message, fault.exit_code
end

local function run(self, ...)
  local rows, message, code = self.db:run(...)
  if not rows then error(util.failure(code == "EIO" and 5 or 4, "store '%s': %s (%s)", self.shown, message:gsub("^store: ", ""), code), 0) end
  return rows
end

-- Objectives and constraints of a study's row.
local function goals_of(row)
  local goals = store.expect_table(decode(row.objectives_json), "list of objectives")
  local objectives, constraints = goals[1] or {}, goals[2] or {}
  for _, list in ipairs { objectives, constraints } do
    for _, each in ipairs(store.expect_table(list, "list of objectives")) do
      store.expect_table(each, "objective")
      if type(each.name) ~= "string" then store.expect_table(nil, "name of an objective") end
    end
  end
  return objectives, constraints
end

local function summary(row)
  local objectives = goals_of(row)
  return { id = row.study_id, name = row.name, status = row.status, strategy = row.strategy, objectives = objectives, created_at = row.created_at,
    counts = {}, trials = 0 }
end

--- All studies of a store, in the order they were begun: { id, name, status, strategy, objectives, created_at, counts = { COMPLETE = n, ... },
-- trials = n }. Or nil, a message and an exit code.
function stored.list(url)
  local db <close>, shown, code = open_store(url)
  if not db then return nil, shown, code end
  return guarded(function()
    local self, list, by_id = { db = db, shown = shown }, {}, {}
    for i, row in ipairs(run(self, "study_list")) do
      list[i] = summary(row)
      by_id[row.study_id] = list[i]
    end
    for _, row in ipairs(run(self, "study_counts")) do
      local study = by_id[row.study_id]
      if study then study.counts[row.state], study.trials = row.n, study.trials + row.n end
    end
    return list
  end)
end

local function names_of(self)
  local names = {}
  for i, row in ipairs(run(self, "study_list")) do names[i] = row.name end
  return names
end

-- The study's row: of this name, or the only one.
local function find(self, name)
  local names = not name and names_of(self)
  if names and #names == 1 then name = names[1] end
  local row = name and run(self, "study_find", name)[1]
  if row then return row end
  names = names or names_of(self)
  if #names == 0 then error(util.failure(4, "store '%s' has no study", self.shown), 0) end
  if name then error(util.failure(4, "%s", util.unknown(("store '%s'"):format(self.shown), "study", name, names)), 0) end
  error(util.failure(2, "store '%s' has %d studies, name one: %s", self.shown, #names, table.concat(names, ", ")), 0)
end

local function fill(self, row)
  local rules = store.expect_table(decode(row.strategy_json), "list of a strategy's options")
  self.objectives, self.constraints = goals_of(row)
  self.id, self.name, self.status, self.created_at = row.study_id, row.name, row.status, row.created_at
  self.space, self.space_hash = store.expect_table(decode(row.space_json), "space"), row.space_hash
  self.strategy, self.params, self.dedup, self.window = row.strategy, store.expect_table(rules[1] or {}, "table of options"), rules[2], rules[3] or nil
  if type(rules[4]) == "table" then self.scheduler = { name = rules[4][1], params = store.expect_table(rules[4][2], "scheduler's table of options") } end
  self.seed, self.budget = row.seed_lo, store.expect_table(decode(row.budget_json) or {}, "budget")
  self.env = store.expect_table(decode(row.env_json) or {}, "environment")
  self.script, self.script_sha256 = row.script, row.script_sha256
  self.journal = Journal.attach(self.db, row, self.shown)
  return self
end

--- A study of the store: by its name, or the only one. Or nil, a message and an exit code. Fields: name, id, status, created_at, objectives,
-- constraints, space (its signature), space_hash, strategy, params, dedup, window, scheduler = { name, params }, seed, budget, env, script,
-- script_sha256.
function stored.open(url, name)
  local db, shown, code = open_store(url)
  if not db then return nil, shown, code end
  local self = setmetatable({ db = db, shown = shown, url = url }, Stored)
  local ok, message, exit_code = guarded(function() return fill(self, find(self, name)) end)
  if not ok then db:close() end
  return ok, message, exit_code
end

--- Closes the store.
function Stored:close() self.db:close() end
Stored.__close = Stored.close

-- Looking -----------------------------------------------------------------------------------------------------------------------------

--- Runs one of the store's statements; returns its rows. Raises with an exit code on failure.
function Stored:run(...) return run(self, ...) end

--- All trials, the same tables as those of Study:trials().
function Stored:trials() return self.journal:trials() end

--- Trials by state, { COMPLETE = n, ... }, and how many there are.
function Stored:counts()
  local counts, n = {}, 0
  for _, row in ipairs(run(self, "study_counts")) do
    if row.study_id == self.id then counts[row.state], n = row.n, n + row.n end
  end
  return counts, n
end

-- trial_id -> number of all trials.
local function numbers_of(self)
  local numbers = {}
  for _, row in ipairs(run(self, "trial_list", self.id)) do numbers[row.trial_id] = row.number end
  return numbers
end

--- Every attempt at a trial: { trial = its number, epoch, owner, host, started_at, ended_at, outcome, signal, exit_code, max_rss_kb, message }.
function Stored:attempts()
  local numbers, list = numbers_of(self), run(self, "attempt_list", self.id)
  for _, row in ipairs(list) do row.trial, row.trial_id = numbers[row.trial_id], nil end
  return list
end

--- The events after number `seq` (0: all): { seq, trial = its number, at, kind, payload }.
function Stored:events_after(seq)
  local numbers, list = numbers_of(self), run(self, "event_after", self.id, seq)
  for i, row in ipairs(list) do
    list[i] = { seq = row.seq, trial = numbers[row.trial_id], at = row.at, kind = row.kind, payload = decode(row.payload_json) }
  end
  return list
end

-- Front -------------------------------------------------------------------------------------------------------------------------------

local HAS_RESULT = { COMPLETE = true, PRUNED = true, PAUSED = true }

-- What was measured elsewhere counts as trained to the end.
local function fidelity_of(self, trial) return self.scheduler and (trial.fidelity or self.scheduler.params.max) or 0 end

--- The trials that may be best: measured, within the constraints, of the highest fidelity reached; each with its costs. As a driver sees them.
function Stored:candidates()
  local list, level = {}, -math.huge
  for _, t in ipairs(self:trials()) do
    local costs = HAS_RESULT[t.state] and objective.costs(self.objectives, t.values)
    local violation = costs and objective.violation(self.constraints, t.values)
    if violation then
      t.costs, t.violation, level = costs, violation, math.max(level, fidelity_of(self, t))
      list[#list + 1] = t
    end
  end
  local best = {}
  for _, t in ipairs(list) do
    if t.violation == 0 and fidelity_of(self, t) == level then best[#best + 1] = t end
  end
  return best
end

-- The k-th objective by its name, by default the first; raises with an exit code.
local function objective_index(self, name)
  local names = {}
  for i, o in ipairs(self.objectives) do
    if o.name == (name or self.objectives[1].name) then return i end
    names[i] = o.name
  end
  error(util.failure(2, "%s", util.unknown(("study '%s'"):format(self.name), "objective", name, names)), 0)
end

-- The highest fidelity reached, nil without a scheduler; what was measured elsewhere counts as trained to the end.
local function level_of(self)
  local most = self.scheduler and self.scheduler.params.max
  return self.scheduler and run(self, "best_level", self.id, most and most + 0.0)[1].level
end

-- A trial without what is in its events: values are those of the objectives.
local function brief(self, number)
  local row = run(self, "trial_find", self.id, number)[1]
  local t = { id = row.number, arch = decode(row.params_json), hash = row.arch_hash, values = {}, state = row.state, reason = row.reason,
    params = row.params, macs = row.macs, fidelity = row.fidelity, attempts = row.attempts }
  for _, v in ipairs(run(self, "trial_values", row.trial_id)) do
    local o = self.objectives[v.objective]
    if o then t.values[o.name] = v.value end
  end
  return t
end

local function brief_all(self, numbers)
  local list = {}
  for i, number in ipairs(numbers) do list[i] = brief(self, number) end
  return list
end

--- The k best trials (1) by an objective, by default the first. They have what Stored:trials() has but curves, messages, seconds and, without
-- constraints, values that are no objectives: so it takes no longer in a large study.
function Stored:best(k, name)
  local index = objective_index(self, name)
  if #self.constraints > 0 then
    local list = self:candidates()
    table.sort(list, function(a, b) return objective.before(a, b, index) end)
    return table.move(list, 1, math.min(k or 1, #list), 1, {})
  end
  local sign, numbers = self.objectives[index].goal == "max" and -1.0 or 1.0, {}
  for i, row in ipairs(run(self, "best_list", self.id, level_of(self), index, sign, k or 1)) do numbers[i] = row.number end
  return brief_all(self, numbers)
end

local function dominates(a, b)
  for k = 1, #a do if a[k] > b[k] then return false end end
  return true                                              -- or is equal; callers have seen to that
end

local function equal(a, b)
  for k = 1, #a do if a[k] ~= b[k] then return false end end
  return true
end

-- Points that no other dominates. In lexicographic order only an earlier one can dominate a later.
local function nondominated(points)
  table.sort(points, function(a, b)
    for k = 1, #a do if a[k] ~= b[k] then return a[k] < b[k] end end
    return a.number < b.number
  end)
  local front = {}
  for _, p in ipairs(points) do
    local is_dominated = false
    for i = #front, 1, -1 do
      if dominates(front[i], p) and not equal(front[i], p) then
        is_dominated = true
        break
      end
    end
    if not is_dominated then front[#front + 1] = p end
  end
  return front
end

--- The trials of Stored:front(), in the form and for the reason of Stored:best.
function Stored:brief_front()
  if #self.constraints > 0 then return self:front() end
  local points, last = {}, nil
  for _, row in ipairs(run(self, "point_list", self.id, level_of(self))) do
    if not last or last.number ~= row.number then
      last = { number = row.number }
      points[#points + 1] = last
    end
    local o = self.objectives[row.objective]
    last[row.objective] = o.goal == "max" and -row.value or row.value
  end
  local whole = {}
  for _, p in ipairs(points) do if #p == #self.objectives then whole[#whole + 1] = p end end
  local numbers = {}
  for i, p in ipairs(nondominated(whole)) do numbers[i] = p.number end
  local list = brief_all(self, numbers)
  for _, t in ipairs(list) do t.costs, t.violation = objective.costs(self.objectives, t.values), 0 end
  table.sort(list, function(a, b) return objective.before(a, b, 1) end)
  return list
end

local function by_first(a, b) return objective.before(a, b, 1) end

--- The trials that none dominates, the best by the first objective first; each also has costs (minimised). The same as Driver:front().
function Stored:front()
  local trials, points, front = self:candidates(), {}, {}
  for i, t in ipairs(trials) do points[i] = t.costs end
  for i, rank in ipairs(pareto.rank(points)) do if rank == 1 then front[#front + 1] = trials[i] end end
  table.sort(front, by_first)
  return front
end

return stored
