--- Workers killed and frozen at random while they evaluate: nothing may be lost, nothing counted twice.
--
--    vega-lua scripts/soak.lua --trials 400 --kills 50 --stops 20 --workers 8 [--store URL] [--seed 1] [--lease 1.5]
--
-- Runs a search of trials of 20 to 250 ms with worker processes and sends its workers SIGKILL, and SIGSTOP for 0.3 s or for longer than their lease,
-- spread over the run. Prints one JSON object; ends with 1 when a trial was lost, has two results, or one of another attempt than its last.
local vega = require "vega"
local core = require "vega.core"

local o = vega.arguments { trials = 400, kills = 50, stops = 20, workers = 8, store = "", seed = 1, lease = 1.5, search = false }

local function search()
  local study = vega.study {
    name = "soak", space = vega.space.define { name = "soak", choices = function(s) for i = 1, 4 do s:int("a" .. i, 1, 50) end end },
    strategy = vega.strategy.aging { population = 20 }, objectives = { loss = "min" }, store = o.store, seed = o.seed, quiet = true,
    budget = { trials = o.trials },
    evaluate = function(arch, trial)
      core.process.sleep((20 + trial.seed % 231) / 1000)
      return { loss = (arch.a1 - 5) ^ 2 + (arch.a2 - 7) ^ 2 + arch.a3 + 0.1 * arch.a4 }
    end }
  assert(study:run())
end
if o.search then return search() end

local folder = o.store == "" and os.tmpname() or nil
if folder then
  os.remove(folder)
  assert(core.sys.make_dirs(folder))
  o.store = folder .. "/soak.db"
end
local about, rng = core.process.about(), core.rng.new(o.seed, "soak")

local function start()
  local script = arg[0]
  local words = { about.program, "run", script, "--workers", tostring(o.workers), "--lease", tostring(o.lease), "--backoff", "0.05", "--attempts", "1000",
    "--threads", "1", "--", "--search", "--store", o.store, "--trials", tostring(o.trials), "--seed", tostring(o.seed) }
  return assert(core.process.spawn(words, {}))
end

local function open()
  for _ = 1, 1000 do
    local db = core.store.open(o.store)
    if db and #assert(db:run("study_list")) > 0 then return db end
    core.process.sleep(0.01)
  end
  error("soak: the search does not begin", 0)
end

-- What is to be done, in random order: "kill", or how long to stop.
local function plan()
  local list = {}
  for i = 1, o.kills do list[i] = "kill" end
  for i = 1, o.stops do list[#list + 1] = i % 2 == 0 and 0.3 or 1.5 * o.lease end
  for i = #list, 2, -1 do
    local j = rng:int(1, i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

local done = { kills = 0, stops = 0 }
local frozen = {}

local function thaw(all)
  local now = core.sys.clock()
  for pid, wake_at in pairs(frozen) do
    if all or now >= wake_at then
      core.process.signal(pid, "CONT")
      frozen[pid] = nil
    end
  end
end

local function hit(db, what)
  local rows = {}
  for _, row in ipairs(db:run("worker_list") or {}) do
    if row.pid ~= about.pid and core.process.start_time(row.pid) and not frozen[row.pid] then rows[#rows + 1] = row.pid end
  end
  if #rows == 0 then return false end
  local pid = rows[rng:int(1, #rows)]
  if what == "kill" then
    if not core.process.signal(pid, "KILL") then return false end
    done.kills = done.kills + 1
  else
    if not core.process.signal(pid, "STOP") then return false end
    frozen[pid], done.stops = core.sys.clock() + what, done.stops + 1
  end
  return true
end

local function count(db)
  local n = 0
  for _, row in ipairs(db:run("study_counts") or {}) do if row.state ~= "WAITING" and row.state ~= "RUNNING" then n = n + row.n end end
  return n
end

-- As many blows as the share of the trials that are over asks for.
local function disturb(db, pid)
  local todo, at = plan(), 1
  while true do
    local ended = core.process.poll(pid)
    if ended then return ended.exit_code or 128 + ended.signal end
    thaw()
    local share = (count(db) + 0.1 * o.trials) / o.trials
    if todo[at] and at <= share * #todo and hit(db, todo[at]) then at = at + 1 end
    core.process.sleep(0.02)
  end
end

local function results(db)
  local found = { lost = 0, duplicates = 0, wrong_epoch = 0, trials = 0, attempts = 0 }
  local accepted, told = {}, {}
  for _, a in ipairs(assert(db:run("attempt_list", 1))) do
    found.attempts = found.attempts + 1
    if a.outcome == "COMPLETE" then
      if accepted[a.trial_id] then found.duplicates = found.duplicates + 1 end
      accepted[a.trial_id] = a.epoch
    end
  end
  for _, e in ipairs(assert(db:run("event_list", 1))) do if e.kind == "tell" then told[e.trial_id] = (told[e.trial_id] or 0) + 1 end end
  for _, t in ipairs(assert(db:run("trial_list", 1))) do
    found.trials = found.trials + 1
    if t.state ~= "COMPLETE" or not accepted[t.trial_id] or not told[t.trial_id] then found.lost = found.lost + 1
    elseif accepted[t.trial_id] ~= t.epoch then found.wrong_epoch = found.wrong_epoch + 1 end
    if (told[t.trial_id] or 0) > 1 then found.duplicates = found.duplicates + 1 end
  end
  found.lost = found.lost + math.max(0, o.trials - found.trials)
  found.integrity = assert(db:run("integrity"))[1].integrity_check
  return found
end

local began = core.sys.clock()
local pid = start()
local db <close> = open()
local code = disturb(db, pid)
thaw(true)
local found = results(db)
found.exit_code, found.kills, found.stops, found.seconds = code, done.kills, done.stops, core.sys.clock() - began
print(core.json.encode(found))
if folder then for _, name in ipairs(core.sys.list(folder)) do os.remove(folder .. "/" .. name) end os.remove(folder) end
if code ~= 0 or found.lost + found.duplicates + found.wrong_epoch > 0 or found.integrity ~= "ok" then os.exit(1, true) end
