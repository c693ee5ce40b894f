--- Large-scale evolution as a black-box search: of two random members the worse dies and the better has a mutated child, the population keeps
-- its size, and any number of workers take part. Real et al. 2017, arXiv:1703.01041. (Inherited weights belong to the evaluation.)
--    vega.strategy.tournament { population = 50 }
local evolution = require "vega.evolution"
local replacement = require "vega.evolution.replacement"
local variation = require "vega.evolution.variation"

return evolution.define {
  name = "tournament", params = { population = { 50, min = 2, about = "members alive or being evaluated" } },
  parts = function(space, p)
    local population = replacement.duels(p.population)
    local function offspring(duels, rng, refused)
      local n = #duels.members
      if n < 2 then return nil, "wait" end                       -- the others are being evaluated
      local i = rng:int(1, n)
      local a, b = duels.members[i], duels.members[(i + rng:int(1, n - 1) - 1) % n + 1]
      if not duels.wins(a, b) then a, b = b, a end
      return variation.step(space, a.arch, rng, refused), "mutation", { loser = b }
    end
    return { size = p.population, population = population, offspring = offspring }
  end,
}
