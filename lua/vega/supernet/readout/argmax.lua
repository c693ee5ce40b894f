--- The rule of DARTS (Liu et al. 2019, arXiv:1806.09055): a cell node keeps its edges by the largest softmax weight of an operation other than none,
-- times the edge's own weight where there is one (PC-DARTS); a choice takes its largest candidate. None takes its share of the mass, but is never
-- read out of a node. Of equals the first.
-- Reads found.space and found.weights (mixed:weights()).
local readout = require "vega.supernet.readout"

local function read_node(arch, space, d)
  local order = readout.edges(d)
  if #order < #d.rows then error(("readout: node '%s' has an edge with no operation but none"):format(d.name), 0) end
  table.sort(order, function(a, b) return a.score > b.score or a.score == b.score and a.state < b.state end)
  local kept = table.move(order, 1, readout.kept(space, d.name), 1, {})
  table.sort(kept, function(a, b) return a.state < b.state end)
  readout.put(arch, d.name, kept)
end

return function(found)
  local arch, space = {}, found.space
  for _, d in ipairs(found.weights) do
    if space.by_name[d.name] then arch[d.name] = d.labels[readout.largest(d.rows[1], d.live and d.live[1])]
    else read_node(arch, space, d) end
  end
  return readout.checked(space, arch)
end
