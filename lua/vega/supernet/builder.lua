--- The builder that makes a supernet of a search space's `build`: each decision leaves its node in the graph instead of being answered.
--    net:choice(name, options)     functions: calls each and joins what they return; plain values: a layer that is given one is built once a value
--    net:width / net:kernel        weights of the largest size, of which an architecture uses a part
--    net:depth(name, list, x, f)   f(x, i) for i = 1 to the largest; the architecture's depth says whose output goes on
--    net:subset(name, { { label, node }, ... }, k)     k nodes, each chosen among the candidates
--    net:cell_node(name, states, ops, k)   every op on every state, built once; each of the k terms chooses its state, then its op
-- A candidate that returns false is nothing: net:sum leaves it out.
local core = require "vega.core"
local elastic = require "vega.supernet.elastic"
local nn = require "vega.nn"
local recorder = require "vega.space.recorder"
local util = require "vega.util"

local Builder = setmetatable({}, { __index = nn.Net })
Builder.__index = Builder

-- Slots -------------------------------------------------------------------------------------------------------------------------------

-- The slot of a key, made on first use. `read(arch)` gives its number.
local function slot_of(self, key, first, read)
  local slot = self.slots[key]
  if not slot then
    slot = self.graph:slot(first)
    self.slots[key], self.reads[slot] = slot, read
  end
  return slot
end

local function size_slot(self, size) return slot_of(self, "size " .. size.key, size.max, size.read) end

-- Decisions with their labels: a name that comes again must offer the same.
local function declare(self, name, labels)
  local known = self.places[name]
  if known then
    for i = 1, math.max(#labels, #known.labels) do
      if labels[i] ~= known.labels[i] then error(("supernet: decision '%s' is stated twice with different options"):format(name), 3) end
    end
    return known.place
  end
  local place = {}
  for i, label in ipairs(labels) do place[label] = i - 1 end
  self.places[name] = { labels = labels, place = place }
  return place
end

-- Choices -----------------------------------------------------------------------------------------------------------------------------

-- One of several nodes (false: nothing), by the number that `read` finds in an architecture.
local function join(self, key, nodes, read)
  local same = true
  for i = 2, #nodes do same = same and nodes[i] == nodes[1] end
  if same then return nodes[1] end
  local size
  for _, node in ipairs(nodes) do
    local channels = node and self.sizes[node]
    if node and size ~= nil and size ~= (channels or false) then error(("supernet: the candidates of '%s' have different channels"):format(key), 3) end
    if node then size = channels or false end
  end
  self.n_joins = self.n_joins + 1
  local node = self.graph:choice(("%s#%d"):format(key, self.n_joins), slot_of(self, "choice " .. key, 0, read), nodes)
  self.sizes[node] = size or nil
  return node
end

local function join_by(self, name, labels, nodes)
  local place = declare(self, name, labels)
  return join(self, name, nodes, function(arch) return place[arch[name]] end)
end

-- Stands for a plain value that is not settled.
local Pick = {}
Pick.__index = Pick

function Builder:choice(name, options)
  local labels, meaning = recorder.labels_of(name, options)
  declare(self, name, labels)
  if type(meaning[labels[1]]) ~= "function" then return setmetatable({ name = name, labels = labels, meaning = meaning }, Pick) end
  return function(...)
    local nodes = {}
    for i, label in ipairs(labels) do nodes[i] = meaning[label](...) or false end
    return join_by(self, name, labels, nodes)
  end
end

function Builder:subset(name, candidates, k)
  local labels, meaning = recorder.labels_of(name, candidates)
  local place, nodes, chosen = declare(self, name, labels), {}, {}
  for i, label in ipairs(labels) do
    nodes[i] = meaning[label]
    if math.type(nodes[i]) ~= "integer" or type(candidates[1]) ~= "table" then
      error(("net:subset '%s': a supernet wants { label, node } pairs"):format(name), 2)
    end
  end
  self.places[name].several = true
  for j = 1, k do chosen[j] = join(self, ("%s[%d]"):format(name, j), nodes, function(arch) return place[arch[name][j]] end) end
  return chosen
end

-- The i-th of k ascending picks from n states is one of the states i to n - k + i.
function Builder:cell_node(name, states, ops, k)
  local cell = recorder.cell_node(name, states, ops, k)
  local place, spare, edges, terms, some_nothing = declare(self, name, cell.labels), #cell.states - cell.k, {}, {}, false
  for j, state in ipairs(cell.states) do
    edges[j] = {}
    for o, label in ipairs(cell.labels) do
      edges[j][o] = cell.meaning[label](self, state[1], state[2]) or false
      some_nothing = some_nothing or not edges[j][o]
    end
  end
  for i, op in ipairs(cell.op) do
    local function read_op(arch) return place[arch[op]] end
    local nodes = {}
    for j = i, spare + i do nodes[#nodes + 1] = join(self, op, edges[j], read_op) end
    terms[i] = join(self, ("%s[%d]"):format(cell.inputs, i), nodes, function(arch) return arch[cell.inputs][i] - i end)
  end
  return self:sum(terms, some_nothing and recorder.like_cell_node(self, cell) or nil)
end

function Builder:width(name, list)
  declare(self, name, list)
  return elastic.decided(name, list)
end
Builder.kernel = Builder.width

function Builder:depth(name, list, x, body)
  if not body then error(("net:depth '%s': a supernet wants net:depth(name, list, x, function(x, i) ... end)"):format(name), 2) end
  local deepest, after, nodes = 0, { [0] = x }, {}
  for _, n in ipairs(list) do deepest = math.max(deepest, n) end
  for i = 1, deepest do after[i] = body(after[i - 1], i) end
  for i, n in ipairs(list) do nodes[i] = after[n] end
  return join_by(self, name, list, nodes)
end

-- Layers on channels that depend on the architecture -----------------------------------------------------------------------------------

function Builder:channels(x) return self.sizes[x] or nn.Net.channels(self, x) end

-- The first `size` entries along an axis of a weight.
local function cut(self, w, name, axis, size)
  if not elastic.is(size) then return w end
  return self.graph:op("slice", { w }, { axis = axis, ["end"] = size.max }, ("%s.cut%d"):format(name, axis), { ["end"] = size_slot(self, size) })
end

-- The middle of a kernel, along both axes.
local function crop(self, w, name, size)
  if not elastic.is(size) then return w end
  local largest = size.max
  local begin = slot_of(self, "begin " .. size.key, 0, function(arch) return (largest - size.read(arch)) // 2 end)
  local finish = slot_of(self, "end " .. size.key, largest, function(arch) return (largest + size.read(arch)) // 2 end)
  for axis = 2, 3 do
    w = self.graph:op("slice", { w }, { axis = axis, ["end"] = largest }, ("%s.crop%d"):format(name, axis), { begin = begin, ["end"] = finish })
  end
  return w
end

local function elastic_conv(self, x, channels, o)
  local c_in, kernel, groups, dil = self:channels(x), o.kernel or 1, o.groups or 1, o.dil or 1
  local depthwise = elastic.is(groups) and groups == c_in and channels == c_in
  if elastic.is(groups) and not depthwise then error("conv: groups that depend on the architecture must be all channels (depthwise)", 3) end
  local most, largest = elastic.max(channels), elastic.max(kernel)
  local name, per_group = self:label("conv", o), depthwise and 1 or elastic.max(c_in) // groups
  local w = self.graph:param(name .. ".weight", { most, largest, largest, per_group }, "kaiming_normal",
    largest * largest * most // (depthwise and most or groups), true)
  w = crop(self, cut(self, w, name, 1, channels), name, kernel)
  if not depthwise then w = cut(self, w, name, 4, c_in) end
  local b = o.bias and cut(self, self.graph:param(name .. ".bias", { most }, "zeros"), name .. ".bias", 1, channels) or nil
  local bound = { groups = depthwise and size_slot(self, groups) or nil }
  if elastic.is(kernel) and not o.pad then
    bound.pad = size_slot(self, elastic.map(kernel, "pad" .. dil, function(k) return dil * (k - 1) // 2 end))
  end
  local y = self.graph:op("conv2d", { x, w, b },
    { stride = o.stride, pad = o.pad or dil * (largest - 1) // 2, dil = o.dil, groups = elastic.max(groups) }, name, bound)
  if elastic.is(channels) then self.sizes[y] = channels end
  return y
end

function Builder:conv(x, channels, opts)
  local o = opts or {}
  if not (self.sizes[x] or elastic.is(channels) or elastic.is(o.kernel)) then return nn.Net.conv(self, x, channels, opts) end
  return elastic_conv(self, x, channels, nn.check_conv(o))
end

--- A statistic, or its first elements where the channels depend on the architecture; with `per` one for each option of that decision.
function Builder:statistic(name, stat, shape, first, per, size)
  local function one(suffix)
    local buffer = self.graph:buffer(("%s.%s%s"):format(name, stat, suffix), shape, first)
    return size and self.graph:prefix(("%s.%s%s.cut"):format(name, stat, suffix), buffer, size_slot(self, size)) or buffer
  end
  if not per then return one "" end
  local known, nodes = self.places[per], {}
  if not known then error(util.unknown("batch_norm: per", "decision", per, util.sorted_keys(self.places)), 3) end
  if known.several then error(("batch_norm: per: '%s' chooses several at a time; a decision with one value expected"):format(per), 3) end
  for i, label in ipairs(known.labels) do nodes[i] = one("." .. tostring(label)) end
  return join_by(self, per, known.labels, nodes)
end

function Builder:batch_norm(x, opts)
  local size = self.sizes[x]
  if not size then return nn.Net.batch_norm(self, x, opts) end
  local o, graph = opts or {}, self.graph
  local name, shape = self:label("bn", o), { size.max }
  local inputs = { x }
  for i, stat in ipairs { "running_mean", "running_var" } do inputs[i + 1] = self:statistic(name, stat, shape, i - 1, o.per, size) end
  if o.affine ~= false then
    inputs[4] = cut(self, graph:param(name .. ".weight", shape, "ones"), name .. ".weight", 1, size)
    inputs[5] = cut(self, graph:param(name .. ".bias", shape, "zeros"), name .. ".bias", 1, size)
  end
  local y = graph:op("batch_norm", inputs, { eps = o.eps, momentum = o.momentum, act = o.act }, name)
  self.sizes[y] = size
  return y
end

function Builder:linear(x, features, opts)
  local size = self.sizes[x]
  if not size then return nn.Net.linear(self, x, features, opts) end
  local o, graph = opts or {}, self.graph
  local name = self:label("linear", o)
  local w = cut(self, graph:param(name .. ".weight", { features, size.max }, "uniform", size.max, true), name, 2, size)
  local b = o.bias ~= false and graph:param(name .. ".bias", { features }, "uniform", size.max) or nil
  return graph:op("linear", { x, w, b }, nil, name)
end

-- Operators that leave the channels as they are.
local KEEPS = {}
for name in ([[relu relu6 leaky_relu sigmoid tanh hswish hsigmoid swish add sub mul scale max_pool avg_pool global_avg_pool global_max_pool
  adaptive_avg_pool dropout drop_path upsample]]):gmatch "%S+" do KEEPS[name] = true end

function Builder:op(name, inputs, args, node_name)
  local y, size = nn.Net.op(self, name, inputs, args, node_name), nil
  for _, x in ipairs(type(inputs) == "table" and inputs or { inputs }) do size = size or self.sizes[x] end
  if size and not KEEPS[name] then error(("net:op '%s' cannot take channels that depend on the architecture (%s)"):format(name, tostring(size)), 2) end
  self.sizes[y] = size
  return y
end

function Builder:sum(terms, like)
  local y = self.graph:sum(self:label "sum", terms, like)
  for _, x in ipairs(terms) do self.sizes[y] = self.sizes[y] or x and self.sizes[x] or nil end
  return y
end

-- Plain values not settled: the layer is built once a value ------------------------------------------------------------------------------

local function find_pick(...)
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    if getmetatable(v) == Pick then return v end
    if type(v) == "table" and not elastic.is(v) then
      for _, inner in pairs(v) do if getmetatable(inner) == Pick then return inner end end
    end
  end
end

local function put(pick, value, ...)
  local list = table.pack(...)
  for i = 1, list.n do
    local v = list[i]
    if v == pick then list[i] = value
    elseif type(v) == "table" and not elastic.is(v) then
      list[i] = {}
      for k, inner in pairs(v) do list[i][k] = inner == pick and value or inner end
    end
  end
  return table.unpack(list, 1, list.n)
end

for _, layer in ipairs { "conv", "conv_bn", "depthwise", "separable", "inverted_residual", "squeeze_excite", "batch_norm", "linear", "op", "act", "dropout" } do
  local build = Builder[layer]
  Builder[layer] = function(self, ...)
    local pick, nodes = find_pick(...), {}
    if not pick then return build(self, ...) end
    for i, label in ipairs(pick.labels) do nodes[i] = self[layer](self, put(pick, pick.meaning[label], ...)) end
    return join_by(self, pick.name, pick.labels, nodes)
  end
end

--- An empty builder; `input` is the shape of one sample.
return function(input)
  return setmetatable({ graph = core.graph.new(input), count = {}, slots = {}, reads = {}, places = {}, sizes = {}, n_joins = 0 }, Builder)
end
