--- SMS-EMOA: steady-state evolution; of the last front the member that adds least to the hypervolume dies.
-- Beume, Naujoks & Emmerich 2007, doi:10.1016/j.ejor.2006.08.008. For two to four objectives: the exact hypervolume is costly beyond.
--    vega.strategy.smsemoa { population = 50 }      0, the default, is chosen by the budget: 20, 50 or 100
local evolution = require "vega.evolution"
local replacement = require "vega.evolution.replacement"
local selection = require "vega.evolution.selection"
local variation = require "vega.evolution.variation"

return evolution.define {
  name = "smsemoa", multi_objective = true,
  params = evolution.genetic_params { crossover = 0.9, crossover_eta = 15, mutation_eta = 20 },
  defaults = function(spec) return { suggested = evolution.population_for(spec.budget) } end,
  parts = function(space, p)
    local size = p.population > 0 and math.max(2, p.population) or p.suggested
    return { size = size, population = replacement.hypervolume(size), offspring = variation.genetic(space, selection.uniform, p) }
  end,
}
