--- Hyperband: five brackets, from 81 trials of one step to 5 of 81, so that late bloomers get their chance too.
local vega = require "vega"

local problem = vega.problem.curves(400)
local study = vega.study {
  space = problem.space, objectives = problem.objectives, evaluate = problem, strategy = vega.strategy.random {},
  scheduler = vega.scheduler.hyperband { resource = "step", max = 81, eta = 3, rounds = 1 },
  seed = 1, quiet = true,
}
local best = assert(study:run()):best()

local stats, most = study.driver:stats(), study.driver.scheduler.max
print(("%d trials, %d steps trained; all to the end would be %d"):format(stats.asked, stats.cost, stats.asked * most))
print(("best: trial %d, loss %.4f after %d steps; the best of all has %.4f"):format(best.id, best.values.loss, best.fidelity, (problem:best())))
