--- Local search: all neighbours of the incumbent, a move to the best of them, a new start at a top. Hard to beat on small spaces.
-- Run: vega-lua examples/strategies/local_search.lua
local vega = require "vega"

local problem = vega.problem.micro()
local search = vega.strategy.create(vega.strategy.local_search {}, { space = problem.space, objectives = problem.objectives, seed = 3 })

local best, climbs = -math.huge, 0
for i = 1, 500 do
  local trial = search:ask(1)[1]
  if trial.origin == "random" then climbs = climbs + 1 end
  local values = problem:evaluate(trial.config)
  if values.score > best then
    best = values.score
    print(("trial %3d, climb %d: %.5f (%s)"):format(i, climbs, best, trial.origin))
  end
  search:tell(trial.id, { status = "ok", values = values })
end
print(("after %d climbs %.5f; the optimum is %.5f"):format(climbs, best, problem:best()))
