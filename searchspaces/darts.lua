--- The cell space of DARTS: two cells, normal and reduction, of four nodes, each the sum of two of the earlier states, each through one of seven
-- operations: 1.08e18 pairs of cells. Liu et al. 2019, arXiv:1806.09055.
--
--     local darts = vega.space "darts"                                         -- the search network: 8 cells, 16 channels
--     local small = darts.new { cells = 3, reductions = { 2 }, channels = 8, nodes = 2, ops = { "skip_connect", "sep_conv_3x3" } }
--     local final = darts.new { network = "evaluation", cells = 20, channels = 36 }
--     print(darts.text(darts:random(rng)))                                     -- Genotype(normal=[('sep_conv_3x3', 0), ...
local darts_cells = require "vega.nn.darts"
local genotype = require "vega.genotype"
local space = require "vega.space"
local util = require "vega.util"

local ALL = { "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5" }

-- The network -------------------------------------------------------------------------------------------------------------------------

local function builder(p, reduces, candidates, layer)
  return function(net)
    local o = { n = p.cells, reduces = reduces, channels = p.channels, stem = p.stem }
    return darts_cells.network(net, layer, o, function(kind, s0, s1, stride)
      local states, nodes = { { s0, stride }, { s1, stride } }, {}
      for i = 1, p.nodes do
        nodes[i] = net:cell_node(("%s.node%d"):format(kind, i), states, candidates)
        states[#states + 1] = nodes[i]
      end
      return nodes
    end)
  end
end

-- Options -----------------------------------------------------------------------------------------------------------------------------

local PARAMETERS = {
  cells = { 8, min = 1 }, channels = { 16, min = 1 }, nodes = { 4, min = 1, max = 13 }, stem = { 3, min = 1 },
  ops = { table.move(ALL, 2, #ALL, 1, {}) }, reductions = {}, network = { "search", one_of = { "search", "evaluation" } },
}

local function check_ops(ops)
  for _, op in ipairs(ops) do
    if not util.contains(ALL, op) then error(util.unknown("darts.new", "operation", op, ALL), 3) end
  end
  if #ops == 0 then error("darts.new: ops: at least one operation expected", 3) end
end

-- The set of the cells that reduce: those at a third and two thirds, or the ones given; and the kinds of cells that there are then.
local function find_reductions(given, cells)
  local reduces, n = {}, 0
  given = given or darts_cells.reductions(cells)
  if type(given) ~= "table" then error("darts.new: reductions: a list of numbers of cells expected, got " .. type(given), 3) end
  for _, i in ipairs(given) do
    if math.type(i) ~= "integer" or i < 1 or i > cells then
      error(("darts.new: reductions: a cell 1 to %d expected, got %s"):format(cells, tostring(i)), 3)
    end
    if not reduces[i] then reduces[i], n = true, n + 1 end
  end
  return reduces, n == 0 and { "normal" } or n == cells and { "reduce" } or { "normal", "reduce" }
end

-- Text --------------------------------------------------------------------------------------------------------------------------------

-- The cells of an architecture; a kind that the network has not is left out. Inside a node the edges stand in the order of their inputs.
local function cells_of(self, arch)
  local g = {}
  for _, kind in ipairs(self.kinds) do
    local edges, outputs = {}, {}
    for i = 1, self.nodes do
      local node = ("%s.node%d"):format(kind, i)
      outputs[i] = i + 1
      for k, input in ipairs(arch[node .. ".inputs"]) do
        edges[#edges + 1] = { op = arch[("%s.op%d"):format(node, k)], input = input - 1, node = i + 1 }
      end
    end
    g[kind], g[kind .. "_concat"] = edges, outputs
  end
  return g
end

local function read_node(arch, node, first, second)
  if first.input == second.input then return nil, ("darts: %s reads state %d twice, which this space cannot say"):format(node, first.input) end
  if first.input > second.input then first, second = second, first end
  arch[node .. ".inputs"] = { first.input + 1, second.input + 1 }
  arch[node .. ".op1"], arch[node .. ".op2"] = first.op, second.op
  return true
end

--- Reads a genotype. The cells' outputs are all their nodes in this space, so what is said of them is not read.
-- @return arch, or nil, message, "EFORMAT"
local function parse(self, text)
  local g, why, code = genotype.parse(text)
  if not g then return nil, why, code end
  local arch = {}
  for _, kind in ipairs(self.kinds) do
    local of_node = {}
    for i = 1, self.nodes do of_node[i + 1] = {} end
    for _, e in ipairs(g[kind] or {}) do
      if not of_node[e.node] then
        return nil, ("darts: %s has a node %d, this space's cells have %d nodes"):format(kind, e.node - 1, self.nodes), "EFORMAT"
      end
      table.insert(of_node[e.node], e)
    end
    for i = 1, self.nodes do
      local edges, node = of_node[i + 1], ("%s.node%d"):format(kind, i)
      if #edges ~= 2 then return nil, ("darts: two edges into %s expected, found %d"):format(node, #edges), "EFORMAT" end
      local ok, message = read_node(arch, node, edges[1], edges[2])
      if not ok then return nil, message, "EFORMAT" end
    end
  end
  local good, message = self.space:check(arch)
  if not good then return nil, message, "EFORMAT" end
  return good
end

-- The space ---------------------------------------------------------------------------------------------------------------------------

--- A space of DARTS cells. Options: `cells` (8) in the network; `channels` (16) of the first, doubled by each reduction cell; `nodes` (4) of a
-- cell; `stem` (3) times the channels stand before the cells; `ops`, of which "none" is left out unless named; `reductions`, the numbers of the
-- cells that halve the resolution (by default those at one and two thirds); `network`: "search", where batch norms in cells have no weight and bias
-- and follow each pooling too, or "evaluation". The evaluation network is without auxiliary head and drop path, which that
-- of a genotype may have (vega.genotype.network).
-- @return a space; its text(arch) and parse(text) are the genotype's, its new(options) is this function
local function new(options)
  local p = util.parameters("darts.new", PARAMETERS, options or {}, 2)
  check_ops(p.ops)
  local reduces, kinds = find_reductions(p.reductions, p.cells)
  local layer, candidates, cells = darts_cells.layers(p.network == "search"), {}, {}
  for i, op in ipairs(p.ops) do candidates[i] = { op, layer[op] } end
  for _, kind in ipairs(kinds) do cells[kind] = { kind = "cell", nodes = p.nodes, ops = p.ops } end
  local self = space.define { name = "darts", input = { 32, 32, 3 }, cells = cells, build = builder(p, reduces, candidates, layer) }
  local form = { kinds = kinds, nodes = p.nodes, space = self }
  self.new, self.operations = new, ALL
  function self.text(arch) return genotype.text(cells_of(form, arch)) end
  function self.parse(text) return parse(form, text) end
  return self
end

return new()
