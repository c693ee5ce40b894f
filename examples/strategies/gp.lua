--- Gaussian-process optimisation: few, expensive trials. Two answers of Hartmann-6 are compared: 60 trials chosen by the model, 60 drawn at random.
-- Run: vega-lua examples/strategies/gp.lua
local vega = require "vega"

local problem = vega.problem.hartmann6()

local function regret(strategy)
  local front = vega.study {
    space = problem.space, evaluate = problem, objectives = problem.objectives, quiet = true,
    strategy = strategy, budget = { trials = 60 }, store = ":memory:", seed = 2,
  }:run()
  return problem:regret(front:best().values)
end

local drawn, modelled = regret(vega.strategy.random {}), regret(vega.strategy.gp { deterministic = true })
print(("random search is %.3f above the minimum, the model %.1e"):format(drawn, modelled))
