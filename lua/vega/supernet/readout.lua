--- From a searched supernet to an architecture of its space. A read-out is a file of lua/vega/supernet/readout/, a function (found, options) ->
-- arch, details | nil, message, code; `found` is what vega.differentiable.search returns, or a table with what the read-out says it reads.
--    local readout = require "vega.supernet.readout"
--    local by_weight = readout.argmax(found)
--    local by_accuracy = assert(readout.perturbation(found, { data = held_out, seed = 1 }))      -- of the same supernet
local plugin = require "vega.plugin"
local util = require "vega.util"

local MODULE = "vega.supernet.readout"
local readout = {}

--- The place of the largest of a row among `places` (all of it when nil), of equals the first. `excluded` is a place or nil.
function readout.largest(row, places, excluded)
  local best
  for k, w in ipairs(row) do
    if k ~= excluded and (not places or util.contains(places, k)) and (not best or w > row[best]) then best = k end
  end
  return best
end

--- The place of a label, nil when it is none of them.
function readout.place_of(labels, wanted)
  for k, label in ipairs(labels) do if label == wanted then return k end end
end

--- The edges of a cell node, each with its best operation other than none: a list of { state, op = label, score = its weight times the edge's own }.
function readout.edges(d)
  local none, list = readout.place_of(d.labels, "none"), {}
  for r, row in ipairs(d.rows) do
    local op = readout.largest(row, d.live and d.live[r], none)
    if op then list[#list + 1] = { state = r, op = d.labels[op], score = row[op] * (d.edges and d.edges[r] or 1) } end
  end
  return list
end

--- How many edges a cell node of the space keeps.
function readout.kept(space, name)
  local k = 0
  while space.by_name[("%s.op%d"):format(name, k + 1)] do k = k + 1 end
  return k
end

--- Writes a node's kept edges (in the order of their states) into an architecture.
function readout.put(arch, name, kept)
  local inputs = {}
  for i, edge in ipairs(kept) do
    inputs[i] = edge.state
    arch[("%s.op%d"):format(name, i)] = edge.op
  end
  arch[name .. ".inputs"] = inputs
end

--- The architecture, checked against its space.
function readout.checked(space, arch)
  local good, message = space:check(arch)
  if not good then error("readout: " .. message, 0) end
  return good
end

--- A read-out by its name, or a function of one's own. Raises at `level` on an unknown name.
function readout.find(how, level)
  if type(how) == "function" then return how end
  local names = plugin.names(MODULE)
  if not util.contains(names, how) then error(util.unknown("readout", "read-out", how, names), level + 1) end
  return require(MODULE .. "." .. how)
end

return setmetatable(readout, { __index = function(_, name) return readout.find(name, 2) end })
