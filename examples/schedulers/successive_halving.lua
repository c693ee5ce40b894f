--- Successive halving: 81 trials start with 3 steps, the best third of each rung trains three times as long. No budget is needed: it ends.
local vega = require "vega"

local problem = vega.problem.curves(400)
local study = vega.study {
  space = problem.space, objectives = problem.objectives, evaluate = problem, strategy = vega.strategy.random {},
  scheduler = vega.scheduler.successive_halving { resource = "step", n = 81, min = 3, max = 81, eta = 3 },
  seed = 1, quiet = true,
}
local best = assert(study:run()):best()

local stats, most = study.driver:stats(), study.driver.scheduler.max
print(("%d trials, %d steps trained; all to the end would be %d"):format(stats.asked, stats.cost, stats.asked * most))
print(("best: trial %d, loss %.4f after %d steps; the best of all has %.4f"):format(best.id, best.values.loss, best.fidelity, (problem:best())))
