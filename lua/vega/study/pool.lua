--- Worker processes of this machine: started, watched, started again when they end, and what they held written down as lost. Whoever has them, a
-- study's leader or `vega-lua worker`, calls watch() every now and then.
local core = require "vega.core"
local identity = require "vega.study.identity"
local roles = require "vega.study.role"
local store = require "vega.store"
local util = require "vega.util"

local Pool = {}
Pool.__index = Pool

local TIMED_OUT = 124                            -- store/keeper.h
local SHORT_LIFE, LONGEST_PAUSE, MOST_USELESS, PATIENCE = 2, 10, 5, 8
local CRASHES = { [4] = true, [6] = true, [7] = true, [8] = true, [11] = true }       -- ILL, ABRT, BUS, FPE, SEGV
local KILL = 9

-- How often this machine has killed a process for its memory.
local function oom_kills()
  local file = io.open "/proc/vmstat"
  local text = file and file:read "a" or ""
  if file then file:close() end
  return tonumber(text:match "oom_kill (%d+)") or 0
end

local function start(self, slot)
  local program = core.process.about().program
  local words = { program }
  table.move(self.words, 1, #self.words, 2, words)
  slot.owner, slot.started = "unknown", store.now()
  local pid, message = core.process.spawn(words, roles.environment(self.role), slot)
  if not pid then error(util.failure(5, "cannot start a worker: %s", message), 0) end
  slot.owner = identity.of(pid) or "gone"
end

--- options: n; words = the script and its arguments; role = what the workers are; name = the study's; db = the store; study_id.
function Pool.new(options)
  local self = setmetatable({ words = options.words, role = options.role, name = options.name, db = options.db, study_id = options.study_id, slots = {},
    oom_kills = oom_kills() }, Pool)
  for i = 1, options.n do self.slots[i] = { pause = 0.1, useless = 0 } end
  return self
end

--- Starts those that do not run.
function Pool:start()
  for _, slot in ipairs(self.slots) do if not slot.pid and not slot.done then start(self, slot) end end
end

-- The cause in the store's words. Only the system's count of processes killed for memory tells such a kill from anybody else's.
local function cause_of(self, ended)
  if ended.signal and CRASHES[ended.signal] then return "crash", "its process ended by signal " .. ended.signal end
  if ended.signal == KILL then
    local now = oom_kills()
    if now > self.oom_kills then
      self.oom_kills = now
      return "oom", "its process was killed for its memory"
    end
  end
  return "lost", ended.signal and "its process ended by signal " .. ended.signal or "its process ended with code " .. ended.exit_code
end

-- Ends the attempts of a process that is gone; returns how many.
local function bury(self, owner, ended)
  local rows = self.db:run("trial_owned", self.study_id)                             -- where that fails the leases will run out
  local n = 0
  local cause, message = cause_of(self, ended)
  for _, row in ipairs(rows or {}) do
    if row.owner == owner then
      n = n + 1
      self.db:fail { trial_id = row.trial_id, epoch = row.epoch, cause = cause, message = message, signal = ended.signal, exit_code = ended.exit_code,
        max_rss_kb = ended.max_rss_kb }
    end
  end
  return n
end

local function give_up(self, code)
  error(util.failure(code == 0 and 1 or code, "study '%s': its workers end at once, with exit code %d; what they said is above", self.name, code), 0)
end

-- One that lived is replaced at once; who ends at once again and again has a fault that another start will not mend.
local function judge(self, slot, ended, held)
  local lived = store.now() - slot.started
  slot.pid = nil
  if ended.exit_code == 0 then
    slot.done = true
    return
  end
  if ended.exit_code == 2 or ended.exit_code == 4 then give_up(self, ended.exit_code) end
  if ended.exit_code == TIMED_OUT or lived > SHORT_LIFE or held > 0 then slot.pause, slot.useless = 0.1, 0
  else
    slot.pause = math.min(2 * slot.pause, LONGEST_PAUSE)
    if ended.exit_code then slot.useless = slot.useless + 1 end
  end
  if slot.useless >= MOST_USELESS then give_up(self, ended.exit_code) end
  slot.again = store.now() + slot.pause
end

--- Sees to those that have ended; starts them again when their time has come. Returns how many ended.
function Pool:watch()
  local n = 0
  for _, slot in ipairs(self.slots) do
    local ended = slot.pid and core.process.poll(slot.pid)
    if ended then
      n = n + 1
      judge(self, slot, ended, bury(self, slot.owner, ended))
    end
    if not slot.pid and not slot.done and store.now() >= (slot.again or 0) then start(self, slot) end
  end
  return n
end

--- Have all of them done what there was to do?
function Pool:is_done()
  for _, slot in ipairs(self.slots) do if not slot.done then return false end end
  return true
end

local function end_all(self, signal)
  for _, slot in ipairs(self.slots) do if slot.pid then core.process.signal(slot.pid, signal) end end
end

-- Who was killed because it did not stop lost nothing by a fault of its trials'.
local function give_back(self, owner)
  for _, row in ipairs(self.db:run("trial_owned", self.study_id) or {}) do
    if row.owner == owner then self.db:release(row.trial_id, row.epoch) end
  end
end

local function collect(self)
  local left = 0
  for _, slot in ipairs(self.slots) do
    local ended = slot.pid and core.process.poll(slot.pid)
    if ended then
      slot.pid = nil
      if ended.signal then give_back(self, slot.owner) end
    elseif slot.pid then left = left + 1 end
  end
  return left
end

--- Asks all to stop, which gives back what they hold, and waits for them; who does not in 8 s is killed.
function Pool:stop()
  end_all(self, "TERM")
  local until_then, pause = store.now() + PATIENCE, 0.005
  while collect(self) > 0 do
    if store.now() > until_then then end_all(self, "KILL") end
    core.process.sleep(pause)
    pause = math.min(2 * pause, 0.1)
  end
end

return Pool
