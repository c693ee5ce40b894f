--- From the parameters of a dense supernet to an architecture: the most probable path, by Viterbi, and the largest operator of each of its layers.
-- Fang et al. 2020, arXiv:1906.09607, section 3.5.
local derive = {}

-- Sums of logarithms of equal products differ in the last bits; paths that are closer than this are equal.
local SAME = 1e-12

--- log softmax of a row, divided by the temperature first.
function derive.log_softmax(row, temperature)
  local most, sum, result = -math.huge, 0.0, {}
  for _, v in ipairs(row) do most = math.max(most, v / temperature) end
  for _, v in ipairs(row) do sum = sum + math.exp(v / temperature - most) end
  for j, v in ipairs(row) do result[j] = v / temperature - most - math.log(sum) end
  return result
end

--- The most probable path, as vega.cost.chain.likeliest but for equal ones: predecessors are tried nearest first and only a larger probability
-- replaces, so that of equal paths the nearer block is taken. In logarithms: a path's probability may be smaller than any double.
-- @param log_p log_p[i][j] of the j-th successor, -inf for probability 0  @return list of blocks, its log probability
function derive.path(space, log_p)
  local score, from, step = { [0] = 0.0 }, {}, {}
  for i = 0, space.last - 1 do
    step[i] = {}
    for j, k in ipairs(space.successors[i]) do step[i][k] = log_p[i][j] end
  end
  for k = 1, space.last do
    for _, i in ipairs(space.predecessors[k]) do
      local s = score[i] + step[i][k]
      if not from[k] or s > score[k] + SAME * math.max(1, math.abs(s)) then score[k], from[k] = s, i end
    end
  end
  local path = { space.last }
  while path[1] ~= 0 do table.insert(path, 1, from[path[1]]) end
  return path, score[space.last]
end

-- The first of the largest.
local function largest(row, operators)
  local best = 1
  for o = 2, #operators do if row[o] > row[best] then best = o end end
  return operators[best]
end

--- @param parameters as supernet:parameters() gives them  @return architecture, path, log probability of the path
function derive.architecture(space, parameters)
  local log_p = {}
  for i = 0, space.last - 1 do log_p[i] = derive.log_softmax(parameters.edges[i], space.temperature) end
  local path, probability = derive.path(space, log_p)
  local arch = space:architecture(path, function(k, b) return largest(parameters.head[k][b], space.head) end,
    function(k, l) return largest(parameters.stack[k][l], space.stack) end)
  return arch, path, probability
end

return derive
