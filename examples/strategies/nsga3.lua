--- NSGA-III: three objectives; survivors are spread over 91 directions, and the front is a sphere.
-- Run: vega-lua examples/strategies/nsga3.lua
local vega = require "vega"

local problem = vega.problem.dtlz2(3)
local search = vega.strategy.create(vega.strategy.nsga3 { population = 92, divisions = 12, synchronous = true },
  { space = problem.space, objectives = problem.objectives, seed = 1 })

for generation = 1, 60 do
  for _, trial in ipairs(search:ask(92)) do search:tell(trial.id, { status = "ok", values = problem:evaluate(trial.config) }) end
  if generation % 15 == 0 then
    local points = {}
    for i, trial in ipairs(search:front()) do points[i] = trial.costs end
    print(("%5d trials: hypervolume %.4f of %.4f, mean distance to the targets %.4f"):format(92 * generation, problem:hypervolume(points),
      problem.volume, vega.pareto.distance(points, problem:front()).igd))
  end
end
