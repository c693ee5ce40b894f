--- The supernet of differentiable search: each decision is a weighted sum of all its candidates. Built from the same `build` as the stand-alone
-- network and the path supernet. Liu et al. 2019, arXiv:1806.09055.
--    local mixed = require "vega.supernet.mixed"
--    local net = mixed.new { space = "nb201", input = { 32, 32, 3 }, classes = 10, seed = 1 }
--    local arch = core.train.new(net.graph, { group = "arch", optimiser = "adam", lr = 3e-4, beta1 = 0.5, weight_decay = 1e-3, total_steps = n })
--    local weights = core.train.new(net.graph, { lr = 0.025, momentum = 0.9, weight_decay = 3e-4, clip = 5, total_steps = n })
--    arch:step(x_validation, y_validation)          -- gradients of the architecture parameters alone; no weight's gradient is computed
--    weights:step(x_train, y_train)                 -- and the other way round
--    net:weights()                                  -- { { name =, labels =, rows = { { weight, ... }, ... } }, ... }
--
-- What a `build` may use:
--    net:choice(name, { { label, function(...) -> node | false }, ... })(...)      one row of architecture parameters a name
--    net:cell_node(name, states, ops, k)     a node of a cell: the sum over all `states` ({ node, stride } or a node) of the mixture of `ops`,
--                                            { { label, function(net, x, stride) -> node | false }, ... }; one row of parameters a state. `k`,
--                                            the edges that a settled cell keeps, plays no part here.
-- A name that comes again (the cells of a kind) shares its parameters: `arch.NAME` [rows, candidates], drawn from 1e-3 * N(0, 1).
-- A candidate that is nothing adds nothing and costs nothing, but its weight is taken from the others.
--
-- The weights of a mixture are weights(alpha) * mask + shift. mask (ones) and shift (zeros) are buffers `mix.NAME.mask`, `mix.NAME.shift` of their
-- shape, there for whoever takes a candidate out, settles an edge or perturbs the weights. What can be done with the supernet: vega.supernet.mixture.
--
-- What presets say of the mixtures (all optional):
--    weights(net, alpha, place) -> node   the rows of mixture weights from the node of the parameters, by operators (net:op); default softmax over
--                                         each row. Called once a name; place has name, labels, rows. It may add buffers (net:noise) that the
--                                         search fills before each step: noise, a temperature.
--    strength(alpha) -> tensor            what net:weights tells of the parameters, by vega.op; default softmax
--    init = "normal" | "zeros"            of the parameters
--    partial = K                          1/K of the channels pass through a mixture, the others around it; shuffled after. Xu et al. 2020,
--                                         arXiv:1907.05737. A mixture that halves the image takes a 2x2 max pool of the others.
--    channels = "first" | "random"        which: the first, or (that paper's text) those that a permutation, filled in by the search, brings there;
--                                         f32 only
--    edge_norm = true                     a cell node weighs its edges with softmax(beta), `arch.NAME.edges` [states] (same paper)
--    extra = "skip_connect"               a second candidate of that label, whose weight `mix.NAME.extra` [rows, 1] is a buffer. Chu et al. 2021,
--                                         arXiv:2009.01027
--    paths = n                            of each mixture only n candidates are computed, those that the slots of `settings` name (net:set_path)
--    activations = { "relu", ... }        a candidate's leading ReLU is a mixture of these with parameters of its own, `arch.NAME.acts`, computed
--                                         once an edge; `second` = "relu" leaves the later ones of a candidate as they are. Scalable-DARTS
--    switches = { NAME = { { label = false, ... } a row } }     candidates that are not built. Chen et al. 2019, arXiv:1904.12760
--    skip_dropout = p                     element-wise dropout behind each identity, its rate a slot (net:set_dropout) (same paper)
local core = require "vega.core"
local Mixture = require "vega.supernet.mixture"
local nn = require "vega.nn"
local recorder = require "vega.space.recorder"
local util = require "vega.util"

local Builder = setmetatable({}, { __index = nn.Net })
Builder.__index = Builder

local SMALL = 2000000                       -- fan of a normal draw with deviation sqrt(2 / fan) = 1e-3
local SKIP = "skip_connect"

--- Softmax over the candidates of each row.
local function softmax(net, alpha) return net:op("softmax", alpha) end

-- Decisions ---------------------------------------------------------------------------------------------------------------------------

--- A buffer of a decision that the search fills before each step. @return its node
function Builder:noise(place, what, shape, fill) return self.graph:buffer(("mix.%s.%s"):format(place.name, what), shape, fill or 0) end

-- weights * mask + shift
local function settled(self, name, weights)
  local shape = self:shape(weights)
  local mask, shift = self.graph:buffer(name .. ".mask", shape, 1), self.graph:buffer(name .. ".shift", shape, 0)
  return self:op("add", { self:op("mul", { weights, mask }), shift })
end

local function parameter(self, name, shape)
  return self.graph:param(name, shape, self.options.init == "zeros" and "zeros" or "kaiming_normal", SMALL, true, "arch")
end

-- The places of the candidates of each row that are there.
local function live_places(self, name, labels, rows)
  local live, switches = {}, self.options.switches and self.options.switches[name]
  for r = 1, rows do
    live[r] = {}
    for k, label in ipairs(labels) do
      if not switches or not switches[r] or switches[r][label] ~= false then table.insert(live[r], k) end
    end
    if #live[r] ~= #live[1] then error(("supernet: the rows of '%s' have different numbers of candidates switched on"):format(name), 4) end
    if #live[r] == 0 then error(("supernet: all candidates of '%s' are switched off"):format(name), 4) end
  end
  return live
end

local function new_decision(self, name, labels, rows)
  local o, place = self.options, { name = name, labels = labels, rows = rows, slots = {} }
  place.live = live_places(self, name, labels, rows)
  local alpha = parameter(self, "arch." .. name, { rows, #place.live[1] })
  place.weights = settled(self, "mix." .. name, o.weights(self, alpha, place))
  if o.extra then
    if not util.contains(labels, o.extra) then error(("supernet: '%s' has no candidate '%s' for the extra term"):format(name, o.extra), 4) end
    place.weights = self:op("concat", { place.weights, self:noise(place, "extra", { rows, 1 }) }, { axis = 2 })
  end
  if o.activations and #o.activations > 1 then
    place.acts = settled(self, ("mix.%s.acts"):format(name), softmax(self, parameter(self, ("arch.%s.acts"):format(name), { rows, #o.activations })))
  end
  return place
end

-- The decision of a name. A name that comes again must offer the same.
local function decision(self, name, labels, rows)
  local known = self.places[name]
  if not known then
    known = new_decision(self, name, labels, rows)
    self.places[name], self.decisions[#self.decisions + 1] = known, known
  elseif known.rows ~= rows or table.concat(known.labels, "\0") ~= table.concat(labels, "\0") then
    error(("supernet: decision '%s' is stated twice with different options"):format(name), 3)
  end
  return known
end

-- Candidates --------------------------------------------------------------------------------------------------------------------------

-- Batch norms without gamma and beta are remembered: a mixture normalises such a term itself, without storing it.
function Builder:batch_norm(x, opts)
  local o = opts or {}
  local y = nn.Net.batch_norm(self, x, opts)
  if o.affine == false and (o.act or "none") == "none" then
    self.norms[y] = { x = x, eps = o.eps or 1e-5, momentum = o.momentum or 0.1, mean = y - 2, var = y - 1 }      -- buffers come right before
  end
  return y
end

-- Operators without parameters: one node for the same inputs and options, however many candidates and edges begin with it (in the cells of DARTS five
-- max pools in place of fourteen). Sums are among them: those of the channels around a mixture begin alike at each node of a cell.
local ONCE = { relu = true, max_pool = true, avg_pool = true, slice = true, pad = true, add = true }

function Builder:op(name, inputs, args, node_name)
  if not ONCE[name] then return nn.Net.op(self, name, inputs, args, node_name) end
  local key = { name, table.unpack(type(inputs) == "table" and inputs or { inputs }) }
  for _, option in ipairs(util.sorted_keys(args or {})) do key[#key + 1] = ("%s=%s"):format(option, args[option]) end
  key = table.concat(key, " ")
  self.once[key] = self.once[key] or nn.Net.op(self, name, inputs, args, node_name)
  return self.once[key]
end

-- max(x, 0) and max(-x, 0).
local function halves(net, x) return nn.Net.relu(net, x), nn.Net.relu(net, net:op("neg", x)) end

local ACTIVATIONS = { relu = nn.Net.relu }
for _, name in ipairs { "relu6", "leaky_relu", "swish", "hswish", "sigmoid", "tanh" } do
  ACTIVATIONS[name] = function(net, x) return net:op(name, x, nil, net:label(name .. "_")) end      -- relu6_1: relu61 is the 61st relu
end
function ACTIVATIONS.prelu(net, x)                            -- its slope, one a channel, begins at 0.25
  local up, down = halves(net, x)
  local slope = net:op("scale", net.graph:param(net:label "prelu" .. ".slope", { net:channels(x) }, "zeros"), { factor = 1, bias = 0.25 })
  return net:op("sub", { up, net:op("mul", { down, slope }) })
end
function ACTIVATIONS.elu(net, x)
  local up, down = halves(net, x)
  return net:add(up, net:op("scale", net:op("exp", net:op("neg", down)), { factor = 1, bias = -1 }))
end

-- The activation that stands for a leading ReLU on the edge that is being built: { x =, place =, row =, done = node -> node } .
local function blended(self, blend, x)
  local names, terms = self.options.activations, {}
  if self.options.second == "relu" and x ~= blend.x then return nn.Net.relu(self, x) end
  if #names == 1 then return ACTIVATIONS[names[1]](self, x) end
  for i, name in ipairs(names) do terms[3 * i - 1], terms[3 * i], terms[3 * i + 1] = ACTIVATIONS[name](self, x), false, false end
  terms[1] = blend.place.acts
  return self.graph:op("mix", terms, { row = blend.row - 1 }, self:label "blend")
end

function Builder:relu(x)
  local blend = self.blend
  if not blend then return nn.Net.relu(self, x) end
  blend.done[x] = blend.done[x] or blended(self, blend, x)
  return blend.done[x]
end

local function dropped(self, x)
  self.dropout_slot = self.dropout_slot or self.graph:slot(self.options.skip_dropout)
  return self.graph:op("dropout", { x }, { p = self.options.skip_dropout }, self:label "skip_dropout", { p = self.dropout_slot })
end

-- Mixtures ----------------------------------------------------------------------------------------------------------------------------

-- sum_k weights[row, k] * terms[k]; row from 1, false is nothing. false when all terms are.
local function mix(self, weights, row, terms)
  local inputs, eps, momentum, any = { weights }, nil, nil, false
  for k, x in ipairs(terms) do
    local norm, at = x and self.norms[x], 3 * k - 1
    any = any or x
    if norm and (norm.eps ~= (eps or norm.eps) or norm.momentum ~= (momentum or norm.momentum)) then norm = nil end
    if norm then eps, momentum = norm.eps, norm.momentum end
    inputs[at], inputs[at + 1], inputs[at + 2] = norm and norm.x or x, norm and norm.mean or false, norm and norm.var or false
  end
  return any and self.graph:op("mix", inputs, { row = row - 1, eps = eps, momentum = momentum }, self:label "mix")
end

-- The slot of one path of a row, made on first use. The first path takes the first candidate, the others nothing, until told otherwise.
local function slot_of(self, known, row, path, nothing)
  local slots = known.slots[row] or {}
  known.slots[row] = slots
  slots[path] = slots[path] or self.graph:slot(path == 1 and 0 or nothing)
  return slots[path]
end

-- Of all terms only those that the slots of the row name: each path takes one term times its weight, or nothing.
local function sampled(self, known, row, x, terms)
  local each, chosen, some = {}, {}, nil
  for k, term in ipairs(terms) do
    local alone = {}
    for i = 1, #terms do alone[i] = i == k and term end
    each[k] = term and mix(self, known.weights, row, alone)
    some = some or each[k]
  end
  if not some then return false end
  each[#terms + 1] = false
  for path = 1, self.options.paths do
    chosen[path] = self.graph:choice(self:label "path", slot_of(self, known, row, path, #terms), each)
  end
  if #chosen == 1 then return chosen[1] end
  local stride = self:shape(x)[2] // self:shape(some)[2]
  return self.graph:sum(self:label "paths", chosen, recorder.like_cell_node(self, { states = { { x, stride } } }))
end

local function mixture(self, known, row, x, apply)
  local o, terms = self.options, {}
  self.blend = o.activations and { x = x, place = known, row = row, done = {} } or nil
  for i, k in ipairs(known.live[row]) do
    local label = known.labels[k]
    terms[i] = apply(label, x) or false
    if terms[i] == x and label == SKIP and o.skip_dropout then terms[i] = dropped(self, x) end
  end
  if o.extra then terms[#terms + 1] = apply(o.extra, x) or false end
  self.blend = nil
  if o.paths > 0 then return sampled(self, known, row, x, terms) end
  return mix(self, known.weights, row, terms)
end

-- x with the channels in an order that the search draws, and what brings a node back to the old order.
local function permuted(self, x)
  local channels = self:channels(x)
  local name = ("mix.order%d"):format(#self.orders + 1)
  self.orders[#self.orders + 1] = { name = name, channels = channels }
  local there, back = self.graph:buffer(name, { channels, channels }), self.graph:buffer(name .. ".back", { channels, channels })
  return self:op("matmul", { x, there }), function(y) return self:op("matmul", { y, back }) end
end

local function joined(self, y, around)
  return around and self:op("channel_shuffle", self:concat { y, around }, { groups = self.options.partial }) or y
end

-- Part of the channels through the mixture: its output, and the others at the same resolution (nil: there are none). Sums of edges are taken of the
-- two apart, before `joined`: concatenation and shuffle once a node. Channels in random order are brought back edge by edge.
local function partial(self, known, row, x, apply)
  local parts, channels, back = self.options.partial, self:channels(x), nil
  if parts == 1 then return mixture(self, known, row, x, apply) end
  if channels % parts ~= 0 then error(("supernet: %d channels cannot be parted into %d for '%s'"):format(channels, parts, known.name), 3) end
  if self.options.channels == "random" then x, back = permuted(self, x) end
  local y = mixture(self, known, row, self:slice_channels(x, 1, channels // parts), apply)
  local around = self:slice_channels(x, channels // parts + 1, channels)
  if not y then error(("supernet: all candidates of '%s' are nothing; partial channels want one that is something"):format(known.name), 3) end
  if self:shape(y)[2] < self:shape(x)[2] then around = self:max_pool(around, { kernel = 2, stride = 2 }) end
  if back then return back(self:concat { y, around }) end
  return y, around
end

-- What a build uses -------------------------------------------------------------------------------------------------------------------

--- @return a function of what the candidates take, the node that they read being the first number; it gives the mixture of their outputs, or false
-- when all are nothing
function Builder:choice(name, options)
  local labels, meaning = recorder.labels_of(name, options)
  for _, label in ipairs(labels) do
    if type(meaning[label]) ~= "function" then
      error(("net:choice '%s': a mixture wants { label, function } pairs, got %s for '%s'"):format(name, type(meaning[label]), tostring(label)), 2)
    end
  end
  local known = decision(self, name, labels, 1)
  return function(...)
    local arguments, at = table.pack(...), 1
    while math.type(arguments[at]) ~= "integer" and at < arguments.n do at = at + 1 end
    return joined(self, partial(self, known, 1, arguments[at], function(label, from)
      arguments[at] = from
      return meaning[label](table.unpack(arguments, 1, arguments.n))
    end))
  end
end

function Builder:cell_node(name, states, ops, k)
  local cell, edges, around = recorder.cell_node(name, states, ops, k), {}, {}
  local known = decision(self, name, cell.labels, #states)
  known.keeps = cell.k
  for i, state in ipairs(cell.states) do
    local x, stride = table.unpack(state)
    edges[i], around[i] = partial(self, known, i, x, function(label, from) return cell.meaning[label](self, from, stride) end)
  end
  local is_parted = #around > 0
  if not self.options.edge_norm then
    return joined(self, self:sum(edges, recorder.like_cell_node(self, cell)), is_parted and self:sum(around))
  end
  if not known.edges then
    known.edges = settled(self, ("mix.%s.edges"):format(name), softmax(self, parameter(self, ("arch.%s.edges"):format(name), { #states })))
  end
  return joined(self, mix(self, known.edges, 1, edges), is_parted and mix(self, known.edges, 1, around))
end

--- A term of which the slots decide may come out as nothing: only the graph's own sum takes it.
function Builder:sum(terms, like)
  if self.options.paths == 0 then return nn.Net.sum(self, terms, like) end
  return self.graph:sum(self:label "sum", terms, like)
end

for _, method in ipairs { "subset", "width", "depth", "kernel" } do
  Builder[method] = function(_, name)
    error(("net:%s '%s': a mixture supernet takes net:choice of functions and net:cell_node; vega.supernet takes more"):format(method, name), 2)
  end
end

local OPTIONS = { weights = softmax, strength = core.op.softmax, init = "normal", partial = 1, channels = "first", edge_norm = false, extra = false,
  paths = 0, activations = false, second = "shared", switches = false, skip_dropout = false }

--- An empty builder; `input` is the shape of one sample. Options as in `new`.
local function builder(input, options)
  local o = {}
  for key, default in pairs(OPTIONS) do
    o[key] = options and options[key]
    if o[key] == nil then o[key] = default end
  end
  local self = { graph = core.graph.new(input), count = {}, options = o, places = {}, decisions = {}, norms = {}, once = {}, orders = {} }
  return setmetatable(self, Builder)
end

-- The supernet ------------------------------------------------------------------------------------------------------------------------

local NEW = { space = true, build = true, input = true, classes = true, seed = true }
for key in pairs(OPTIONS) do NEW[key] = true end

local function check_words(options)
  for key, words in pairs { init = { "normal", "zeros" }, channels = { "first", "random" }, second = { "shared", "relu" } } do
    if options[key] ~= nil and not util.contains(words, options[key]) then error(util.unknown("supernet.mixed", key, options[key], words), 3) end
  end
  for _, name in ipairs(options.activations or {}) do
    if not ACTIVATIONS[name] then error(util.unknown("supernet.mixed", "activation", name, util.sorted_keys(ACTIVATIONS)), 3) end
  end
  for key, least in pairs { partial = 1, paths = 0 } do
    local n = options[key] or least
    if math.type(n) ~= "integer" or n < least then
      error(("supernet.mixed: option '%s' must be an integer >= %d, got %s"):format(key, least, tostring(n)), 3)
    end
  end
  if (options.paths or 0) > 0 and options.edge_norm then error("supernet.mixed: options 'paths' and 'edge_norm' exclude each other", 3) end
end

-- The numbers of the slots as the builder left them.
local function first_settings(net)
  local list = {}
  for _, place in ipairs(net.decisions) do
    for row, slots in pairs(place.slots) do
      for path, slot in ipairs(slots) do list[slot] = path == 1 and 0 or #place.live[row] + (net.options.extra and 1 or 0) end
    end
  end
  if net.dropout_slot then list[net.dropout_slot] = net.options.skip_dropout end
  return #list > 0 and list or nil
end

--- @param options space (or `build`, a function of the builder), input (the shape of one sample; default the space's), classes, seed = 1, and those
-- of presets, above
local function new(options)
  util.check_options("supernet.mixed", options, NEW, 2)
  local space = options.space
  if type(space) == "string" then space = require "vega.space" (space) end
  local build, input = options.build or space and space.build, options.input or space and space.input
  if not build then error("supernet.mixed: option 'space' must be a search space with a build function", 2) end
  if not input then error("supernet.mixed: option 'input' is missing, and the space states none", 2) end
  check_words(options)
  local net = builder(input, options)
  net.classes = options.classes
  local output = build(net)
  local self = setmetatable({ space = space, graph = net.graph:output(output):materialise(options.seed or 1), decisions = net.decisions,
    options = net.options, orders = net.orders, dropout_slot = net.dropout_slot, settings = first_settings(net), places = net.places }, Mixture)
  self.buffers = self.graph:buffers()
  for _, order in ipairs(self.orders) do self:set_order(order, nil) end
  return self
end

return { new = new, builder = builder, Builder = Builder, softmax = softmax, activations = util.sorted_keys(ACTIVATIONS), options = OPTIONS }
