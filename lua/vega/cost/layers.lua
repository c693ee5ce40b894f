--- The layers of a network as cost models see them: one entry an operator that runs, with its kind, work and traffic. Nothing is run.
--    for _, l in ipairs(vega.cost.layers.of(graph)) do print(l.name, l.kind, l.macs, l.inputs + l.weights + l.outputs) end
--    vega.cost.layers.totals(graph)             --> sums by kind: features of additive models
local layers = {}

-- What a device runtime makes part of the layer before: their elements are neither read nor written.
local ACTIVATIONS = { relu = true, relu6 = true, leaky_relu = true, sigmoid = true, tanh = true, hswish = true, hsigmoid = true, swish = true }
local FREE = { dropout = true, drop_path = true, reshape = true }
local POOLS = { avg_pool = true, max_pool = true, global_avg_pool = true, global_max_pool = true, adaptive_avg_pool = true }
local PRODUCTS = { conv2d = true, linear = true }

local function elements(shape)
  local n = 1
  for _, extent in ipairs(shape) do n = n * extent end
  return n
end

local function kind_of(node, weight)
  if node.op == "linear" then return "linear" end
  if node.op == "conv2d" then
    if node.args.groups > 1 and weight.shape[4] == 1 then return "depthwise" end
    if weight.shape[2] == 1 and weight.shape[3] == 1 then return "pointwise" end
    return weight.shape[2] == 3 and weight.shape[3] == 3 and node.args.stride == 1 and node.args.groups == 1 and "winograd" or "spatial"
  end
  if POOLS[node.op] then return "pool" end
  if node.op == "batch_norm" then return "norm" end
  if ACTIVATIONS[node.op] then return "activation" end
  return FREE[node.op] and "free" or "other"
end

-- Nodes that the output depends on; of those, when `reached`, the ones that depend on the input.
local function alive(nodes, output, reached)
  local from_input, needed = {}, { [output] = true }
  for i, node in ipairs(nodes) do
    from_input[i] = node.kind == "input"
    local is_zero = node.op == "scale" and node.args.factor == 0
    for _, from in ipairs(node.inputs or {}) do from_input[i] = from_input[i] or from and from_input[from] and not is_zero end
  end
  for i = output, 1, -1 do
    if needed[i] and not (reached and nodes[i].kind == "op" and not from_input[i]) then
      for _, from in ipairs(nodes[i].inputs or {}) do if from then needed[from] = true end end
    elseif nodes[i].kind == "op" then
      needed[i] = nil
    end
  end
  return needed
end

-- Elements of the operands that are activations, and of those that are parameters.
local function operands(node, nodes)
  local inputs, weights, seen = 0, 0, {}
  for _, from in ipairs(node.inputs) do
    if from and not seen[from] then
      seen[from] = true
      local n = elements(nodes[from].shape)
      if nodes[from].kind == "param" then weights = weights + n
      elseif nodes[from].kind ~= "buffer" then inputs = inputs + n end
    end
  end
  return inputs, weights
end

local function macs_of(node, weight, outputs)
  if node.op == "conv2d" then return outputs * elements(weight.shape) // weight.shape[1] end
  if node.op == "linear" then return outputs * weight.shape[2] end
  return 0
end

--- The layers, in order. @param options prune = "dead_ends" (default: what the output does not depend on is left out), "unreached" or "nothing"
-- @return list of { name, op, kind = pointwise | winograd (3x3, stride 1) | spatial | depthwise | linear | pool | norm | activation | free | other,
--   macs, inputs, weights, outputs (elements at batch 1), input, output (shapes), kernel, stride, groups, from = places in this list that it reads,
--   fused = it is a norm, or an activation, behind a convolution or linear layer that nothing else reads }
function layers.of(graph, options)
  local o = require("vega.util").parameters("layers.of", { prune = { "dead_ends", one_of = { "nothing", "dead_ends", "unreached" } } }, options
    or {}, 2)
  local nodes, output, list, place, readers = graph:nodes(), graph:output(), {}, {}, {}
  if not output then error("layers.of: the network has no output yet", 2) end
  local needed = alive(nodes, output, o.prune == "unreached")
  for i, node in ipairs(nodes) do
    if node.kind == "op" and (needed[i] or o.prune == "nothing") then
      local weight = PRODUCTS[node.op] and nodes[node.inputs[2]]
      local outputs = elements(node.shape)
      local inputs, weights = operands(node, nodes)
      local l = { name = node.name, op = node.op, kind = kind_of(node, weight), macs = macs_of(node, weight, outputs), inputs = inputs,
        weights = weights, outputs = outputs, input = node.inputs[1] and nodes[node.inputs[1]].shape, output = node.shape,
        kernel = node.op == "conv2d" and weight.shape[2] or node.args.kernel, stride = node.args.stride, groups = node.args.groups, from = {} }
      list[#list + 1], place[i] = l, #list + 1
      for _, from in ipairs(node.inputs) do
        if place[from] then
          table.insert(l.from, place[from])
          readers[place[from]] = (readers[place[from]] or 0) + 1
        end
      end
    elseif node.kind ~= "op" and node.kind ~= "input" and node.kind ~= "param" and node.kind ~= "buffer" then
      error(("layers.of: node '%s' is a %s: settle the supernet first, net:extract(arch)"):format(node.name, node.kind), 2)
    end
  end
  for _, l in ipairs(list) do
    local before = list[l.from[1]]
    if (l.kind == "norm" or l.kind == "activation") and before and readers[l.from[1]] == 1 then
      l.fused = PRODUCTS[before.op] or before.fused or false
    end
  end
  return list
end

--- Sums over the layers: { macs_KIND = multiply-adds by kind, weights_linear, weights_conv, outputs, outputs_conv, layers (not fused ones), one =
-- 1 }.
function layers.totals(graph, options)
  local sum = { one = 1, macs = 0, weights_linear = 0, weights_conv = 0, outputs = 0, outputs_conv = 0, layers = 0 }
  for _, kind in ipairs { "pointwise", "winograd", "spatial", "depthwise", "linear" } do sum["macs_" .. kind] = 0 end
  for _, l in ipairs(layers.of(graph, options)) do
    sum.macs = sum.macs + l.macs
    if l.macs > 0 then
      sum["macs_" .. l.kind] = sum["macs_" .. l.kind] + l.macs
      local weights = l.kind == "linear" and "weights_linear" or "weights_conv"
      sum[weights] = sum[weights] + l.weights
      sum.outputs_conv = sum.outputs_conv + l.outputs
    end
    if not l.fused and l.kind ~= "free" then sum.outputs, sum.layers = sum.outputs + l.outputs, sum.layers + 1 end
  end
  return sum
end

return layers
