--- Differentiable search: DARTS and PC-DARTS over a small space of cells on Fashion-MNIST; the cell that is read out is trained alone.
-- Run: scripts/run examples/darts.lua            (a minute; --preset pc_darts, --images, --epochs; --random 8 trains as many random cells, too)
-- A search of minutes takes few steps: the architecture's rate is larger here than the published 3e-4.
local vega = require "vega"
local o = vega.arguments { preset = "darts", images = 2000, epochs = 6, retrain = 3, channels = 8, arch_lr = 0.01, random = 0,
  seed = 1 }
local data = assert(vega.data "fashion-mnist")
local weights_half, arch_half = data.train:subset { n = o.images, seed = 1, stratified = true }:split { fraction = 0.5, seed = 1 }

local OPS = { "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3" }
local function space(network)
  return vega.space "darts".new { cells = 3, channels = o.channels, nodes = 2, ops = OPS, reductions = { 2 }, network = network }
end

local found = assert(vega.differentiable.search { space = space "search", preset = o.preset, data = weights_half, validation = arch_half,
  epochs = o.epochs, batch = 64, seed = o.seed, arch = { lr = o.arch_lr },
  on_epoch = function(e)
    print(("epoch %d: loss %.3f, mixture %.1f %%, entropy %.3f, skips hold %.2f"):format(e.epoch, e.loss, 100 * e.accuracy, e.entropy, e.skip_mass))
    return true
  end })
for _, warning in ipairs(found.warnings) do print("warning: " .. warning) end
print(found.space.text(found.arch))

local pictures = data.train:subset { n = o.images, seed = 1, stratified = true }
local test = data.test:subset { n = math.min(2 * o.images, #data.test), seed = 1 }
local function alone(name, arch)
  local network = space "evaluation":network(arch, data.train.shape, data.train.n_classes, o.seed)
  local history = assert(vega.train.fit { model = network, data = pictures, epochs = o.retrain, batch = 64, clip = 5, seed = o.seed,
    optimiser = { name = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 3e-4 }, schedule = { name = "cosine" } })
  local score = assert(vega.train.evaluate(network, test, { normalise = history.normalise }))
  print(("%s trained alone for %d epochs: %.1f %%, %d parameters"):format(name, o.retrain, 100 * score.accuracy, network:n_params()))
  return score.accuracy
end

alone("the cell", found.arch)
if o.random > 0 then
  alone("by perturbation", (assert(vega.readout.perturbation(found, { data = arch_half, seed = o.seed }))))
  local rng, sum = vega.rng.new(o.seed, "random cells"), 0.0
  for i = 1, o.random do sum = sum + alone(("random %d"):format(i), space "search":random(rng)) end
  print(("mean of %d random cells: %.1f %%"):format(o.random, 100 * sum / o.random))
end
