--- DARTS-PT: an operation is worth what the supernet's accuracy loses without it. Wang et al. 2021, arXiv:2108.04392.
-- Edges are decided one after the other, in random order, one of each kind of cell in turn: each candidate in turn is taken out, the weights of the
-- others staying as they are; the one whose removal hurts most is kept, alone. Then nodes, in random order, give up edges, always the one that is
-- missed least, until they have as many as the space says. None is kept by choices only. Accuracies are those of batch statistics; of equal ones the
-- larger loss decides, then the earlier candidate.
-- Reads found.space, found.net, found.normalise; the supernet is as before afterwards, but for its weights where `tune` is given.
-- Options: data (the validation set), batch = 256, seed = 1, tune = { data =, epochs = 5, lr = 0.0025, batch = 64 }: after each decision the weights
-- are trained on; the architecture parameters are not, where the public code trains those of undecided edges, too.
-- @return arch, steps = { { name =, row =, op = label kept | "edge", score = accuracy without it }, ... } | nil, message, code
local readout = require "vega.supernet.readout"
local rng_of = require("vega.core").rng
local train = require "vega.train"
local util = require "vega.util"

local OPTIONS = { data = {}, batch = { 256, min = 1 }, seed = { 1 }, tune = {}, normalise = {} }
local TUNE = { data = {}, epochs = { 5, min = 1 }, lr = { 0.0025, min = 0 }, batch = { 64, min = 1 } }

local Reader = {}
Reader.__index = Reader

local Failure = {}

function Reader:score()
  local score, message, code = self.net:score(self.o.data, { batch = self.o.batch, normalise = self.normalise })
  if not score then error(setmetatable({ message = message, code = code }, Failure)) end
  return score
end

local function is_worse(a, b) return a.accuracy < b.accuracy or a.accuracy == b.accuracy and a.loss > b.loss end

-- Weights trained on for a few epochs, from a small rate down to zero.
function Reader:tune()
  local t = self.o.tune
  if not t then return end
  self.n_tuned = (self.n_tuned or 0) + 1
  local ok, message, code = train.fit { model = self.net.graph, data = t.data, epochs = t.epochs, batch = t.batch, clip = 5,
    normalise = self.normalise, seed = self.o.seed + self.n_tuned, schedule = { name = "cosine" },
    optimiser = { name = "sgd", lr = t.lr, momentum = 0.9, weight_decay = 3e-4 } }
  if not ok then error(setmetatable({ message = message, code = code }, Failure)) end
end

-- The operation of an edge: the one that is missed most.
function Reader:decide(edge)
  local d, worst, kept = edge.d, nil, nil
  for _, k in ipairs(d.live[edge.row]) do
    local label = d.labels[k]
    if label ~= "none" or not edge.node then
      local bring_back = self.net:drop(d.name, edge.row, label)
      local score = self:score()
      bring_back()
      if not worst or is_worse(score, worst) then worst, kept = score, label end
    end
  end
  self.net:keep(d.name, edge.row, kept)
  edge.op = kept
  table.insert(self.steps, { name = d.name, row = edge.row, op = kept, score = worst.accuracy })
  self:tune()
end

-- A node's edges down to k.
function Reader:thin(name, edges, k)
  while #edges > k do
    local best, at
    for i, edge in ipairs(edges) do
      local bring_back = self.net:drop(name, edge.row)
      local score = self:score()
      bring_back()
      if not best or is_worse(best, score) then best, at = score, i end
    end
    self.net:drop(name, edges[at].row)
    table.insert(self.steps, { name = name, row = edges[at].row, op = "edge", score = best.accuracy })
    table.remove(edges, at)
    self:tune()
  end
end

-- All edges, shuffled, the kinds of cells taking turns; and the nodes with theirs, shuffled.
local function plan(found, rng)
  local kinds, names, nodes, order = {}, {}, {}, {}
  for _, d in ipairs(found.net:weights()) do
    local is_node, kind, own = not found.space.by_name[d.name], d.name:match "^([%a_]+)%." or "", {}
    if not kinds[kind] then kinds[kind], names[#names + 1] = {}, kind end
    for row = 1, #d.rows do own[row] = { d = d, row = row, node = is_node } end
    table.move(own, 1, #own, #kinds[kind] + 1, kinds[kind])
    if is_node then nodes[#nodes + 1] = { name = d.name, edges = own } else nodes[#nodes + 1] = { name = d.name, choice = own[1] } end
  end
  local longest = 0
  for _, name in ipairs(names) do
    rng:shuffle(kinds[name])
    longest = math.max(longest, #kinds[name])
  end
  for i = 1, longest do for _, name in ipairs(names) do order[#order + 1] = kinds[name][i] end end
  return order, rng:shuffle(nodes)
end

local function read(self, found)
  local arch = {}
  local order, nodes = plan(found, rng_of.new(self.o.seed, "perturbation"))
  for _, edge in ipairs(order) do self:decide(edge) end
  for _, node in ipairs(nodes) do
    if node.choice then arch[node.name] = node.choice.op
    else
      local kept = {}
      self:thin(node.name, node.edges, readout.kept(found.space, node.name))
      for i, edge in ipairs(node.edges) do kept[i] = { state = edge.row, op = edge.op } end
      readout.put(arch, node.name, kept)
    end
  end
  return readout.checked(found.space, arch)
end

return function(found, options)
  local o = util.parameters("readout.perturbation", OPTIONS, options or {}, 2)
  if not o.data then error("readout.perturbation: option 'data', a validation set, is missing", 2) end
  if o.tune then
    o.tune = util.parameters("readout.perturbation: tune", TUNE, o.tune, 2)
    if not o.tune.data then error("readout.perturbation: tune.data, a training set, is missing", 2) end
  end
  if found.net.options.paths > 0 then
    error("readout.perturbation: the supernet computes sampled paths only; a mixture of all candidates is needed", 2)
  end
  local normalise = o.normalise
  if normalise == nil then normalise = found.normalise end
  local self = setmetatable({ net = found.net, o = o, normalise = normalise, steps = {} }, Reader)
  found.net:clear()
  local ok, arch = pcall(read, self, found)
  found.net:clear()
  if ok then return arch, self.steps end
  if getmetatable(arch) == Failure then return nil, arch.message, arch.code end
  error(arch, 0)
end
