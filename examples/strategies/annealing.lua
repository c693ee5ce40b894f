--- Simulated annealing: one decision changes at a time; losses are accepted while it is hot. The temperature is in units of the objective.
-- Run: vega-lua examples/strategies/annealing.lua
local vega = require "vega"

local problem = vega.problem.rosenbrock(4)            -- a bent valley: from the first floor it is still far to the optimum, 0

local SCHEDULES = { { temperature = 10.0, cooling = 0.85 }, { temperature = 100.0, cooling = 0.97 }, { temperature = 1e-6, cooling = 1.0 } }
for _, schedule in ipairs(SCHEDULES) do
  local sum, seeds = 0.0, 11
  for seed = 1, seeds do
    local run = vega.simulate { problem = problem, strategy = vega.strategy.annealing(schedule), budget = { trials = 150 }, seed = seed }
    sum = sum + run.driver:best().values.value
  end
  print(("from T = %g, times %g a trial: mean of the best values %.3f"):format(schedule.temperature, schedule.cooling, sum / seeds))
end
