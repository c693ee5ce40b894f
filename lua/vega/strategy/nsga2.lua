--- NSGA-II: tournament on (rank, crowding), crossover, mutation, survival by fronts. Deb et al. 2002, doi:10.1109/4235.996017.
--    vega.strategy.nsga2 { population = 50 }        0, the default, is chosen by the budget: 20, 50 or 100
-- Steady state: once the population stands, every tell may be followed by a child. `synchronous` gives whole generations, as in the paper.
local evolution = require "vega.evolution"
local log = require "vega.log"
local replacement = require "vega.evolution.replacement"
local selection = require "vega.evolution.selection"
local variation = require "vega.evolution.variation"

return evolution.define {
  name = "nsga2", multi_objective = true,
  params = evolution.genetic_params { crossover = 0.9, crossover_eta = 15, mutation_eta = 20, synchronous = false },
  defaults = function(spec) return { suggested = evolution.population_for(spec.budget) } end,
  parts = function(space, p, given)
    if #given.objectives > 3 then
      log.warn("strategy 'nsga2': with %d objectives nearly all trials are in the first front; nsga3 is made for that", #given.objectives)
    end
    local size = p.population > 0 and math.max(2, p.population) or p.suggested
    return { size = size, population = replacement.crowding(size, #given.objectives),
      offspring = variation.genetic(space, selection.fair_tournament(2, selection.crowding), p) }
  end,
}
