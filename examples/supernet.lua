--- Shared weights: one supernet of small mobile networks, trained by strict fairness on Fashion-MNIST, scores architectures it never trained alone.
-- Run: scripts/run examples/supernet.lua            (half a minute; --images and --epochs make it longer)
local vega = require "vega"
local o = vega.arguments { images = 2000, epochs = 2, candidates = 12 }
local data = assert(vega.data "fashion-mnist")
local train = data.train:subset { n = o.images, seed = 1 }
local validation = data.test:subset { n = math.max(100, o.images // 4), seed = 1 }

--- Three layers, each a skip or one of two inverted residuals. The same build gives stand-alone networks: space:network(arch, input, classes).
local space = vega.space.define { name = "small", build = function(net)
  local y = net:conv_bn(net:input(), 8, { kernel = 3, stride = 2, act = "relu6" })
  for i, channels in ipairs { 8, 16, 16 } do
    y = net:choice("layer" .. i, {
      { "plain", function(x, stride) return net:conv_bn(x, channels, { stride = stride }) end },
      { "k3_e2", function(x, stride) return net:inverted_residual(x, channels, { kernel = 3, expand = 2, stride = stride }) end },
      { "k5_e4", function(x, stride) return net:inverted_residual(x, channels, { kernel = 5, expand = 4, stride = stride }) end },
    })(y, i == 2 and 2 or 1)
  end
  return net:linear(net:global_avg_pool(y), net.classes)
end }

local supernet = vega.supernet.new { space = space, input = train.shape, classes = train.n_classes }
local history = assert(supernet:fit { data = train, sampler = vega.sampler.strict_fair {}, epochs = o.epochs, batch = 64, clip = 5,
  optimiser = { name = "sgd", lr = 0.05, momentum = 0.9 }, schedule = { name = "cosine" } })
print(("%s; loss %.3f after %d epochs; 'layer1' trained %d times as plain, %d as k5_e4"):format(supernet, history[#history].loss, o.epochs,
  supernet.counts.layer1.plain, supernet.counts.layer1.k5_e4))

local rng, archs = vega.rng.new(1, "candidates"), {}
for i = 1, o.candidates do archs[i] = space:random(rng) end
local scores = assert(supernet:evaluate(archs, validation,
  { normalise = history.normalise, recalibrate = { data = train, batches = 5, batch = 64 } }))
local best = 1
for i, score in ipairs(scores) do if score.accuracy > scores[best].accuracy then best = i end end
local network = supernet:extract(archs[best])
print(("best of %d by shared weights: %.1f %%, %d parameters, %d multiply-adds"):format(#archs, 100 * scores[best].accuracy, network:n_params(),
  vega.cost.count(network).macs))
