--- DEHB: the brackets of Hyperband, filled by differential evolution with one population a rung. The strategy gives the first individuals.
local vega = require "vega"

local problem = vega.problem.counting_ones(8)
local study = vega.study {
  space = problem.space, objectives = problem.objectives, evaluate = problem, strategy = vega.strategy.random {},
  scheduler = vega.scheduler.dehb { resource = "tosses", min = 9, max = 729 },
  budget = { cost = 64 * 729 }, seed = 1, quiet = true,
}
local best = assert(study:run()):best()

local stats, most = study.driver:stats(), study.driver.scheduler.max
print(("%d trials, %d tosses a coin; all to the end would be %d"):format(stats.asked, stats.cost, stats.asked * most))
print(("best: trial %d, %.3f after %d tosses; the optimum is %.0f"):format(best.id, best.values.value, best.fidelity, (problem:best())))
