--- Signals at any moment, to the leader and to workers, lose nothing; --deterministic gives the same search whatever happens.
local core = require "vega.core"
local crew = require "spec.crew_helper"
local helper = require "spec.helper"

local function fresh() return helper.scratch "crew.db" end

local function has_ended(pids) for _, pid in ipairs(pids) do if core.process.start_time(pid) then return false end end return true end

describe("signals", function()
  it("on the leader end the run with 75, claims given back; it goes on where it was", function()
    local whole, url = fresh(), fresh()
    assert.equal(0, (crew.run("--deterministic", "--trials 20 --ms 1 --store " .. whole)))
    local expected, rng, stops = crew.sequence(whole), core.rng.new(1, "stops"), 0
    local runs = os.getenv "VEGA_LONG" and 100 or 20
    for i = 1, runs do
      local pid = crew.start("--workers 2 --deterministic", "--trials 20 --ms 60 --store " .. url)
      core.process.sleep(0.08 + rng:int(0, 150) / 1000)
      core.process.signal(pid, i % 2 == 0 and "TERM" or "INT")
      local code = crew.wait(pid, 10)
      if code == 75 then
        stops = stops + 1
        local found = crew.read(url)
        for _, t in ipairs(found.trials) do assert.is_true(t.state ~= "RUNNING", "trial " .. t.number .. " is still claimed") end
      else assert.is_true(code == 0 or code == 130 or code == 143, "exit code " .. code) end      -- before there was anything to go on with
    end
    assert.is_true(stops >= runs // 3, stops .. " stops")
    assert.equal(0, (crew.run("--workers 2 --deterministic", "--trials 20 --ms 1 --store " .. url)))
    crew.check_results(url)
    assert.same(expected, crew.sequence(url))
  end)

  it("KILL on the leader, at any moment: the same command goes on at once; its workers have ended", function()
    local url, rng, pids, kills = fresh(), core.rng.new(2, "kills"), {}, 0
    for _ = 1, os.getenv "VEGA_LONG" and 60 or 6 do
      local pid = crew.start("--workers 2 --deterministic", "--trials 20 --ms 60 --store " .. url)
      core.process.sleep(0.1 + rng:int(0, 250) / 1000)
      local db <close> = core.store.open(url)
      for _, row in ipairs(db:run("worker_list")) do pids[#pids + 1] = row.pid end
      core.process.signal(pid, "KILL")
      if crew.wait(pid, 5) == 137 then kills = kills + 1 end
    end
    assert.equal(0, (crew.run("--workers 2 --deterministic", "--trials 20 --ms 1 --store " .. url)))
    assert.is_true(kills >= 3 and #pids > 0 and has_ended(pids))
    local whole = fresh()
    assert.equal(0, (crew.run("--deterministic", "--trials 20 --ms 1 --store " .. whole)))
    assert.same(crew.sequence(whole), crew.sequence(url))
    crew.check_results(url)
  end)

  it("KILL on the leader, with --may-lead: a worker leads within the lease and 5 s", function()
    local url = fresh()
    local pid = crew.start("--workers 2 --deterministic --may-lead --lease 2", "--trials 30 --ms 60 --store " .. url)
    crew.await(url, 12)
    core.process.signal(pid, "KILL")
    crew.wait(pid, 5)
    local db <close> = assert(core.store.open(url))
    local epoch, since = assert(db:run("lead_get", 1))[1].epoch, core.sys.clock()
    while assert(db:run("lead_get", 1))[1].epoch == epoch do
      assert.is_true(core.sys.clock() - since < 2 + 5, "nobody leads")
      core.process.sleep(0.05)
    end
    for _ = 1, 1000 do
      if crew.read(url).status == "DONE" then break end
      core.process.sleep(0.02)
    end
    local whole = fresh()
    assert.equal(0, (crew.run("--deterministic", "--trials 30 --ms 1 --store " .. whole)))
    assert.same(crew.sequence(whole), crew.sequence(url))
    crew.check_results(url)
  end)
end)

describe("a worker that was started by itself, with --may-lead,", function()
  it("leads when the leader and its workers are gone", function()
    local url = fresh()
    local pid = crew.start("--workers 1 --deterministic --lease 2", "--trials 24 --ms 60 --store " .. url)
    crew.await(url, 4)
    local worker, out = crew.start("--may-lead --lease 2 --store " .. url, "--trials 24 --ms 60 --store " .. url, "worker " .. crew.script)
    crew.await(url, 12)
    core.process.signal(pid, "KILL")
    crew.wait(pid, 5)
    assert.equal(0, crew.wait(worker, 30), helper.read(out))
    assert.equal("DONE", crew.read(url).status)
    local whole = fresh()
    assert.equal(0, (crew.run("--deterministic", "--trials 24 --ms 1 --store " .. whole)))
    assert.same(crew.sequence(whole), crew.sequence(url))
    crew.check_results(url)
  end)
end)

describe("--deterministic", function()
  it("gives the same search for 1, 2 and 8 workers and for none, and when workers are killed", function()
    local expected
    for _, case in ipairs { { 0 }, { 1 }, { 2, kill = true }, { 8 } } do
      local url = fresh()
      local pid = crew.start(("--workers %d --deterministic --backoff 0.05"):format(case[1]), "--trials 30 --ms 8 --store " .. url)
      for _ = 1, case.kill and 3 or 0 do
        crew.await(url, 12)
        local pids = crew.worker_pids(url)
        if pids[1] then core.process.signal(pids[1], "KILL") end
        core.process.sleep(0.15)
      end
      assert.equal(0, crew.wait(pid, 30))
      local sequence = crew.sequence(url)
      expected = expected or sequence
      assert.same(expected, sequence)
    end
  end)

  it("keeps its window with the study", function()
    local url = fresh()
    assert.equal(0, (crew.run("--workers 1 --deterministic --parallel-window 4", "--trials 8 --ms 1 --store " .. url)))
    local code, _, err = crew.run("--workers 1 --deterministic", "--trials 9 --ms 1 --store " .. url)
    assert.equal(4, code)
    assert.matches("begun with another strategy options", err)
  end)
end)
