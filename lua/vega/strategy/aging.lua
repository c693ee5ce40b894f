--- Aging evolution: mutate the best of a random sample, drop the oldest. Real et al. 2019, arXiv:1802.01548.
--    vega.strategy.aging { population = 50, tournament = 10 }
local evolution = require "vega.evolution"
local replacement = require "vega.evolution.replacement"
local selection = require "vega.evolution.selection"
local variation = require "vega.evolution.variation"

return evolution.define {
  name = "aging", params = {
    population = { 100, min = 1, about = "members alive" },
    tournament = { 25, min = 1, about = "members drawn, the best of which is the parent" },
  },
  parts = function(space, p)
    return { size = p.population, population = replacement.oldest(p.population),
      offspring = variation.mutation(space, selection.tournament(p.tournament, selection.fitness)) }
  end,
}
