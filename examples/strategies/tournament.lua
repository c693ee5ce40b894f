--- Tournaments of two with four workers: the worse of a random pair makes room for a child of the better the moment that child is asked for.
-- Run: vega-lua examples/strategies/tournament.lua
local vega = require "vega"

local problem = vega.problem.micro()
local search = vega.strategy.create(vega.strategy.tournament { population = 20 },
  { space = problem.space, objectives = problem.objectives, seed = 1, budget = { trials = 300 } })

-- Ask and tell by hand: four trials are always on their way, and they end in any order.
local rng, running = vega.rng.new(1, "workers"), {}
for _ = 1, 300 do
  while #running < 4 do table.insert(running, search:ask(1)[1]) end
  local trial = table.remove(running, rng:int(1, #running))
  search:tell(trial.id, { status = "ok", values = problem:evaluate(trial.config) })
end

local best = search:best()
local origin = best.id <= 20 and "first member" or "descendant"
print(("best of 300: %.5f, a %s in trial %d; optimum %.5f"):format(best.values.score, origin, best.id, problem:best()))
