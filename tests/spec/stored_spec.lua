--- Studies read out of a store without their script: the same trials, counts and front as the study that ran.
local core = require "vega.core"
local helper = require "spec.helper"
local stored = require "vega.study.stored"
local studies = dofile "tests/stores/studies.lua"
local vega = require "vega"

local TAG = { nonfinite = "tag" }

local function ran(name, path, options)
  local o = studies[name](path, 25)
  for key, value in pairs(options or {}) do o[key] = value end
  local study = vega.study(o)
  study:run()
  return study
end

local function ids(front)
  local list = {}
  for i, t in ipairs(front) do list[i] = t.id end
  return list
end

describe("a stored study", function()
  for _, name in ipairs { "plain", "halving" } do
    it("is what the running one says: " .. name, function()
      local path = helper.scratch "x.db"
      local study <close> = ran(name, path)
      local s <close> = assert(stored.open(path))
      assert.equal(name, s.name)
      assert.equal(core.json.encode(study:trials(), TAG), core.json.encode(s:trials(), TAG))
      assert.same(ids(study:front().trials), ids(s:front()))
      assert.same({ { name = "loss", goal = "min" } }, s.objectives)
      assert.equal("DONE", s.status)
      assert.equal(core.json.encode(study.space:signature(), TAG), core.json.encode(s.space, TAG))
      assert.equal(study.driver.seed, s.seed)
      assert.equal(25, s.budget.trials)
      local counts, n = s:counts()
      assert.equal(#study:trials(), n)
      local complete = 0
      for _, t in ipairs(study:trials()) do if t.state == "COMPLETE" then complete = complete + 1 end end
      assert.equal(complete, counts.COMPLETE)
    end)
  end

  it("has the front of several objectives under a constraint", function()
    local path = helper.scratch "x.db"
    local study <close> = ran("plain", path, { objectives = { loss = "min", params = "max" }, constraints = { params = { le = 250 } },
      strategy = vega.strategy.random {} })
    local s <close> = assert(stored.open(path, "plain"))
    local front = s:front()
    assert.is_true(#front > 1)
    assert.same(ids(study:front().trials), ids(front))
    for _, t in ipairs(front) do assert.is_true(t.values.params <= 250) end
  end)

  it("has attempts and events by the trial's number", function()
    local path = helper.scratch "x.db"
    local study <close> = ran("plain", path)
    local s <close> = assert(stored.open(path))
    local attempts, events = s:attempts(), s:events_after(0)
    assert.equal(#study:trials(), #attempts)
    assert.equal(1, attempts[1].trial)
    assert.equal("ask", events[1].kind)
    assert.equal(1, events[1].payload.id)
    assert.equal(events[1].trial, 1)
    assert.equal(#events - 3, #s:events_after(events[3].seq))
  end)
end)

describe("a store", function()
  it("is listed", function()
    local path = helper.scratch "x.db"
    ran("plain", path):close()
    ran("halving", path):close()
    local list = assert(stored.list(path))
    assert.same({ "plain", "halving" }, { list[1].name, list[2].name })
    assert.equal("aging", list[1].strategy)
    local n = 0
    for _, count in pairs(list[1].counts) do n = n + count end
    assert.equal(25, n)
    assert.equal(25, list[1].trials)
  end)

  it("that is not there is not made, and every refusal has its exit code", function()
    local path = helper.scratch "none.db"
    local s, message, code = stored.open(path)
    assert.is_nil(s)
    assert.matches("there is no such file", message, 1, true)
    assert.equal(4, code)
    assert.is_nil(io.open(path))
    assert.equal(4, select(3, stored.list(path)))
    local text = helper.write(helper.scratch "text.db", ("no database "):rep(200))
    assert.equal(4, select(3, stored.list(text)))
    s, message, code = stored.list "postgresql://me:geheim@nowhere/x"
    assert.is_nil(s)
    assert.equal(2, code)
    assert.is_nil(message:find("geheim", 1, true))
  end)

  it("of several studies asks which one is meant", function()
    local path = helper.scratch "x.db"
    ran("plain", path):close()
    ran("halving", path):close()
    local s, message, code = stored.open(path)
    assert.is_nil(s)
    assert.matches("has 2 studies, name one: plain, halving", message, 1, true)
    assert.equal(2, code)
    s, message, code = stored.open(path, "plane")
    assert.is_nil(s)
    assert.matches("did you mean 'plain'?", message, 1, true)
    assert.equal(4, code)
  end)
end)
