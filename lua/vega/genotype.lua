--- Genotypes of the DARTS family as text: the one line that the public projects print (Liu et al. 2019, arXiv:1806.09055).
--
--    local g = assert(vega.genotype.parse "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ...], normal_concat=range(2, 6), reduce=...)")
--    g.normal[1]          --> { op = "sep_conv_3x3", input = 0, node = 2 }
--    print(vega.genotype.text(g), vega.cost.count(vega.genotype.network(g)).params)
--
-- States are numbered as there: 0 and 1 are the outputs of the two cells before, 2 and on the nodes of the cell. In a flat list of pairs
-- ('op', input) two belong to each node; lists of lists hold a node each; triples ('op', node, input) name their node, which may have any number of
-- edges, or none.
local darts = require "vega.nn.darts"
local nn = require "vega.nn"
local util = require "vega.util"

local genotype = {}

--- The operations that public genotypes name.
genotype.OPS = { "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "dil_conv_3x3",
  "dil_conv_5x5", "conv_7x1_1x7" }
local KINDS = { "normal", "reduce" }
local FIELDS = { "normal", "normal_concat", "reduce", "reduce_concat" }
local FIRST_NODE = 2
local MOST = 1000                       -- the largest number: a list of states is as long as it says

-- Reading -----------------------------------------------------------------------------------------------------------------------------

local Reader = {}
Reader.__index = Reader

local function refuse(self, at, message, ...)
  local line, begin = 1, 1
  for next_line in self.text:sub(1, at - 1):gmatch "\n()" do line, begin = line + 1, next_line end
  error({ genotype = ("genotype: line %d, column %d: %s"):format(line, at - begin + 1, message:format(...)) }, 0)
end

local function refuse_word(self, at, what, word, known)
  refuse(self, at, "%s", (util.unknown("genotype", what, word, known):gsub("^genotype: ", "")))
end

function Reader:skip() self.at = self.text:find("%S", self.at) or #self.text + 1 end

-- The text that a pattern finds here, or nil.
function Reader:take(pattern)
  self:skip()
  local found = self.text:match("^" .. pattern, self.at)
  if found then self.at = self.at + #found end
  return found
end

function Reader:expect(pattern, what)
  local found = self:take(pattern)
  if found then return found end
  local rest = self.text:sub(self.at, self.at + 11):match "^[^\n]*"
  return refuse(self, self.at, "%s expected, found %s", what, rest == "" and "the end" or ("'%s'"):format(rest))
end

-- A list's members read by `read`, a comma after the last allowed. `open` has been taken.
function Reader:members(close, what, read)
  local list = {}
  while not self:take(close) do
    list[#list + 1] = read(self)
    if not self:take "," then
      self:expect(close, ("',' or the end of the %s"):format(what))
      break
    end
  end
  return list
end

function Reader:number()
  self:skip()
  local at, n = self.at, math.tointeger(tonumber(self:expect("%d+", "a number")))
  if not n or n > MOST then refuse(self, at, "numbers are 0 to %d", MOST) end
  return n
end

function Reader:op()
  self:skip()
  local at = self.at
  local quoted = self:take "'[^'\n]*'" or self:expect('"[^"\n]*"', "an operation's name in quotes")
  local name = quoted:sub(2, -2)
  if not util.contains(genotype.OPS, name) then refuse_word(self, at, "operation", name, genotype.OPS) end
  return name
end

-- ('op', input) or ('op', node, input)
function Reader:edge()
  self:skip()
  local edge = { at = self.at }
  self:expect("%(", "'(' or '['")
  edge.op = self:op()
  self:expect(",", "','")
  edge.input = self:number()
  if self:take "," and not self:take "%)" then
    edge.node, edge.input = edge.input, self:number()
    self:take ","
    self:expect("%)", "')'")
  elseif self.text:sub(self.at - 1, self.at - 1) ~= ")" then
    self:expect("%)", "')'")
  end
  return edge
end

local function check_edges(self, edges)
  for _, e in ipairs(edges) do
    if e.node < FIRST_NODE then refuse(self, e.at, "node %d: nodes are states %d and on", e.node, FIRST_NODE) end
    if e.input >= e.node then refuse(self, e.at, "state %d cannot enter node %d: it reads states 0 to %d", e.input, e.node, e.node - 1) end
    e.at = nil
  end
  return edges
end

-- The edges of a cell, in the order they stand.
function Reader:edges(name)
  self:expect("%[", "'['")
  local nested, flat, named, edges = false, false, false, {}
  local from = self.at
  self:members("%]", "list", function()
    self:skip()
    local at = self.at
    if self:take "%[" then
      nested = true
      local node = FIRST_NODE + (edges.nodes or 0)
      edges.nodes = (edges.nodes or 0) + 1
      for _, e in ipairs(self:members("%]", "list of a node", Reader.edge)) do
        if e.node then refuse(self, e.at, "a triple names its node: it cannot stand in the list of one") end
        e.node = node
        edges[#edges + 1] = e
      end
    else
      local e = self:edge()
      if e.node then named = true else
        flat = true
        e.node = FIRST_NODE + #edges // 2
      end
      edges[#edges + 1] = e
    end
    if (nested and 1 or 0) + (flat and 1 or 0) + (named and 1 or 0) > 1 then refuse(self, at, "pairs, triples and lists of nodes cannot be mixed") end
    return true
  end)
  if #edges == 0 then refuse(self, from, "%s has no edge", name) end
  if flat and #edges % 2 == 1 then refuse(self, from, "%s has %d pairs, an even number is expected: two a node", name, #edges) end
  edges.nodes = nil
  return check_edges(self, edges)
end

-- range(a, b) or [a, ...]: states whose outputs are the cell's.
function Reader:concat()
  self:skip()
  local at, list = self.at, {}
  if self:take "range" then
    self:expect("%(", "'('")
    local first = self:number()
    self:expect(",", "','")
    local last = self:number()
    self:expect("%)", "')'")
    for i = first, last - 1 do list[#list + 1] = i end
  else
    self:expect("%[", "'[' or 'range('")
    list = self:members("%]", "list", Reader.number)
  end
  return list, at
end

local function check_concat(self, g, name, at)
  local last = FIRST_NODE - 1
  for _, e in ipairs(g[name]) do last = math.max(last, e.node) end
  local list = g[name .. "_concat"]
  if #list == 0 then refuse(self, at, "%s_concat names no state", name) end
  for _, state in ipairs(list) do
    if state > last then refuse(self, at, "%s_concat names state %d, the last one of the cell is %d", name, state, last) end
  end
end

function Reader:genotype()
  local g, places = {}, {}
  self:take "[%a_][%w_]*%s*="
  self:expect("Genotype", "'Genotype('")
  self:expect("%(", "'('")
  self:members("%)", "genotype", function()
    self:skip()
    local at = self.at
    local field = self:expect("[%a_]+", "a field's name")
    if not util.contains(FIELDS, field) then refuse_word(self, at, "field", field, FIELDS) end
    if g[field] then refuse(self, at, "%s is stated twice", field) end
    self:expect("=", "'='")
    if field:find "_concat$" then g[field], places[field] = self:concat() else g[field] = self:edges(field) end
    return true
  end)
  for _, kind in ipairs(KINDS) do
    for _, field in ipairs { kind, kind .. "_concat" } do
      if not g[field] and (g[kind] or g[kind .. "_concat"] or not next(g)) then refuse(self, self.at, "%s is missing", field) end
    end
    if g[kind] then check_concat(self, g, kind, places[kind .. "_concat"]) end
  end
  self:skip()
  if self.at <= #self.text then refuse(self, self.at, "nothing expected after the genotype, found '%s'", self.text:sub(self.at, self.at + 11)) end
  return g
end

--- Reads a genotype of both cells, or of one where a network has no other: pairs, triples or lists of nodes, single or double quotes, any spaces and
-- lines, a name and `=` before, commas before the end.
-- @return { normal = edges, normal_concat = states, reduce =, reduce_concat = } | nil, message with line and column, "EFORMAT"
function genotype.parse(text)
  if type(text) ~= "string" then error("genotype.parse: a text expected, got " .. type(text), 2) end
  local ok, g = pcall(Reader.genotype, setmetatable({ text = text, at = 1 }, Reader))
  if ok then return g end
  if type(g) == "table" and g.genotype then return nil, g.genotype, "EFORMAT" end
  error(g, 0)
end

-- Writing -----------------------------------------------------------------------------------------------------------------------------

-- Whether each node has two edges and the nodes stand in order, so that pairs say it all.
local function is_paired(edges)
  for i, e in ipairs(edges) do if e.node ~= FIRST_NODE + (i - 1) // 2 then return false end end
  return #edges % 2 == 0
end

local function edges_text(edges)
  local parts, paired = {}, is_paired(edges)
  for i, e in ipairs(edges) do
    parts[i] = paired and ("('%s', %d)"):format(e.op, e.input) or ("('%s', %d, %d)"):format(e.op, e.node, e.input)
  end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local function concat_text(states)
  for i = 2, #states do if states[i] ~= states[i - 1] + 1 then return "[" .. table.concat(states, ", ") .. "]" end end
  return ("range(%d, %d)"):format(states[1], states[#states] + 1)
end

--- The canonical line: pairs where every node has two edges, else triples; range(a, b) where states follow each other.
function genotype.text(g)
  local parts = {}
  for _, kind in ipairs(KINDS) do
    if g[kind] then
      parts[#parts + 1] = ("%s=%s, %s_concat=%s"):format(kind, edges_text(g[kind]), kind, concat_text(g[kind .. "_concat"]))
    end
  end
  return ("Genotype(%s)"):format(table.concat(parts, ", "))
end

-- Building ----------------------------------------------------------------------------------------------------------------------------

local FORMS = { cifar = { cells = 20, channels = 36, input = { 32, 32, 3 }, classes = 10 },
  imagenet = { cells = 14, channels = 48, input = { 224, 224, 3 }, classes = 1000 } }
local NETWORK = { form = { "cifar", one_of = { "cifar", "imagenet" } }, cells = { 0, min = 0 }, channels = { 0, min = 0 }, classes = { 0, min = 0 },
  input = {}, auxiliary = { false }, auxiliary_weight = { 0.4, min = 0 }, drop_path = { 0.0, min = 0, max = 1 } }

-- Drop path behind what is not the edge's input itself, with probability p times the part of the training that is over.
local function dropper(net, p)
  if p == 0 then return function(y) return y end end
  local progress = net.graph:buffer("progress", { 1 })
  return function(y, x) return y and y ~= x and net:op("drop_path", { y, progress }, { p = p }) or y end
end

-- A cell's outputs; a node that nothing enters is zeros.
local function make_cell(net, layer, g, drop, kind, s0, s1, stride)
  local states, last = { [0] = s0, s1 }, FIRST_NODE - 1
  for _, e in ipairs(g[kind]) do last = math.max(last, e.node) end
  for node = FIRST_NODE, last do
    local terms = {}
    for _, e in ipairs(g[kind]) do
      local x = states[e.input]
      if e.node == node then terms[#terms + 1] = drop(layer[e.op](net, x, e.input < FIRST_NODE and stride or 1), x) end
    end
    local some = false
    for _, x in ipairs(terms) do some = some or x end
    states[node] = net:sum(terms, not some and (stride == 1 and s1 or net:max_pool(s1, { kernel = 1, stride = stride })) or nil)
  end
  local outputs = {}
  for i, state in ipairs(g[kind .. "_concat"]) do outputs[i] = states[state] end
  return outputs
end

--- The evaluation network of a genotype, without weights: count it, or materialise(seed) and train it. Batch norms have weights and biases.
-- An image of odd size gets a line of zeros at its ends where it is halved.
-- @param options form = "cifar" (20 cells, 36 channels, 32x32x3, 10 classes) or "imagenet" (14, 48, 224x224x3, 1000); cells, channels, input,
--   classes; auxiliary = true: a second head behind the cell at two thirds, whose loss times `auxiliary_weight` (0.4) training adds (see graph:output);
--   drop_path = p: in training, what an edge adds is dropped, a sample at a time, with a probability that train.fit lets grow from 0 to p over its
--   epochs. Edges that pass their input as it is are never dropped. The share of p in force is the buffer "progress".
-- @return graph
function genotype.network(g, options)
  local p = util.parameters("genotype.network", NETWORK, options or {}, 2)
  local form, reduces = FORMS[p.form], {}
  for _, key in ipairs { "cells", "channels", "classes" } do if p[key] == 0 then p[key] = form[key] end end
  for _, i in ipairs(darts.reductions(p.cells)) do reduces[i] = true end
  for i = 1, p.cells do
    local kind = reduces[i] and "reduce" or "normal"
    if not g[kind] then error(("genotype.network: the network has %s cells, the genotype has none"):format(kind), 2) end
  end
  local layer, net = darts.layers(false), nn.builder(p.input or form.input)
  local drop = dropper(net, p.drop_path)
  net.classes = p.classes
  local output, second = darts.network(net, layer, { n = p.cells, reduces = reduces, channels = p.channels, imagenet = p.form == "imagenet",
    auxiliary = p.auxiliary }, function(...) return make_cell(net, layer, g, drop, ...) end)
  if not output then error("genotype.network: " .. second, 2) end
  return net.graph:output(output, second and { auxiliary = second, weight = p.auxiliary_weight })
end

return genotype
