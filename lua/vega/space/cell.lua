--- Cells: macros that declare the decisions of a small graph, and what is known of such graphs.
--   edge_dag   nodes 1..N, one op on every edge i < j (NAS-Bench-201, arXiv:2001.00326)
--   vertex_dag vertices 1..V, every edge i < j there or not, one op on each inner vertex (NAS-Bench-101, arXiv:1902.09635)
--   cell       each node takes `edges_per_node` earlier ones, one op on each of these edges (NASNet arXiv:1707.07012, DARTS arXiv:1806.09055)
-- A cell knows its graph, from which follow the adjacency and path encodings (BANANAS, White et al. 2019, arXiv:1910.11858) and a form that is
-- the same for isomorphic graphs (graph_form.lua).
local declare = require "vega.space.declare"
local domains = require "vega.space.domain"
local fail = require "vega.space.fail"
local graph_form = require "vega.space.graph_form"
local util = require "vega.util"

local cells = {}

-- { nodes = { label, ... }, edges = { { from, to, op }, ... }, inputs = { node, ... }, output = node }: the graph of an architecture.

local function check_count(who, name, value, least)
  if math.type(value) ~= "integer" or value < least then
    fail("space.%s: %s must be a whole number >= %d, got %s", who, name, least, tostring(value))
  end
end

local function check_common(who, options, known)
  util.check_options("space." .. who, options, known, 4)
  local ops = domains.choice(options.ops or {})
  if options.canonical and options.canonical ~= "graph" then
    fail("space.%s: canonical must be 'graph', got '%s'", who, tostring(options.canonical))
  end
  for _, role in ipairs { "none", "identity" } do
    if options[role] ~= nil and not ops.place[options[role]] then
      fail("space.%s: %s = '%s' is none of the ops", who, role, tostring(options[role]))
    end
  end
end

-- Edges with their decisions, in the order of their ends: (1,2), (1,3), (2,3), (1,4), ...
local function edges_of(n, name_of, prefix)
  local list = {}
  for to = 2, n do for from = 1, to - 1 do list[#list + 1] = { from = from, to = to, name = prefix .. name_of(from, to) } end end
  return list
end

local function one_hot(x, domain, value)
  for _, v in ipairs(domain.values) do x[#x + 1] = v == value and 1 or 0 end
end

local Cell = {}
Cell.__index = Cell
local function class()
  local new = setmetatable({}, { __index = Cell })
  new.__index = new
  return new
end

-- edge_dag ----------------------------------------------------------------------------------------------------------------------------

local EdgeDag = class()

function EdgeDag:members()
  local names = {}
  for i, edge in ipairs(self.edges) do names[i] = edge.name end
  return names
end

function EdgeDag:graph(arch)
  local g = { nodes = {}, edges = {}, inputs = { 1 }, output = self.n }
  for i = 1, self.n do g.nodes[i] = "" end
  for _, edge in ipairs(self.edges) do
    local op = arch[edge.name]
    if op ~= self.none then table.insert(g.edges, { edge.from, edge.to, tostring(op) }) end
  end
  return g
end

--- For each edge whether it is there, and its op one-hot.
function EdgeDag:adjacency(arch)
  local x = {}
  for _, edge in ipairs(self.edges) do
    x[#x + 1] = arch[edge.name] ~= self.none and 1 or 0
    one_hot(x, self.ops, arch[edge.name])
  end
  return x
end

-- Here an op "none" is an op like the others: the code of a path says what stands on it.
function EdgeDag:steps(arch, node)
  local list = {}
  for _, edge in ipairs(self.edges) do
    if edge.from == node then list[#list + 1] = { to = edge.to, op = self.ops.place[arch[edge.name]] } end
  end
  return list
end
function EdgeDag:starts() return { 1 } end
function EdgeDag:is_end(node) return node == self.n end
function EdgeDag:path_lengths() return 1, self.n - 1 end

local EDGE_OPTIONS = { nodes = true, ops = true, none = true, identity = true, canonical = true, edge = true }

local function edge_name(from, to) return ("edge_%d_%d"):format(from, to) end

local function new_edge_dag(options, prefix)
  local none = options.none
  local ops = domains.choice(options.ops)
  if none == nil and ops.place.none then none = "none" end
  return setmetatable({ n = options.nodes, ops = ops, none = none, identity = options.identity, canonical = options.canonical,
    edges = edges_of(options.nodes, options.edge or edge_name, prefix), kind = "edge_dag", options = options }, EdgeDag)
end

function EdgeDag:declare(builder) for _, name in ipairs(self:members()) do builder:choice(name, self.ops.values) end end

-- vertex_dag --------------------------------------------------------------------------------------------------------------------------

local VertexDag = class()

function VertexDag:members()
  local names = {}
  for i, edge in ipairs(self.edges) do names[i] = edge.name end
  for v = 2, self.n - 1 do names[#names + 1] = self.op[v] end
  return names
end

function VertexDag:graph(arch)
  local g = { nodes = { "" }, edges = {}, inputs = { 1 }, output = self.n }
  for v = 2, self.n - 1 do g.nodes[v] = tostring(arch[self.op[v]]) end
  g.nodes[self.n] = ""
  for _, edge in ipairs(self.edges) do if arch[edge.name] then table.insert(g.edges, { edge.from, edge.to, "" }) end end
  return g
end

--- The edge bits, then the ops of the inner vertices one-hot.
function VertexDag:adjacency(arch)
  local x = {}
  for i, edge in ipairs(self.edges) do x[i] = arch[edge.name] and 1 or 0 end
  for v = 2, self.n - 1 do one_hot(x, self.ops, arch[self.op[v]]) end
  return x
end

function VertexDag:steps(arch, node)
  local list = {}
  for _, edge in ipairs(self.edges) do
    if edge.from == node and arch[edge.name] then
      list[#list + 1] = { to = edge.to, op = edge.to < self.n and self.ops.place[arch[self.op[edge.to]]] or nil }
    end
  end
  return list
end
function VertexDag:starts() return { 1 } end
function VertexDag:is_end(node) return node == self.n end
function VertexDag:path_lengths() return 0, self.n - 2 end

local VERTEX_OPTIONS = { vertices = true, ops = true, canonical = true }
local function new_vertex_dag(options, prefix)
  local op = {}
  for v = 2, options.vertices - 1 do op[v] = ("%sop_%d"):format(prefix, v) end
  return setmetatable({ n = options.vertices, ops = domains.choice(options.ops), kind = "vertex_dag", canonical = options.canonical,
    options = options, edges = edges_of(options.vertices, edge_name, prefix), op = op }, VertexDag)
end

function VertexDag:declare(builder)
  for _, edge in ipairs(self.edges) do builder:bool(edge.name) end
  for v = 2, self.n - 1 do builder:choice(self.op[v], self.ops.values) end
end

-- cell --------------------------------------------------------------------------------------------------------------------------------

local NodeCell = class()

function NodeCell:members()
  local names = {}
  for j = 1, self.nodes do
    names[#names + 1] = self.name("node%d.inputs", j)
    for k = 1, self.k do names[#names + 1] = self.name("node%d.op%d", j, k) end
    if self.combine then names[#names + 1] = self.name("node%d.combine", j) end
  end
  return names
end

-- The picked edges of node j: { from, op }, in the order in which they are picked.
function NodeCell:picked(arch, j)
  local list = {}
  for k, from in ipairs(arch[self.name("node%d.inputs", j)]) do list[k] = { from = from, op = arch[self.name("node%d.op%d", j, k)] } end
  return list
end

-- Inputs are nodes 1..I, then the nodes, then the output, which joins all nodes, or with output = "loose" those that no other uses.
function NodeCell:graph(arch)
  local g = { nodes = {}, edges = {}, inputs = {}, output = self.inputs + self.nodes + 1 }
  local used = {}
  for i = 1, self.inputs do g.nodes[i], g.inputs[i] = "input" .. i, i end
  for j = 1, self.nodes do
    local node = self.inputs + j
    g.nodes[node] = self.combine and tostring(arch[self.name("node%d.combine", j)]) or ""
    for k, edge in ipairs(self:picked(arch, j)) do
      used[edge.from] = true
      table.insert(g.edges, { edge.from, node, self.commutative and tostring(edge.op) or k .. ":" .. tostring(edge.op) })
    end
  end
  g.nodes[g.output] = ""
  for node = self.inputs + 1, g.output - 1 do
    if self.output == "all" or not used[node] then table.insert(g.edges, { node, g.output, "join" }) end
  end
  return g
end

--- For each node and possible predecessor: whether it is picked, and how often with each op.
function NodeCell:adjacency(arch)
  local x = {}
  for j = 1, self.nodes do
    local picked = self:picked(arch, j)
    for from = 1, self.inputs + j - 1 do
      local count = {}
      for i = 1, self.ops.size do count[i] = 0 end
      local bit = 0
      for _, edge in ipairs(picked) do
        if edge.from == from then bit, count[self.ops.place[edge.op]] = 1, count[self.ops.place[edge.op]] + 1 end
      end
      x[#x + 1] = bit
      table.move(count, 1, #count, #x + 1, x)
    end
  end
  return x
end

function NodeCell:steps(arch, node)
  local list = {}
  for j = math.max(1, node - self.inputs + 1), self.nodes do
    for _, edge in ipairs(self:picked(arch, j)) do
      if edge.from == node then list[#list + 1] = { to = self.inputs + j, op = self.ops.place[edge.op] } end
    end
  end
  return list
end
function NodeCell:starts()
  local list = {}
  for i = 1, self.inputs do list[i] = i end
  return list
end
function NodeCell:is_end(node) return node > self.inputs end      -- every node reaches the output
function NodeCell:path_lengths() return 1, self.nodes end

local CELL_OPTIONS = { nodes = true, inputs = true, ops = true, edges_per_node = true, distinct = true, combine = true, commutative = true,
  output = true, canonical = true, identity = true }

local function check_cell(options)
  check_common("cell", options, CELL_OPTIONS)
  local inputs, k = options.inputs or 2, options.edges_per_node or 2
  check_count("cell", "nodes", options.nodes, 1)
  check_count("cell", "inputs", inputs, 1)
  check_count("cell", "edges_per_node", k, 1)
  if options.distinct ~= false and k > inputs then
    fail("space.cell: the first node has %d predecessors to pick %d different ones from", inputs, k)
  end
  if options.output and options.output ~= "all" and options.output ~= "loose" then
    fail("space.cell: output must be 'all' or 'loose', got '%s'", tostring(options.output))
  end
  return options
end

local function new_cell(options, prefix)
  return setmetatable({ kind = "cell", nodes = options.nodes, inputs = options.inputs or 2, k = options.edges_per_node or 2,
    ops = domains.choice(options.ops), combine = options.combine, commutative = options.commutative ~= false,
    output = options.output or "all", canonical = options.canonical, identity = options.identity, options = options,
    name = function(format, ...) return prefix .. format:format(...) end }, NodeCell)
end

function NodeCell:declare(builder)
  local kind, earlier = self.options.distinct == false and "sequence" or "subset", {}
  for i = 1, self.inputs do earlier[i] = i end
  for j = 1, self.nodes do
    builder[kind](builder, self.name("node%d.inputs", j), earlier, self.k)
    for k = 1, self.k do builder:choice(self.name("node%d.op%d", j, k), self.ops.values) end
    if self.combine then builder:choice(self.name("node%d.combine", j), self.combine) end
    earlier[#earlier + 1] = self.inputs + j
  end
end

-- What follows from the graph ---------------------------------------------------------------------------------------------------------

--- One bit for each possible path from an input to the output: shorter paths first, then by the ops as digits, the first op counting one.
-- With several inputs one such block for each.
function Cell:paths(arch)
  local least, most = self:path_lengths()
  local o, offset, size = self.ops.size, {}, 0
  for length = least, most do offset[length], size = size, size + o ^ length // 1 | 0 end
  local x, starts = {}, self:starts()
  for i = 1, size * #starts do x[i] = 0 end
  local function follow(block, node, length, code, unit)
    if self:is_end(node) then x[block + offset[length] + code + 1] = 1 end
    for _, step in ipairs(self:steps(arch, node)) do
      if step.op then follow(block, step.to, length + 1, code + (step.op - 1) * unit, unit * o)
      else follow(block, step.to, length, code, unit) end
    end
  end
  for b, start in ipairs(starts) do follow((b - 1) * size, start, 0, 0, 1) end
  return x
end

--- A text that is the same for isomorphic cells, see graph_form.lua.
function Cell:graph_text(arch) return graph_form(self:graph(arch), self.identity) end

-- The macros --------------------------------------------------------------------------------------------------------------------------

local NEW = { edge_dag = new_edge_dag, vertex_dag = new_vertex_dag, cell = new_cell }

-- Declares the decisions below the macro's name; the cell that stays behind knows their full names.
local function macro(kind, check)
  return declare.macro(function(builder, options)
    NEW[kind](options, ""):declare(builder)
    return NEW[kind](options, builder.prefix)
  end, check)
end

local function check_edge_dag(options)
  check_common("edge_dag", options, EDGE_OPTIONS)
  check_count("edge_dag", "nodes", options.nodes, 2)
  return options
end

--- edge_dag { nodes =, ops =, none = "none", identity =, canonical = "graph" }: decisions edge_1_2, edge_1_3, ... below its name.
declare.constructors.edge_dag = macro("edge_dag", check_edge_dag)

--- vertex_dag { vertices =, ops =, canonical = }: decisions edge_1_2, ... (whether the edge is there) and op_2, op_3, ...
declare.constructors.vertex_dag = macro("vertex_dag", function(options)
  check_common("vertex_dag", options, VERTEX_OPTIONS)
  check_count("vertex_dag", "vertices", options.vertices, 2)
  return options
end)

--- cell { nodes =, inputs = 2, edges_per_node = 2, ops =, distinct = true, combine = nil or a list, output = "all" | "loose", canonical = }:
-- decisions node1.inputs (numbers: 1..inputs, then the nodes), node1.op1, node1.op2, ...
declare.constructors.cell = macro("cell", check_cell)

--- Says of decisions that exist that they are an edge_dag: options as there, with edge(from, to) their names; or, with kind = "cell", that they are
-- the cell of this name, as net:cell_node(name .. ".node1", ...) states them.
function cells.describe(space, name, options)
  local plain = {}
  for key, value in pairs(options) do if key ~= "kind" then plain[key] = value end end
  local self = options.kind == "cell" and new_cell(check_cell(plain), name .. ".") or new_edge_dag(check_edge_dag(plain), "")
  for _, member in ipairs(self:members()) do
    local d = space.by_name[member]
    if not d or not d.domain then fail("space '%s': cells: '%s' is no decision", space.name, member) end
  end
  return self
end

--- The cell that a saved space describes.
function cells.restore(saved)
  local new = NEW[saved.kind]
  if not new then fail("space.load: unknown cell '%s'", tostring(saved.kind)) end
  return new(saved.options, saved.name .. ".")
end

return cells
