--- NSGA-II: tournament on (rank, crowding), crossover, mutation, survival by fronts. Deb et al. 2002, doi:10.1109/4235.996017.
--    vega.strategy.nsga2 { population = 50 }        0, the default, is chosen by the budget: 20, 50 or 100
-- Steady state: once the population stands, every tell may be followed by a child. `synchronous` gives whole generations, as in the paper.
local evolution = require "vega.evolution"
local replacement = require "vega.evolution.replacement"
local selection = require "vega.evolution.selection"
local variation = require "vega.evolution.variation"

return evolution.define {
  name = "nsga2", multi_objective = true,
  params = { population = { 0, min = 0 }, crossover = { 0.9, min = 0, max = 1 }, crossover_eta = { 15, min = 0 }, mutation_eta = { 20, min = 0 },
    synchronous = { false } },
  defaults = function(spec) return { suggested = evolution.population_for(spec.budget) } end,
  parts = function(space, p, given)
    local size = p.population > 0 and math.max(2, p.population) or p.suggested
    return { size = size, population = replacement.crowding(size, #given.objectives),
      offspring = variation.genetic(space, selection.fair_tournament(2, selection.crowding), p) }
  end,
}
