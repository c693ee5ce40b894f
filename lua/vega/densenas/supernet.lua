--- The supernet of a dense space. Fang et al. 2020, arXiv:1906.09607.
--    x_k = stack layers of (sum over predecessors i of p_ik * head layer_ik(x_i)),  p_i = softmax(beta_i / temperature) over the successors of i
-- A layer is one of its operators, the mixture of two, or the mixture of all, weighed by the softmax of the alphas that take part: slots of the graph
-- say which, and what they do not name is not computed. Every alpha is a parameter of its own, so that one that did not take part gets no gradient,
-- no momentum and no decay.
--    local net = Supernet.new(space, { classes = 10, channels = 1, seed = 1 })
--    net.graph:run(x, { train = true, slots = net:pairs_of(function(layer) return 1, 3 end) })
-- Batch norms have no gamma and beta, and always use the batch's statistics: run with train = true, for validation too. Their running statistics
-- have momentum 0 and stay what they were: the paper's code has momentum 0.1 and does not read them.
local core = require "vega.core"
local derive = require "vega.densenas.derive"
local network = require "vega.densenas.network"
local nn = require "vega.nn"
local ops = require "vega.densenas.ops"
local weights = require "vega.densenas.weights"

local Supernet = {}
Supernet.__index = Supernet

local NORM = { affine = false, eps = network.EPS, momentum = 0 }
local SMALL = 2000000                       -- fan of a normal draw with deviation sqrt(2 / fan) = 1e-3
local ONE, TWO, ALL = 0, 1, 2               -- operators a layer

-- Building ----------------------------------------------------------------------------------------------------------------------------

-- A parameter of the architecture; self.n_arch counts them: their order is that of graph:arena "arch".
local function arch_param(self, name, n)
  local node = self.net.graph:param("arch." .. name, { 1, n }, "kaiming_normal", SMALL, true, "arch")
  local first = self.n_arch + 1
  self.n_arch = self.n_arch + n
  return node, first
end

local function softmax(self, nodes, temperature)
  local net = self.net
  local row = #nodes > 1 and net:op("concat", nodes, { axis = 2 }) or nodes[1]
  if temperature ~= 1 then row = net:op("scale", row, { factor = 1 / temperature }) end
  return net:op("softmax", row)
end

-- sum_k row[k] * terms[k]
local function mix(self, row, terms)
  local inputs = { row }
  for k, x in ipairs(terms) do inputs[3 * k - 1], inputs[3 * k], inputs[3 * k + 1] = x, false, false end
  return self.net:op("mix", inputs, { row = 0 })
end

local function choice(self, name, slot, nodes) return self.net.graph:choice(name, slot, nodes) end

-- A layer on x: a choice of how many operators take part, and, by two slots, of which.
local function layer(self, list, k, place, operators, x, stride)
  local name, graph, terms = ("%s%d.%d"):format(list, k, place), self.net.graph, {}
  local known = { list = list, block = k, place = place, n = #operators, alpha = {} }
  for o, op in ipairs(operators) do terms[o] = ops.get(op)(self.net, x, self.space.width[k], stride, NORM) end
  self.layers[#self.layers + 1] = known
  if #operators == 1 then return terms[1] end
  local alphas, temperature = {}, self.space.temperature
  for o, op in ipairs(operators) do alphas[o], known.alpha[o] = arch_param(self, ("%s.%s"):format(name, op), 1) end
  known.slots = { graph:slot(0), graph:slot(1) }
  local one = choice(self, name .. ".first", known.slots[1], terms)
  local two = choice(self, name .. ".second", known.slots[2], terms)
  local two_weights = softmax(self, { choice(self, name .. ".first_alpha", known.slots[1], alphas),
    choice(self, name .. ".second_alpha", known.slots[2], alphas) }, temperature)
  return choice(self, name, self.mode, { one, mix(self, two_weights, { one, two }), mix(self, softmax(self, alphas, temperature), terms) })
end

-- What enters block k: the sum over its predecessors of p_ik * body(i, place among them).
local function gather(self, k, body)
  local p, terms = {}, {}
  for j, i in ipairs(self.space.predecessors[k]) do
    terms[j] = body(i, j)
    p[j] = self.p[i][k]
  end
  local row = #p > 1 and self.net:op("concat", p, { axis = 2 }) or p[1]
  if k == self.space.last and self.tail_double_softmax then row = self.net:op("softmax", row) end
  return mix(self, row, terms)
end

-- The probabilities of the edges that leave block i.
local function leave(self, i)
  local after = self.space.successors[i]
  local node, first = arch_param(self, "edges" .. i, #after)
  local p = softmax(self, { node }, self.space.temperature)
  self.p[i], self.edges[i] = {}, first
  for j, k in ipairs(after) do self.p[i][k] = #after > 1 and self.net:slice_channels(p, j, j) or p end
end

local function build(self)
  local space, net, x = self.space, self.net, {}
  x[0] = network.stem(net, space.width[0], space.stem_stride, NORM)
  if space.first then x[0] = ops.get(space.first)(net, x[0], space.width[0], 1, NORM) end
  leave(self, 0)
  for k = 1, space.last - 1 do
    x[k] = gather(self, k, function(i, b) return layer(self, "head", k, b, space.head, x[i], space.side[i] // space.side[k]) end)
    for l = 1, space.layers[k] do x[k] = layer(self, "stack", k, l, space.stack, x[k], 1) end
    leave(self, k)
  end
  local y = gather(self, space.last, function(i) return network.tail(net, x[i], space:channels(space.last), NORM) end)
  return network.classifier(net, y)
end

--- @param options classes = 1000, channels = 3 of the images, seed = 1 (false: no weights are drawn, to be counted), tail_double_softmax = false: a
-- second softmax over the probabilities that enter the tail, which the paper's code has and its formula has not
function Supernet.new(space, options)
  local o = options or {}
  local net = nn.builder { space.input, space.input, o.channels or 3 }
  net.classes = o.classes or 1000
  local self = setmetatable({ space = space, net = net, graph = net.graph, mode = net.graph:slot(ONE), layers = {}, edges = {}, p = {}, n_arch = 0,
    tail_double_softmax = o.tail_double_softmax }, Supernet)
  net.graph:output(build(self))
  if o.seed ~= false then self.graph:materialise(o.seed or 1) end
  return self
end

-- Slots -------------------------------------------------------------------------------------------------------------------------------

-- One number for each slot; of(layer) gives the places (from 1) of the operators that take part.
local function slots_of(self, mode, of)
  local slots = { mode }
  for _, d in ipairs(self.layers) do
    if d.slots then
      local first, second = of(d)
      slots[d.slots[1]], slots[d.slots[2]] = first - 1, (second or first) - 1
    end
  end
  return slots
end

--- The slots that give each layer one operator, two, or all of them. of(layer) -> place or places, from 1; a layer is { list = "head" | "stack",
-- block =, place =, n = operators, alpha = places in graph:arena "arch" }.
function Supernet:singles(of) return slots_of(self, ONE, of) end
function Supernet:pairs_of(of) return slots_of(self, TWO, of) end
function Supernet:all() return slots_of(self, ALL, function() return 1, 2 end) end

-- Parameters --------------------------------------------------------------------------------------------------------------------------

--- The architecture's parameters: { edges = { [i] = { beta of each successor } }, head = { [k] = { [b] = { alpha of each operator } } }, stack =
-- { [k] = { [l] = { ... } } } }, places as in vega.densenas.weights; zeros where a layer has one operator.
function Supernet:parameters()
  local values, result = self.graph:arena "arch":totable(), { edges = {}, head = {}, stack = {} }
  for i = 0, self.space.last - 1 do result.edges[i] = table.move(values, self.edges[i], self.edges[i] + #self.space.successors[i] - 1, 1, {}) end
  for _, d in ipairs(self.layers) do
    local row = {}
    for o = 1, d.n do row[o] = d.alpha[o] and values[d.alpha[o]] or 0.0 end
    result[d.list][d.block] = result[d.list][d.block] or {}
    result[d.list][d.block][d.place] = row
  end
  return result
end

local function softmax_of(row, temperature)
  local p = derive.log_softmax(row, temperature)
  for j, v in ipairs(p) do p[j] = math.exp(v) end
  return p
end

local function ALL_OF() end

--- The probabilities that these parameters mean, as vega.densenas.weights has them. drawn(layer) -> first, second, or nil for all: the operators
-- among which a layer's are shared out, the others' being 0.
function Supernet:weights(parameters, drawn)
  local T, beta, n = self.space.temperature, {}, 0
  for i = 0, self.space.last - 1 do beta[i] = softmax_of(parameters.edges[i], T) end
  return weights.rows(self.space, beta, function(list, k, place)
    n = n + 1
    local d, row = self.layers[n], parameters[list][k][place]
    local first, second = (drawn or ALL_OF)(d)
    if not first then return softmax_of(row, T) end
    local p, two = {}, softmax_of({ row[first], row[second] }, T)
    for o = 1, d.n do p[o] = 0.0 end
    p[first], p[second] = two[1], two[2]
    return p
  end)
end

--- @return architecture, path, log probability of the path
function Supernet:derive() return derive.architecture(self.space, self:parameters()) end

-- Validation --------------------------------------------------------------------------------------------------------------------------

-- Samples, those that are right, the sum of their losses.
local function score(logits, y)
  local n, right = y:shape()[1], 0
  local best <close> = core.op.argmax(logits, { axis = 2 })
  local labels = y:totable()
  for i, class in ipairs(best:totable()) do if class == labels[i] then right = right + 1 end end
  local loss <close> = core.op.cross_entropy(logits:to "f32", y)
  return n, right, n * loss:item()
end

--- Accuracy and mean loss over one pass of a loader, with all operators (or those of `slots`) and the batches' own statistics.
-- @return { accuracy, loss, n } | nil, message, code
function Supernet:evaluate(loader, slots)
  slots = slots or self:all()
  local n, correct, loss = 0, 0, 0.0
  while true do
    local images, labels, code = loader:next()
    if code then return nil, labels, code end
    if not images then break end
    local x <close>, y = images, labels
    local logits <close> = self.graph:run(x, { train = true, slots = slots })
    local count, right, sum = score(logits, y)
    n, correct, loss = n + count, correct + right, loss + sum
  end
  if n == 0 then return nil, "densenas: the validation set is empty", "EARG" end
  return { accuracy = correct / n, loss = loss / n, n = n }
end

function Supernet:__tostring()
  return ("dense supernet of '%s': %d weights, %d architecture parameters"):format(self.space.name, self.graph:n_params() - self.n_arch, self.n_arch)
end

return Supernet
