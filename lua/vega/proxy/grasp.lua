--- GraSP: how the norm of the gradient would change if the weights shrank. -sum of w (H g), g the gradient, H the Hessian. Wang et al. 2020,
-- arXiv:2002.07376; as a score of networks Abdelfattah et al. 2021, arXiv:2101.08134 (temperature 1, one minibatch, weights of convolutions and
-- linear layers).
-- The engine has no second derivatives: H g is the central difference (g(w + eps g) - g(w - eps g)) / 2 eps, eps = step |w| / |g|. The papers
-- differentiate twice; where a step crosses kinks of ReLU the two differ.
local core = require "vega.core"
local walk = require "vega.walk"
local op = core.op

local Grasp = { name = "grasp", needs = { "batch", "labels" },
  params = { step = { 1e-2, min = 1e-6, max = 1, about = "length of the difference, of |w|" } } }

-- The gradients of the loss by the weights, with the weights at values[i].
local function gradients(net, values, o)
  for i, w in ipairs(net.weights) do w:assign(values[i]):zero_grad() end
  local tape <close> = core.tape.new()
  local y = net:run(o.batch, function(node, inputs) return walk.apply(node, inputs, true) end)
  tape:backward(op.cross_entropy(y, o.labels))
  local list = {}
  for i, w in ipairs(net.weights) do list[i] = w.grad and w.grad:copy() or w:copy():fill(0) end
  return list
end

local function dot(a, b)
  local sum = 0
  for i = 1, #a do sum = sum + op.sum(op.mul(a[i], b[i])):item() end
  return sum
end

local function moved(values, direction, by)
  local list = {}
  for i, v in ipairs(values) do list[i] = op.add(v, op.scale(direction[i], { factor = by })) end
  return list
end

function Grasp.score(graph, o)
  local net, w = walk.open(graph), {}
  if #net.weights == 0 then return 0 end
  for i, p in ipairs(net.weights) do w[i] = p:copy() end
  net:want_grads(net.weights)
  local g = gradients(net, w, o)
  local square = dot(g, g)
  if square == 0 then return 0 end
  local eps = o.step * (dot(w, w) / square) ^ 0.5
  local ahead, behind = gradients(net, moved(w, g, eps), o), gradients(net, moved(w, g, -eps), o)
  return -(dot(w, ahead) - dot(w, behind)) / (2 * eps)
end

return Grasp
