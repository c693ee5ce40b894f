--- MOEA/D: one member for each weighting of the objectives; each looks after its own compromise.
-- Run: vega-lua examples/strategies/moead.lua
local vega = require "vega"

local problem = vega.problem.zdt(2)                   -- a front that weighted sums cannot find: it bends the wrong way
local search = vega.strategy.create(vega.strategy.moead { population = 50, neighbours = 15 },
  { space = problem.space, objectives = problem.objectives, seed = 1 })

for _ = 1, 12000 do
  local trial = search:ask(1)[1]
  search:tell(trial.id, { status = "ok", values = problem:evaluate(trial.config) })
end
local front, points = search:front(), {}
for i, trial in ipairs(front) do points[i] = trial.costs end
for i = 1, #front, #front // 6 do print(("f1 %.3f  f2 %.3f  (exact %.3f)"):format(points[i][1], points[i][2], 1 - points[i][1] ^ 2)) end
print(("hypervolume %.4f of %.4f"):format(problem:hypervolume(points), problem.volume))
