--- Aging evolution: each child is a mutation of the best of a random sample, and the oldest member dies, however good it is.
-- Run: vega-lua examples/strategies/aging.lua
local vega = require "vega"

local problem = vega.problem.micro()                  -- 15 625 cells of six edges with five operations, the best is known

local front = vega.study {
  space = problem.space, evaluate = problem, objectives = problem.objectives, quiet = true,
  strategy = vega.strategy.aging {
    population = 50,                                  -- more members remember longer
    tournament = 10,                                  -- larger samples press harder
  },
  budget = { trials = 300 }, store = ":memory:", seed = 1,
}:run()

local best = front:best()
print(("best of 300: %.5f in trial %d; the optimum of all 15625 is %.5f"):format(best.values.score, best.id, problem:best()))
for e = 0, 5 do print("  edge " .. e, best.arch["edge_" .. e]) end
