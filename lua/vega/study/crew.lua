--- The leader of a study with workers: asks the strategy, queues what it wants, tells it what came of it, and sees to the workers of this machine.
-- All it writes is written under the strategy's lease; a worker's death, or the leader's, loses nothing (store/protocol.h).
local Pool = require "vega.study.pool"
local identity = require "vega.study.identity"
local roles = require "vega.study.role"
local core = require "vega.core"
local store = require "vega.store"
local util = require "vega.util"

local crew = {}

local LOOK, COUNT_EVERY, NOTICE_AFTER = 0.25, 2, 10                 -- seconds

--- Raises when the study cannot be run by workers.
function crew.check(study)
  local scheduler = study.driver.scheduler
  if study.where.kind == "memory" then
    error(util.failure(2, "study '%s': workers share the study's store, and one in memory (mem:) cannot be shared; store = \"runs/%s.db\"", study.name,
      study.name), 0)
  end
  if scheduler and scheduler.report and not (getmetatable(scheduler).decides and not getmetatable(scheduler).decides(study.driver.scheduler_params)) then
    error(util.failure(2, "study '%s': scheduler '%s' decides while trials run, which workers cannot wait for; run it without --workers, or take one that"
      .. " decides between trainings (successive_halving, hyperband, asha with mode = \"promotion\", bohb, dehb)", study.name,
      study.driver.scheduler_name), 0)
  end
  if scheduler and scheduler.clones and study.checkpoints.temporary then
    error(util.failure(2, "study '%s': scheduler '%s' copies checkpoints between workers, which need a folder that all of them see:"
      .. " checkpoints = { folder = \"/shared/path\" }", study.name, study.driver.scheduler_name), 0)
  end
end

-- Workers -------------------------------------------------------------------------------------------------------------------------------

-- What the workers of a leader are told.
local function worker_role(study)
  local mine = study.role
  return { kind = "worker", study = study.name, store = study.url, lease = mine.lease, backoff = mine.backoff, attempts = mine.attempts,
    threads = mine.threads, window = mine.window, time_limit = mine.time_limit, memory_limit = mine.memory_limit, capabilities = mine.capabilities,
    may_lead = mine.may_lead, words = mine.words, parent = not mine.may_lead and core.process.about().pid or nil }
end

-- Workers elsewhere that have been heard of lately and work for this study.
local function count_others(self)
  local study, mine, n, able = self.study, {}, 0, #self.study.needs == 0
  for _, slot in ipairs(self.pool.slots) do if slot.owner then mine[slot.owner] = true end end
  for _, row in ipairs(self.journal:read "worker_list") do
    local caps = row.caps_json and core.json.decode(row.caps_json) or {}
    if row.seconds_ago < study.role.lease and caps.study == study.name then
      if not mine[row.worker_id] then n = n + 1 end
      local has = {}
      for _, word in ipairs(caps.words or {}) do has[word] = true end
      local all = true
      for _, word in ipairs(study.needs) do all = all and has[word] end
      able = able or all
    end
  end
  self.others, self.able, self.counted = n, able, store.now()
end

local function say(format, ...) io.stderr:write(format:format(...), "\n") end

-- A study that nobody can work on says so once.
local function notice(self)
  if self.noticed or self.able or store.now() - self.began < NOTICE_AFTER or self.study.quiet then return end
  self.noticed = true
  say("study '%s': no worker has what its trials need: %s", self.study.name, table.concat(self.study.needs, ", "))
end

-- Claims of processes of this machine that are gone, and of a study that one process ran, wait again at once.
local function release_the_dead(self)
  local db, study_id = self.journal.db, self.journal.study_id
  local n, message, code = db:adopt(study_id)
  if not n then self.journal:refuse(message, code) end
  for _, row in ipairs(self.journal:read("trial_owned", study_id)) do
    if identity.is_gone(row.owner) then db:release(row.trial_id, row.epoch) end
  end
end

-- Asking and telling ----------------------------------------------------------------------------------------------------------------------

-- Steps that the trials in flight will have been trained for: what is asked must not depend on which of them have ended.
local function promised(driver)
  local cost = 0
  for _, id in ipairs(driver:pending()) do
    local fidelity = driver:suggestion(id).fidelity
    cost = cost + (fidelity and math.max(0, fidelity.to - fidelity.from) or 0)
  end
  return cost
end

local function is_spent(self)
  local study = self.study
  local budget, stats = study.budget, study.driver:stats()
  return budget.trials and stats.told - stats.observed + stats.pending >= budget.trials or budget.seconds and study.elapsed >= budget.seconds
    or budget.cost and stats.cost + promised(study.driver) >= budget.cost
end

-- How many trials may be out: in order, what the window allows; else a batch (mostly of one) for each worker and one to take next.
local function most_open(self)
  if self.study.driver.window then return math.huge end
  return self.study.role.window or self.study.batch * (#self.pool.slots + self.others + 1)
end

local function ask(self)
  local study, asked = self.study, {}
  local driver = study.driver
  while driver:stats().pending < most_open(self) and not is_spent(self) do
    local list, status = driver:ask(1)
    local s = list[1]
    if not s then
      self.over = status ~= "wait" or driver:stats().pending == 0
      return asked
    end
    if s.kind == "clone" then study.checkpoints:copy(s.parent, s.id) end
    asked[#asked + 1] = s
  end
  self.over = is_spent(self)
  return asked
end

local function hear(self)
  local told = {}
  for _, each in ipairs(self.journal:hear()) do
    if self.study.driver:suggestion(each.id) then told[#told + 1] = self.study:told(each.id, each.outcome, each.seconds) end
  end
  return told
end

-- One round; returns whether there is anything left to wait for.
local function round(self, bar)
  local study = self.study
  if study.lead then study.lead:check() end
  local told = hear(self)
  local asked = ask(self)
  if #told + #asked > 0 then
    self.journal:exchange(told, asked, study.driver.next_id, { attempts = study.role.attempts, needs = study.needs })
    bar:update()
  end
  return not (self.over and study.driver:stats().pending == 0)
end

local function wait(self)
  local changed, message, code = self.journal.db:wait(LOOK)
  if changed == nil and code ~= "EIO" then self.journal:refuse(message, code) end    -- a server that is gone: the next transaction waits for it
  if core.sys.interrupted() then error("interrupted!", 0) end
end

--- Runs a study to its end as its leader.
function crew.run(study, bar)
  local journal = study.journal
  journal.db:backoff(study.role.backoff)
  study.checkpoints.with_epochs = true
  local self = { study = study, journal = journal, others = 0, able = true, began = store.now() }
  self.pool = Pool.new { n = study.role.workers, words = study.role.words, role = worker_role(study), name = study.name, db = journal.db,
    study_id = journal.study_id }
  release_the_dead(self)
  local ok, message = xpcall(function()
    while round(self, bar) do
      if not self.counted then self.pool:start() end
      if not self.counted or store.now() - self.counted > COUNT_EVERY then count_others(self) end
      notice(self)
      wait(self)
      self.pool:watch()
    end
  end, function(e) return e end)
  if not ok then journal:rollback() end                                              -- or the workers could not give back what they hold
  self.pool:stop()
  if not ok then error(message, 0) end
end

--- What a worker that takes the lead becomes: it starts another one in its place.
function crew.role_of_heir(role)
  local heir = util.copy(role)
  heir.kind, heir.workers = "leader", 1
  return roles.set(heir)
end

return crew
