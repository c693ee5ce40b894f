local here = debug.getinfo(1, "S").source:match("^@(.*)model_spec%.lua$")
local contract = dofile(here .. "contract/strategy.lua")
local strategy = require "vega.strategy"

-- growth = false: a model looks at every trial at each ask.
contract(describe, it, "gp", function() return strategy.gp {} end, { asks = 30, growth = false })
contract(describe, it, "tpe", function() return strategy.tpe {} end, { growth = false })
contract(describe, it, "forest", function() return strategy.forest {} end, { growth = false })
contract(describe, it, "bananas", function() return strategy.bananas { epochs = 20 } end, { asks = 30, growth = false })
