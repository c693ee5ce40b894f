--- A network as plain data and back: its nodes, without the values of its parameters, which the time does not depend on. Who builds it draws others.
local core = require "vega.core"
local walk = require "vega.walk"
local array = core.json.array

local network = {}

network.MOST_NODES = 20000

-- To data -----------------------------------------------------------------------------------------------------------------------------

local function described(node)
  local d = { kind = node.kind, name = node.name, shape = array(node.shape), init = node.init, fan = node.fan, fill = node.fill }
  if node.kind == "op" then
    d.op, d.inputs, d.options = node.op, array(node.inputs), walk.options(node)
  end
  return d
end

--- { nodes = list, output = node } of a graph | nil and what stands against it.
function network.describe(graph)
  local nodes, output = graph:nodes(), graph:output()
  if not output then return nil, "the network has no output yet" end
  for i, node in ipairs(nodes) do
    if node.kind == "choice" or node.kind == "sum" or node.kind == "prefix" then
      return nil, ("node '%s' is a %s: settle the supernet first, net:extract(arch)"):format(node.name, node.kind)
    end
    nodes[i] = described(node)
  end
  return { nodes = array(nodes), output = output }
end

-- From data ---------------------------------------------------------------------------------------------------------------------------

local function refuse(...) error({ refused = (...):format(select(2, ...)) }, 0) end

local function want(value, kind, what)
  if type(value) ~= kind and math.type(value) ~= kind then refuse("%s must be a %s, got %s", what, kind, type(value)) end
  return value
end

local function shape_text(shape)
  local parts = {}
  for i, n in ipairs(shape) do parts[i] = tostring(n) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local add = {}

function add.param(graph, node)
  return graph:param(node.name, node.shape, want(node.init, "string", "init"), want(node.fan, "integer", "fan"), false)
end
function add.buffer(graph, node) return graph:buffer(node.name, node.shape, want(node.fill, "number", "fill")) end

function add.op(graph, node)
  want(node.op, "string", "op")
  if rawget(core.op, node.op) == nil then refuse("vega-lua %s has no operator '%s'", core.sys.versions().vega, node.op) end
  local id = graph:op(node.op, want(node.inputs, "table", "inputs"), want(node.options, "table", "options"), node.name)
  local shape = shape_text(graph:shape(id))
  if shape ~= shape_text(node.shape) then refuse("the sender's %s gives %s, this one %s", node.op, shape_text(node.shape), shape) end
  return id
end

local function input_shape(node)
  want(node, "table", "a node")
  if node.kind ~= "input" then refuse("the first node must be the input") end
  local shape = want(node.shape, "table", "the input's shape")
  return { table.unpack(shape, 2, math.min(#shape, 16)) }
end

local function build(data)
  local nodes = want(want(data, "table", "network").nodes, "table", "nodes")
  if #nodes < 2 or #nodes > network.MOST_NODES then refuse("from 2 to %d nodes are taken, got %d", network.MOST_NODES, #nodes) end
  local graph = core.graph.new(input_shape(nodes[1]))
  for i = 2, #nodes do
    local node = want(nodes[i], "table", "a node")
    want(node.name, "string", "a node's name")
    want(node.shape, "table", "a node's shape")
    local make = add[want(node.kind, "string", "a node's kind")]
    if not make then refuse("node '%s' is of the unknown kind '%s'", node.name, node.kind) end
    local ok, message = pcall(make, graph, node)
    if not ok then refuse("node '%s': %s", node.name, message.refused or tostring(message):gsub("^[^\n]-:%d+: ", "")) end
  end
  graph:output(want(data.output, "integer", "output"))
  return graph
end

--- The graph of `data`, which anybody may have written, without values yet | nil and why there is none.
function network.build(data)
  local ok, graph = pcall(build, data)
  if ok then return graph end
  return nil, type(graph) == "table" and graph.refused or (tostring(graph):gsub("^[^\n]-:%d+: ", ""))
end

return network
