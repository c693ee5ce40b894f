--- Halton's sequence: any number of points is as good as any other, so a design can go on for as long as there is time.
-- Run: vega-lua examples/strategies/halton.lua
local vega = require "vega"

local problem = vega.problem.branin()
local mean = 54.3076                                  -- of the function over its box

for _, name in ipairs { "random", "halton" } do
  local search = vega.strategy.create(vega.strategy[name] {}, { space = problem.space, objectives = problem.objectives, seed = 1 })
  local sum, n = 0.0, 0
  for _, goal in ipairs { 50, 150, 500, 1500 } do
    for _, trial in ipairs(search:ask(goal - n)) do sum = sum + problem:evaluate(trial.config).value end
    n = goal
    print(("%-7s %4d points: the mean is off by %6.3f"):format(name, n, math.abs(sum / n - mean)))
  end
end
