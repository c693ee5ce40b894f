--- Differential evolution: a child is a member plus the scaled difference of two others, so steps shrink as the population draws together.
-- Run: vega-lua examples/strategies/differential_evolution.lua
local vega = require "vega"

local problem = vega.problem.hartmann6()              -- six numbers, minimum -3.32237

local search = vega.strategy.create(vega.strategy.differential_evolution { population = 12, factor = 0.5, crossover = 0.9 },
  { space = problem.space, objectives = problem.objectives, seed = 1 })
for i = 1, 600 do
  local trial = search:ask(1)[1]
  search:tell(trial.id, { status = "ok", values = problem:evaluate(trial.config) })
  if i % 150 == 0 then print(("%3d trials: %.5f"):format(i, search:best().values.value)) end
end
print(("optimum:    %.5f"):format((problem:best())))
