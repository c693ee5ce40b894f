--- A one-shot method of one's own: a new mixture, a term of the loss and a schedule in a table. Here: candidates compete by squared softmax (weak
-- ones lose faster), one of each mixture, drawn anew each step, sits out (mask), and the mixtures' entropy is punished more and more.
-- Run: scripts/run examples/own_oneshot_method.lua          (20 seconds; --images, --epochs)
local vega = require "vega"
local op = vega.op
local o = vega.arguments { images = 2000, epochs = 8, channels = 8, entropy = 0.02, arch_lr = 0.01, seed = 1 }

local method = {
  weights = function(net, alpha)                              -- nodes of the graph, once a decision: softmax(alpha)^2 over its sum
    local square = net:op("square", net:op("softmax", alpha))
    return net:op("div", { square, net:op("sum", square, { axis = 2, keep = 1 }) })
  end,
  fill = function(s, phase)                                   -- before each step: who sits out
    local rng = s:rng("out " .. phase)
    for _, d in ipairs(s.net.decisions) do
      local mask = s.net:buffer(d.name, "mask"):fill(1)
      for row = 1, phase == "weights" and d.rows or 0 do mask:set(row, rng:int(1, #d.labels), 0) end
    end
  end,
  penalty = function(s)                                       -- of the architecture's steps
    local sum
    for _, d in ipairs(s:parameters()) do
      local h = op.sum(op.mul(op.softmax(d.alpha), op.log_softmax(d.alpha)))
      sum = sum and op.add(sum, h) or h
    end
    return op.scale(sum, { factor = -o.entropy * s.part })
  end,
  lr = 0.05, arch = { lr = o.arch_lr }, warmup = 0.2,
}

local data = assert(vega.data "fashion-mnist")
local weights_half, arch_half = data.train:subset { n = o.images, seed = 1, stratified = true }:split { fraction = 0.5, seed = 1 }
local space = vega.space "nb201".with { cells = 1, channels = o.channels }
local found = assert(vega.differentiable.search { space = space, preset = method, data = weights_half, validation = arch_half,
  epochs = o.epochs, seed = o.seed, on_epoch = function(e)
    print(("epoch %d: mixture %.1f %%, entropy %.3f, gap %.3f"):format(e.epoch, 100 * e.accuracy, e.entropy, e.disc_gap))
  end })
print(space.text(found.arch))
