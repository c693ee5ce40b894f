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
-- Presets differ in three options:
--    weights(net, alpha, name) -> node    the rows of mixture weights from the node of the parameters, by operators (net:op); default softmax over
--                                         each row. Called once a name. It may add buffers (net.graph:buffer) that the search fills before each
--                                         step through net.graph:buffers(): noise, a temperature, a mask.
--    partial = K                          1/K of the channels pass through a mixture, the others around it; shuffled after. Xu et al. 2020,
--                                         arXiv:1907.05737. A mixture that halves the image takes a 2x2 max pool of the others.
--    edge_norm = true                     a cell node weighs its edges with softmax(beta), `arch.NAME.edges` [states] (same paper)
local core = require "vega.core"
local nn = require "vega.nn"
local recorder = require "vega.space.recorder"
local util = require "vega.util"

local Builder = setmetatable({}, { __index = nn.Net })
Builder.__index = Builder

local SMALL = 2000000                       -- fan of a normal draw with deviation sqrt(2 / fan) = 1e-3

--- Softmax over the candidates of each row.
local function softmax(net, alpha) return net:op("softmax", alpha) end

-- The decision of a name: its labels and the node of its weights. A name that comes again must offer the same.
local function decision(self, name, labels, rows)
  local known = self.places[name]
  if not known then
    local alpha = self.graph:param("arch." .. name, { rows, #labels }, "kaiming_normal", SMALL, true, "arch")
    known = { name = name, labels = labels, rows = rows, weights = self.options.weights(self, alpha, name) }
    self.places[name], self.decisions[#self.decisions + 1] = known, known
  elseif known.rows ~= rows or table.concat(known.labels, "\0") ~= table.concat(labels, "\0") then
    error(("supernet: decision '%s' is stated twice with different options"):format(name), 3)
  end
  return known
end

-- Batch norms without gamma and beta are remembered: a mixture normalises such a term itself, without storing it.
function Builder:batch_norm(x, opts)
  local o = opts or {}
  local y = nn.Net.batch_norm(self, x, opts)
  if o.affine == false and (o.act or "none") == "none" then
    self.norms[y] = { x = x, eps = o.eps or 1e-5, momentum = o.momentum or 0.1, mean = y - 2, var = y - 1 }      -- buffers come right before
  end
  return y
end

--- The ReLU of a node is computed once, however many candidates begin with it.
function Builder:relu(x)
  self.relus[x] = self.relus[x] or nn.Net.relu(self, x)
  return self.relus[x]
end

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

local function mixture(self, known, row, x, apply)
  local terms = {}
  for i, label in ipairs(known.labels) do terms[i] = apply(label, x) or false end
  return mix(self, known.weights, row, terms)
end

-- Part of the channels through the mixture, the others around it.
local function partial(self, known, row, x, apply)
  local parts, channels = self.options.partial, self:channels(x)
  if parts == 1 then return mixture(self, known, row, x, apply) end
  if channels % parts ~= 0 then error(("supernet: %d channels cannot be parted into %d for '%s'"):format(channels, parts, known.name), 3) end
  local key = x
  local cut = self.cuts[key]
  if not cut then
    cut = { through = self:slice_channels(x, 1, channels // parts), around = self:slice_channels(x, channels // parts + 1, channels) }
    self.cuts[key] = cut
  end
  local y, around = mixture(self, known, row, cut.through, apply), cut.around
  if not y then error(("supernet: all candidates of '%s' are nothing; partial channels want one that is something"):format(known.name), 3) end
  if self:shape(y)[2] < self:shape(x)[2] then
    cut.pooled = cut.pooled or self:max_pool(around, { kernel = 2, stride = 2 })
    around = cut.pooled
  end
  return self:op("channel_shuffle", self:concat { y, around }, { groups = parts })
end

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
    return partial(self, known, 1, arguments[at], function(label, from)
      arguments[at] = from
      return meaning[label](table.unpack(arguments, 1, arguments.n))
    end)
  end
end

function Builder:cell_node(name, states, ops, k)
  local cell, edges = recorder.cell_node(name, states, ops, k), {}
  local known = decision(self, name, cell.labels, #states)
  for i, state in ipairs(cell.states) do
    local x, stride = table.unpack(state)
    edges[i] = partial(self, known, i, x, function(label, from) return cell.meaning[label](self, from, stride) end)
  end
  if not self.options.edge_norm then return self:sum(edges, recorder.like_cell_node(self, cell)) end
  known.edges = known.edges or softmax(self, self.graph:param(("arch.%s.edges"):format(name), { #states }, "kaiming_normal", SMALL, true, "arch"))
  return mix(self, known.edges, 1, edges)
end

for _, method in ipairs { "subset", "width", "depth", "kernel" } do
  Builder[method] = function(_, name)
    error(("net:%s '%s': a mixture supernet takes net:choice of functions and net:cell_node; vega.supernet takes more"):format(method, name), 2)
  end
end

local OPTIONS = { weights = softmax, partial = 1, edge_norm = false }

--- An empty builder; `input` is the shape of one sample. Options as in `new`.
local function builder(input, options)
  local o = {}
  for key, default in pairs(OPTIONS) do
    o[key] = options and options[key]
    if o[key] == nil then o[key] = default end
  end
  local self = { graph = core.graph.new(input), count = {}, options = o, places = {}, decisions = {}, norms = {}, relus = {}, cuts = {} }
  return setmetatable(self, Builder)
end

local Mixed = {}
Mixed.__index = Mixed

local NEW = { space = true, build = true, input = true, classes = true, seed = true, weights = true, partial = true, edge_norm = true }

--- @param options space (or `build`, a function of the builder), input (the shape of one sample; default the space's), classes, seed = 1, and the
-- three of presets: weights, partial, edge_norm
local function new(options)
  util.check_options("supernet.mixed", options, NEW, 2)
  local space, parts = options.space, options.partial or 1
  if type(space) == "string" then space = require "vega.space" (space) end
  local build, input = options.build or space and space.build, options.input or space and space.input
  if not build then error("supernet.mixed: option 'space' must be a search space with a build function", 2) end
  if not input then error("supernet.mixed: option 'input' is missing, and the space states none", 2) end
  if math.type(parts) ~= "integer" or parts < 1 then error("supernet.mixed: option 'partial' must be an integer >= 1, got " .. tostring(parts), 2) end
  local net = builder(input, options)
  net.classes = options.classes
  local output = build(net)
  return setmetatable({ space = space, graph = net.graph:output(output):materialise(options.seed or 1), decisions = net.decisions }, Mixed)
end

--- The architecture parameters: a list of { name, labels, alpha = tensor [rows, candidates], beta = tensor [rows] | nil }.
-- The tensors share memory with the graph.
function Mixed:parameters()
  local params, list = self.graph:params(), {}
  for i, d in ipairs(self.decisions) do
    list[i] = { name = d.name, labels = d.labels, alpha = params["arch." .. d.name], beta = params[("arch.%s.edges"):format(d.name)] }
  end
  return list
end

--- Softmax of the parameters: a list of { name, labels, rows = { { weight, ... }, ... }, edges = { weight, ... } | nil }, one row an edge.
function Mixed:weights()
  local list = {}
  for i, p in ipairs(self:parameters()) do
    local w, rows = core.op.softmax(p.alpha), {}
    for r = 1, w:shape()[1] do
      rows[r] = {}
      for k = 1, #p.labels do rows[r][k] = w:get(r, k) end
    end
    list[i] = { name = p.name, labels = p.labels, rows = rows, edges = p.beta and core.op.softmax(p.beta):totable() or nil }
  end
  return list
end

function Mixed:__tostring()
  local space = self.space and (" of space '%s'"):format(self.space.name) or ""
  return ("mixture supernet%s: %d parameters, %d decisions"):format(space, self.graph:n_params(), #self.decisions)
end

return { new = new, builder = builder, Builder = Builder, softmax = softmax }
