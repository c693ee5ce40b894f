--- The journal of a study in its store: every ask, report, tell and observation is one event in one transaction with the rows it changes. Replaying
-- the events rebuilds the driver, whose state is a pure function of them.
local core_json = require("vega.core").json
local origin = require "vega.study.origin"
local store = require "vega.store"
local util = require "vega.util"

local TAG = { nonfinite = "tag" }

local Journal = {}
Journal.__index = Journal

local function encode(value) return core_json.encode(value, TAG) end
local decode = store.decode

-- Ends the study for what the store answered: a disk without room or a device that fails can be mended, anything else is another store.
local function refuse(name, message, code)
  error(util.failure((code == "EIO" or code == "ENOMEM") and 5 or 4, "study '%s': %s (%s)", name, message, tostring(code)), 0)
end

--- Raises for what the store answered, with the exit code that fits.
function Journal:refuse(message, code) refuse(self.name, message, code) end

--- Runs one of the store's statements; returns its rows. Raises on failure.
function Journal:run(...)
  local rows, message, code = self.db:run(...)
  if not rows then refuse(self.name, message, code) end
  return rows
end

local TRIES = 5

-- Who leads a study with workers writes only while it does: until the commit nobody takes over.
local function check_lead(self)
  if not self.epoch then return end
  local leads, message, code = self.db:leads(self.study_id, self.epoch)
  if leads == nil then refuse(self.name, message, code) end
  if not leads then error(util.failure(75, "study '%s': another process leads it now", self.name), 0) end
end

-- All or nothing; an error inside rolls back and goes on upwards. What the loss of a server undid is done again: fn must bear that.
local function transaction(self, fn)
  for try = 1, TRIES do
    local begun, why, reason = self.db:begin()
    if not begun then refuse(self.name, why, reason) end
    local ok, message, code = xpcall(function()
      check_lead(self)
      fn()
    end, function(e) return e end)
    if ok then ok, message, code = self.db:commit() end
    if ok then return end
    local again = self.db:undone() and try < TRIES
    self.db:rollback()
    if not again then
      if code then refuse(self.name, message, code) end
      error(message, 0)
    end
  end
end

--- Ends a transaction that an interrupt cut off between its beginning and its end, if there is one.
function Journal:rollback() self.db:rollback() end

local function add_event(self, trial_id, kind, payload)
  self:run("event_add", self.study_id, trial_id, kind, encode(payload))
end

-- What must not change between two runs of a study. The budget may: it only says when to stop.
local function identity(driver)
  local rules = { driver.params, driver.dedup, driver.window or false }
  if driver.scheduler then rules[4] = { driver.scheduler_name, driver.scheduler_params } end
  return { objectives = encode { driver.objectives, driver.constraints }, space = encode(driver.space:signature()), strategy = driver.name,
    ["strategy options"] = encode(rules), seed = tostring(driver.seed) }
end

local function compare(self, row, driver)
  local mine = identity(driver)
  local stored = { objectives = row.objectives_json, space = row.space_json, strategy = row.strategy, ["strategy options"] = row.strategy_json,
    seed = tostring(row.seed_lo) }
  for _, what in ipairs { "space", "objectives", "strategy", "strategy options", "seed" } do
    if mine[what] ~= stored[what] then
      error(util.failure(4, "study '%s' in %s was begun with another %s\n  stored: %s\n  now:    %s\nuse another store or name, or put it back",
        self.name, self.shown, what, stored[what], mine[what]), 0)
    end
  end
end

-- Another process may be first.
local function create(self, driver, budget)
  local mine = identity(driver)
  local environment, script = origin.environment(), origin.path()
  local sha256, text = origin.script(script)
  transaction(self, function()
    local row = self:run("study_find", self.name)[1]
    if row then
      self.study_id = row.study_id
      return compare(self, row, driver)
    end
    local hash = ("%016x"):format(util.fnv(mine.space))
    self.study_id = self:run("study_create", self.name, mine.objectives, mine.space, hash, mine.strategy, mine["strategy options"], driver.seed, 0,
      encode(budget), core_json.encode(environment))[1].study_id
    if sha256 then self:run("study_script", self.study_id, sha256, text) end
  end)
end

--- Opens the store at `url` (src/store/url.h). The study is found or created by Journal:begin.
function Journal.open(url, name)
  local shown = store.where(url).shown
  local db, message, code = store.open(url)
  if not db then error(util.failure(4, "study '%s' in %s: %s (%s)", name, shown, message, code), 0) end
  return setmetatable({ db = db, shown = shown, name = name, trial_ids = {}, numbers = {}, seq = 0, unheard = {} }, Journal)
end

--- The window that a study was begun with, when there is one; nil, false when there is no study.
function Journal:window()
  local row = self:run("study_find", self.name)[1]
  if not row then return nil, false end
  return decode(row.strategy_json)[3] or nil, true
end

--- Finds the study, or creates it. Raises when what was begun differs.
function Journal:begin(driver, budget)
  local name = self.name
  local row = self:run("study_find", name)[1]
  if row then
    self.study_id = row.study_id
    compare(self, row, driver)
  else
    create(self, driver, budget)
  end
end

--- Whoever leads says by what script the study goes on, so that workers can tell whether theirs is the same.
function Journal:follow_script()
  local sha256, text = origin.script(origin.path())
  local row = self:run("study_find", self.name)[1]
  if sha256 and row.script_sha256 ~= sha256 then
    transaction(self, function()
      self:run("study_script", self.study_id, sha256, text)
      self:run("study_env", self.study_id, core_json.encode(origin.environment()))
    end)
  end
end

--- The journal of a study that is in the store, for reading: row is its row of "study_find". What its identity is compared with is not asked.
function Journal.attach(db, row, shown)
  return setmetatable({ db = db, shown = shown, name = row.name, study_id = row.study_id, trial_ids = {} }, Journal)
end

--- The journal of a study that is in the store, for reading: row is its row of "study_find". What its identity is compared with is not asked.
function Journal.attach(db, row, shown)
  return setmetatable({ db = db, shown = shown, name = row.name, study_id = row.study_id, trial_ids = {} }, Journal)
end

local function kind_of(v)
  if v ~= v then return "nan", nil end
  if v == math.huge then return "+inf", nil end
  if v == -math.huge then return "-inf", nil end
  return "f", v + 0.0
end

local function create_trial(self, s)
  local text = encode(s.config)
  self:run("arch_add", self.study_id, s.hash, text, nil, nil)
  local trial_id = self:run("trial_create", self.study_id, s.id, text, s.hash)[1].trial_id
  if s.parent then self:run("trial_parent", trial_id, self.trial_ids[s.parent]) end
  self.trial_ids[s.id], self.numbers[trial_id] = trial_id, s.id
  return trial_id
end

--- A suggestion has been asked for.
function Journal:ask(s, next_number)
  local new = not self.trial_ids[s.id]
  local fidelity = s.fidelity
  transaction(self, function()
    local trial_id = new and create_trial(self, s) or self.trial_ids[s.id]
    if not new then self:run("trial_retry", trial_id) end
    if fidelity then self:run("trial_move", trial_id, "RUNNING", fidelity.to + 0.0) end
    self:run("attempt_start", trial_id)
    self:run("study_next", next_number, self.study_id)
    add_event(self, trial_id, "ask", { id = s.id, hash = s.hash, seed = s.seed, to = fidelity and fidelity.to })
  end)
end

--- A trial that was in flight when the study ended begins again: the old attempt is lost, the event stays. A worker that has it is fenced.
function Journal:retry(s)
  local trial_id = self.trial_ids[s.id]
  transaction(self, function()
    self:run("attempt_end", trial_id, "LOST", nil)
    self:run("lease_end", trial_id)
    self:run("trial_seize", trial_id)
    self:run("attempt_start", trial_id)
  end)
end

local function add_metrics(self, trial_id, points)
  for _, point in ipairs(points) do
    local kind, value = kind_of(point.value)
    self:run("metric_add", trial_id, point.name, point.step, kind, value)
  end
end

--- A trial has reported: values is the table, points the same as a list of { step, name, value }.
function Journal:report(id, step, values, points)
  local trial_id = self.trial_ids[id]
  transaction(self, function()
    add_metrics(self, trial_id, points)
    add_event(self, trial_id, "report", { id = id, step = step, values = values })
  end)
end

local function add_values(self, trial_id, objectives, values)
  for i, o in ipairs(objectives) do
    local v = values[o.name]
    if type(v) == "number" then self:run("value_add", trial_id, i, kind_of(v)) end
  end
end

-- Where a trial goes with its result, in the store's words.
local function state_of(trial)
  if trial.failed then return "FAILED" end
  if trial.status == "stopped" then return "PRUNED" end
  return trial.paused and "PAUSED" or "COMPLETE"
end

local function add_size(self, s, outcome)
  if not (outcome.values.params or outcome.values.macs) then return end
  self:run("arch_add", self.study_id, s.hash, encode(s.config), math.tointeger(outcome.values.params), math.tointeger(outcome.values.macs))
end

--- A trial has been told. trial: the driver's record; points: what was reported and is not stored yet; retired: ids the scheduler has given up.
function Journal:tell(s, trial, outcome, points, seconds, retired, objectives)
  local trial_id, state = self.trial_ids[s.id], state_of(trial)
  transaction(self, function()
    add_metrics(self, trial_id, points)
    add_values(self, trial_id, objectives, outcome.values)
    add_size(self, s, outcome)
    self:run("trial_move", trial_id, "RUNNING", trial.fidelity and trial.fidelity + 0.0)
    if state == "PAUSED" then self:run("trial_move", trial_id, state, trial.fidelity + 0.0)
    else self:run("trial_finish", trial_id, state, outcome.reason) end
    self:run("attempt_end", trial_id, state == "PAUSED" and "RELEASED" or state, outcome.message)
    for _, id in ipairs(retired) do self:run("trial_finish", self.trial_ids[id], "PRUNED", nil) end
    add_event(self, trial_id, "tell", { id = s.id, outcome = outcome, seconds = seconds })
  end)
end

--- A result from elsewhere. trial: the driver's record.
function Journal:observe(trial, outcome, objectives, next_number)
  transaction(self, function()
    local trial_id = create_trial(self, { id = trial.id, config = trial.arch, hash = trial.hash })
    add_values(self, trial_id, objectives, outcome.values)
    self:run("trial_finish", trial_id, state_of(trial), outcome.reason)
    self:run("study_next", next_number, self.study_id)
    add_event(self, trial_id, "observe", { config = trial.arch, outcome = outcome })
  end)
end

-- What workers evaluate -------------------------------------------------------------------------------------------------------------------

-- A suggestion for whoever claims it.
local function enqueue(self, s, options)
  local fidelity = s.fidelity
  local to = fidelity and fidelity.to + 0.0
  if s.kind == "resume" then self:run("trial_promote", self.trial_ids[s.id], to, 0)
  else
    local text = encode(s.config)
    self:run("arch_add", self.study_id, s.hash, text, nil, nil)
    local id = self:run("trial_enqueue", self.study_id, s.id, text, s.hash, to, 0, options.attempts, s.parent and self.trial_ids[s.parent])[1].trial_id
    self.trial_ids[s.id], self.numbers[id] = id, s.id
    for _, capability in ipairs(options.needs) do self:run("trial_need", id, capability) end
  end
  add_event(self, self.trial_ids[s.id], "ask", { id = s.id, hash = s.hash, seed = s.seed, to = fidelity and fidelity.to,
    from = fidelity and fidelity.from, kind = s.kind ~= "new" and s.kind or nil, parent = s.parent })
end

-- The strategy has been told what a worker found; the trial's row says so already.
local function add_told(self, told)
  add_size(self, told.suggestion, told.outcome)
  for _, id in ipairs(told.retired) do self:run("trial_finish", self.trial_ids[id], "PRUNED", nil) end
  add_event(self, self.trial_ids[told.suggestion.id], "tell", { id = told.suggestion.id, outcome = told.outcome, seconds = told.seconds })
end

--- Writes what a leader did, in one transaction: `told` is a list of { suggestion, outcome, seconds, retired }, `asked` one of suggestions.
-- options: { attempts, needs = capabilities that a worker must have }
function Journal:exchange(told, asked, next_number, options)
  transaction(self, function()
    for _, each in ipairs(told) do add_told(self, each) end
    for _, s in ipairs(asked) do enqueue(self, s, options) end
    self:run("study_next", next_number, self.study_id)
  end)
end

-- Notes what a worker has finished, until the strategy is told of it.
local function note(self, event)
  if event.kind == "finish" then
    local payload = decode(event.payload_json)
    table.insert(self.unheard, { id = self.numbers[event.trial_id], outcome = payload.outcome, seconds = payload.seconds or 0 })
  elseif event.kind == "tell" then
    for i, each in ipairs(self.unheard) do
      if each.id == self.numbers[event.trial_id] then return table.remove(self.unheard, i) end
    end
  end
end

--- What workers have finished and the strategy has not been told: a list of { id, outcome, seconds }, in the order of their events; each once.
function Journal:hear()
  for _, event in ipairs(self:read("event_after", self.study_id, self.seq)) do
    self.seq = event.seq
    if event.kind == "finish" then note(self, event) end                             -- the others are our own: only who leads writes them
  end
  local list = self.unheard
  self.unheard = {}
  return list
end

--- A statement that only reads, done again when the server was lost.
function Journal:read(...)
  local rows
  local words = table.pack(...)
  transaction(self, function() rows = self:run(table.unpack(words, 1, words.n)) end)
  return rows
end

-- One event into the driver; what an ask gave is compared with what it gave when it was recorded.
local function replay_event(self, driver, kind, payload)
  if kind == "ask" then
    local s = driver:ask(1)[1]
    if not s or s.id ~= payload.id or s.hash ~= payload.hash or (s.fidelity and s.fidelity.to) ~= payload.to then
      error(util.failure(4, "study '%s': the replayed strategy asks for something else in trial %d; its code has changed since the study began",
        self.name, payload.id), 0)
    end
  elseif kind == "finish" then return                                -- a worker's: the leader's "tell" says when the strategy learnt of it
  elseif kind == "report" then driver:report(payload.id, payload.step, payload.values)
  elseif kind == "tell" then
    local _, trial = assert(driver:tell(payload.id, payload.outcome))
    return trial
  else assert(driver:observe(payload.config, payload.outcome)) end
end

--- Replays into the driver the events that it has not had: all of them into a fresh one. on_tell(trial, seconds) is called after each told trial.
function Journal:replay(driver, on_tell)
  local events = self:run("event_after", self.study_id, self.seq)
  if #events == 0 then return end
  for _, t in ipairs(self:run("trial_list", self.study_id)) do self.trial_ids[t.number], self.numbers[t.trial_id] = t.trial_id, t.number end
  for _, event in ipairs(events) do
    local payload = decode(event.payload_json)
    self.seq = event.seq
    note(self, event)
    local trial = replay_event(self, driver, event.kind, payload)
    if trial then on_tell(trial, payload.seconds or 0) end
  end
end

--- "ACTIVE", "PAUSED" or "DONE".
function Journal:status(word)
  transaction(self, function() self:run("study_status", word, self.study_id) end)
end

local function add_curves(self, by_id)
  for _, m in ipairs(self:run("metric_list", self.study_id)) do
    local value = m.kind == "f" and m.value or m.kind == "nan" and 0 / 0 or m.kind == "+inf" and math.huge or -math.huge
    table.insert(store.expect_table(by_id[m.trial_id], "trial of a metric").curves, { step = m.step, name = m.name, value = value })
  end
end

local function add_outcomes(self, by_id)
  for _, event in ipairs(self:run("event_list", self.study_id)) do
    if event.kind == "tell" or event.kind == "observe" then
      local t, payload = store.expect_table(by_id[event.trial_id], "trial of an event"), store.expect_table(decode(event.payload_json), "event")
      local outcome = store.expect_table(payload.outcome, "outcome")
      t.values, t.message = store.expect_table(outcome.values or {}, "list of values"), outcome.message
      t.seconds = (t.seconds or 0) + (tonumber(payload.seconds) or 0)
    end
  end
end

--- All trials as plain tables, in the order they were first asked.
function Journal:trials()
  local list, by_id, numbers = {}, {}, {}
  for i, row in ipairs(self:run("trial_list", self.study_id)) do
    list[i] = { id = row.number, arch = decode(row.params_json), hash = row.arch_hash, values = {}, state = row.state, reason = row.reason,
      curves = {},
      params = row.params, macs = row.macs, fidelity = row.fidelity, attempts = row.attempts, parent = numbers[row.parent_id or 0] }
    by_id[row.trial_id], numbers[row.trial_id] = list[i], row.number
  end
  add_curves(self, by_id)
  add_outcomes(self, by_id)
  return list
end

--- From now on every event is written under the strategy's lease of this epoch (store:lead); without it the writing raises, with exit code 75.
function Journal:lead(epoch) self.epoch = epoch end

function Journal:close() self.db:close() end

return Journal
