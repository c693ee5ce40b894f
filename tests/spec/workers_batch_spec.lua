--- Batches: several trials claimed at once, evaluated together, reported in one transaction; and a supernet's weights mapped by all workers.
local core = require "vega.core"
local crew = require "spec.crew_helper"
local helper = require "spec.helper"
local supernets = require "spec.supernet_helper"
local vega = require "vega"

local function fresh() return helper.scratch "batch.db" end

-- --how: batch, one (by one), raise (together fails), text (every fifth has none). --mark: who evaluates trial 5 first is killed, in the middle of a batch.
local SCRIPT = [[
local vega = require "vega"
local core = require "vega.core"
local o = vega.arguments { store = "x.db", how = "batch", mark = "", trials = 24 }
local evaluator = { batch = 6 }
local function score(arch) return { loss = (arch.a - 5) ^ 2 + arch.b } end
local function one(arch, trial)
  if o.mark ~= "" and trial.id == 5 and not io.open(o.mark) then
    assert(io.open(o.mark, "w")):close()
    core.process.signal(core.process.about().pid, "KILL")
    core.process.sleep(5)
  end
  return score(arch)
end
if o.how == "one" then function evaluator:evaluate(arch, trial) return one(arch, trial) end
else
  function evaluator:evaluate_batch(archs, trials)
    if o.how == "raise" and #archs > 1 then error "not together" end
    local list = {}
    for i, arch in ipairs(archs) do
      list[i] = one(arch, trials[i])
      trials[i].report(1, { seen = #archs })
      if o.how == "text" and trials[i].id % 5 == 0 then list[i] = "no value for it" end
    end
    return list
  end
end
local study = vega.study { space = vega.space.define { choices = function(s) s:int("a", 1, 50) s:int("b", 1, 50) end }, name = "batches", quiet = true,
  strategy = vega.strategy.random {}, objectives = { loss = "min" }, budget = { trials = o.trials }, store = o.store, seed = 1, evaluate = evaluator }
print(assert(study:run()))
]]

local script
local function run(options, how, more)
  script = script or helper.write(helper.scratch "batch.lua", SCRIPT)
  local url = fresh()
  local code, _, err = helper.run(("%%s run %s %s -- --how %s --store %s %s"):format(script, options, how, url, more or ""))
  assert.equal(0, code, err)
  return url
end

describe("a batch", function()
  it("gives what one by one gives, and together is together", function()
    local alone = crew.sequence(run("", "one"))
    assert.equal(24, #alone)
    for _, how in ipairs { "one", "batch", "raise" } do
      local url = run("--workers 2", how)
      assert.same(alone, crew.sequence(url))
      crew.check_results(url)
    end
    assert.same(alone, crew.sequence(run("", "batch")))
    local url, together = run("--workers 1", "batch"), 0
    local db <close> = assert(core.store.open(url))
    for _, m in ipairs(assert(db:run("metric_list", 1))) do together = math.max(together, m.value) end
    assert.equal(6, together)
  end)

  it("whose worker is killed is done again, once", function()
    local expected = crew.sequence(run("", "one"))
    local url = run("--workers 1 --backoff 0.05", "batch", "--mark " .. helper.scratch "mark")
    assert.same(expected, crew.sequence(url))
    local attempts = {}
    for _, a in ipairs(crew.check_results(url).attempts) do attempts[a.trial_id] = (attempts[a.trial_id] or 0) + 1 end
    for id, n in ipairs(attempts) do assert.equal(id <= 6 and 2 or 1, n) end
  end)

  it("may have no value for some", function()
    local found = crew.check_results(run("--workers 2", "text"))
    for _, t in ipairs(found.trials) do assert.equal(t.number % 5 == 0 and "FAILED" or "COMPLETE", t.state) end
    assert.equal("no value for it", found.attempts[5].message)
  end)

  it("has a size that makes sense", function()
    local code, _, err = helper.script [[require("vega").study { space = require("vega").space "nb201", strategy = require("vega").strategy.random {},
      objectives = { a = "max" }, evaluate = { batch = 0, evaluate_batch = function() end } }]]
    assert.equal(1, code)
    assert.matches("batch must be a whole number from 1 to 1024, got 0", err)
  end)
end)

describe("a supernet's weights", function()
  local space, input = vega.space "mobile_tiny", { 16, 16, 1 }
  local function new(seed) return vega.supernet.new { space = space, input = input, classes = 10, seed = seed } end

  it("saved and mapped are what they were, and the file stays so", function()
    local path, a, b = helper.scratch "weights.safetensors", new(1), new(2)
    local rng = vega.rng.new(3, "x")
    local arch = space:random(rng)
    local x = supernets.batch(input, 4, 1)
    a:run(x, arch, { train = true })                                 -- its statistics are not the first ones
    assert(a:save(path, { note = "n" }))
    local bytes = helper.read(path)
    assert.equal("n", assert(b:load(path)).note)
    assert.is_true(supernets.equal(a:run(x, arch), b:run(x, arch)))
    for name, t in pairs(a.graph:params()) do assert.is_true(supernets.equal(t, b.graph:params()[name])) end
    b.graph:values():fill(0)
    assert.equal(bytes, helper.read(path))
    assert.is_false(supernets.equal(a:run(x, arch), b:run(x, arch)))
    assert.is_true(supernets.equal(a:run(x, arch), (function()
      local c = new(5)
      assert(c:load(path))
      return c:run(x, arch)
    end)()))
  end)

  it("of another one, or none, are refused", function()
    local path = helper.scratch "weights.safetensors"
    assert(vega.supernet.new { space = space, input = input, classes = 7 }:save(path))
    local meta, message, code = new(1):load(path)
    assert.is_nil(meta)
    assert.matches("the weights of another supernet", message)
    assert.equal("EFORMAT", code)
    assert.equal("EIO", select(3, new(1):load "/nowhere.safetensors"))
    assert.error_matches(function() core.io.load("x.npz", { map = true }) end, "map is for .safetensors alone")
  end)

  it("can be trained further by who mapped them", function()
    local path, a, b = helper.scratch "weights.safetensors", new(1), new(2)
    assert(a:save(path))
    local images, labels = supernets.batch(input, 32, 1)
    local set = core.data.new("made", images, labels, 10)
    local function fit(net) return assert(net:fit { data = set, epochs = 1, batch = 16, optimiser = { name = "sgd", lr = 0.1 } }) end
    assert(b:load(path))
    fit(a)
    fit(b)
    assert.is_true(supernets.equal(a.graph:values(), b.graph:values()))
  end)
end)
