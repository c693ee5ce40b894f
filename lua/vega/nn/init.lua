--- Layers: functions that add nodes to a graph.
--
--     local nn = require "vega.nn"
--     local model = nn.network({ 28, 28, 1 }, function(net)
--       local y = net:conv_bn(net:input(), 16, { kernel = 3, act = "relu" })
--       return net:linear(net:global_avg_pool(y), 10)
--     end, { seed = 1 })
--
-- A value in `build` is a node number; `net:shape(x)` tells its shape for batch 1. Each layer takes `name` among its options; without it
-- layers are numbered in the order they are added. Compositions of these (inverted residual, ...) are in blocks.lua.
local core = require "vega.core"
local util = require "vega.util"

local Net = {}
Net.__index = Net

-- NAME.conv[3] is "conv3". Kept, as numbers are slow to write and a search builds thousands of networks of the same names.
local NAME = setmetatable({}, { __index = function(names, kind)
  names[kind] = setmetatable({}, { __index = function(list, n)
    list[n] = kind .. n
    return list[n]
  end })
  return names[kind]
end })

--- The name of a layer: the one given, or its kind and number.
local function label(net, kind, opts)
  if opts and opts.name then return opts.name end
  local n = (net.count[kind] or 0) + 1
  net.count[kind] = n
  return NAME[kind][n]
end

--- Raises at the line of `build` on an option that is not among the keys of `known`.
local NONE = {}
local function check(opts, known, who)
  if not opts then return NONE end
  for key in pairs(opts) do
    if not known[key] then error(util.unknown(who, "option", key, util.sorted_keys(known)), 3) end
  end
  return opts
end

function Net:input() return 1 end
function Net:shape(x) return self.graph:shape(x) end
function Net:channels(x) return self.graph:channels(x) end

--- The name of a layer of a kind: opts.name, or the kind and a number.
Net.label = label

--- Any operator of the table: net:op("max_pool", x, { kernel = 3 }), net:op("concat", { a, b }, { axis = 4 }).
function Net:op(name, inputs, args, node_name)
  if type(inputs) ~= "table" then inputs = { inputs } end
  return self.graph:op(name, inputs, args, node_name or label(self, name))
end

local CONV = { kernel = 1, stride = 1, pad = 1, dil = 1, groups = 1, bias = 1, name = 1 }
--- Convolution [N,H,W,C] -> [N,Ho,Wo,channels]; `pad` defaults to what keeps the size at stride 1.
function Net:conv(x, channels, opts)
  local o = check(opts, CONV, "conv")
  local kernel, dil, groups = o.kernel or 1, o.dil or 1, o.groups or 1
  local name, c_in = label(self, "conv", o), self:channels(x)
  if c_in % groups ~= 0 or channels % groups ~= 0 then
    error(("conv: %d groups do not divide %d -> %d channels"):format(groups, c_in, channels), 2)
  end
  local w = self.graph:param(name .. ".weight", { channels, kernel, kernel, c_in // groups }, "kaiming_normal",
    kernel * kernel * channels // groups, true)
  local b = o.bias and self.graph:param(name .. ".bias", { channels }, "zeros") or nil
  return self.graph:op("conv2d", { x, w, b }, { stride = o.stride, pad = o.pad or dil * (kernel - 1) // 2, dil = o.dil, groups = o.groups }, name)
end

local DEPTHWISE = { kernel = 1, stride = 1, pad = 1, dil = 1, name = 1 }
function Net:depthwise(x, opts)
  local o = check(opts, DEPTHWISE, "depthwise")
  local c = self:channels(x)
  return self:conv(x, c, { kernel = o.kernel or 3, stride = o.stride, pad = o.pad, dil = o.dil, groups = c, name = o.name })
end

--- A running statistic of a norm.
function Net:statistic(name, stat, shape, first) return self.graph:buffer(("%s.%s"):format(name, stat), shape, first) end

local NORM = { affine = 1, act = 1, eps = 1, momentum = 1, name = 1, per = 1 }
--- Batch norm over the last axis, with an activation fused in ("relu", "relu6", "hswish", ...). per = "decision": a supernet keeps a set of running
-- statistics for each option of that decision, where options that share the norm give it inputs of different distributions.
function Net:batch_norm(x, opts)
  local o = check(opts, NORM, "batch_norm")
  local graph, name, shape = self.graph, label(self, "bn", o), { self:channels(x) }
  local inputs = { x, self:statistic(name, "running_mean", shape, 0, o.per), self:statistic(name, "running_var", shape, 1, o.per) }
  if o.affine ~= false then
    inputs[4] = graph:param(name .. ".weight", shape, "ones")
    inputs[5] = graph:param(name .. ".bias", shape, "zeros")
  end
  return graph:op("batch_norm", inputs, next(o) and { eps = o.eps, momentum = o.momentum, act = o.act }, name)
end

local CONV_BN = { kernel = 1, stride = 1, pad = 1, dil = 1, groups = 1, act = 1, affine = 1, eps = 1, momentum = 1, name = 1, per = 1 }
--- Convolution, batch norm and activation.
function Net:conv_bn(x, channels, opts)
  local o = check(opts, CONV_BN, "conv_bn")
  local y = self:conv(x, channels, { kernel = o.kernel, stride = o.stride, pad = o.pad, dil = o.dil, groups = o.groups, name = o.name })
  return self:batch_norm(y, { act = o.act, affine = o.affine, eps = o.eps, momentum = o.momentum, per = o.per,
    name = o.name and o.name .. ".bn" })
end

local LINEAR = { bias = 1, name = 1 }
function Net:linear(x, features, opts)
  local o = check(opts, LINEAR, "linear")
  local name, n = label(self, "linear", o), self:channels(x)
  local w = self.graph:param(name .. ".weight", { features, n }, "uniform", n, true)
  local b = o.bias ~= false and self.graph:param(name .. ".bias", { features }, "uniform", n) or nil
  return self.graph:op("linear", { x, w, b }, nil, name)
end

function Net:add(a, b) return self:op("add", { a, b }) end

--- The sum of a list of nodes of one shape; false stands for nothing and is left out. When nothing is left: zeros like the node `like`.
function Net:sum(terms, like)
  local sum
  for _, x in ipairs(terms) do if x then sum = sum and self:add(sum, x) or x end end
  if sum then return sum end
  if not like then error("sum: all terms are nothing, and no node is given whose shape the zeros should have", 2) end
  return self:op("scale", like, { factor = 0 })
end

--- Concatenates along the channels.
function Net:concat(list) return self:op("concat", list, { axis = #self:shape(list[1]) }) end
--- The channels `first` to `last` of x.
function Net:slice_channels(x, first, last) return self:op("slice", x, { axis = #self:shape(x), begin = first, ["end"] = last }) end
function Net:max_pool(x, opts) return self:op("max_pool", x, opts) end
function Net:avg_pool(x, opts) return self:op("avg_pool", x, opts) end
--- [N,H,W,C] -> [N,C].
function Net:global_avg_pool(x) return self:op("global_avg_pool", x) end
--- [N,H,W,C] -> [N,size,size,C].
function Net:adaptive_avg_pool(x, size) return self:op("adaptive_avg_pool", x, { size = size }) end
--- [N,H,W,C] -> [N,H*W*C].
function Net:flatten(x)
  local s, n = self:shape(x), 1
  for i = 2, #s do n = n * s[i] end
  return self:op("reshape", x, { rank = 2, d0 = -1, d1 = n })
end
function Net:relu(x) return self:op("relu", x) end
--- Applies an activation by its operator name; "none" returns x.
function Net:act(x, name) return name == "none" and x or self:op(name, x) end
function Net:dropout(x, p) return p > 0 and self:op("dropout", x, { p = p }) or x end

require "vega.nn.blocks" (Net, check)

local nn = { Net = Net }

--- The options of a convolution, checked.
function nn.check_conv(opts) return check(opts, CONV, "conv") end

--- The multiple of `divisor` nearest to n, but not below 0.9 n: how the MobileNet family rounds its widths.
function nn.round_channels(n, divisor)
  local d = divisor or 8
  local rounded = math.max(d, (n + d / 2) // d * d)
  return math.tointeger(rounded < 0.9 * n and rounded + d or rounded)
end

--- A builder over an empty graph; `input` is the shape of one sample.
function nn.builder(input)
  return setmetatable({ graph = core.graph.new(input), count = {} }, Net)
end

--- The network that `build` describes, without weights: to be counted, or given weights with graph:materialise(seed). `build` returns the
-- output node, and behind it, where training takes a second one, { auxiliary = node, weight = 0.4 } (see graph:output). @return graph
function nn.describe(input, build, opts)
  local o = check(opts, { classes = 1 }, "describe")
  local net = nn.builder(input)
  net.classes = o.classes
  local out, second = build(net)
  if math.type(out) ~= "integer" then error("network: build must return the output node, got " .. type(out), 2) end
  if second ~= nil and type(second) ~= "table" then error("network: build's second value is { auxiliary = node }, got " .. type(second), 2) end
  return net.graph:output(out, second)
end

--- Builds, sets the output, and draws first weights. `build` finds opts.classes as net.classes. @return graph
function nn.network(input, build, opts)
  local o = check(opts, { seed = 1, classes = 1 }, "network")
  return nn.describe(input, build, { classes = o.classes }):materialise(o.seed or 1)
end

return nn
