--- Zen-score: how far the last feature map moves when a Gaussian image does, as a log. The deviations that batch norms divided out are multiplied in.
-- Lin et al. 2021, arXiv:2102.01063. Data-free: weights, images and disturbances from N(0, 1), gammas 1, biases 0, batch statistics; the feature
-- map is what the last pooling operator reads (the output where there is none); the mean of `repeats` draws.
-- Departure: a norm's deviation is that of the batch; the authors' code reads the running variance after two steps of momentum 0.1 from 1.
local core = require "vega.core"
local walk = require "vega.walk"
local op = core.op

local Zen = { name = "zen", params = {
  repeats = { 8, min = 1, about = "draws that are averaged" },
  images = { 16, min = 2, about = "images of a draw" },
  gamma = { 0.01, min = 1e-6, about = "length of the disturbance" },
  redraw = { true, about = "draw the parameters; false: those of the network" },
} }

local POOLS = { global_avg_pool = true, global_max_pool = true, adaptive_avg_pool = true }

local SCALE = { batch_norm = 4, group_norm = 2, layer_norm = 2 }              -- which input is the gamma

local function draw(net, rng)
  for _, p in pairs(net.params) do p:fill(0) end
  for _, w in ipairs(net.weights) do w:assign(core.tensor.randn(w:shape(), rng)) end
  for _, i in ipairs(net.order) do
    local gamma = net.nodes[i].inputs[SCALE[net.nodes[i].op]]
    if net.params[gamma] then net.params[gamma]:fill(1) end
  end
end

-- The feature map of x, and the sum over norms of log sqrt(mean variance). A norm that sees zeros alone, behind a dead branch, divides nothing out.
local function features(net, last, x)
  local map, logs = nil, 0
  local y = net:run(x, function(node, inputs)
    if node == last then map = inputs[1] end
    local out = walk.apply(node, inputs, true)
    local variance = node.op == "batch_norm" and op.mean(inputs[3]):item() or 0
    if variance > 0 then logs = logs + 0.5 * math.log(variance) end
    return out
  end)
  return map or y, logs
end

function Zen.score(graph, o)
  local net, rng, sum, last = walk.open(graph), core.rng.new(o.seed, "zen"), 0, nil
  for _, i in ipairs(net.order) do
    local node = net.nodes[i]
    if POOLS[node.op] then last = node end
    if node.op == "batch_norm" then node.options.momentum = 1 end              -- the running variance is then the batch's
  end
  for _ = 1, o.repeats do
    if o.redraw then draw(net, rng) end
    local x = net:noise(o.images, rng)
    local moved = op.add(x, op.scale(net:noise(o.images, rng), { factor = o.gamma }))
    local a, logs = features(net, last, x)
    local b = features(net, last, moved)
    local distance = op.sum(op.abs(op.sub(a, b))):item() / o.images
    local score = math.log(distance) + logs
    sum = sum + (score == score and score or -math.huge)
  end
  return sum / o.repeats
end

return Zen
