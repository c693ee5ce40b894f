--- The loop of a worker: claim a trial, evaluate it, write what came of it; until the study is done. Study:run becomes this in a worker's process,
-- which ends with it: what follows in the script is the leader's.
-- Exit codes: 0 the study is done, 75 asked to stop (what was held waits again), 124 a trial took too long (store/keeper.h).
local Checkpoints = require "vega.study.checkpoints"
local Lead = require "vega.study.lead"
local capabilities = require "vega.study.capabilities"
local core = require "vega.core"
local crew = require "vega.study.crew"
local evaluation = require "vega.study.evaluation"
local identity = require "vega.study.identity"
local store = require "vega.store"
local trials = require "vega.study.trial"

local worker = {}

local TAG = { nonfinite = "tag" }
local IDLE, FLUSH_EVERY, UNREACHABLE = 1, 1, 300                    -- seconds
local MIB = 1 << 20

local function encode(value) return core.json.encode(value, TAG) end
local function decode(text) return assert(core.json.decode(text, TAG)) end

-- The store may be away for a while: what is held is lost then, which costs the attempt and no more.
local function persist(self, what, ...)
  local until_then = store.now() + UNREACHABLE
  while true do
    local answer, message, code = self.db[what](self.db, ...)
    if answer ~= nil then return answer end
    if code ~= "EIO" or self.study.where.kind ~= "postgres" or store.now() > until_then then self.journal:refuse(message, code) end
    core.process.sleep(1)
    if core.sys.interrupted() then error("interrupted!", 0) end
  end
end

-- Trials --------------------------------------------------------------------------------------------------------------------------------

-- The suggestion of a claimed row: the row's columns, and what its event says beyond.
local function suggestion(self, row)
  local asked = decode(persist(self, "run", "trial_asked", self.journal.study_id, row.trial_id)[1].payload_json)
  local scheduler = self.study.driver.scheduler
  return { id = row.number, seed = asked.seed, hash = row.arch_hash, config = decode(row.params_json), kind = asked.kind or "new",
    parent = asked.parent, fidelity = asked.to and { from = asked.from, to = asked.to, max = scheduler.max } or nil }
end

local function flush(self, held)
  if #held.points == 0 then return end
  persist(self, "metrics", held.trial_id, held.epoch, held.points)                  -- one that is fenced writes nothing
  held.points, held.flushed = {}, store.now()
end

-- A trial's reports are metrics, and decided here: the leader's scheduler is told only how a training ended.
local function reporter(self, held)
  local fidelity = held.suggestion.fidelity
  return function(step, list)
    table.move(list, 1, #list, #held.points + 1, held.points)
    if store.now() - held.flushed >= FLUSH_EVERY then flush(self, held) end
    held.reported = math.max(held.reported, step)
    if self.keeper:fenced(held.trial_id) then return "stop" end
    return fidelity and step >= fidelity.to and fidelity.to < fidelity.max and "pause" or "continue"
  end
end

local function trial_of(self, held)
  local s = held.suggestion
  local afresh = s.kind == "resume" and s.fidelity.from == 0
  return trials.new(s, self.study.space, reporter(self, held), function() return self.checkpoints:path_of(s.id, held.epoch, afresh) end)
end

local function hold(self, row, at)
  local held = { trial_id = row.trial_id, epoch = row.epoch, points = {}, reported = 0, flushed = store.now() }
  self.keeper:hold(row.trial_id, row.epoch, at)
  held.suggestion = suggestion(self, row)
  held.trial = trial_of(self, held)
  return held
end

local function drop(self, held) self.keeper:drop(held.trial_id) end

-- The trial's row and its event say what the leader will tell the strategy.
local function result_of(self, held, outcome, seconds)
  local fidelity, reached = held.suggestion.fidelity, nil
  if fidelity then
    reached = math.max(fidelity.to, held.reported)
    if held.reported > fidelity.to then outcome.fidelity = held.reported end
  end
  local is_failed = outcome.status ~= "ok"
  local state = is_failed and "FAILED" or reached and reached < fidelity.max and "PAUSED" or "COMPLETE"
  local values = {}
  for i, o in ipairs(self.study.driver.objectives) do
    local v = outcome.values[o.name]
    values[i] = type(v) == "number" and v or nil
  end
  return { trial_id = held.trial_id, epoch = held.epoch, state = state, reason = is_failed and outcome.reason or nil, message = outcome.message,
    fidelity = reached and reached + 0.0, values = values, event = encode { outcome = outcome, seconds = seconds } }
end

-- The time of those from i to j begins, that of the others is not running.
local function limit(self, list, i, j)
  if not self.role.time_limit then return end
  for k, held in ipairs(list) do self.keeper:limit(held.trial_id, k >= i and k <= j and self.role.time_limit * (j - i + 1) or 0) end
end

-- What the last trial left must not count against the next one.
local function clean_up()
  collectgarbage()
  collectgarbage()
end

-- Evaluates what is held, and writes the results in one transaction.
local function evaluate(self, list)
  local suggestions, objects, results, is_oom = {}, {}, {}, false
  for i, held in ipairs(list) do suggestions[i], objects[i] = held.suggestion, held.trial end
  local outcomes, seconds = evaluation.run_all(self.study, suggestions, objects, function(i, j) limit(self, list, i, j) end)
  limit(self, list, 0, 0)
  for i, held in ipairs(list) do
    flush(self, held)
    if outcomes[i].status == "lost" then
      persist(self, "fail", { trial_id = held.trial_id, epoch = held.epoch, cause = "lost", message = outcomes[i].message })
    else results[#results + 1] = result_of(self, held, outcomes[i], seconds[i]) end
    is_oom = is_oom or outcomes[i].reason == "oom"
  end
  if #results > 0 then persist(self, "finish_all", results) end                      -- those that are fenced are not written, which is all right
  for _, held in ipairs(list) do drop(self, held) end
  if is_oom or self.role.memory_limit then clean_up() end
end

local function work(self, rows, at)
  local list = {}
  for i, row in ipairs(rows) do list[i] = hold(self, row, at) end
  evaluate(self, list)
end

-- The loop ------------------------------------------------------------------------------------------------------------------------------

-- Nobody leads any more: the leader's process is gone, or its lease has run out.
local function may_inherit(self)
  if not self.role.may_lead then return false end
  local row = persist(self, "run", "study_find", self.study.name)[1]
  return row ~= nil and row.status == "ACTIVE" and Lead.is_orphaned(persist(self, "run", "lead_get", self.journal.study_id)[1])
end

-- Until somebody writes, or the soonest pause of a lost trial is over.
local function idle(self)
  local pause = persist(self, "run", "trial_pause", self.journal.study_id)[1].seconds
  self.db:wait(math.min(IDLE, math.max(0.001, pause or IDLE)))
  if core.sys.interrupted() then error("interrupted!", 0) end
end

local function is_done(self)
  local row = persist(self, "run", "study_find", self.study.name)[1]
  return not row or row.status == "DONE"
end

-- Returns "done" or "lead".
local function loop(self)
  local about = core.process.about()
  while true do
    local at = store.now()
    local rows = persist(self, "claim", { study = self.journal.study_id, owner = self.me, host = about.host, n = self.study.batch,
      lease = self.role.lease, capabilities = self.capabilities })
    if #rows > 0 then work(self, rows, at)
    elseif is_done(self) then return "done"
    elseif may_inherit(self) then return "lead"
    else idle(self) end
  end
end

-- By the store's account: the interrupt may have come between the claim and our noting it.
local function give_back(self)
  self.journal:rollback()
  for _, row in ipairs(self.db:run("trial_owned", self.journal.study_id) or {}) do
    if row.owner == self.me then self.db:release(row.trial_id, row.epoch) end
  end
end

local function enlist(self)
  local about = core.process.about()
  local caps = encode { study = self.study.name, words = core.json.array(self.capabilities), threads = core.sys.threads(),
    cores = core.sys.cpu().online, isa = core.sys.cpu().isa }
  persist(self, "run", "worker_add", self.me, about.host, about.pid, about.boot_id, core.sys.versions().vega, caps)
  local keeper, message, code = store.keeper(self.study.url, self.me, self.role.lease, self.role.backoff)
  if not keeper then self.journal:refuse(message, code) end
  self.keeper = keeper
end

local function leave(self)
  self.db:run("worker_remove", self.me)
  if self.keeper then self.keeper:close() end
end

-- Ends with the process that started this one, unless it is to go on by itself.
local function follow(role)
  if role.parent and not core.process.follow(role.parent) then os.exit(75, true) end
end

--- Works for a study; ends the process, unless it is to lead the study from now on.
function worker.run(study)
  local role, journal = study.role, study.journal
  follow(role)
  if role.threads then core.sys.threads(role.threads) end
  if role.memory_limit then core.sys.memory_limit(role.memory_limit * MIB, true) end
  journal.db:backoff(role.backoff)
  local self = { study = study, role = role, journal = journal, db = journal.db, me = identity.of(),
    capabilities = capabilities.words(role.capabilities) }
  self.checkpoints = Checkpoints.new(study.checkpoints.folder, {})
  core.sys.resumable(true)
  enlist(self)
  local ok, answer = xpcall(loop, function(e) return e end, self)
  if not ok then give_back(self) end
  leave(self)
  if ok and answer == "done" then os.exit(0, true) end
  if not ok then
    if core.sys.interrupted() then os.exit(75, true) end
    error(answer, 0)
  end
  study.is_worker, study.role = false, crew.role_of_heir(role)
end

return worker
