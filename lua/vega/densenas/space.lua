--- A dense search space: blocks in a row, each with a width, and the rule which may feed which. Fang et al. 2020, arXiv:1906.09607.
--
--     local space = require "vega.densenas.space" "mobilenet_v2"
--     local own = require "vega.densenas.space" { input = 28, reach = 3, tail = 64, head = { "mbconv_k3_t3", "mbconv_k3_t6" },
--       stack = { "mbconv_k3_t3", "skip_connect" }, widths = { 8, 12, 16, 24 }, sides = { 14, 14, 7, 7 }, stages = { 0, 1, 2, 2 },
--       layers = { 0, 2, 2, 0 } }
--     print(space.n_paths, space.edges)                                --> 15456  54
--
-- Blocks are numbered as in the paper: 0 is the output of the stem, the last one, space.last, is the tail: a 1x1 convolution for each block that
-- may feed it. Block i may feed i + 1, i + 2, ... up to i + reach, as far as the stage grows by at most 1 and the side stays or halves: at the
-- first block where that fails the row ends.
--
-- An architecture is the list of its rows { from = width, to = width, head = operator, stack = { operators }, stride = }, skips left out; the last
-- one is { from =, to =, head = "conv1_1" }. Its field `stem_stride` is there when that is not 2.
local chain = require "vega.cost.chain"
local ops = require "vega.densenas.ops"
local plugin = require "vega.plugin"
local util = require "vega.util"

local Space = {}
Space.__index = Space

local MOST_INPUTS = 10                          -- of the operator that adds up what enters a block

-- Checking ----------------------------------------------------------------------------------------------------------------------------

local DECLARED = {
  name = { "own" }, input = { 224, min = 1 }, first = {}, reach = { 4, min = 1 }, tail = { 1, min = 1 }, temperature = { 1.0, min = 1e-6 },
  skip_share = { 0.0, min = 0 }, widths = {}, sides = {}, stages = {}, layers = {}, head = {}, stack = {},
}
local LISTS = { { "widths", 1 }, { "sides", 1 }, { "stages", 0 }, { "layers", 0 } }

local function refuse(level, message, ...) error("densenas.space: " .. message:format(...), level + 1) end

local function check_lists(o, level)
  for _, rule in ipairs(LISTS) do
    local name, least = rule[1], rule[2]
    local list = o[name]
    if type(list) ~= "table" or #list < 2 then refuse(level + 1, "%s: a list with a number for each block expected, two or more", name) end
    if #list ~= #o.widths then refuse(level + 1, "%s has %d entries, widths has %d: one for each block expected", name, #list, #o.widths) end
    for i, v in ipairs(list) do
      if math.type(v) ~= "integer" or v < least then refuse(level + 1, "%s[%d] must be a whole number >= %d, got %s", name, i, least, tostring(v)) end
    end
  end
  for i = 2, #o.widths do
    if o.sides[i] > o.sides[i - 1] then refuse(level + 1, "sides[%d] is %d after %d: sides may not grow", i, o.sides[i], o.sides[i - 1]) end
    if o.stages[i] < o.stages[i - 1] then refuse(level + 1, "stages[%d] is %d after %d: stages may not fall", i, o.stages[i], o.stages[i - 1]) end
  end
  if o.layers[1] ~= 0 then refuse(level + 1, "layers[1] must be 0: the stem has no layers to choose, got %d", o.layers[1]) end
end

local function check_ops(o, level)
  for _, name in ipairs { "head", "stack" } do
    if type(o[name]) ~= "table" or #o[name] == 0 then refuse(level + 1, "%s: a list of operators expected", name) end
    if #o[name] > MOST_INPUTS then refuse(level + 1, "%s: at most %d operators, got %d", name, MOST_INPUTS, #o[name]) end
    for i, op in ipairs(o[name]) do
      local _, message = ops.get(op)
      if message then refuse(level + 1, "%s[%d]: %s", name, i, message) end
      if name == "head" and op == "skip_connect" then refuse(level + 1, "head[%d]: skip_connect cannot change widths; it belongs into stack", i) end
      local other = op ~= "skip_connect" and ops.expansion(op) ~= ops.expansion(o.head[1])
      if other then refuse(level + 1, "%s[%d]: %s and %s give different widths and cannot be candidates of one space", name, i, op, o.head[1]) end
    end
  end
  local _, message = ops.get(o.first or "skip_connect")
  if message then refuse(level + 1, "first: %s", message) end
end

-- The graph ---------------------------------------------------------------------------------------------------------------------------

-- successors[i] and predecessors[k], the nearest first. A block that feeds any feeds the next one: when none is said to feed nothing, paths from the
-- stem reach all of them and lead on to the tail.
local function connect(s, o, level)
  local ok, net = pcall(chain.space, { channels = o.widths, sides = o.sides, stages = o.stages, reach = o.reach, tail_stage = s.stage[s.last] })
  if not ok then refuse(level + 1, "%s", (tostring(net):gsub("^%S*:%d+: ", ""):gsub("^chain.space: ", ""))) end
  s.net, s.successors, s.predecessors, s.edges, s.n_paths = net, net.out, net.into, 0, chain.n_paths(net)
  s.successors[s.last] = {}
  for i = 0, s.last - 1 do
    s.edges = s.edges + #s.successors[i]
    for _, k in ipairs(s.successors[i]) do
      local ratio = s.side[i] / s.side[k]
      if k == s.last and ratio ~= 1 then
        refuse(level + 1, "block %d of side %d may feed the tail of side %d; give it an earlier stage than the last blocks", i, s.side[i], s.side[k])
      end
      if ratio ~= 1 and ratio ~= 2 then
        refuse(level + 1, "block %d has side %d, block %d has %d: sides stay or halve", i, s.side[i], k, s.side[k])
      end
    end
  end
  for k = 1, s.last do
    local n = #s.predecessors[k]
    if n > MOST_INPUTS then refuse(level + 1, "block %d has %d predecessors, at most %d are possible; lower reach", k, n, MOST_INPUTS) end
  end
end

local function make(given, name, level)
  local o = util.parameters("densenas.space", DECLARED, given, level + 1)
  check_lists(o, level + 1)
  check_ops(o, level + 1)
  local s = setmetatable({ name = name or o.name, input = o.input, first = o.first, reach = o.reach, temperature = o.temperature,
    skip_share = o.skip_share, head = o.head, stack = o.stack, last = #o.widths, width = {}, side = {}, stage = {}, layers = {} }, Space)
  for i, width in ipairs(o.widths) do
    s.width[i - 1], s.side[i - 1], s.stage[i - 1], s.layers[i - 1] = width, o.sides[i], o.stages[i], o.layers[i]
  end
  local last = s.last
  s.width[last], s.side[last], s.stage[last], s.layers[last] = o.tail, s.side[last - 1], s.stage[last - 1] + 1, 0
  s.stem_stride = o.input // s.side[0]
  if s.stem_stride * s.side[0] ~= o.input or s.stem_stride > 2 then
    refuse(level + 1, "input is %d, sides[1] must be that or its half, got %d", o.input, s.side[0])
  end
  s.expansion = ops.expansion(s.head[1])
  connect(s, o, level + 1)
  return s
end

--- Channels of a block's output.
function Space:channels(k) return k == 0 and self.width[0] or self.expansion * self.width[k] end

--- Calls f(list, k, place, operators, from) for each layer whose operator is chosen, in the order of execution: list "head", block k, its predecessor
-- number `place`, which is block `from`; and "stack", block k, layer number `place`.
function Space:each_layer(f)
  for k = 1, self.last - 1 do
    for b, i in ipairs(self.predecessors[k]) do f("head", k, b, self.head, i) end
    for l = 1, self.layers[k] do f("stack", k, l, self.stack) end
  end
end

--- Architecture parameters: of edges, of head layers, of layers in blocks. Layers with one operator have none.
function Space:n_parameters()
  local n = { edges = self.edges, head = 0, stack = 0 }
  self:each_layer(function(list, _, _, operators) if #operators > 1 then n[list] = n[list] + #operators end end)
  return n
end

--- How many architectures there are, skips left out and as they are stated. Doubles: there may be 1e45.
function Space:size()
  local solid = #self.stack
  for _, op in ipairs(self.stack) do if op == "skip_connect" then solid = solid - 1 end end
  local function count(of_layers)
    local from = { [self.last] = 1.0 }
    for i = self.last - 1, 0, -1 do
      from[i] = 0.0
      for _, k in ipairs(self.successors[i]) do
        from[i] = from[i] + from[k] * (k == self.last and 1 or #self.head * of_layers(self.layers[k]))
      end
    end
    return from[0]
  end
  local function distinct(n)
    if solid == #self.stack then return solid ^ n end
    local sum = 0
    for kept = 0, n do sum = sum + solid ^ kept end
    return sum
  end
  return count(distinct), count(function(n) return (#self.stack) ^ n end)
end

--- All paths, as lists of blocks from 0 to the tail. For small spaces.
function Space:paths()
  local list, path = {}, { 0 }
  local function follow(i)
    if i == self.last then list[#list + 1] = { table.unpack(path) } end
    for _, k in ipairs(self.successors[i]) do
      path[#path + 1] = k
      follow(k)
      path[#path] = nil
    end
  end
  follow(0)
  return list
end

-- Architectures -----------------------------------------------------------------------------------------------------------------------

local function place_of(list, wanted)
  for j, v in ipairs(list) do if v == wanted then return j end end
end

--- The architecture of a path. head(k, b), for predecessor number b, and stack(k, l) give the operators.
function Space:architecture(path, head, stack)
  local w, arch = self.width, {}
  if self.first then arch[1] = { from = w[0], to = w[0], head = self.first, stack = {}, stride = 1 } end
  for n = 2, #path - 1 do
    local i, k = path[n - 1], path[n]
    local row = { from = w[i], to = w[k], head = head(k, place_of(self.predecessors[k], i)), stack = {}, stride = self.side[i] // self.side[k] }
    for l = 1, self.layers[k] do
      local op = stack(k, l)
      if op ~= "skip_connect" then row.stack[#row.stack + 1] = op end
    end
    arch[#arch + 1] = row
  end
  arch[#arch + 1] = { from = w[path[#path - 1]], to = w[self.last], head = "conv1_1" }
  if self.stem_stride ~= 2 then arch.stem_stride = self.stem_stride end
  return arch
end

--- A random architecture: successors and operators with equal probabilities.
function Space:random(rng)
  local path = { 0 }
  while path[#path] ~= self.last do path[#path + 1] = rng:pick(self.successors[path[#path]]) end
  return self:architecture(path, function() return rng:pick(self.head) end, function() return rng:pick(self.stack) end)
end

local function fits(self, row, i, k)
  if row.from ~= self.width[i] or row.to ~= self.width[k] then return false end
  if k == self.last then return row.head == "conv1_1" end
  local ok = row.stride == self.side[i] // self.side[k] and util.contains(self.head, row.head)
    and (#row.stack == self.layers[k] or #row.stack < self.layers[k] and util.contains(self.stack, "skip_connect"))
  for _, op in ipairs(row.stack) do ok = ok and util.contains(self.stack, op) end
  return ok
end

--- The path of an architecture of this space, or nil and what does not fit.
function Space:locate(arch)
  local begin, deepest = self.first and 2 or 1, 0
  local path = { 0 }
  local function follow(n)
    deepest = math.max(deepest, n)
    local i, row = path[#path], arch[n]
    if i == self.last then return n == #arch + 1 end
    for _, k in ipairs(row and self.successors[i] or {}) do
      if fits(self, row, i, k) then
        path[#path + 1] = k
        if follow(n + 1) then return true end
        path[#path] = nil
      end
    end
    return false
  end
  local first = arch[1]
  if self.first and not (first and first.head == self.first and first.from == self.width[0] and first.to == self.width[0]) then
    return nil, ("row 1: %d->%d %s expected"):format(self.width[0], self.width[0], self.first)
  end
  if follow(begin) then return path end
  local row = arch[deepest]
  if not row then return nil, "it ends before the tail" end
  return nil, ("row %d: %d->%d %s does not go on from what is before it in space '%s'"):format(deepest, row.from, row.to, row.head, self.name)
end

--- What tells one space from another: a table of costs or a checkpoint of another one is refused by it.
function Space:fingerprint()
  local parts = { self.input, self.first or "-", table.concat(self.head, ","), table.concat(self.stack, ",") }
  for i = 0, self.last do
    parts[#parts + 1] = ("%d/%d/%d:%s"):format(self.width[i], self.side[i], self.layers[i], table.concat(self.successors[i], ","))
  end
  return ("%016x"):format(util.fnv(table.concat(parts, "|")))
end

function Space:__tostring()
  return ("dense space '%s': %d blocks with the tail, %d edges, %d paths"):format(self.name, self.last + 1, self.edges, self.n_paths)
end

--- The space of that name (a file of this folder), or one of lists as above. @param change entries that differ from the named space's
-- @param level whose line a mistake is of, as for error; default 2, the caller
return function(given, change, level)
  level = level or 2
  if type(given) == "table" and getmetatable(given) == Space then return given end
  local names, o, name = plugin.names "vega.densenas.space", given, nil
  if type(given) == "string" then
    if not util.contains(names, given) then error(util.unknown("densenas", "space", given, names), level) end
    o, name = util.copy(require("vega.densenas.space." .. given)), given
    for key, value in pairs(change or {}) do o[key] = value end
  end
  local space = make(o, name, level)             -- not a tail call: the level counts this function
  return space
end
