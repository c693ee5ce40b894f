--- Median stopping: a trial ends when its best value is worse than the running average of the median completed trial.
local vega = require "vega"

local problem = vega.problem.curves(400)
local study = vega.study {
  space = problem.space, objectives = problem.objectives, evaluate = problem, strategy = vega.strategy.random {},
  scheduler = vega.scheduler.median { resource = "step", max = 81, warmup = 3, grace = 5 },
  budget = { trials = 60 }, seed = 1, quiet = true,
}
local best = assert(study:run()):best()

local stats, most = study.driver:stats(), study.driver.scheduler.max
print(("%d trials, %d steps trained; all to the end would be %d"):format(stats.asked, stats.cost, stats.asked * most))
print(("best: trial %d, loss %.4f after %d steps; the best of all has %.4f"):format(best.id, best.values.loss, best.fidelity, (problem:best())))
