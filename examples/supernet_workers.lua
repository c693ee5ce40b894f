--- Workers that score a supernet's architectures: the weights are trained once and written to a file, which all workers map; each claims a batch of
-- architectures under one lease, computes once what they share, and reports the batch in one transaction.
-- Run: vega-lua run examples/supernet_workers.lua --workers 2 -- --trials 64
local vega = require "vega"
local o = vega.arguments { trials = 64, images = 1000, epochs = 1, batch = 16, store = "runs/supernet.db", weights = "runs/supernet.safetensors" }
local data = assert(vega.data "fashion-mnist")
local train = data.train:subset { n = o.images, seed = 1 }
local validation = data.test:subset { n = math.max(100, o.images // 4), seed = 1 }

local space = vega.space "mobile_tiny"
local supernet = vega.supernet.new { space = space, input = train.shape, classes = train.n_classes }
local file = io.open(o.weights, "rb")
if file then file:close()
else                                                           -- the leader gets here first: workers start when there are trials
  assert(supernet:fit { data = train, sampler = vega.sampler.uniform {}, epochs = o.epochs, batch = 64, clip = 5,
    optimiser = { name = "sgd", lr = 0.05, momentum = 0.9 }, schedule = { name = "cosine" } })
  assert(vega.sys.make_dirs(o.weights:match "^(.*)/" or "."))
  assert(supernet:save(o.weights))
end
supernet = vega.supernet.new { space = space, input = train.shape, classes = train.n_classes }
assert(supernet:load(o.weights))

--- `batch` is how many a worker claims; take one that is scored in 5 to 30 seconds.
local scorer = { batch = o.batch }
function scorer:evaluate_batch(archs)
  local results = assert(supernet:evaluate(archs, validation))
  for i, score in ipairs(results) do
    results[i] = { accuracy = score.accuracy, macs = vega.cost.count(supernet:extract(archs[i])).macs }
  end
  return results
end

local study = vega.study { name = "supernet", space = space, strategy = vega.strategy.nsga2 { population = 16 }, evaluate = scorer,
  objectives = { accuracy = "max", macs = "min" }, budget = { trials = o.trials }, store = o.store, seed = 1 }
print(assert(study:run()))
