--- What the specs of workers share: the script of crew_script.lua run by the program, and what a store says of its study.
local core = require "vega.core"
local helper = require "spec.helper"

local crew = { script = "tests/spec/crew_script.lua" }

--- `vega-lua run` of the script: options of the command and of the script, each as text. Returns the exit code, output and errors.
function crew.run(options, arguments) return helper.run(("%%s run %s %s -- %s"):format(crew.script, options, arguments)) end

--- The same, started in the background with its output in a file: the pid and that file. command: another one; environment: "NAME=value".
function crew.start(options, arguments, command, environment)
  local out = helper.scratch "background"
  local line = ("exec env %s %s %s %s -- %s >%s 2>&1"):format(environment or "", helper.program(), command or "run " .. crew.script, options, arguments, out)
  return assert(core.sys.start { "sh", "-c", line }), out
end

--- Waits for a started one; its exit code, at most `seconds` later.
function crew.wait(pid, seconds)
  for _ = 1, math.ceil(seconds / 0.02) do
    local ended = core.process.poll(pid)
    if ended then return ended.exit_code or 128 + ended.signal end
    core.process.sleep(0.02)
  end
  core.process.signal(pid, "KILL")
  error(("process %d did not end within %g s"):format(pid, seconds), 2)
end

--- The first study of a store: { status, trials = rows with values, attempts, events, integrity }.
function crew.read(url)
  local db <close> = assert(core.store.open(url))
  local study = assert(db:run("study_list"))[1]
  local found = { study = study, status = study.status, trials = assert(db:run("trial_list", 1)), attempts = assert(db:run("attempt_list", 1)),
    events = assert(db:run("event_list", 1)), values = assert(db:run("value_list", 1)), workers = assert(db:run("worker_list")) }
  return found
end

--- The sequence: each trial's number, architecture, state and values, in order, as one text a trial.
function crew.sequence(url)
  local found, lines, values = crew.read(url), {}, {}
  for _, v in ipairs(found.values) do values[v.trial_id] = (values[v.trial_id] or "") .. (" %s:%.17g"):format(v.kind, v.value or 0) end
  for i, t in ipairs(found.trials) do
    lines[i] = ("%d %s %s %s%s"):format(t.number, t.arch_hash, t.state, t.fidelity or "-", values[t.trial_id] or "")
  end
  return lines
end

--- Waits until the study has at least n events, at most 20 s.
function crew.await(url, n)
  for _ = 1, 2000 do
    local db <close> = core.store.open(url)
    if db and #assert(db:run("event_after", 1, 0)) >= n then return end
    core.process.sleep(0.01)
  end
  error("the study does not get on", 2)
end

--- Every trial that is over has one result: its last attempt's, of the trial's last epoch, and one event that tells it.
function crew.check_results(url)
  local found, told, accepted = crew.read(url), {}, {}
  for _, e in ipairs(found.events) do if e.kind == "tell" then told[e.trial_id] = (told[e.trial_id] or 0) + 1 end end
  for _, a in ipairs(found.attempts) do
    if a.outcome == "COMPLETE" or a.outcome == "FAILED" or a.outcome == "PRUNED" then
      assert(not accepted[a.trial_id], ("trial %d has two results"):format(a.trial_id))
      accepted[a.trial_id] = a.epoch
    end
  end
  for _, t in ipairs(found.trials) do
    assert(t.state == "ABANDONED" or accepted[t.trial_id] == t.epoch, ("trial %d: accepted epoch %s, last %d"):format(t.number,
      tostring(accepted[t.trial_id]), t.epoch))
    assert(told[t.trial_id] == 1, ("trial %d was told %s times"):format(t.number, tostring(told[t.trial_id])))
  end
  return found
end

--- The pids of the workers that claimed something and live.
function crew.worker_pids(url)
  local db <close> = assert(core.store.open(url))
  local pids = {}
  for i, row in ipairs(assert(db:run("worker_list"))) do pids[i] = row.pid end
  return pids
end

return crew
