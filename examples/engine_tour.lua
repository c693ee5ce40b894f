--- The engine by hand: tensors, operators and the tape train a small network on Fashion-MNIST, without a graph or a trainer.
-- Run: scripts/run examples/engine_tour.lua      (a few seconds)
local vega = require "vega"
local op, tensor = vega.op, vega.tensor

local data = assert(vega.data "fashion-mnist")
local train = data.train:subset { n = 4096, seed = 1 }
local rng = vega.rng.new(1, "weights")

-- Parameters are tensors that want a gradient. Layout: weights [out, kh, kw, in], images [batch, h, w, channels].
local function weight(shape, fan) return (tensor.randn(shape, rng) * math.sqrt(2 / fan)):param() end
local w1, w2 = weight({ 16, 3, 3, 1 }, 9), weight({ 32, 3, 3, 16 }, 144)
local w3, b3 = weight({ 10, 32 }, 32), tensor.zeros({ 10 }):param()
local params, rate = { w1, w2, w3, b3 }, 0.1

local function network(x)
  local y = op.relu(op.conv2d(x, w1, { stride = 2, pad = 1 }))
  y = op.relu(op.conv2d(y, w2, { stride = 2, pad = 1 }))
  return op.linear(op.global_avg_pool(y), w3, b3)
end

local tape = vega.tape.new()
local first, last
for epoch = 1, 3 do
  local sum, batches = 0, 0
  local loader = train:loader { batch = 64, seed = epoch, shuffle = true }
  for x, labels in loader.next, loader do
    local loss = op.cross_entropy(network(x), labels)
    tape:backward(loss)
    for _, p in ipairs(params) do
      p:assign(tape:no_grad(function() return p - p.grad * rate end))
      p:zero_grad()
    end
    sum, batches = sum + loss:item(), batches + 1
  end
  last = sum / batches
  first = first or last
  print(("epoch %d: mean loss %.3f"):format(epoch, last))
end
assert(last < first, "the loss did not fall")
