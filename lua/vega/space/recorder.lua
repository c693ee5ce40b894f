--- Decisions stated inside `build(net)`: net:choice(name, options), net:subset(name, candidates, k), net:width(name, list),
-- net:depth(name, list, x, function(x, i) ... end), net:kernel(name, list), net:cell_node(name, states, ops, k). The recorder runs build once and
-- notes them; `settle` answers them from an architecture.
local util = require "vega.util"

local recorder = {}

-- Options are plain values, or { label, function } pairs, or a table label -> function; returns the labels and what each stands for.
function recorder.labels_of(name, options)
  if type(options) ~= "table" then error(("net:choice '%s': a table of options expected, got %s"):format(name, type(options)), 3) end
  if #options == 0 then
    local labels = util.sorted_keys(options)
    return labels, options
  end
  local labels, meaning = {}, {}
  for i, option in ipairs(options) do
    local label = type(option) == "table" and (option.label or option[1]) or option
    labels[i] = label
    meaning[label] = type(option) == "table" and option[2] or option
  end
  return labels, meaning
end

--- What net:cell_node(name, states, ops, k) is given, checked: a node of a cell that reads k (2) different ones of the earlier `states`, each
-- through one of `ops`, and sums what comes out. A state is a node, or { node, stride } where its edges change the resolution; `ops` lists
-- { label, function(net, x, stride) -> node, or false for nothing }. The decisions are named as those of space.cell: NAME.inputs, the numbers of k
-- states, and NAME.op1 ... NAME.opk, the op of the first ... last of them.
-- @return { name =, k =, inputs = its decision, op = { its k decisions }, states = { { node, stride }, ... }, numbers = { 1, 2, ... },
--   labels =, meaning = label -> function }
function recorder.cell_node(name, states, ops, k)
  local who = ("net:cell_node '%s'"):format(tostring(name))
  k = k or 2
  if type(states) ~= "table" then error(("%s: a list of states expected, got %s"):format(who, type(states)), 3) end
  if math.type(k) ~= "integer" or k < 1 or k > #states then
    error(("%s: k must be 1 to %d, the number of its states, got %s"):format(who, #states, tostring(k)), 3)
  end
  if type(ops) ~= "table" then error(("%s: a table of ops expected, got %s"):format(who, type(ops)), 3) end
  local labels, meaning = recorder.labels_of(name, ops)
  for _, label in ipairs(labels) do
    local apply = meaning[label]
    if type(apply) ~= "function" then error(("%s: op '%s' must be a function, got %s"):format(who, tostring(label), type(apply)), 3) end
  end
  local node = { name = name, k = k, inputs = name .. ".inputs", op = {}, states = {}, numbers = {}, labels = labels, meaning = meaning }
  for i = 1, k do node.op[i] = ("%s.op%d"):format(name, i) end
  for j, state in ipairs(states) do
    local has_stride = type(state) == "table" and getmetatable(state) == nil
    node.states[j], node.numbers[j] = has_stride and { state[1], state[2] or 1 } or { state, 1 }, j
  end
  return node
end

--- A node whose shape is that of a cell node: what zeros are made like, where all its ops give nothing.
function recorder.like_cell_node(net, node)
  local x, stride = table.unpack(node.states[#node.states])          -- the last one, as it is in use most probably
  return stride == 1 and x or net:max_pool(x, { kernel = 1, stride = stride })
end

-- Stands for any node, number or layer while build is only being listened to.
local Ghost = {}
local function ghost() return setmetatable({}, Ghost) end
Ghost.__index = function() return ghost() end
Ghost.__call = function() return ghost() end
for _, event in ipairs { "__add", "__sub", "__mul", "__div", "__idiv", "__mod", "__unm", "__concat" } do Ghost[event] = ghost end
Ghost.__lt = function() return false end
Ghost.__le = function() return true end
Ghost.__len = function() return 0 end
Ghost.__tostring = function() return "node" end

-- The decision methods, given `decide(name, kind, labels, extra)` that returns the chosen label.
local function methods(decide)
  local m = {}
  function m.choice(_, name, options)
    local labels, meaning = recorder.labels_of(name, options)
    return meaning[decide(name, "choice", labels)]
  end
  function m.subset(_, name, candidates, k)
    local labels, meaning = recorder.labels_of(name, candidates)
    local chosen = {}
    for i, label in ipairs(decide(name, "subset", labels, k)) do chosen[i] = meaning[label] end
    return chosen
  end
  function m.cell_node(net, name, states, ops, k)
    local node = recorder.cell_node(name, states, ops, k)
    local picked, terms, some = decide(node.inputs, "subset", node.numbers, node.k), {}, false
    for i, j in ipairs(picked) do
      local x, stride = table.unpack(node.states[j])
      terms[i] = node.meaning[decide(node.op[i], "choice", node.labels)](net, x, stride) or false
      some = some or terms[i]
    end
    return net:sum(terms, not some and recorder.like_cell_node(net, node) or nil)
  end
  for _, kind in ipairs { "width", "kernel" } do
    m[kind] = function(_, name, list) return decide(name, "ordinal", list, nil, kind) end
  end
  function m.depth(_, name, list, x, body)
    local n = decide(name, "ordinal", list, nil, "depth")
    if not body then return n end
    for i = 1, n do x = body(x, i) end
    return x
  end
  return m
end

--- Runs build once and states its decisions on `builder`. A depth answers its largest value, so that everything below it is heard.
function recorder.run(build, builder)
  local m = methods(function(name, kind, list, k, role)
    builder[kind](builder, name, list, k)
    if kind == "subset" then return table.move(list, 1, k, 1, {}) end
    if role ~= "depth" then return list[1] end
    local most = list[1]
    for _, v in ipairs(list) do most = math.max(most, v) end
    return most
  end)
  build(setmetatable({}, { __index = function(_, key) return m[key] or ghost() end }), nil)
end

--- `net` itself, which from now on answers decisions from `arch`.
function recorder.settle(net, arch)
  for name, method in pairs(methods(function(label) return arch[label] end)) do net[name] = method end
  return net
end

return recorder
