--- One run, many sizes: CARS trains one supernet of DARTS cells on Fashion-MNIST and evolves small to large networks on its weights.
-- Run: scripts/run examples/cars.lua                (a few minutes; Ctrl-C is safe, run it again to continue)
--      scripts/run examples/cars.lua --protect none      (plain sorting: see which sizes are lost)
local vega = require "vega"

local o = vega.arguments { images = 4000, epochs = 16, warmup = 4, interval = 2, population = 16, protect = "size", seed = 1,
  checkpoint = "", report = "runs/cars.html" }
if o.checkpoint == "" then o.checkpoint = ("runs/cars_%s.ckpt.safetensors"):format(o.protect) end
local data = assert(vega.data "fashion-mnist").train
local train, rest = data:split { n = o.images, seed = 1 }
local validation = rest:subset { n = math.max(100, o.images // 4), seed = 1 }

--- Three cells of two nodes, five operations: 3.5 million pairs of cells.
local darts = vega.space "darts"
local space = darts.new { cells = 3, reductions = { 2 }, channels = 8, nodes = 2,
  ops = { "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3" } }

assert(vega.core.sys.make_dirs(o.checkpoint:match "^(.+)/" or "."))
local result = assert(vega.cars.search {
  space = space, data = train, validation = validation, costs = { "params", "macs" }, seed = o.seed,
  epochs = o.epochs, warmup = o.warmup, interval = o.interval, population = o.population, protect = o.protect,
  batch = 32, optimiser = { name = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 3e-4 },
  checkpoint = o.checkpoint, resume = true,
})
print(result)

for _, g in ipairs(result.generations) do
  print(("after epoch %d: %d of %d children survive, %d to %d parameters, best accuracy %.3f"):format(g.epoch, g.survived, g.children, g.least,
    g.most, g.accuracy))
end
for _, member in ipairs(result.exported) do
  print(("to train from scratch: %d parameters, %s"):format(member.values.params, space.text(member.arch)))
end
print("report: " .. assert(result:report(o.report)))
