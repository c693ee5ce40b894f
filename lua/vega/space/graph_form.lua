--- A text that is the same for graphs that compute the same: useless nodes dropped, edges that pass on contracted, labels refined by those of the
-- neighbours as often as there are nodes (Weisfeiler & Leman 1968).
local util = require "vega.util"

-- Nodes that an input reaches and that reach the output; the others compute nothing.
local function useful(g)
  local forward, backward = {}, { [g.output] = true }
  for _, i in ipairs(g.inputs) do forward[i] = true end
  for _ = 1, #g.nodes do
    for _, e in ipairs(g.edges) do
      forward[e[2]] = forward[e[2]] or forward[e[1]]
      backward[e[1]] = backward[e[1]] or backward[e[2]]
    end
  end
  local keep = {}
  for v = 1, #g.nodes do keep[v] = forward[v] and backward[v] end
  keep[g.output] = true
  return keep
end

local function prune(g)
  local keep, edges = useful(g), {}
  for _, e in ipairs(g.edges) do if keep[e[1]] and keep[e[2]] then edges[#edges + 1] = e end end
  return keep, edges
end

-- A node that only passes one other on is that other; a node whose only use is to be passed on is a part of its user.
local function contract(keep, edges, label, fixed, identity)
  local function count(v, side)
    local n, only = 0, nil
    for i, e in ipairs(edges) do if e[side] == v then n, only = n + 1, i end end
    return n == 1 and edges[only][3] == identity and only or nil
  end
  local function merge(v, into, at)
    table.remove(edges, at)
    for _, e in ipairs(edges) do
      if e[1] == v then e[1] = into end
      if e[2] == v then e[2] = into end
    end
    keep[v], label[into] = nil, label[into] .. label[v]
  end
  local again = true
  while again do
    again = false
    for v = 1, #label do
      local into = keep[v] and not fixed.input[v] and count(v, 2)
      local out_of = not into and keep[v] and label[v] == "" and count(v, 1)
      local at = into or out_of
      if at then
        merge(v, into and edges[at][1] or edges[at][2], at)
        again = true
        break
      end
    end
  end
end

local function hex(text) return ("%016x"):format(util.fnv(text)) end

local function refine(keep, edges, label)
  local near = {}
  for v = 1, #label do near[v] = {} end
  for _, e in ipairs(edges) do
    table.insert(near[e[2]], ">" .. e[3] .. " " .. label[e[1]])
    table.insert(near[e[1]], "<" .. e[3] .. " " .. label[e[2]])
  end
  local new = {}
  for v = 1, #label do
    table.sort(near[v])
    new[v] = keep[v] and hex(label[v] .. "(" .. table.concat(near[v], ",") .. ")") or ""
  end
  return new
end

--- graph_form({ nodes = labels, edges = { { from, to, op } }, inputs = { node }, output = node }, identity): 16 hexadecimal digits.
return function(g, identity)
  local keep, edges = prune(g)
  local label, fixed = {}, { input = {} }
  for v, name in ipairs(g.nodes) do label[v] = name end
  for _, i in ipairs(g.inputs) do label[i], fixed.input[i] = label[i] .. "<in>", true end
  label[g.output] = label[g.output] .. "<out>"
  if identity ~= nil then contract(keep, edges, label, fixed, tostring(identity)) end
  for _ = 1, #label do label = refine(keep, edges, label) end
  local list = {}
  for v = 1, #label do if keep[v] then list[#list + 1] = label[v] end end
  table.sort(list)
  return hex(table.concat(list, " "))
end
