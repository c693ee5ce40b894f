--- Zero-cost proxies: a search over untrained networks, a filter before training, and how well each proxy ranks what is then trained.
-- Run: scripts/run examples/proxies.lua             (half a minute; --images and --networks make it longer and the figures firmer)
local vega = require "vega"
local o = vega.arguments { trials = 48, networks = 10, images = 2000, epochs = 1 }
local data = assert(vega.data "fashion-mnist")
local space, shape, classes = vega.space "mobile_tiny", data.train.shape, data.train.n_classes
local train, stats = data.train:subset { n = o.images, seed = 1 }, data.train:stats()
local test = data.test:subset { n = math.max(100, o.images // 2), seed = 1 }
local images, labels = train:loader({ batch = 64, mean = stats.mean, std = stats.std }):next()

--- As an objective: no network is trained, and a trial takes a fraction of a second.
local front = assert(vega.study {
  space = space, strategy = vega.strategy.nsga2 { population = 12 }, quiet = true,
  evaluate = function(arch)
    local graph <close> = space:network(arch, shape, classes)
    return { naswot = vega.proxy.naswot(graph, { batch = images }), macs = vega.proxy.macs(graph) }
  end,
  objectives = { naswot = "max", macs = "min" }, budget = { trials = o.trials }, store = ":memory:", seed = 1,
}:run())
print(front)

--- As a filter: of three drawn networks the one with the largest flow is trained.
local rng, names, scores, accuracy = vega.rng.new(1, "proxies"), vega.proxy.names(), {}, {}
local function drawn()
  local best, most
  for _ = 1, 3 do
    local graph = space:network(space:random(rng), shape, classes, rng:int(1, 1 << 30))
    local flow = vega.proxy.synflow(graph)
    if not best or flow > most then best, most = graph, flow end
  end
  return best
end

for i = 1, o.networks do
  local graph = drawn()
  for _, name in ipairs(names) do
    scores[name] = scores[name] or {}
    scores[name][i] = vega.proxy[name](graph, { batch = images, labels = labels, seed = i })
  end
  local history = assert(vega.train.fit { model = graph, data = train, epochs = o.epochs, batch = 32, optimiser = { name = "adam", lr = 0.003 } })
  accuracy[i] = assert(vega.train.evaluate(graph, test, { normalise = history.normalise })).accuracy
end
for _, name in ipairs(names) do
  local tau, about = vega.stats.kendall(scores[name], accuracy)
  print(("%-8s Kendall's tau with the accuracy of %d trained networks %5.2f [%.2f, %.2f]"):format(name, o.networks, tau, about.low, about.high))
end
