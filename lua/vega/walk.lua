--- Runs a network operator by operator in Lua, on copies of its parameters and statistics: for methods that look inside a network, change what
-- one of its operators does, or want gradients of its input. The graph itself is never written to.
--    local net = walk.open(graph)
--    local y = net:run(x)                                                   -- inference
--    local y = net:run(x, function(node, inputs)                            -- each operator by a function of one's own
--      local y = walk.apply(node, inputs, true)                             -- as the engine would in training
--      if node.op == "relu" then print(node.name, y) end
--      return y
--    end)
-- Values are f32 whatever the precision of the graph. Under a tape, parameters made leaves by net:want_grads() get gradients.
local core = require "vega.core"
local op, tensor = core.op, core.tensor

local walk, Walk = {}, {}
Walk.__index = Walk

-- How a graph's plain numbers become an operator's options in Lua: words by their number, axes and places from 1.
local OPTIONS = {}
for _, o in ipairs(op.list()) do
  OPTIONS[o.name] = {}
  for _, option in ipairs(o.options) do OPTIONS[o.name][option.name] = option end
end

--- The options that an operator of graph:nodes() has, as vega.op and graph:op take them.
function walk.options(node)
  local options = {}
  for name, value in pairs(node.args) do
    local words = OPTIONS[node.op][name].one_of
    if words then options[name] = words[value // 1 + 1]
    elseif (name:find "^axis" or name == "begin") and value >= 0 then options[name] = value + 1
    else options[name] = value end
  end
  return options
end

-- The operators that the output depends on, in order, and for each which values it is the last to read.
local function plan(nodes, output)
  local last, order, drops = { [output] = math.huge }, {}, {}
  for i = output, 2, -1 do
    local node = nodes[i]
    if last[i] and node.kind ~= "param" and node.kind ~= "buffer" then
      if node.kind ~= "op" then
        error(("walk: node '%s' is a %s: settle the supernet first, net:extract(arch)"):format(node.name, node.kind), 0)
      end
      table.insert(order, 1, i)
      drops[i] = {}
      for _, from in ipairs(node.inputs) do
        if from and not last[from] then
          last[from] = i
          table.insert(drops[i], from)
        end
      end
    end
  end
  return order, drops
end

--- Opens a network with values (graph:materialise has drawn them). Raises for a supernet that is not settled.
-- @return an object with nodes (as graph:nodes(), each operator with `options` for vega.op), output (a node), order (the operators that the output
-- depends on), params and buffers (node -> a copy), weights (those params that convolutions and linear layers multiply with, in order)
function walk.open(graph)
  local self = setmetatable({ nodes = graph:nodes(), output = graph:output(), params = {}, buffers = {}, weights = {} }, Walk)
  if not self.output then error("walk: the network has no output yet", 0) end
  local params, buffers = graph:params(), graph:buffers()
  if not next(params) and graph:n_params() > 0 then error("walk: the network has no values yet, graph:materialise(seed) draws them", 0) end
  for i, node in ipairs(self.nodes) do
    if node.kind == "param" then self.params[i] = params[node.name]:copy() end
    if node.kind == "buffer" then self.buffers[i] = buffers[node.name]:copy() end
    if node.kind == "op" then node.options = walk.options(node) end
  end
  self.order, self.drops = plan(self.nodes, self.output)
  local seen = {}
  for _, i in ipairs(self.order) do
    local node = self.nodes[i]
    local from = node.inputs[2]
    if (node.op == "conv2d" or node.op == "linear") and self.params[from] and not seen[from] then
      seen[from] = true
      table.insert(self.weights, self.params[from])
    end
  end
  return self
end

--- The shape of a batch of n inputs.
function Walk:input_shape(n)
  local shape = { table.unpack(self.nodes[1].shape) }
  shape[1] = n
  return shape
end

--- Makes every parameter, or those in the list, a leaf whose gradient a tape collects.
function Walk:want_grads(list)
  for _, p in pairs(list or self.params) do p:param() end
  return self
end

--- What the engine computes for an operator. Dropout and its like never drop here: what looks inside wants the whole network.
function walk.apply(node, inputs, train)
  local options = node.options
  if node.op == "batch_norm" then
    options = { train = train or false }
    for name, value in pairs(node.options) do options[name] = value end
  elseif node.op == "dropout" or node.op == "drop_path" then
    return inputs[1]
  end
  local arguments, n = {}, #inputs
  for k = 1, n do arguments[k] = inputs[k] or nil end
  arguments[n + 1] = options
  return op[node.op](table.unpack(arguments, 1, n + 1))
end

--- Runs the network on x, a value of any kind that `apply(node, inputs)` understands; an absent input is false. By default inference of a tensor.
function Walk:run(x, apply)
  apply = apply or walk.apply
  local value = { [1] = x }
  for _, i in ipairs(self.order) do
    local node, inputs = self.nodes[i], {}
    for k, from in ipairs(node.inputs) do inputs[k] = from and (value[from] or self.params[from] or self.buffers[from]) end
    value[i] = apply(node, inputs)
    for _, from in ipairs(self.drops[i]) do value[from] = nil end
  end
  return value[self.output]
end

--- A batch of ones, or of numbers from N(0, 1).
function Walk:ones(n) return tensor.ones(self:input_shape(n)) end
function Walk:noise(n, rng) return tensor.randn(self:input_shape(n), rng) end

return walk
