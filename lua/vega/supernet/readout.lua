--- From the mixture weights of a supernet (vega.supernet.mixed) to an architecture of its space.
local readout = {}

-- The place of the largest of a row; of equals the first. `excluded` is a label's place or nil.
local function largest(row, excluded)
  local best
  for k, w in ipairs(row) do if k ~= excluded and (not best or w > row[best]) then best = k end end
  return best
end

local function place_of(labels, wanted)
  for k, label in ipairs(labels) do if label == wanted then return k end end
end

-- A node keeps the k edges with the largest weight of an operation other than none; of equals the earlier state.
local function read_node(arch, space, d)
  local none, order, k = place_of(d.labels, "none"), {}, 0
  while space.by_name[("%s.op%d"):format(d.name, k + 1)] do k = k + 1 end
  for r, row in ipairs(d.rows) do
    local op = largest(row, none)
    if not op then error(("readout: node '%s' has no operation but none"):format(d.name), 0) end
    order[r] = { state = r, op = d.labels[op], score = row[op] * (d.edges and d.edges[r] or 1) }
  end
  table.sort(order, function(a, b) return a.score > b.score or a.score == b.score and a.state < b.state end)
  local kept = table.move(order, 1, k, 1, {})
  table.sort(kept, function(a, b) return a.state < b.state end)
  local inputs = {}
  for i, edge in ipairs(kept) do
    inputs[i] = edge.state
    arch[("%s.op%d"):format(d.name, i)] = edge.op
  end
  arch[d.name .. ".inputs"] = inputs
end

--- The rule of DARTS (Liu et al. 2019): a cell node keeps its edges by the largest softmax weight of an operation other than none, times the edge's
-- own weight where there is one (PC-DARTS); a choice takes its largest candidate. None takes its share of the mass, but is never read out of a node.
-- @param space the supernet's  @param weights mixed:weights()  @return arch
function readout.argmax(space, weights)
  local arch = {}
  for _, d in ipairs(weights) do
    if space.by_name[d.name] then arch[d.name] = d.labels[largest(d.rows[1])]
    else read_node(arch, space, d) end
  end
  local good, message = space:check(arch)
  if not good then error("readout: " .. message, 0) end
  return good
end

return readout
