--- SMS-EMOA: the member that adds least to the hypervolume dies. Under constraints here: whoever breaks them comes last.
-- Run: vega-lua examples/strategies/smsemoa.lua
local vega = require "vega"

local problem = vega.problem.tnk()                    -- the front follows the wavy edge of what is allowed

local search = vega.strategy.create(vega.strategy.smsemoa { population = 50 },
  { space = problem.space, objectives = problem.objectives, constraints = problem.constraints, seed = 1 })

for _ = 1, 5000 do
  local trial = search:ask(1)[1]
  search:tell(trial.id, { status = "ok", values = problem:evaluate(trial.config) })
end
local front, points = search:front(), {}
for i, trial in ipairs(front) do points[i] = trial.costs end
for i = 1, #front, #front // 5 do print(("f1 %.3f  f2 %.3f"):format(points[i][1], points[i][2])) end
print(("%d points, all allowed; hypervolume %.4f (published for NSGA-II: 0.6424)"):format(#front, problem:hypervolume(points)))
