--- Many short trainings, few long ones: ASHA over small mobile networks on Fashion-MNIST. A trial is paused after 1 and 3 epochs; only the best third
-- of each rung goes on, from its checkpoint, with the bits of an undisturbed training.
-- Run: scripts/run examples/multi_fidelity.lua      (seconds to a minute; Ctrl-C is safe, run it again to continue)
local vega = require "vega"

local o = vega.arguments { epochs = 27, limit = 1000, store = "runs/multi_fidelity.db" }
local data = assert(vega.data "fashion-mnist")

local study = vega.study {
  space     = vega.space "mobile_tiny",
  strategy  = vega.strategy.random {},
  scheduler = vega.scheduler.asha { resource = "epochs", min = 1, max = 9, eta = 3 },
  evaluate  = vega.evaluate.train { data = data, limit = o.limit, validation = 1000, batch = 32, precision = "auto", latency = false,
                                    optimiser = { name = "sgd", lr = 0.1, momentum = 0.9, nesterov = true },
                                    schedule = { name = "cosine", warmup = 20 } },
  objectives = { accuracy = "max" },
  budget    = { cost = o.epochs },                             -- epochs trained, all trials together
  store     = o.store, seed = 1,
}
local best = assert(study:run()):best()

local stats, rungs = study.driver:stats(), study.driver.scheduler:sizes()
print(("%d networks, %d epochs; trained to the end they would have taken %d"):format(stats.asked, stats.cost, 9 * stats.asked))
print(("on rungs 1, 3, 9: %s"):format(table.concat(rungs, ", ")))
print(("best: trial %d, accuracy %.3f after %d epochs, %d parameters"):format(best.id, best.values.accuracy, best.fidelity, best.values.params))
