--- The rule of P-DARTS (Chen et al. 2019, arXiv:1904.12760): as the one of DARTS, but of equal edges the later wins, and the normal cell keeps at
-- most `skips` (2) skip connections: while it has more, the weakest skip that is kept loses its weight and all is read out again.
-- Reads found.space and found.weights. Options: skips (of the cell `kind` = "normal").
-- @return arch, steps: how many skips were taken out
local readout = require "vega.supernet.readout"
local util = require "vega.util"

local OPTIONS = { skips = { 2, min = 0 }, kind = { "normal" } }
local SKIP = "skip_connect"

local function read_node(space, d)
  local order = readout.edges(d)
  table.sort(order, function(a, b) return a.score > b.score or a.score == b.score and a.state > b.state end)
  local kept = table.move(order, 1, readout.kept(space, d.name), 1, {})
  table.sort(kept, function(a, b) return a.state < b.state end)
  return kept
end

-- The kept skip of the kind that is weakest, and how many there are. `spent` holds those that cannot go: their edge has nothing else.
local function weakest_skip(nodes, kind, spent)
  local least, n
  n = 0
  for _, node in ipairs(nodes) do
    for _, edge in ipairs(node.d.name:match "^(.+)%.node%d+$" == kind and node.kept or {}) do
      if edge.op == SKIP then
        n = n + 1
        local id = node.d.name .. "#" .. edge.state
        if not spent[id] and (not least or edge.score < least.score) then least = { d = node.d, state = edge.state, score = edge.score, id = id } end
      end
    end
  end
  return least, n
end

local function read_all(space, weights)
  local nodes = {}
  for _, d in ipairs(weights) do
    if not space.by_name[d.name] then nodes[#nodes + 1] = { d = d, kept = read_node(space, d) } end
  end
  return nodes
end

return function(found, options)
  local o, space, spent, steps = util.parameters("readout.progressive", OPTIONS, options or {}, 2), found.space, {}, 0
  local weights, arch = util.copy(found.weights), {}
  local nodes = read_all(space, weights)
  while true do
    local skip, n = weakest_skip(nodes, o.kind, spent)
    if n <= o.skips or not skip then break end
    spent[skip.id] = true                                   -- once is enough: an edge that has nothing but its skip keeps it at weight 0
    skip.d.rows[skip.state][readout.place_of(skip.d.labels, SKIP)] = 0.0
    nodes, steps = read_all(space, weights), steps + 1
  end
  for _, d in ipairs(weights) do
    if space.by_name[d.name] then arch[d.name] = d.labels[readout.largest(d.rows[1], d.live and d.live[1])] end
  end
  for _, node in ipairs(nodes) do readout.put(arch, node.d.name, node.kept) end
  return readout.checked(space, arch), steps
end
