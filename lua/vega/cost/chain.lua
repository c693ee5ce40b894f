--- Expected cost where blocks may be skipped: DenseNAS (Fang et al. 2020, arXiv:1906.09607). Blocks 0 (the stem) to n; each feeds some of those that
-- follow, the last ones a tail. beta says with what probability a path goes from a block to each of its successors:
--     C_i = sum over k in out(i) of beta_ik (H_ik + S_k + C_k),    C_tail = 0,    total = stem + C_0 + classifier
-- with H_ik the cost of the first layer of block k for the input from i and S_k that of its other layers, both expected over their candidates. A
-- block weighs as much as the probability that a path reaches it. With max or min in place of the sum: the dearest or cheapest path.
--    local chain = vega.cost.chain
--    local net, costs = chain.space "mobilenet_v2", assert(vega.cost.published.densenas(path))
--    chain.expected(net, costs)                        --> 36.84..., uniform weights; then gradients when asked for
--    chain.cheapest(net, costs)                        --> 6.91..., { 0, 1, 4, ..., 17 }
--    chain.likeliest(net, beta)                        --> the path that Viterbi's recursion derives
-- Numbers here are doubles. The operator chain_cost does the same on a tape: chain.on_tape and, for a graph, net:op("chain_cost", ...).
local core = require "vega.core"
local util = require "vega.util"

local chain = {}

-- Spaces ----------------------------------------------------------------------------------------------------------------------------------

-- channels, side of the map and stage of each block, the stem first; how far ahead a block may feed; the tail's stage
local SPACES = {
  mobilenet_v2 = { reach = 4, tail_stage = 7,
    channels = { 16, 24, 32, 40, 48, 56, 64, 72, 96, 112, 128, 160, 176, 192, 320, 352, 384 },
    sides = { 112, 56, 28, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7, 7, 7, 7, 7 }, stages = { 0, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6 } },
  resnet = { reach = 10, tail_stage = 7,
    channels = { 32, 48, 56, 64, 72, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 272, 288, 480, 496, 512 },
    sides = { 112, 56, 56, 56, 28, 28, 28, 14, 14, 14, 14, 14, 14, 14, 7, 7, 7, 7, 7, 7, 7 },
    stages = { 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6 } },
}

--- The blocks and connections of a dense space. Block i feeds the blocks i+1 to i+reach as long as the stage rises by at most 1 and the map
-- shrinks by a factor of 1 or 2; the first that does not fit ends the list.
-- @param spec "mobilenet_v2", "resnet", or { channels =, sides =, stages =, reach =, tail_stage = }, lists over blocks, the stem first
-- @return { n = number of blocks after the stem, out = { [i] = successors, n + 1 is the tail }, into = { [k] = predecessors, the nearest first },
-- ... }
function chain.space(spec)
  local s = spec
  if type(spec) == "string" then
    s = SPACES[spec] or error(util.unknown("chain.space", "space", spec, util.sorted_keys(SPACES)), 2)
  end
  util.check_options("chain.space", s, { channels = true, sides = true, stages = true, reach = true, tail_stage = true }, 2)
  local n = #s.stages - 1
  if n < 1 or #s.sides ~= n + 1 then error("chain.space: stages and sides: two lists of one length, at least 2, expected", 2) end
  local function stage_of(k) return k > n and s.tail_stage or s.stages[k + 1] end
  local function side_of(k) return s.sides[math.min(k, n) + 1] end
  local self = { n = n, channels = s.channels, sides = s.sides, stages = s.stages, out = {}, into = {}, n_edges = 0 }
  for k = 0, n + 1 do self.into[k] = {} end
  for i = 0, n do
    self.out[i] = {}
    for k = i + 1, math.min(i + s.reach, n + 1) do
      local shrinks = side_of(i) // side_of(k)
      if stage_of(k) - stage_of(i) > 1 or shrinks > 2 or shrinks < 1 then break end
      table.insert(self.out[i], k)
      table.insert(self.into[k], 1, i)                      -- the nearest first: the order of the published tables
      if k <= n then self.n_edges = self.n_edges + 1 end
    end
    if #self.out[i] == 0 then error(("chain.space: block %d feeds nothing"):format(i), 2) end
  end
  return self
end

--- The number of paths from the stem to the tail.
function chain.n_paths(net)
  local paths = { [net.n + 1] = 1 }
  for i = net.n, 0, -1 do
    paths[i] = 0
    for _, k in ipairs(net.out[i]) do paths[i] = paths[i] + paths[k] end
  end
  return paths[0]
end

-- Costs -----------------------------------------------------------------------------------------------------------------------------------

-- The table must have the shape of the space: this is its fingerprint.
local function check(net, costs, level)
  local function refuse(...) error("chain: the table is of another space: " .. (...):format(select(2, ...)), level + 2) end
  if type(costs) ~= "table" or type(costs.blocks) ~= "table" then
    error("chain: a table as vega.cost.published.densenas reads it expected", level + 1)
  end
  if #costs.blocks ~= net.n then refuse("it has %d blocks, the space has %d", #costs.blocks, net.n) end
  for k = 1, net.n do
    if #costs.blocks[k].heads ~= #net.into[k] then
      refuse("its block %d has %d inputs, the space has %d", k, #costs.blocks[k].heads, #net.into[k])
    end
  end
  if #costs.tail ~= #net.into[net.n + 1] then refuse("its tail has %d inputs, the space has %d", #costs.tail, #net.into[net.n + 1]) end
end

-- sum_j p_j c_j; uniform without p.
local function mean(costs, p)
  local sum = 0.0
  for j, c in ipairs(costs) do sum = sum + c * (p and p[j] or 1 / #costs) end
  return sum
end

local function least(costs) return math.min(table.unpack(costs)) end
local function most(costs) return math.max(table.unpack(costs)) end

-- enter[i][j]: the cost of going from block i to its j-th successor and through its first layer; inside[k]: of the other layers of block k.
-- `reduce(costs, weights)` makes one number of a layer's candidates.
local function costs_of(net, costs, reduce, weights)
  local place, enter, inside = {}, {}, { [net.n + 1] = 0.0 }
  for k, list in pairs(net.into) do
    place[k] = {}
    for b, i in ipairs(list) do place[k][i] = b end
  end
  for k = 1, net.n do
    inside[k] = 0.0
    for l, layer in ipairs(costs.blocks[k].stack) do
      inside[k] = inside[k] + reduce(layer, weights.stack and weights.stack[k] and weights.stack[k][l])
    end
  end
  for i = 0, net.n do
    enter[i] = {}
    for j, k in ipairs(net.out[i]) do
      local b = place[k][i]
      enter[i][j] = k > net.n and costs.tail[b]
        or reduce(costs.blocks[k].heads[b], weights.head and weights.head[k] and weights.head[k][b])
    end
  end
  return enter, inside, place
end

local function uniform(net)
  local beta = {}
  for i = 0, net.n do
    beta[i] = {}
    for j = 1, #net.out[i] do beta[i][j] = 1 / #net.out[i] end
  end
  return beta
end

local function check_beta(net, beta, level)
  for i = 0, net.n do
    if type(beta[i]) ~= "table" or #beta[i] ~= #net.out[i] then
      error(("chain: beta[%d]: %d probabilities expected"):format(i, #net.out[i]), level + 1)
    end
  end
end

-- The probability that a path reaches each block.
local function visits(net, beta)
  local v = { [0] = 1.0 }
  for i = 0, net.n do
    for j, k in ipairs(net.out[i]) do v[k] = (v[k] or 0.0) + v[i] * beta[i][j] end
  end
  return v
end

--- The expected cost.
-- @param weights what is not uniform: beta[i][j] over the successors of block i; head[k][b][c] over the candidates of the first layer of block k for
--   its b-th input; stack[k][l][c]: probabilities, each list summing to 1 (that is the caller's business: gradients are by each on its own)
-- @return cost, gradients { beta =, head =, stack = } by those probabilities, { [k] = probability that a path reaches block k }
function chain.expected(net, costs, weights)
  check(net, costs, 2)
  local w = weights or {}
  local beta = w.beta or uniform(net)
  check_beta(net, beta, 2)
  local enter, inside, place = costs_of(net, costs, mean, w)
  local c, slope = { [net.n + 1] = 0.0 }, { beta = {}, head = {}, stack = {} }
  for i = net.n, 0, -1 do
    c[i] = 0.0
    for j, k in ipairs(net.out[i]) do c[i] = c[i] + beta[i][j] * (enter[i][j] + inside[k] + c[k]) end
  end
  local v = visits(net, beta)
  for i = 0, net.n do
    slope.beta[i] = {}
    for j, k in ipairs(net.out[i]) do
      slope.beta[i][j] = v[i] * (enter[i][j] + inside[k] + c[k])
      if k <= net.n then
        slope.head[k] = slope.head[k] or {}
        slope.head[k][place[k][i]] = {}
        for o, ms in ipairs(costs.blocks[k].heads[place[k][i]]) do slope.head[k][place[k][i]][o] = v[i] * beta[i][j] * ms end
      end
    end
  end
  for k = 1, net.n do
    slope.stack[k] = {}
    for l, layer in ipairs(costs.blocks[k].stack) do
      slope.stack[k][l] = {}
      for o, ms in ipairs(layer) do slope.stack[k][l][o] = v[k] * ms end
    end
  end
  return costs.stem + c[0] + costs.classifier, slope, v
end

-- The path along which `better(a, b)` prefers the totals of value(i, j, k) + best of k; ties go to the first successor.
local function best_path(net, value, better)
  local best, next_of = { [net.n + 1] = 0.0 }, {}
  for i = net.n, 0, -1 do
    for j, k in ipairs(net.out[i]) do
      local total = value(i, j, k) + best[k]
      if not next_of[i] or better(total, best[i]) then best[i], next_of[i] = total, k end
    end
  end
  local path = { 0 }
  while path[#path] <= net.n do path[#path + 1] = next_of[path[#path]] end
  return best[0], path
end

local function extreme(net, costs, reduce, better)
  check(net, costs, 3)
  local enter, inside = costs_of(net, costs, reduce, {})
  local total, path = best_path(net, function(i, j, k) return enter[i][j] + inside[k] end, better)
  return costs.stem + total + costs.classifier, path
end

--- The cost of the cheapest path with the cheapest candidates, and the path: a list of blocks from 0 to the tail.
function chain.cheapest(net, costs)
  local total, path = extreme(net, costs, least, function(a, b) return a < b end)
  return total, path
end

--- The same of the dearest.
function chain.dearest(net, costs)
  local total, path = extreme(net, costs, most, function(a, b) return a > b end)
  return total, path
end

--- The path of the largest product of beta (Viterbi), and its probability.
function chain.likeliest(net, beta)
  check_beta(net, beta, 2)
  local log_p, path = best_path(net, function(i, j) return math.log(beta[i][j]) end, function(a, b) return a > b end)
  return path, math.exp(log_p)
end

--- A path drawn by beta. @return list of blocks from 0 to the tail
function chain.draw(net, beta, rng)
  local path = { 0 }
  while path[#path] <= net.n do
    local i, left = path[#path], rng:uniform()
    local chosen = #net.out[i]
    for j = 1, #net.out[i] do
      left = left - beta[i][j]
      if left < 0 then
        chosen = j
        break
      end
    end
    path[#path + 1] = net.out[i][chosen]
  end
  return path
end

--- beta that is 1 along a path and 0 elsewhere (uniform where the path does not pass).
function chain.along(net, path)
  local beta, after = uniform(net), {}
  for p = 1, #path - 1 do after[path[p]] = path[p + 1] end
  for i, k in pairs(after) do
    local found = false
    for j, other in ipairs(net.out[i]) do
      beta[i][j] = other == k and 1.0 or 0.0
      found = found or other == k
    end
    if not found then error(("chain.along: block %d does not feed block %d"):format(i, k), 2) end
  end
  return beta
end

-- On a tape ---------------------------------------------------------------------------------------------------------------------------------

--- What the operator chain_cost wants of a space: tensors `step` [n + 1, most successors] i32, how far row i (block i - 1) goes, 0 for nowhere, and
-- `mask` of the same shape, 0 where there is a successor and -1e30 elsewhere: to be added to raw weights before their softmax.
function chain.tensors(net)
  local width, step, mask = 0, {}, {}
  for i = 0, net.n do width = math.max(width, #net.out[i]) end
  for i = 0, net.n do
    step[i + 1], mask[i + 1] = {}, {}
    for j = 1, width do step[i + 1][j], mask[i + 1][j] = (net.out[i][j] or i) - i, net.out[i][j] and 0.0 or -1e30 end
  end
  return core.tensor.new(step, { dtype = "i32" }), core.tensor.new(mask)
end

--- The expected cost of a path as a tensor of one number, with gradients by all its inputs but `step`.
-- @param beta [n + 1, w] probabilities; enter [n + 1, w] the cost of each connection; inside [n + 2] that of each block (first the stem, last the
--   classifier)
function chain.on_tape(beta, enter, inside, step) return core.op.chain_cost(beta, enter, inside, step) end

--- enter and inside, as tensors, of a table with the given weights (default uniform): for searches that learn beta alone.
function chain.cost_tensors(net, costs, weights)
  check(net, costs, 2)
  local enter, inside = costs_of(net, costs, mean, weights or {})
  local rows, blocks, width = {}, { costs.stem }, 0
  for i = 0, net.n do width = math.max(width, #net.out[i]) end
  for i = 0, net.n do
    rows[i + 1] = {}
    for j = 1, width do rows[i + 1][j] = enter[i][j] or 0.0 end
  end
  for k = 1, net.n do blocks[k + 1] = inside[k] end
  blocks[net.n + 2] = costs.classifier
  return core.tensor.new(rows), core.tensor.new(blocks)
end

return chain
