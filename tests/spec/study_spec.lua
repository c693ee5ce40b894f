local space = require "vega.space"
local strategy = require "vega.strategy"
local vega_study = require "vega.study"

local OPS = { "none", "skip", "conv" }
local function cells(name)
  return space.define { name = name or "cells", choices = function(s) for i = 1, 5 do s:choice("e" .. i, OPS) end end }
end
local function score(arch)
  local acc, cost = 0, 0
  for i = 1, 5 do
    local op = arch["e" .. i]
    acc, cost = acc + (op == "conv" and i or 0), cost + (op == "conv" and 6 or op == "skip" and 1 or 0)
  end
  return { acc = acc, cost = cost }
end

local function options(more)
  local o = { space = cells(), strategy = strategy.nsga2 { population = 6 }, evaluate = score, objectives = { acc = "max", cost = "min" },
    budget = { trials = 30 }, seed = 7, quiet = true }
  for k, v in pairs(more or {}) do o[k] = v end
  return o
end

local function asks(study)
  local list = {}
  for i, t in ipairs(study:trials()) do list[i] = t.hash end
  return list
end

local function temporary()
  local path = os.tmpname()
  os.remove(path)
  return path .. ".db"
end
local function remove(path) for _, tail in ipairs { "", "-wal", "-shm" } do os.remove(path .. tail) end end

describe("study", function()
  it("runs to a front", function()
    local study = vega_study(options())
    local front = assert(study:run())
    assert.equal(30, #study:trials())
    assert.is_true(#front.trials > 1)
    assert.is_true(front:hypervolume { acc = 0, cost = 30 } > 0)
    assert.is_true(front:best("acc").values.acc >= front:best("cost").values.acc)
    assert.equal("COMPLETE", study:trials()[1].state)
    assert.is_truthy(tostring(front):find("cost"))
  end)

  it("goes on after an interruption at any point as if undisturbed", function()
    local whole = vega_study(options())
    whole:run()
    local path = temporary()
    for stop = 3, 17, 7 do
      local calls = 0
      local study = vega_study(options { store = path, evaluate = function(arch)
        calls = calls + 1
        if calls == stop then error("interrupted!", 0) end
        return score(arch)
      end })
      assert.error_matches(function() study:run() end, "interrupted!$")
      study:close()
    end
    local last = vega_study(options { store = path })
    last:run()
    assert.same(asks(whole), asks(last))
    last:close()
    remove(path)
  end)

  it("issues the trial in flight again with its id and seed", function()
    local path, seen = temporary(), {}
    local function evaluate(arch, trial)
      seen[#seen + 1] = trial.id .. ":" .. trial.seed .. ":" .. trial.hash
      if #seen == 4 then error("interrupted!", 0) end
      return score(arch)
    end
    for _ = 1, 2 do
      local study = vega_study(options { store = path, evaluate = evaluate, budget = { trials = 6 } })
      pcall(study.run, study)
      study:close()
    end
    assert.equal(seen[4], seen[5])
    assert.equal(7, #seen)
    remove(path)
  end)

  it("names what differs when a study is resumed with something else", function()
    local path = temporary()
    local study = vega_study(options { store = path, budget = { trials = 3 } })
    study:run()
    study:close()
    for what, change in pairs { space = { space = cells("others") }, objectives = { objectives = { acc = "max" } }, seed = { seed = 8 },
      strategy = { strategy = strategy.random {} }, ["strategy options"] = { strategy = strategy.nsga2 { population = 8 } } } do
      change.store = path
      assert.error_matches(function() vega_study(options(change)) end, "begun with another " .. what)
    end
    remove(path)
  end)

  it("records failures with their reason and goes on", function()
    local study = vega_study(options { evaluate = function(arch, trial)
      if trial.id == 2 then error("no such layer") end
      if trial.id == 3 then return { acc = 0 / 0, cost = 1 } end
      if trial.id == 4 then return { acc = 1 } end
      if trial.id == 5 then return nil, "loss is not finite", "ENAN" end
      trial.report(1, { loss = 0.5 })
      return score(arch)
    end, budget = { trials = 12 } })
    assert(study:run())
    local t = study:trials()
    assert.equal(12, #t)
    assert.same({ "script", "nan", "script", "nan" }, { t[2].reason, t[3].reason, t[4].reason, t[5].reason })
    assert.is_truthy(t[2].message:find("no such layer"))
    assert.is_truthy(t[4].message:find("'cost' is missing"))
    assert.same({ { step = 1, name = "loss", value = 0.5 } }, t[1].curves)
  end)

  it("does not count a trial that was interrupted inside the engine as failed", function()
    local study = vega_study(options { evaluate = function(_, trial)
      if trial.id == 3 then return nil, "train: interrupted before step 7", "EINTR" end
      return { acc = 1, cost = trial.id }
    end })
    assert.error_matches(function() study:run() end, "interrupted!$")
    assert.equal("RUNNING", study:trials()[3].state)
  end)

  it("says so when nothing succeeded", function()
    local study = vega_study(options { evaluate = function() error("always") end, budget = { trials = 4 } })
    local front, message, code = study:run()
    assert.is_nil(front)
    assert.equal("EFAILED", code)
    assert.is_truthy(message:find("all 4 trials failed"))
  end)

  it("refuses unknown options and a missing evaluator", function()
    assert.error_matches(function() vega_study(options { bugdet = {} }) end, "unknown option 'bugdet'; did you mean 'budget'")
    local o = options()
    o.evaluate = nil
    assert.error_matches(function() vega_study(o) end, "option 'evaluate' is missing")
    assert.error_matches(function() vega_study(options { budget = { trials = 0 } }) end, "budget.trials must be > 0")
  end)
end)
