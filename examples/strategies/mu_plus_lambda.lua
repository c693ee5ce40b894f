--- (mu + lambda): the best mu of all so far have children by mutation. A mu of one is a hill climber; more keep it from the first hill.
-- Run: vega-lua examples/strategies/mu_plus_lambda.lua
local vega = require "vega"

local problem = vega.problem.micro()

for _, mu in ipairs { 1, 5, 20 } do
  local sum, solved, seeds = 0.0, 0, 15
  for seed = 1, seeds do
    local run = vega.simulate { problem = problem, strategy = vega.strategy.mu_plus_lambda { mu = mu }, budget = { trials = 200 }, seed = seed }
    local regret = problem:regret(run.driver:best().values)
    sum, solved = sum + regret, solved + (regret < 1e-9 and 1 or 0)
  end
  print(("mu = %2d: mean regret %.4f after 200 trials, optimum found by %d of %d"):format(mu, sum / seeds, solved, seeds))
end
