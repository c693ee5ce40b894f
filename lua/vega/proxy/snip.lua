--- SNIP: how much the loss of one minibatch feels each weight. The sum of |w dL/dw|. Lee et al. 2019, arXiv:1810.02340; as a score
-- of networks Abdelfattah et al. 2021, arXiv:2101.08134. Weights of convolutions and linear layers; batch statistics; mean cross entropy.
local core = require "vega.core"
local walk = require "vega.walk"
local op = core.op

local Snip = { name = "snip", params = {}, needs = { "batch", "labels" } }

function Snip.score(graph, o)
  local net = walk.open(graph)
  net:want_grads(net.weights)
  local tape <close> = core.tape.new()
  local y = net:run(o.batch, function(node, inputs) return walk.apply(node, inputs, true) end)
  local loss = op.cross_entropy(y, o.labels)
  local sum = 0
  if #net.weights == 0 then return sum end
  tape:backward(loss)
  for _, w in ipairs(net.weights) do
    if w.grad then sum = sum + op.sum(op.abs(op.mul(w:copy(), w.grad))):item() end
  end
  return sum
end

return Snip
