--- SynFlow: how much flows through the network, without data. The sum over weights of |w dR/dw|, where R is the sum of the outputs of the network
-- with absolute weights for an image of ones. Tanaka et al. 2020, arXiv:2006.05467; as a score of networks Abdelfattah et al. 2021, arXiv:2101.08134:
-- norms are left out, the sum is over weights of convolutions and linear layers, biases (absolute too) only flow.
--
-- Without norms the flow grows by an order of magnitude a layer and leaves the range of f32 after some thirty. A value here is m * 2^e, m a tensor
-- whose largest element is in [1, 2) and e a number: linear operators pass e on, sums align it. R = sum(m) * 2^e, and the powers are constants of
-- the derivative, so gradients of sum(m) times 2^e are those of R.
--
-- Departure: relu6 is taken as relu. The flow is far above 6 everywhere, where its derivative is zero and every network would score 0.
local core = require "vega.core"
local walk = require "vega.walk"
local op = core.op

local Synflow = { name = "synflow", params = {} }

local FLOW = {}                    -- by operator: (node, inputs) -> value

local function times(m, factor) return factor == 1 and m or op.scale(m, { factor = factor }) end

-- m * 2^e so that the largest element is in [1, 2).
local function value(tape, m, e)
  local largest = tape:no_grad(function() return op.max(m):item() end)
  if not (largest > 0 and largest < math.huge) then return { m = m, e = e } end
  local shift = math.floor(math.log(largest, 2))
  return { m = times(m, 2.0 ^ -shift), e = e + shift }
end

-- The values as tensors of one exponent, the largest; a parameter's is 0.
local function align(inputs)
  local e, tensors = -math.huge, {}
  for _, x in ipairs(inputs) do e = math.max(e, x.e or 0) end
  for k, x in ipairs(inputs) do tensors[k] = times(x.m or x, 2.0 ^ ((x.e or 0) - e)) end
  return tensors, e
end

-- Operators that are linear, or scale with their input as max does.
for name in ([[add sub neg abs relu leaky_relu max_pool avg_pool global_avg_pool global_max_pool adaptive_avg_pool reshape transpose slice concat
  channel_shuffle pixel_shuffle upsample mean sum max pad]]):gmatch "%S+" do
  FLOW[name] = function(node, inputs)
    local tensors, e = align(inputs)
    return walk.apply(node, tensors), e
  end
end

local function pass(_, inputs) return inputs[1].m, inputs[1].e end
for name in ("relu6 dropout drop_path group_norm layer_norm"):gmatch "%S+" do FLOW[name] = pass end

function FLOW.scale(node, inputs)
  local x = inputs[1]
  return op.scale(x.m, { factor = node.options.factor, bias = node.options.bias * 2.0 ^ -x.e }), x.e
end

function FLOW.mul(node, inputs)
  local a, b = inputs[1], inputs[2]
  return walk.apply(node, { a.m or a, b.m or b }), (a.e or 0) + (b.e or 0)
end
FLOW.matmul = FLOW.mul

-- The bias is not scaled with the input, so it is added apart.
local function weighted(node, inputs)
  local x, bias = inputs[1], inputs[3]
  local y = walk.apply(node, { x.m, inputs[2] })
  if bias then y = op.add(y, op.scale(bias, { factor = 2.0 ^ -x.e })) end
  return y, x.e
end
FLOW.conv2d, FLOW.linear = weighted, weighted

-- The true value, as far as f32 goes: far enough for functions that have long levelled off.
local function plain(x) return times(x.m or x, 2.0 ^ math.min(x.e or 0, 100)) end

local function gated(gate)
  return function(_, inputs)
    local x = inputs[1]
    return op.mul(x.m, op[gate](plain(x))), x.e
  end
end
FLOW.hswish, FLOW.swish = gated "hsigmoid", gated "sigmoid"

local function any(node, inputs)
  local tensors = {}
  for k, x in ipairs(inputs) do tensors[k] = x and plain(x) end
  return walk.apply(node, tensors), 0
end

local ACT_OF = { leaky = "leaky_relu" }

-- A norm passes its input on to its fused activation.
function FLOW.batch_norm(node, inputs)
  local act = node.options.act
  if act == "none" then return pass(node, inputs) end
  local name = ACT_OF[act] or act
  return (FLOW[name] or any)({ op = name, options = {} }, { inputs[1] })
end

function Synflow.score(graph)
  local net, score = walk.open(graph), 0
  for _, p in pairs(net.params) do p:assign(op.abs(p)) end
  if #net.weights == 0 then return 0 end
  net:want_grads(net.weights)
  local tape <close> = core.tape.new()
  local r = net:run(value(tape, net:ones(1), 0), function(node, inputs)
    local m, e = (FLOW[node.op] or any)(node, inputs)
    return value(tape, m, e)
  end)
  tape:backward(op.sum(r.m))
  for _, w in ipairs(net.weights) do
    if w.grad then score = score + op.sum(op.mul(w, w.grad)):item() end
  end
  return score * 2.0 ^ r.e
end

return Synflow
