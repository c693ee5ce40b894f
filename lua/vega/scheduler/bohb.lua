--- BOHB: Hyperband whose new trials come from a model of the results at the highest rung that has enough of them. Falkner et al. 2018,
-- arXiv:1807.01774. The model is the study's strategy, one instance a rung: vega.strategy.tpe is the paper's kind (its own first random trials are
-- `initial`); any other will do.
local hyperband = require "vega.scheduler.hyperband"

local params = {
  random = { 1 / 3, min = 0, max = 1, about = "share of new trials drawn uniformly, whatever the model says" },
  points = { 0, min = 0, about = "results that a rung must have for its model to be asked; 0: decisions + 2" },
}
for name, rule in pairs(hyperband.params) do params[name] = rule end

local Bohb = setmetatable({ name = "bohb", params = params }, { __index = hyperband })
Bohb.__index = Bohb

function Bohb.new(p)
  local self = setmetatable(hyperband.new(p), Bohb)
  self.per_rung = { random = p.random, points = p.points > 0 and p.points or nil }
  return self
end

return Bohb
