--- BANANAS: a cell space, perceptrons on its path encoding. How close to the best of 15,625 cells do 100 evaluations come?
-- Run: vega-lua examples/strategies/bananas.lua
local vega = require "vega"

local problem = vega.problem.micro()

local front = vega.study {
  space = problem.space, evaluate = problem, objectives = problem.objectives, quiet = true,
  strategy = vega.strategy.bananas { epochs = 60 }, budget = { trials = 100 }, store = ":memory:", seed = 1,
}:run()
local best = front:best()
print(("score %.4f after 100 of 15625 cells; the best is %.4f"):format(best.values.score, (problem:best())))
