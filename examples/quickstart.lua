--- A search, whole: accuracy against measured latency over small mobile networks, really trained on Fashion-MNIST.
-- Run: scripts/run                                  (a few minutes; Ctrl-C is safe, run it again to continue)
--      scripts/run examples/quickstart.lua --retrain     (then trains the best network of a size on all images)
--      scripts/run examples/quickstart.lua --trials 12 --store mem:
--      vega-lua run examples/quickstart.lua --workers 2 -- --trials 12       (two processes; see docs/workers.md)
--      --cost macs: arithmetic in the place of measured time, the same on any machine
local vega = require "vega"

local o = vega.arguments { trials = 48, store = "runs/quickstart.db", report = "runs/quickstart.html", retrain = false, epochs = 20, params = 200000,
  cost = "latency_ms" }
local data = assert(vega.data "fashion-mnist")
local sgd = { name = "sgd", lr = 0.1, momentum = 0.9, nesterov = true }

local study = vega.study {
  name       = "quickstart",
  space      = vega.space "mobile_tiny",                       -- searchspaces/mobile_tiny.lua
  strategy   = vega.strategy.nsga2 { population = 16 },
  evaluate   = vega.evaluate.train { data = data, epochs = 1, limit = 8000, batch = 32, precision = "auto", optimiser = sgd,
                                     schedule = { name = "cosine", warmup = 20 }, latency = o.cost == "latency_ms" },
  objectives = { { name = "accuracy", goal = "max" }, { name = o.cost, goal = "min" } },
  budget     = { trials = o.trials },
  store      = o.store, seed = 1,
}
local front = assert(study:run())
print(front)
print("report: " .. assert(front:report(o.report)))
if not o.retrain then return end

local best                                                     -- by the search's validation images; the test images are seen once, at the end
for _, trial in ipairs(study:trials()) do
  local v = trial.values
  if v.accuracy and v.params < o.params and (not best or v.accuracy > best.values.accuracy) then best = trial end
end
if not best then error(("quickstart: no trial has fewer than %d parameters"):format(o.params), 0) end
print(("retraining trial %d, %d parameters, for %d epochs"):format(best.id, best.values.params, o.epochs))
local model = study.space:network(best.arch, data.train.shape, data.train.n_classes, 1)
sgd.weight_decay = 2e-4
local history = assert(vega.train.fit {
  model = model, data = data.train, epochs = o.epochs, precision = "auto", optimiser = sgd, schedule = { name = "cosine", warmup = 500 },
  smoothing = 0.1, augment = { flip = true },
  on_epoch = function(e) io.stderr:write(("epoch %d of %d: loss %.3f, %.0f s\n"):format(e.epoch, o.epochs, e.loss, e.seconds)) end,
})
local score = assert(vega.train.evaluate(model, data.test, { normalise = history.normalise }))
print(("test accuracy %.2f %% of %d images"):format(100 * score.accuracy, score.n))
