--- PC-DARTS beside DARTS on Fashion-MNIST: the time of a search, and what the same supernet gives when it is read out by the largest weights and by
-- perturbation (what the supernet's accuracy loses without an operation); each cell is then trained alone, and so is one at random.
-- Run: scripts/run examples/pc_darts.lua          (two minutes; --images, --epochs, --retrain)
-- A search of minutes takes few steps: the architecture's rate is larger here than the published 6e-4.
local vega = require "vega"
local o = vega.arguments { images = 1600, epochs = 6, retrain = 3, channels = 8, arch_lr = 0.02, seed = 1 }
local data = assert(vega.data "fashion-mnist")
local pictures = data.train:subset { n = o.images, seed = 1, stratified = true }
local weights_half, arch_half = pictures:split { fraction = 0.5, seed = 1 }
local test = data.test:subset { n = math.min(2 * o.images, #data.test), seed = 1 }

local OPS = { "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3" }
local function space(network)
  return vega.space "darts".new { cells = 3, channels = o.channels, nodes = 2, ops = OPS, reductions = { 2 }, network = network }
end

local function train_alone(name, arch)
  local network = space "evaluation":network(arch, data.train.shape, data.train.n_classes, o.seed)
  local history = assert(vega.train.fit { model = network, data = pictures, epochs = o.retrain, batch = 64, clip = 5, seed = o.seed,
    optimiser = { name = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 3e-4 }, schedule = { name = "cosine" } })
  local score = assert(vega.train.evaluate(network, test, { normalise = history.normalise }))
  print(("%-24s %.1f %% alone, %6d parameters  %s"):format(name, 100 * score.accuracy, network:n_params(), space "search".text(arch)))
end

for _, preset in ipairs { "darts", "pc_darts" } do
  local started = vega.sys.clock()
  local found = assert(vega.differentiable.search { space = space "search", preset = preset, data = weights_half, validation = arch_half,
    epochs = o.epochs, batch = 64, seed = o.seed, arch = { lr = o.arch_lr }, set = { warmup = 0.3 } })
  local last = found.history[#found.history]
  print(("%s: %.0f s, mixture %.1f %%, settled %.1f points less, skips hold %.2f"):format(preset, vega.sys.clock() - started, 100 * last.accuracy,
    100 * last.disc_gap, last.skip_mass))
  for _, warning in ipairs(found.warnings) do print("  warning: " .. warning) end
  train_alone(preset .. ", arg max", found.arch)
  train_alone(preset .. ", perturbation", assert(vega.readout.perturbation(found, { data = arch_half, seed = o.seed })))
end
train_alone("random", space "search":random(vega.rng.new(o.seed, "random")))
