--- NSGA-II: error against cost. The front of 500 trials is compared with the exact one.
-- Run: vega-lua examples/strategies/nsga2.lua
local vega = require "vega"

local problem = vega.problem.micro { objectives = 2 }

local front = vega.study {
  space = problem.space, evaluate = problem, objectives = problem.objectives, quiet = true,
  strategy = vega.strategy.nsga2 { population = 20 },
  budget = { trials = 500 }, store = ":memory:", seed = 1,
}:run()

print(front)
local volume = front:hypervolume { error = 0.75, cost = 5 }
print(("hypervolume %.4f, %.1f %% of what all 15625 architectures have"):format(volume, 100 * volume / problem.volume))
