--- Who leads a study's strategy writes its journal; who has lost the lead finds out before anything is written. And a worker's operations from Lua.
local core = require "vega.core"
local helper = require "spec.helper"
local journal = require "vega.study.journal"
local store = require "vega.store"
local strategy = require "vega.strategy"
local vega = require "vega"

local space = vega.space.define { name = "s", choices = function(s) s:int("a", 1, 1000) end }
local function driver()
  return strategy.create(vega.strategy.random {}, { space = space, objectives = { loss = "min" }, seed = 1, budget = { trials = 9 } })
end

local function opened(path, d)
  local j = journal.open(path, "s")
  j:begin(d, { trials = 9 })
  return j
end

local function enqueue(db, number)
  assert(db:run("trial_enqueue", 1, number, "{}", "ff", nil, 0, 3, nil))
end

local function with_study(path)
  local db = assert(store.open(path or helper.scratch "x.db"))
  assert(db:run("study_create", "s", "[]", "{}", "0", "random", "{}", 1, 0, "{}", "{}"))
  return db
end

describe("a journal under a lead", function()
  it("is written by who leads, and by nobody who did", function()
    local path, first, second = helper.scratch "x.db", driver(), driver()
    local a, b = opened(path, first), opened(path, second)
    a:lead(assert(a.db:lead(a.study_id, "A", 1e-9)))                  -- its lease has run out when B looks
    a:ask(first:ask(1)[1], first.next_id)                            -- and still it leads: nobody else does
    b:replay(second, function() end)
    b:lead(assert(b.db:lead(b.study_id, "B")))
    local s = first:ask(1)[1]
    local ok, e = pcall(a.ask, a, s, first.next_id)
    assert.is_false(ok)
    assert.equal(75, e.exit_code)
    assert.equal("study 's': another process leads it now", tostring(e))
    assert.equal(1, #assert(b.db:run("event_list", b.study_id)))
    b:ask(second:ask(1)[1], second.next_id)
    assert.equal(2, #assert(b.db:run("event_list", b.study_id)))
    assert.is_false(a.db:lead(a.study_id, "A"))
    assert.is_true(b.db:resign(b.study_id, b.epoch))
    assert.truthy(a.db:lead(a.study_id, "A"))
    a:close()
    b:close()
  end)

  it("does not hear of a worker's result twice", function()
    local path, d = helper.scratch "x.db", driver()
    local j = opened(path, d)
    j:ask(d:ask(1)[1], d.next_id)
    assert(j.db:run("event_add", j.study_id, 1, "finish", '{"outcome":{"status":"ok","values":{"loss":1}},"seconds":0}'))
    j:close()
    local fresh = driver()
    j = opened(path, fresh)
    j:replay(fresh, function() error "told" end)
    assert.same({ 1 }, fresh:pending())
    j:close()
  end)
end)

describe("a worker's store", function()
  it("gives the rows of what was claimed, in their turn", function()
    local db <close> = with_study()
    for number = 1, 5 do enqueue(db, number) end
    local list = assert(db:claim { study = 1, owner = "me", host = "h", n = 3 })
    assert.equal(3, #list)
    for i, t in ipairs(list) do
      assert.equal(i, t.number)
      assert.equal(1, t.epoch)
      assert.equal("{}", t.params_json)
      assert.equal("RUNNING", t.state)
      assert.is_true(db:heartbeat(t.trial_id, t.epoch, 60))
      assert.is_false(db:heartbeat(t.trial_id, t.epoch + 1))
    end
    assert.is_true(db:release(list[1].trial_id, 1))
    assert.is_false(db:finish { trial_id = list[1].trial_id, epoch = 1, state = "COMPLETE" })
    assert.equal(0, db:reap())
    assert.equal(0, db:adopt(1))
    assert.is_false(db:fail { trial_id = list[1].trial_id, epoch = 1, cause = "lost" })
    assert.is_true(db:remove(1))
    assert.is_false(db:heartbeat(list[2].trial_id, 1))
    assert.same({}, db:run("trial_list", 1))
  end)

  it("refuses what it does not know, at the caller's line", function()
    local db <close> = with_study()
    local claim = { study = 1, owner = "me" }
    for options, message in pairs { [{ study = 1 }] = "option 'owner' is missing",
      [{ study = 1.5, owner = "me" }] = "study must be a whole number, got 1.5",
      [{ study = 1, owner = 7 }] = "owner must be a text, got a number", [{ study = 1, owner = "me", n = 0 }] = "n from 1 to 1024 expected, got 0",
      [{ study = 1, owner = "me", leese = 1 }] = "unknown option 'leese', did you mean 'lease'",
      [{ study = 1, owner = "me", lease = 0 }] = "a lease of > 0 seconds expected" } do
      assert.error_matches(function() db:claim(options) end, message)
    end
    assert.matches("^%S*store_lead_spec.lua:%d+: store:claim: unknown", select(2, pcall(function() db:claim { leese = 1 } end)))
    enqueue(db, 1)
    local t = assert(db:claim(claim))[1]
    local id = { trial_id = t.trial_id, epoch = 1 }
    assert.error_matches(function() db:finish { trial_id = 1, epoch = 1, state = "WAITING" } end, "finish: state COMPLETE")
    assert.error_matches(function() db:fail { trial_id = 1, epoch = 1, cause = "weather" } end, "fail: unknown cause 'weather'")
    assert.error_matches(function() db:metrics(id.trial_id, 1, { { name = "x", step = 1 } }) end, "store:metrics: 'x' has no value")
    assert.error_matches(function() db:metrics(id.trial_id, 1, { 5 }) end, "store:metrics: a list of")
    assert.is_true(db:heartbeat(t.trial_id, 1))                       -- none of it did anything
  end)

  it("has a keeper", function()
    local path = helper.scratch "x.db"
    local db <close> = with_study(path)
    enqueue(db, 1)
    assert(db:run("worker_add", "w", "h", 1, "b", vega.version, "{}"))
    local at = store.now()
    local t = assert(db:claim { study = 1, owner = "w" })[1]
    local keeper <close> = assert(store.keeper(path, "w", 60))
    keeper:hold(t.trial_id, t.epoch, at)
    assert.is_false(keeper:fenced(t.trial_id))
    keeper:hold(t.trial_id, t.epoch, at - 55)                        -- the last renewal was too long ago
    assert.is_true(keeper:fenced(t.trial_id))
    keeper:drop(t.trial_id)
    assert.is_true(keeper:fenced(t.trial_id))
    assert.is_false(keeper:leads())
    keeper:lead(1, 1, at)
    assert.is_true(keeper:leads())
    assert.same({ 0 }, { keeper:status() })
    assert.error_matches(function() store.keeper "mem:" end, "a store in memory has no second connection")
    keeper:close()
    assert.error_matches(function() keeper:leads() end, "keeper is closed")
    assert.equal("keeper (closed)", tostring(keeper))
  end)

  it("wakes when another has written", function()
    local path = helper.scratch "x.db"
    local db <close> = with_study(path)
    assert.is_true(db:wait(0))                                       -- what was before the first wait is unknown
    assert.is_false(db:wait(0))
    local other <close> = assert(core.store.open(path))
    assert(other:run("meta_set", "x", "y"))
    assert.is_true(db:wait(60))
    assert.is_false(db:wait(0))
  end)
end)
