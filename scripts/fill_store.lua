--- Makes a store with a large study, for measuring how long looking at one takes.
--    vega-lua scripts/fill_store.lua --trials 100000 --store runs/large.db        # half a minute
-- Every trial is asked for, told and written as in a search; its evaluation is a formula. --objectives 2 or 3 has fronts.
local vega = require "vega"

local o = vega.arguments { trials = 10000, store = "runs/large.db", name = "large", objectives = 1, seed = 1, scheduler = false }

local space = vega.space.define { name = "large", choices = function(s)
  for i = 1, 6 do s:choice("edge_" .. i, { "none", "skip", "conv1x1", "conv3x3", "avgpool3x3" }) end
  s:int("width", 1, 64)
  s:float("rate", 1e-4, 1)
end }

local COST = { none = 0, skip = 1, conv1x1 = 40, conv3x3 = 360, avgpool3x3 = 9 }
local GAIN = { none = 0, skip = 0.1, conv1x1 = 0.4, conv3x3 = 0.8, avgpool3x3 = 0.2 }

local function evaluate(arch, trial)
  local gain, macs = 0, 0
  for i = 1, 6 do gain, macs = gain + GAIN[arch["edge_" .. i]], macs + COST[arch["edge_" .. i]] * arch.width * arch.width end
  local loss = 1 / (1 + gain * arch.width ^ 0.25) + 0.05 * math.abs(math.log(arch.rate / 0.01))
  if trial.id % 97 == 0 then error("out of luck", 0) end
  return { loss = loss, macs = macs, params = macs // 10, latency_ms = macs / 1e6 + gain }
end

local goals = { { name = "loss", goal = "min" }, { name = "macs", goal = "min" }, { name = "latency_ms", goal = "min" } }
local study <close> = vega.study { name = o.name, space = space, strategy = vega.strategy.random {}, evaluate = evaluate, seed = o.seed,
  objectives = table.move(goals, 1, o.objectives, 1, {}), budget = { trials = o.trials }, dedup = "allow", quiet = true,
  scheduler = o.scheduler and vega.scheduler.asha { max = 27 } or nil, store = ("sqlite:%s?durability=normal"):format(o.store) }
assert(study:run())
