--- A real search (a small quickstart: mobile_tiny on Fashion-MNIST, a store on disk) that is killed and interrupted over and over asks and finds what
-- an undisturbed one does. The signals come from outside and at moments that differ from run to run; what is asserted holds for every moment.
local core = require "vega.core"
local helper = require "spec.helper"

local TRIALS = 10

-- The macs stand for the latency, which is measured and so differs from run to run. HIT = "trial signal delay": when that trial's evaluation
-- begins, a shell beside it counts to `delay` and sends the signal.
local SCRIPT = [[
local vega = require "vega"
local o = vega.arguments { store = "x.db", trials = 10, hit = "" }
vega.threads(1)
local train = vega.evaluate.train { data = assert(vega.data "fashion-mnist"), epochs = 1, limit = 256, validation = 256, batch = 32, latency = false }
local trial_id, signal, delay = o.hit:match "^(%d+) (%a+) (%d+)$"
local pid = io.open("/proc/self/stat"):read "n"
local study = vega.study {
  name = "quickstart", space = vega.space "mobile_tiny", strategy = vega.strategy.nsga2 { population = 4 },
  evaluate = function(arch, trial, space)
    if trial.id == tonumber(trial_id) then
      local text = "i=0; while [ $i -lt %s ]; do i=$((i+1)); done; kill -%s %d"
      assert(require("vega.core").sys.start { "sh", "-c", text:format(delay, signal, pid) })
    end
    return train(arch, trial, space)
  end,
  objectives = { { name = "accuracy", goal = "max" }, { name = "macs", goal = "min" } },
  budget = { trials = o.trials }, store = o.store, seed = 1,
}
print(assert(study:run()))
]]

local function has_data() return require("vega.data").find "fashion-mnist" ~= nil end

local script
local function search(store, hit)
  script = script or helper.write(helper.scratch "search.lua", SCRIPT)
  return helper.run(("%%s %s --store %s --trials %d --hit '%s'"):format(script, store, TRIALS, hit or ""))
end

--- What was asked and what came of it, in order; attempts beyond the first are counted apart.
local function record(path)
  local db <close> = assert(core.store.open(path))
  local events, lost = {}, 0
  for i, e in ipairs(assert(db:run("event_list", 1))) do
    local payload = core.json.decode(e.payload_json)
    payload.seconds = nil
    events[i] = { e.kind, payload }
  end
  for _, a in ipairs(assert(db:run("attempt_list", 1))) do if a.outcome == "LOST" then lost = lost + 1 end end
  return events, lost, assert(db:run("study_list"))[1].status
end

describe("a search", function()
  local undisturbed, table_of_front
  setup(function()
    if not has_data() then return end
    local path = helper.scratch "whole.db"
    local code, out, err = search(path)
    assert(code == 0, err)
    undisturbed, table_of_front = record(path), out
  end)

  local function compare(path, out)
    local events, lost, status = record(path)
    assert.equal(2 * TRIALS, #events)
    assert.same(undisturbed, events)
    assert.equal(table_of_front, out)
    assert.equal("DONE", status)
    return lost
  end

  it("killed at any moment goes on with what it would have asked", function()
    if not has_data() then return pending "no Fashion-MNIST" end
    local path, rng, kills, code, out = helper.scratch "killed.db", core.rng.new(1, "kills"), 0, nil, nil
    for trial = 1, TRIALS - 1, 2 do
      code, out = search(path, ("%d KILL %d"):format(trial, rng:int(0, 20000)))
      if code == 0 then break end                     -- the signal came too late
      assert.equal(137, code)
      kills = kills + 1
    end
    if code ~= 0 then code, out = search(path) end
    assert.equal(0, code)
    assert.is_true(compare(path, out) <= kills)
    assert.is_true(kills >= 1)
  end)

  it("interrupted ends with 75, paused, and goes on", function()
    if not has_data() then return pending "no Fashion-MNIST" end
    local path = helper.scratch "interrupted.db"
    for _, hit in ipairs { "2 INT 0", "5 TERM 0", "8 HUP 0" } do
      local code, out, err = search(path, hit)
      assert.equal(75, code, err)
      assert.equal("", out)
      assert.truthy(err:find("interrupted!", 1, true))
      local _, _, status = record(path)
      assert.equal("PAUSED", status)
    end
    local code, out = search(path)
    assert.equal(0, code)
    compare(path, out)
  end)
end)

describe("an interrupt that an evaluation catches", function()
  it("ends the study all the same", function()
    local code, out, err = helper.script [[
      local vega = require "vega"
      local pid = io.open("/proc/self/stat"):read "n"
      local study = vega.study { space = vega.space.define { choices = function(s) s:choice("a", { 1, 2, 3, 4 }) end },
        strategy = vega.strategy.random {}, objectives = { acc = "max" }, budget = { trials = 3 }, quiet = true, store = os.tmpname() .. ".db",
        evaluate = function(arch, trial)
          if trial.id == 2 then
            pcall(function()                                          -- the signal may come before `start` returns
              assert(vega.sys.start { "kill", "-TERM", tostring(pid) })
              while true do end
            end)
            print "caught"
          end
          return { acc = arch.a }
        end }
      study:run()
      print "not reached"]]
    assert.equal(75, code)
    assert.equal("caught\n", out)
    assert.equal("vega-lua: interrupted!\n", err)
  end)
end)
