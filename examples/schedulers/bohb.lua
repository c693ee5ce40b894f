--- BOHB: Hyperband whose new trials come from a model, here TPE, of the highest rung that has enough results. Bits and coins: 8 of each.
local vega = require "vega"

local problem = vega.problem.counting_ones(8)
local study = vega.study {
  space = problem.space, objectives = problem.objectives, evaluate = problem, strategy = vega.strategy.tpe {},
  scheduler = vega.scheduler.bohb { resource = "tosses", min = 9, max = 729, random = 1 / 3 },
  budget = { cost = 64 * 729 }, seed = 1, quiet = true,
}
local best = assert(study:run()):best()

local stats, most = study.driver:stats(), study.driver.scheduler.max
print(("%d trials, %d tosses a coin; all to the end would be %d"):format(stats.asked, stats.cost, stats.asked * most))
print(("best: trial %d, %.3f after %d tosses; the optimum is %.0f"):format(best.id, best.values.value, best.fidelity, (problem:best())))
