--- Stand-alone networks of dense spaces, from the rows of an architecture: stem, blocks, pooling, classifier. Fang et al. 2020, arXiv:1906.09607.
local nn = require "vega.nn"
local ops = require "vega.densenas.ops"
local util = require "vega.util"

local network = { EPS = 1e-3 }

--- The stem's convolution. As the paper's code trains both families: ReLU6.
function network.stem(net, width, stride, norm)
  return ops.conv_bn(net, net:input(), width, norm, { kernel = 3, stride = stride, act = "relu6" })
end

function network.tail(net, x, width, norm) return ops.conv_bn(net, x, width, norm, { act = "relu6" }) end

function network.classifier(net, x) return net:linear(net:global_avg_pool(x), net.classes) end

-- Rows must follow each other and name operators.
local function check(arch, level)
  if type(arch) ~= "table" or #arch == 0 then error("densenas.network: an architecture expected: a list of rows", level + 1) end
  for n, row in ipairs(arch) do
    local function refuse(message, ...) error(("densenas.network: row %d: %s"):format(n, message:format(...)), level + 2) end
    local before = arch[n - 1]
    if before and row.from ~= before.to then refuse("%s channels come in, the row before gives %s", tostring(row.from), tostring(before.to)) end
    if row.head == "conv1_1" then
      if n < #arch then refuse("conv1_1 must be the last row") end
    else
      for _, op in ipairs { row.head or false, table.unpack(row.stack or {}) } do
        local _, message = ops.get(op)
        if message then refuse("%s", message) end
      end
      if row.stride ~= 1 and row.stride ~= 2 then refuse("stride must be 1 or 2, got %s", tostring(row.stride)) end
    end
  end
end

--- The function that adds the network of an architecture to a builder.
function network.build(arch)
  local norm = { eps = network.EPS }
  return function(net)
    local y = network.stem(net, arch[1].from, arch.stem_stride or 2, norm)
    for n, row in ipairs(arch) do
      if row.head == "conv1_1" then
        y = network.tail(net, y, row.to * ops.expansion(arch[n - 1] and arch[n - 1].head), norm)
      else
        y = ops.get(row.head)(net, y, row.to, row.stride, norm)
        for _, op in ipairs(row.stack) do y = ops.get(op)(net, y, row.to, 1, norm) end
      end
    end
    return network.classifier(net, y)
  end
end

local OPTIONS = { input = {}, classes = { 1000, min = 1 }, seed = {} }

--- The network of an architecture. @param options input { height, width, channels } = { 224, 224, 3 }, classes = 1000, seed: with it weights are
-- drawn, without it the graph is only described, to be counted  @return graph
function network.describe(arch, options)
  local o = util.parameters("densenas.network", OPTIONS, options or {}, 2)
  check(arch, 2)
  local graph = nn.describe(o.input or { 224, 224, 3 }, network.build(arch), { classes = o.classes })
  return o.seed and graph:materialise(o.seed) or graph
end

return network
