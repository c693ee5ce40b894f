--- A study with worker processes: who may do what, limits of a trial, one leader at a time, workers that join.
local core = require "vega.core"
local crew = require "spec.crew_helper"
local helper = require "spec.helper"

local function fresh() return helper.scratch "crew.db" end

describe("a study with workers", function()
  it("runs to its front, by several processes, and goes on with a larger budget", function()
    local url = fresh()
    local code, out, err = crew.run("--workers 2", "--trials 16 --store " .. url)
    assert.equal(0, code, err)
    assert.matches("^trial +loss\n +%d+ +[%d.]+\n$", out)
    local found, owners = crew.check_results(url), {}
    assert.equal("DONE", found.status)
    assert.equal(16, #found.trials)
    assert.same({}, found.workers)                                   -- all have signed off
    for _, a in ipairs(found.attempts) do owners[a.owner] = true end
    assert.is_true(next(owners, (next(owners))) ~= nil, "one process did it all")
    assert.equal(0, (crew.run("--workers 1", "--trials 20 --store " .. url)))
    assert.equal(20, #crew.check_results(url).trials)
    local again, _, message = helper.run(("%%s %s --trials 22 --store %s"):format(crew.script, url))
    assert.equal(0, again, message)
    assert.equal(22, #crew.read(url).trials)
    local env = core.json.decode(crew.read(url).study.env_json)
    assert.equal(crew.script, env.command[3])
    assert.matches("/tests/spec/crew_script.lua$", env.script)
    assert.equal("--trials", env.arguments[1])
  end)

  it("abandons a trial that kills its process twice, and finishes a hundred others", function()
    local url = fresh()
    local code, _, err = helper.run(("ASAN_OPTIONS=$ASAN_OPTIONS:handle_segv=0 %%s run %s --workers 3 --backoff 0.05 -- --trials 101 --ms 1 --hit '5 segv'"
      .. " --store %s"):format(crew.script, url))                    -- a sanitizer would make an exit code of it
    assert.equal(0, code, err)
    local found, states = crew.check_results(url), {}
    for _, t in ipairs(found.trials) do states[t.state] = (states[t.state] or 0) + 1 end
    assert.same({ COMPLETE = 100, ABANDONED = 1 }, states)
    assert.equal("poison", found.trials[5].reason)
    local signals = {}
    for _, a in ipairs(found.attempts) do if a.trial_id == found.trials[5].trial_id then signals[#signals + 1] = a.outcome .. a.signal end end
    assert.same({ "KILLED11", "KILLED11" }, signals)
  end)

  it("ends a trial that takes too long, and replaces its worker", function()
    local url = fresh()
    local code, _, err = crew.run("--workers 1 --time-limit 0.5", "--trials 6 --hit '3 sleep 30' --store " .. url)
    assert.equal(0, code, err)
    local found = crew.check_results(url)
    assert.same({ "FAILED", "timeout" }, { found.trials[3].state, found.trials[3].reason })
    assert.equal("it took longer than the 0.5 s of a trial", found.attempts[3].message)
    assert.is_true(found.attempts[2].owner ~= found.attempts[4].owner)
  end)

  for _, what in ipairs { "lua", "tensor" } do
    it("fails a trial that wants more memory than the limit, and its worker goes on: " .. what, function()
      local url = fresh()
      local code, _, err = crew.run("--workers 1 --memory-limit 64", ("--trials 6 --hit '3 %s' --store %s"):format(what, url))
      assert.equal(0, code, err)
      local found = crew.check_results(url)
      assert.same({ "FAILED", "oom" }, { found.trials[3].state, found.trials[3].reason })
      assert.equal(found.attempts[2].owner, found.attempts[4].owner)
      assert.is_true(found.attempts[4].started_at - found.attempts[3].ended_at < 1)
    end)
  end

  it("refuses what workers cannot do", function()
    for line, message in pairs { ["--store mem:"] = "one in memory %(mem:%) cannot be shared",
      ["--scheduler median --store " .. fresh()] = "scheduler 'median' decides while trials run" } do
      local code, out, err = crew.run("--workers 1", line)
      assert.equal(2, code)
      assert.equal("", out)
      assert.matches(message, err)
    end
    for line, message in pairs { ["%s run"] = "a script is missing", ["%s run a.lua b.lua"] = "'b.lua' is one word too many",
      ["%s run --wrokers 2 a.lua"] = "unknown option %-%-wrokers; did you mean %-%-workers", ["%s run a.lua --workers -1"] = "must be >= 0, got %-1",
      ["%s worker"] = "which store%?", ["%s worker --store mem:"] = "cannot be shared" } do
      local code, _, err = helper.run(line)
      assert.equal(2, code, line)
      assert.matches(message, err)
    end
    assert.equal(1, (helper.run "%s run /nowhere.lua"))
  end)

  it("gives up when its workers end at once", function()
    local url = fresh()
    local path = helper.write(helper.scratch "broken.lua", [[
      local vega = require "vega"
      local role = require "vega.study.role".get()
      if role.kind == "worker" then error "no such data" end
      vega.study { space = vega.space.define { choices = function(s) s:int("a", 1, 9) end }, strategy = vega.strategy.random {},
        objectives = { a = "max" }, store = arg[1], evaluate = function(arch) return arch end }:run()]])
    local code, _, err = helper.run(("%%s run --workers 1 %s -- %s"):format(path, url))
    assert.equal(1, code)
    assert.matches("its workers end at once, with exit code 1", err)
    assert.equal("PAUSED", crew.read(url).status)
  end)
end)

describe("a study with workers, by trials", function()
  it("takes those that decide between trainings, as one process would", function()
    for _, scheduler in ipairs { "successive_halving", "hyperband", "asha", "bohb", "dehb", "pbt" } do
      local expected
      for _, workers in ipairs { 0, 2 } do
        local url = fresh()
        local code, _, err = crew.run(("--deterministic --parallel-window 3 --workers %d"):format(workers),
          ("--trials 30 --ms 2 --scheduler %s --store %s"):format(scheduler, url))
        assert.equal(0, code, err)
        local sequence = crew.sequence(url)
        expected = expected or sequence
        assert.same(expected, sequence)
      end
    end
  end)

  it("leaves trials to workers that have what they need", function()
    local url = fresh()
    local pid = crew.start("--workers 1", "--trials 6 --needs gpu --store " .. url)
    crew.await(url, 2)
    core.process.sleep(0.5)
    assert.equal(0, #crew.read(url).attempts)
    local code, _, err = helper.run(("%%s worker --store %s --has gpu"):format(url))
    assert.equal(0, code, err)
    assert.equal(0, crew.wait(pid, 20))
    assert.equal(6, #crew.check_results(url).trials)
  end)
end)

describe("one leader", function()
  it("at a time: another run of the script says who leads", function()
    local url = fresh()
    local pid = crew.start("--workers 1", "--trials 200 --ms 40 --store " .. url)
    crew.await(url, 4)
    for _, line in ipairs { "%%s %s --store %s", "%%s run %s --workers 1 -- --store %s" } do
      local code, out, err = helper.run(line:format(crew.script, url))
      assert.equal(75, code)
      assert.equal("", out)
      assert.matches("study 'crew' in .*: another process leads it: process %d+ on ", err)
    end
    core.process.signal(pid, "TERM")
    assert.equal(75, crew.wait(pid, 10))
  end)

  it("of a study in one process, too; who was killed is followed at once", function()
    local url = fresh()
    local pid = crew.start("", "--trials 200 --ms 40 --store " .. url)
    crew.await(url, 4)
    local code, _, err = helper.run(("%%s %s --store %s"):format(crew.script, url))
    assert.equal(75, code)
    assert.matches("another process leads it", err)
    core.process.signal(pid, "KILL")
    crew.wait(pid, 5)
    assert.equal(0, (helper.run(("%%s %s --trials 8 --ms 1 --store %s"):format(crew.script, url))))
  end)

  it("two that begin the same study together do not fail in the store", function()
    local url, pids = fresh(), {}
    for i = 1, 4 do pids[i] = crew.start("", "--trials 10 --ms 20 --store " .. url) end
    local codes = {}
    for i, pid in ipairs(pids) do codes[i] = crew.wait(pid, 20) end
    table.sort(codes)
    assert.equal(0, codes[1])
    for _, code in ipairs(codes) do assert.is_true(code == 0 or code == 75, "exit code " .. code) end
    assert.equal(10, #crew.check_results(url).trials)
  end)
end)

describe("vega-lua worker", function()
  it("joins a study that runs, with the script that the store names", function()
    local url = fresh()
    local pid = crew.start("--workers 1", "--trials 40 --ms 40 --store " .. url)
    crew.await(url, 2)
    local code, _, err = helper.run(("%%s worker --store %s"):format(url))
    assert.equal(0, code, err)
    assert.equal(0, crew.wait(pid, 30))
    local owners, n = {}, 0
    for _, a in ipairs(crew.check_results(url).attempts) do
      if not owners[a.owner] then owners[a.owner], n = true, n + 1 end
    end
    assert.equal(2, n)
  end)

  it("refuses another script, a store without a study, and asks which", function()
    local url = fresh()
    assert.equal(0, (crew.run("", "--trials 2 --ms 1 --store " .. url)))
    local other = helper.write(helper.scratch "other.lua", helper.read(crew.script) .. "\n")
    local code, _, err = helper.run(("%%s worker --store %s --study crew %s"):format(url, other))
    assert.equal(4, code)
    assert.matches("is not the script that study 'crew' is run with", err)
    assert.equal(0, (helper.run(("%%s worker --store %s --study crew %s"):format(url, crew.script))))     -- it is done: there is nothing to do
    code, _, err = helper.run(("%%s worker --wait 0 --store %s"):format(url))
    assert.equal(4, code)
    assert.matches("no study that is not over", err)
  end)
end)
