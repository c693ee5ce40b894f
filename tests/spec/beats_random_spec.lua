local here = debug.getinfo(1, "S").source:match("^@(.*)beats_random_spec%.lua$")
local beats_random = dofile(here .. "contract/beats_random.lua")
local strategy = require "vega.strategy"

beats_random(describe, it, "aging", function() return strategy.aging { population = 20, tournament = 5 } end)
beats_random(describe, it, "nsga2", function() return strategy.nsga2 { population = 20 } end)
beats_random(describe, it, "tpe", function() return strategy.tpe {} end, { seeds = 9 })
beats_random(describe, it, "forest", function() return strategy.forest {} end, { seeds = 5, trials = 50 })
beats_random(describe, it, "gp", function() return strategy.gp {} end, { seeds = 3, trials = 40 })
