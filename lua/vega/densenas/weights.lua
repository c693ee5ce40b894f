--- Weights of a dense space, as vega.cost.chain.expected takes them: { beta = { [i] = { of each successor } }, head = { [k] = { [b] = { of each
-- operator } } }, stack = { [k] = { [l] = { of each operator } } } }; b counts the predecessors of block k, the nearest first.
local chain = require "vega.cost.chain"

local weights = {}

-- A row for each layer: of(list, k, place, operators, from).
local function rows(space, beta, of)
  local w = { beta = beta, head = {}, stack = {} }
  space:each_layer(function(list, k, place, operators, from)
    w[list][k] = w[list][k] or {}
    w[list][k][place] = of(list, k, place, operators, from)
  end)
  return w
end
weights.rows = rows

--- All equal: 1 over the number of successors, 1 over the number of operators.
function weights.uniform(space)
  local beta = {}
  for i = 0, space.last - 1 do
    beta[i] = {}
    for j = 1, #space.successors[i] do beta[i][j] = 1 / #space.successors[i] end
  end
  return rows(space, beta, function(_, _, _, operators)
    local row = {}
    for o = 1, #operators do row[o] = 1 / #operators end
    return row
  end)
end

--- 1 for what an architecture uses, 0 for other operators. @param path as space:locate gives it
function weights.one_hot(space, arch, path)
  local row_of, before = {}, {}
  for n = 2, #path do row_of[path[n]], before[path[n]] = arch[n - (space.first and 0 or 1)], path[n - 1] end
  return rows(space, chain.along(space.net, path), function(list, k, place, operators, from)
    local used, used_op, row = row_of[k], nil, {}
    if used and list == "head" and from == before[k] then used_op = used.head end
    if used and list == "stack" then used_op = used.stack[place] or "skip_connect" end
    for o, op in ipairs(operators) do row[o] = op == used_op and 1.0 or 0.0 end
    return row
  end)
end

return weights
