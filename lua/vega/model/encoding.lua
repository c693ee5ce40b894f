--- Architectures as inputs of a perceptron: lists of numbers of a fixed length.
--    local encode, length = encoding.choose(space, "auto")
local encoding = {}

local function edges_of(space)
  local edges, nodes = {}, 0
  for _, d in ipairs(space.decisions) do
    local from, to = d.name:match "^edge_(%d+)_(%d+)$"
    if not from or d.parent or not d.domain.size then return nil end
    from, to = math.tointeger(from), math.tointeger(to)
    if from >= to then return nil end
    edges[to] = edges[to] or {}
    table.insert(edges[to], { from = from, name = d.name, domain = d.domain })
    nodes = math.max(nodes, to)
  end
  return edges, nodes
end

-- All routes (lists of edges) from the first node to `to`.
local function routes_to(edges, to, first)
  if to == first then return { {} } end
  local routes = {}
  for _, edge in ipairs(edges[to] or {}) do
    for _, route in ipairs(routes_to(edges, edge.from, first)) do
      local longer = table.move(route, 1, #route, 1, {})
      longer[#longer + 1] = edge
      routes[#routes + 1] = longer
    end
  end
  return routes
end

--- Path encoding (White et al. 2021, arXiv:1910.11858): one bit for each sequence of operations from the input to the output, shorter ones first.
-- For spaces whose decisions are edge_FROM_TO, the same operations on every edge; nil for others. @return function(arch) -> list, its length
function encoding.path(space)
  local edges, last = edges_of(space)
  if not edges then return nil end
  local first = math.huge
  for _, into in pairs(edges) do for _, edge in ipairs(into) do first = math.min(first, edge.from) end end
  local routes, longest, n = routes_to(edges, last, first), 0, space.decisions[1].domain.size
  for _, d in ipairs(space.decisions) do if d.domain.size ~= n then return nil end end
  for _, route in ipairs(routes) do longest = math.max(longest, #route) end
  local offset, length = {}, 0
  for steps = 1, longest do offset[steps], length = length, length + n ^ steps // 1 | 0 end
  return function(arch)
    local bits = {}
    for i = 1, length do bits[i] = 0 end
    for _, route in ipairs(routes) do
      local place = 0
      for k = #route, 1, -1 do place = place * n + route[k].domain:index(arch[route[k].name]) - 1 end
      bits[offset[#route] + place + 1] = 1
    end
    return bits
  end, length
end

--- One bit a level of each unordered decision, one number in [0, 1] an ordered one, and a bit that says whether a conditional one applies.
-- @return function(arch) -> list, its length
function encoding.one_hot(space)
  local length, parts = 0, {}
  for i, d in ipairs(space.decisions) do
    local kind = d.domain.kind
    local wide = d.domain.size and d.domain.size <= 64 and kind ~= "int" and kind ~= "float" and kind ~= "ordinal"
    parts[i] = { decision = d, at = length, levels = wide and d.domain.size or nil, conditional = d.parent ~= nil }
    length = length + (wide and d.domain.size or 1) + (d.parent and 1 or 0)
  end
  return function(arch)
    local x = {}
    for i = 1, length do x[i] = 0 end
    for _, part in ipairs(parts) do
      local value, domain = arch[part.decision.name], part.decision.domain
      if value ~= nil then
        if part.levels then x[part.at + domain:index(value)] = 1 else x[part.at + 1] = domain:unit(value) end
        if part.conditional then x[part.at + (part.levels or 1) + 1] = 1 end
      end
    end
    return x
  end, length
end

--- kind: "path", "one_hot", or "auto": paths where the space has them (and they are not more than 2,000), else one-hot.
function encoding.choose(space, kind)
  if kind ~= "one_hot" then
    local encode, length = encoding.path(space)
    if encode and (kind == "path" or length <= 2000) then return encode, length end
    if kind == "path" then
      error(("encoding: space '%s' has no paths: decisions edge_FROM_TO with the same options are needed"):format(space.name), 0)
    end
  end
  return encoding.one_hot(space)
end

return encoding
