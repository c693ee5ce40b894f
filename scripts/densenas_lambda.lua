--- What lambda does to a DenseNAS search: searches of the space "fashion" on Fashion-MNIST, for each lambda and seed. There is no target cost in the
-- method, so that a user sweeps lambda as this does.
--
--    vega-lua scripts/densenas_lambda.lua                  --lambdas 0,0.1,0.3,0.5,1 --seeds 2 --images 2000 --epochs 10 --warmup 4 --arch_lr 0.03
--
-- Printed: thousands of multiply-adds expected of the architecture's probabilities and of the network that is derived, and the mixture's accuracy; at
-- the end the means, beside those of random networks of the space.
--
-- Measured with --images 1000 --epochs 8 --warmup 3, which is too short a search for its mixtures to learn much (16 to 20 %):
--    lambda            0      0.1    0.3    1
--    derived, seed 1   5161   3969   4868   3026
--    derived, seed 2   3627   1798   3658   1783
--    derived, seed 3   4106   2583   2167   1824
--    derived, mean     4298   2784   3565   2211
--    expected, mean    4968   4941   4955   4647
-- The largest lambda is cheaper than none for each seed; between them the noise of so few steps decides. Random networks: 4719.
local vega = require "vega"
local o = vega.arguments { lambdas = "0,0.1,0.3,0.5,1", seeds = 2, images = 2000, epochs = 10, warmup = 4, batch = 32, arch_lr = 0.03 }

local space, sums = vega.densenas.space "fashion", {}
local data = assert(vega.data "fashion-mnist").train
local costs = vega.densenas.costs.macs(space, { classes = 10, channels = 1, unit = "kmacs" })

local function search(lambda, seed)
  local weights_part, arch_part = data:subset { n = o.images, seed = seed, stratified = true }:split { fraction = 0.8, seed = seed }
  local found = assert(vega.densenas.search { space = space, data = weights_part, validation = arch_part, epochs = o.epochs, warmup = o.warmup,
    judge = o.epochs, batch = o.batch, lr = 0.1, lambda = lambda, arch = { lr = o.arch_lr }, costs = costs, seed = seed })
  return found.history[o.epochs]
end

local function random_mean(n)
  local sum = 0.0
  for _, arch in ipairs(vega.densenas.random(space, n, 1)) do
    sum = sum + vega.cost.chain.expected(space.net, costs, vega.densenas.weights.one_hot(space, arch, assert(space:locate(arch))))
  end
  return sum / n
end

print "lambda  seed  expected  derived  mixture"
for seed = 1, o.seeds do
  for text in o.lambdas:gmatch "[^,]+" do
    local e = search(assert(tonumber(text), "densenas_lambda: lambdas: numbers with commas between them expected"), seed)
    print(("%6s %5d %9.0f %8.0f %6.1f %%"):format(text, seed, e.cost, e.derived, 100 * e.accuracy))
    local s = sums[text] or { 0.0, 0.0, 0.0 }
    sums[text] = { s[1] + e.cost, s[2] + e.derived, s[3] + e.accuracy }
  end
end
for text in o.lambdas:gmatch "[^,]+" do
  local s = sums[text]
  print(("%6s  mean %9.0f %8.0f %6.1f %%"):format(text, s[1] / o.seeds, s[2] / o.seeds, 100 * s[3] / o.seeds))
end
print(("random networks: %.0f (mean of 200)"):format(random_mean(200)))
