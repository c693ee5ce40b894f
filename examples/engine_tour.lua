--- The engine by hand: tensors, operators and the tape train a small network on Fashion-MNIST, without a graph or a trainer.
-- Run: scripts/run examples/engine_tour.lua      (a few seconds)
local vega = require "vega"
local op, tensor = vega.op, vega.tensor

local data = assert(vega.data "fashion-mnist")
local train, test = data.train:subset { n = 2048, seed = 1 }, data.test:subset { n = 500, seed = 1 }
local stats, rng = train:stats(), vega.rng.new(1, "weights")

-- Parameters are tensors that want a gradient. Layout: weights [out, kh, kw, in], images [batch, h, w, channels].
local function weight(shape, fan) return (tensor.randn(shape, rng) * math.sqrt(2 / fan)):param() end
local w1, w2 = weight({ 16, 3, 3, 1 }, 9), weight({ 32, 3, 3, 16 }, 144)
local w3, b3 = weight({ 10, 7 * 7 * 32 }, 7 * 7 * 32), tensor.zeros({ 10 }):param()
local params, rate = { w1, w2, w3, b3 }, 0.05

local function network(x)
  local y = op.relu(op.conv2d(x, w1, { stride = 2, pad = 1 }))          -- 14 x 14
  y = op.relu(op.conv2d(y, w2, { stride = 2, pad = 1 }))                -- 7 x 7
  return op.linear(y:reshape { y:shape()[1], 7 * 7 * 32 }, w3, b3)
end

local function accuracy(set)
  local right, loader = 0, set:loader { batch = 100, mean = stats.mean, std = stats.std }
  for x, labels in loader.next, loader do
    local best = op.argmax(network(x), { axis = 2 }):totable()
    for i, label in ipairs(labels:totable()) do if best[i] == label then right = right + 1 end end
  end
  return right / #set
end

local tape = vega.tape.new()                                            -- from here on operators are recorded
for epoch = 1, 3 do
  local sum, batches = 0, 0
  local loader = train:loader { batch = 32, seed = epoch, shuffle = true, mean = stats.mean, std = stats.std }
  for x, labels in loader.next, loader do
    local loss = op.cross_entropy(network(x), labels)
    tape:backward(loss)
    for _, p in ipairs(params) do
      p:assign(tape:no_grad(function() return p - p.grad * rate end))
      p:zero_grad()
    end
    sum, batches = sum + loss:item(), batches + 1
  end
  print(("epoch %d: mean loss %.3f, test accuracy %.1f %%"):format(epoch, sum / batches, 100 * tape:no_grad(accuracy, test)))
end
