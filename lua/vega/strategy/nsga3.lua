--- NSGA-III: as NSGA-II, but the last front is cut by niches around evenly spread directions: for three and more objectives.
-- Deb & Jain 2014, doi:10.1109/TEVC.2013.2281535.
--    vega.strategy.nsga3 { population = 92, divisions = 12 }     91 directions of three objectives; 0, the default, is chosen by budget and size
-- Steady state as nsga2; `synchronous` gives whole generations, as in the paper.
local directions = require "vega.evolution.directions"
local evolution = require "vega.evolution"
local replacement = require "vega.evolution.replacement"
local selection = require "vega.evolution.selection"
local variation = require "vega.evolution.variation"

return evolution.define {
  name = "nsga3", multi_objective = true,
  params = evolution.genetic_params { divisions = 0, crossover = 1.0, crossover_eta = 30, mutation_eta = 20, synchronous = false },
  defaults = function(spec) return { suggested = evolution.population_for(spec.budget) } end,
  parts = function(space, p, given)
    local size = p.population > 0 and math.max(2, p.population) or p.suggested
    local list = directions(#given.objectives, p.divisions, size)
    if #list > size then
      error(("strategy 'nsga3': %d divisions make %d directions, more than the population of %d"):format(p.divisions, #list, size), 0)
    end
    return { size = size, population = replacement.niching(size, list),
      offspring = variation.genetic(space, selection.fair_tournament(2, selection.feasibility), p) }
  end,
}
