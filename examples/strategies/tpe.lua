--- Tree-structured Parzen estimator: mixed spaces with conditions, answers that cost little. Which optimiser, and which settings of it?
-- Run: vega-lua examples/strategies/tpe.lua
local vega = require "vega"
local space = vega.space

local recipe = space.define { name = "recipe", choices = {
  optimiser = space.choice {
    sgd = { lr = space.float(1e-3, 10, { log = true }), momentum = space.float(0, 0.99) },
    adam = { lr = space.float(1e-5, 1e-1, { log = true }) },
  },
  layers = space.int(1, 12),
} }

local function evaluate(arch)
  local sgd = arch.optimiser == "sgd"
  local lr = sgd and arch["optimiser.sgd.lr"] / (1 - arch["optimiser.sgd.momentum"]) or 300 * arch["optimiser.adam.lr"]
  return { loss = (math.log(lr, 10) - 0.2) ^ 2 + 0.02 * (arch.layers - 7) ^ 2 + (sgd and 0.1 or 0.13) }
end

local front = vega.study { space = recipe, evaluate = evaluate, objectives = { loss = "min" }, quiet = true,
  strategy = vega.strategy.tpe {}, budget = { trials = 150 }, store = ":memory:", seed = 1 }:run()
local best = front:best()
print(("loss %.4f (least possible 0.1): %s, %d layers"):format(best.values.loss, best.arch.optimiser, best.arch.layers))
