--- (mu + lambda): children of random parents; the best mu of parents and children go on. Beyer & Schwefel 2002, doi:10.1023/A:1015059928466.
--    vega.strategy.mu_plus_lambda { mu = 1 }        a hill climber; steady state, so lambda is the number of trials that run at a time
local evolution = require "vega.evolution"
local replacement = require "vega.evolution.replacement"
local selection = require "vega.evolution.selection"
local variation = require "vega.evolution.variation"

return evolution.define {
  name = "mu_plus_lambda", params = { mu = { 5, min = 1, about = "members, the best so far" } },
  parts = function(space, p)
    return { size = p.mu, population = replacement.worst(p.mu), offspring = variation.mutation(space, selection.uniform) }
  end,
}
