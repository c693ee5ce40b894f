--- One store, many processes of the program: nobody meets a lock, nobody's clock matters, a server may crash.
local core = require "vega.core"
local helper = require "spec.helper"
local server = require "spec.server"
local studies = dofile "tests/stores/studies.lua"
local vega = require "vega"

local PROCESSES, WRITES = 8, 10000

local function enqueue(db, n)
  assert(db:begin())
  local study = assert(db:run("study_create", "s", "[]", "{}", "0", "random", "{}", 1, 0, "{}", "{}"))[1].study_id
  for number = 1, n do assert(db:run("trial_enqueue", study, number, "{}", "ff", nil, 0, 3, nil)) end
  assert(db:commit())
  return study
end

-- Waits for the study, then claims and finishes until nothing is left.
local WORKER = [[
  local store = require "vega.store"
  local db <close> = assert(store.open(arg[1]))
  while #assert(db:run("study_list")) == 0 do db:wait(5) end
  local me = tostring(io.open("/proc/self/stat"):read "n")
  while true do
    local trial = assert(db:claim { study = 1, owner = me })[1]
    if not trial then break end
    assert(db:finish { trial_id = trial.trial_id, epoch = trial.epoch, state = "COMPLETE", values = { trial.number }, event = '{"x":1}' })
  end]]

-- Starts them, feeds them n trials, calls `meanwhile`, waits; each trial has one attempt, one result, one event, and several took part.
local function work_through(url, n, meanwhile)
  local path = helper.write(helper.scratch "worker.lua", WORKER)
  for _ = 1, PROCESSES do assert(core.sys.start { helper.program(), path, url }) end
  local db <close> = assert(core.store.open(url))
  enqueue(db, n)
  local others = meanwhile and meanwhile(db) or 0
  for _ = 1, PROCESSES + others do
    local _, code = core.sys.wait()
    assert.equal(0, code)                                            -- an error, "database is locked" say, ends a process with 1
  end
  local owners, count, trials, attempts = {}, 0, assert(db:run("trial_list", 1)), assert(db:run("attempt_list", 1))
  assert.equal(n, #trials)
  assert.equal(n, #attempts)
  for i, a in ipairs(attempts) do
    count, owners[a.owner] = count + (owners[a.owner] and 0 or 1), true
    assert.equal("COMPLETE", trials[i].state)
    assert.equal(1, a.epoch)
  end
  assert.is_true(count > 1, "one process did it all")
  assert.equal(n, #assert(db:run("value_list", 1)))
  assert.equal(n, #assert(db:run("event_list", 1)))
end

describe("a store of many processes", function()
  it("takes 10 000 writes of 8 of them without a lock error, from its making on", function()
    work_through(helper.scratch "shared.db", WRITES // 2)             -- durability=full: the longer a commit takes, the harder it is to get a turn
  end)
end)

describe("a store on a server", function()
  local url
  setup(function() url = server.start() end)
  teardown(server.stop)
  before_each(function() if url then server.clear(url) end end)

  it("takes 10 000 writes of 8 processes, from its making on", function()
    if not url then return pending "no PostgreSQL server" end
    work_through(url, WRITES // 2)
  end)

  it("may crash and come back: nothing is lost, nothing done twice", function()
    if not url then return pending "no PostgreSQL server" end
    work_through(url, 2000, function(db)
      while #assert(db:run("event_list", 1)) < 100 do db:wait(1) end
      server.restart()
      return 1
    end)
    local db <close> = assert(core.store.open(url))
    local events = assert(db:run("event_list", 1))
    assert.equal(1000, #assert(db:run("event_after", 1, events[1000].seq)))
  end)

  it("runs and resumes a study as a file does", function()
    if not url then return pending "no PostgreSQL server" end
    for _, name in ipairs { "plain", "halving" } do
      local in_memory <close> = vega.study(studies[name]("mem:", 20))
      in_memory:run()
      local options = studies[name](url, 7)
      do
        local study <close> = vega.study(options)
        study:run()
      end
      local study <close> = vega.study(studies[name](url, 20))
      study:run()
      local expected, got = in_memory:trials(), study:trials()
      for _, list in ipairs { expected, got } do for _, t in ipairs(list) do t.seconds, t.message = nil, nil end end   -- it has a traceback
      assert.equal(core.json.encode(expected, { nonfinite = "tag" }), core.json.encode(got, { nonfinite = "tag" }))
    end
  end)

  it("is given up, with a message and code 4, when it is not there", function()
    local code, out, err = helper.script([[
      local vega = require "vega"
      local study = vega.study { space = vega.space.define { choices = function(s) s:int("a", 1, 9) end }, strategy = vega.strategy.random {},
        objectives = { a = "max" }, evaluate = function(arch) return arch end, store = arg[1] }
      print(study:run())]], "'postgresql://me@/db?host=/nowhere/at/all&application_name=s3cret'")
    assert.equal(4, code)
    assert.equal("", out)
    assert.matches("postgresql://me@/db: ", err, 1, true)
    assert.matches("cannot connect", err, 1, true)
    assert.is_nil(err:find("s3cret", 1, true))                         -- what follows a '?' may be a secret
  end)

  it("is not given a password in its URL", function()
    local code, out, err = helper.script([[
      local vega = require "vega"
      vega.study { space = vega.space.define { choices = function(s) s:int("a", 1, 9) end }, strategy = vega.strategy.random {},
        objectives = { a = "max" }, evaluate = function(arch) return arch end, store = arg[1] }]], "'postgresql://me:s3cret@host/db'")
    assert.equal(1, code)
    assert.is_nil((out .. err):find("s3cret", 1, true))
    assert.matches("postgresql://me:***@host/db", err, 1, true)
    assert.matches("script.lua:2: ", err, 1, true)
  end)
end)

describe("a clock that is an hour off", function()
  local library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
  local function has_faketime()
    local f = io.open(library)
    if f then f:close() end
    return f ~= nil
  end

  local CLAIM = [[
    local db <close> = assert(require("vega.store").open(arg[1]))
    assert(#assert(db:claim { study = 1, owner = "it", lease = 600 }) == 1)
    print(os.time())]]
  local REAP = [[
    local db <close> = assert(require("vega.store").open(arg[1]))
    print(assert(db:reap()))]]
  local function with_clock(offset, script, path)
    local name = helper.write(helper.scratch "clock.lua", script)
    local environment = offset and ("LD_PRELOAD=%s FAKETIME=%s FAKETIME_DONT_FAKE_MONOTONIC=1"):format(library, offset) or ""
    local code, out, err = helper.run(("%s %%s %s %s"):format(environment, name, path))
    assert.equal(0, code, err)
    return tonumber(out)
  end

  for _, offset in ipairs { "+3600s", "-3600s" } do
    it("reaps nothing that is held: " .. offset, function()
      if not has_faketime() then return pending "no faketime" end
      local path = helper.scratch "clock.db"
      do
        local db <close> = assert(core.store.open(path))
        enqueue(db, 2)
      end
      local shown = with_clock(offset, CLAIM, path)
      assert.is_true(math.abs(math.abs(shown - os.time()) - 3600) < 300, "the clock was not changed")
      assert.equal(0, with_clock(nil, REAP, path))
      with_clock(nil, CLAIM, path)
      assert.equal(0, with_clock(offset, REAP, path))
    end)
  end
end)
