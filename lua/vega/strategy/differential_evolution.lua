--- Differential evolution, rand/1/bin, in the unit cube over the decisions. Storn & Price 1997, doi:10.1023/A:1008202821328.
--    vega.strategy.differential_evolution { population = 20, factor = 0.5, crossover = 0.9 }       population 0, the default: by the budget
-- The factor is drawn from [factor, 1] for each child. A child replaces the member of its own slot unless it is worse; slots take their turn, so
-- any number of children can be on their way.
local Cube = require "vega.evolution.cube"
local evolution = require "vega.evolution"
local replacement = require "vega.evolution.replacement"
local variation = require "vega.evolution.variation"

return evolution.define {
  name = "differential_evolution",
  params = {
    population = { 0, min = 0, about = "members; 0: 10, 25 or 50 by the budget" },
    factor = { 0.5, min = 0, max = 1, about = "least scale of a difference" },
    crossover = { 0.9, min = 0, max = 1, about = "probability that a number of the child is new" },
  },
  defaults = function(spec) return { suggested = evolution.population_for(spec.budget) // 2 } end,
  parts = function(space, p)
    local size, cube = p.population > 0 and math.max(4, p.population) or p.suggested, Cube.new(space)
    return { size = size, population = replacement.slots(size, cube), offspring = variation.differential(cube, p.factor, p.crossover) }
  end,
}
