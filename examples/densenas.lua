--- DenseNAS: how wide each part of a network is, where the image shrinks, and its operators, searched on Fashion-MNIST with the cost in the loss;
-- what is derived is trained alone, beside a random network of the same space.
-- Run: scripts/run examples/densenas.lua     (two minutes; --lambda, --images, --epochs, --table ms: this machine's times, not multiply-adds)
-- A search of minutes takes few steps: the architecture's rate is larger here than the published 3e-4.
local vega = require "vega"
local o = vega.arguments { images = 4000, epochs = 12, warmup = 4, lambda = 0.3, arch_lr = 0.02, retrain = 6, table = "macs", checkpoint = "",
  seed = 1 }
local data = assert(vega.data "fashion-mnist")
local images = data.train:subset { n = o.images, seed = 1, stratified = true }
local weights_part, arch_part = images:split { fraction = 0.8, seed = 1 }

local space = vega.densenas.space "fashion"
print(space)

local costs = vega.densenas.costs[o.table == "ms" and "measure" or "macs"](space, { classes = 10, channels = 1,
  unit = o.table ~= "ms" and "kmacs" or nil, batch = o.table == "ms" and 64 or nil })
local found = assert(vega.densenas.search { space = space, data = weights_part, validation = arch_part, epochs = o.epochs, warmup = o.warmup,
  batch = 64, lr = 0.1, lambda = o.lambda, arch = { lr = o.arch_lr }, costs = costs, seed = o.seed,
  checkpoint = o.checkpoint ~= "" and o.checkpoint or nil, resume = o.checkpoint ~= "",
  on_epoch = function(e)
    print(("epoch %2d: loss %.3f, expected cost %.5g %s, derived network %.5g%s"):format(e.epoch, e.loss, e.cost, costs.unit, e.derived,
      e.accuracy and (", mixture %.1f %%"):format(100 * e.accuracy) or ""))
  end })

local function retrain(name, arch)
  local network = vega.densenas.network(arch, { input = data.train.shape, classes = 10, seed = o.seed })
  local count = vega.cost.count(network)
  local history = assert(vega.train.fit(vega.densenas.recipe { model = network, data = images, epochs = o.retrain, batch = 64, smoothing = 0,
    optimiser = { name = "sgd", lr = 0.1, momentum = 0.9, weight_decay = 4e-5 } }))
  local test = data.test:subset { n = math.min(o.images, #data.test), seed = 1 }
  local score = assert(vega.train.evaluate(network, test, { normalise = history.normalise }))
  print(("%s trained alone: %.1f %%, %d multiply-adds, %d parameters"):format(name, 100 * score.accuracy, count.macs, count.params))
end

print(vega.densenas.write(found.arch))
retrain("derived", found.arch)
retrain("random", vega.densenas.random(space, 1, o.seed)[1])
