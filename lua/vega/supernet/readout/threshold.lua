--- The rule of FairDARTS (Chu et al. 2020, arXiv:1911.12126): a node keeps at most its number of edges, the strongest first, each one whose operation
-- reaches `threshold` (0.85); a node may end with fewer, or none. A choice takes its largest candidate.
-- Reads found.space and found.weights. Options: threshold.
-- @return arch, cells: `cells` is the genotype (vega.genotype) with the edges that were kept and no others. A space whose nodes have a fixed number
-- of edges cannot say that one is missing: in arch the missing ones are `none` where the space has it, else the strongest below the threshold.
local readout = require "vega.supernet.readout"
local util = require "vega.util"

local OPTIONS = { threshold = { 0.85, min = 0, max = 1 } }

local function read_node(d, keeps, threshold)
  local order, kept, weak = readout.edges(d), {}, {}
  table.sort(order, function(a, b) return a.score > b.score or a.score == b.score and a.state < b.state end)
  for _, edge in ipairs(order) do table.insert(#kept < keeps and edge.score > threshold and kept or weak, edge) end
  return kept, weak
end

local function filled(kept, weak, keeps, has_none)
  local all = table.move(kept, 1, #kept, 1, {})
  for i = 1, keeps - #kept do
    local edge = weak[i]
    all[#all + 1] = { state = edge.state, op = has_none and "none" or edge.op }
  end
  table.sort(all, function(a, b) return a.state < b.state end)
  return all
end

local function add_cell(cells, name, kept)
  local kind, number = name:match "^(.+)%.node(%d+)$"
  if not kind then return end
  local node, concat = math.tointeger(tonumber(number)) + 1, kind .. "_concat"
  cells[kind], cells[concat] = cells[kind] or {}, cells[concat] or {}
  for _, edge in ipairs(kept) do table.insert(cells[kind], { op = edge.op, input = edge.state - 1, node = node }) end
  table.insert(cells[concat], node)
end

return function(found, options)
  local o, space, arch, cells = util.parameters("readout.threshold", OPTIONS, options or {}, 2), found.space, {}, {}
  for _, d in ipairs(found.weights) do
    if space.by_name[d.name] then arch[d.name] = d.labels[readout.largest(d.rows[1])]
    else
      local keeps = readout.kept(space, d.name)
      local kept, weak = read_node(d, keeps, o.threshold)
      table.sort(kept, function(a, b) return a.state < b.state end)
      readout.put(arch, d.name, filled(kept, weak, keeps, readout.place_of(d.labels, "none")))
      add_cell(cells, d.name, kept)
    end
  end
  return readout.checked(space, arch), cells
end
