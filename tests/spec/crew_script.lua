--- A script for the tests of workers: a cheap search whose trials sleep, and do what --hit says: "7 segv", "7 sleep 9", "7 lua" or "7 tensor" (more
-- memory than is there), each time trial 7 is evaluated; "7 killed PATH": once, then that file is there. --strategy and --scheduler name them; their
-- options suit a small search.
local vega = require "vega"
local core = require "vega.core"

local o = vega.arguments { store = "x.db", trials = 24, ms = 5, strategy = "aging", scheduler = "", hit = "", needs = "", print = "front", name = "crew" }

-- Small populations and early models, so that 20 trials see all that a strategy does.
local SMALL = { population = 6, tournament = 3, initial = 5, mu = 3, batch = 3, epochs = 5, models = 2, layers = 2, candidates = 20, trees = 3 }
local function small(class)
  local options = {}
  for key in pairs(class.params or {}) do options[key] = SMALL[key] end
  return options
end

local OPTIONS = { aging = { population = 6, tournament = 3 }, nsga2 = { population = 6 } }
local SCHEDULERS = { successive_halving = { min = 1, max = 9, eta = 3, n = 9, metric = "loss" },
  asha = { min = 1, max = 9, eta = 3, metric = "loss" },
  hyperband = { min = 1, max = 9, eta = 3, metric = "loss" },
  dehb = { min = 1, max = 9, eta = 3, metric = "loss" }, bohb = { min = 1, max = 9, eta = 3, metric = "loss" },
  median = { max = 9, metric = "loss" }, pbt = { max = 8, metric = "loss" } }

local function hit(word, value)
  if word == "segv" then
    local pid = core.process.about().pid
    os.execute(("kill -SEGV %d"):format(pid))
    core.process.sleep(5)
  elseif word == "killed" and not io.open(value) then
    assert(io.open(value, "w")):close()
    core.process.signal(core.process.about().pid, "KILL")
    core.process.sleep(5)
  elseif word == "sleep" then core.process.sleep(tonumber(value))
  elseif word == "lua" then
    local list = {}
    for i = 1, 4096 do list[i] = ("x"):rep((1 << 20) + i) end
    return #list
  elseif word == "tensor" then
    local list = {}
    for i = 1, 4096 do list[i] = assert(core.tensor.zeros { 1 << 18 }) end
    return #list
  end
end

local target, word, value = o.hit:match "^(%d+) (%a+) ?(%S*)$"

local study = vega.study {
  name = o.name, space = vega.space.define { name = "s", choices = function(s) for i = 1, 4 do s:int("a" .. i, 1, 20) end end },
  strategy = vega.strategy[o.strategy](OPTIONS[o.strategy] or small(vega.strategy[o.strategy].class)), objectives = { loss = "min" }, store = o.store, seed = 3, quiet = true,
  scheduler = o.scheduler ~= "" and vega.scheduler[o.scheduler](SCHEDULERS[o.scheduler]) or nil,
  budget = { trials = o.trials }, needs = o.needs ~= "" and { o.needs } or nil,
  evaluate = function(arch, trial)
    if tonumber(target) == trial.id then hit(word, value) end
    core.process.sleep(o.ms * (0.5 + trial.seed % 100 / 100) / 1000)
    local loss = (arch.a1 - 5) ^ 2 + (arch.a2 - 7) ^ 2 + arch.a3 + 0.1 * arch.a4
    if trial.fidelity then
      for step = trial.fidelity.from + 1, trial.fidelity.to do
        if trial.report(step, { loss = loss / step }) ~= "continue" then break end
      end
      loss = loss / trial.fidelity.to
    end
    return { loss = loss }
  end }
print(assert(study:run()))
