--- The expected cost of a mixture of candidates, with gradients, and losses that hold it down. FBNet, arXiv:1812.03443; ProxylessNAS,
-- arXiv:1812.00332.
--    local expected = vega.cost.expected
--    expected.sum({ { 0.5, 0.5 }, { 1, 0 } }, { { 2, 4 }, { 3, 9 } })           --> 6.0, gradient by each weight
--    expected.softmax(alpha, costs, 5.0)                                        --> the same through a softmax at temperature 5
--    expected.on_tape(weights, costs)                                           -- tensors [rows, candidates]: a tensor of one number
--    expected.node(net, weights, "cost", costs)                                 -- the same as a node of a graph that is being built
--    expected.losses.fbnet(ce, cost, { alpha = 0.2, beta = 0.6 })               -- of numbers, or of tensors of one number
-- The costs of a network that is not a plain sum are vega.cost.chain's; those of a learned predictor are predictor:on_tape's.
local core = require "vega.core"
local util = require "vega.util"

local expected = {}

local function check_rows(who, a, b)
  if type(a) ~= "table" or type(b) ~= "table" or #a ~= #b then error(("expected.%s: two lists of as many rows expected"):format(who), 3) end
  for l = 1, #a do
    if #a[l] ~= #b[l] then error(("expected.%s: row %d has %d weights and %d costs"):format(who, l, #a[l], #b[l]), 3) end
    for j, c in ipairs(b[l]) do
      if type(c) ~= "number" or c ~= c or c < 0 or c == math.huge then
        error(("expected.%s: row %d, candidate %d has the cost %s; a number >= 0 expected"):format(who, l, j, tostring(c)), 3)
      end
    end
  end
end

--- sum_l sum_j p_lj c_lj, in doubles. @return cost, gradient by p (the costs themselves)
function expected.sum(weights, costs)
  check_rows("sum", weights, costs)
  local total, slope = 0.0, {}
  for l, row in ipairs(weights) do
    slope[l] = {}
    for j, p in ipairs(row) do total, slope[l][j] = total + p * costs[l][j], costs[l][j] end
  end
  return total, slope
end

--- The same where the weights are softmax(alpha / temperature). @return cost, gradient by alpha, the weights
function expected.softmax(alpha, costs, temperature)
  check_rows("softmax", alpha, costs)
  local t, total, slope, weights = temperature or 1, 0.0, {}, {}
  if t <= 0 or t ~= t then error("expected.softmax: the temperature must be above 0, got " .. tostring(t), 2) end
  for l, row in ipairs(alpha) do
    local top, sum, mean = math.max(table.unpack(row)), 0.0, 0.0
    weights[l], slope[l] = {}, {}
    for j, a in ipairs(row) do
      weights[l][j] = math.exp((a - top) / t)
      sum = sum + weights[l][j]
    end
    for j in ipairs(row) do
      weights[l][j] = weights[l][j] / sum
      mean = mean + weights[l][j] * costs[l][j]
    end
    for j in ipairs(row) do slope[l][j] = weights[l][j] * (costs[l][j] - mean) / t end
    total = total + mean
  end
  return total, slope, weights
end

--- The same of tensors of one shape, as a tensor of one number; the tape that is recording takes the gradient by the weights.
function expected.on_tape(weights, costs) return core.op.sum(weights * costs) end

--- The same as a node of a graph that is being built. The costs are a buffer `name`: expected.fill sets them once the graph is materialised.
function expected.node(net, weights, name)
  local costs = net.graph:buffer(name, net:shape(weights), 0)
  return net:op("sum", net:op("mul", { weights, costs }))
end

--- Sets the costs of expected.node. @param costs rows of numbers, as the weights
function expected.fill(graph, name, costs)
  local buffer = graph:buffers()[name]
  if not buffer then error(("expected.fill: the graph has no buffer '%s'"):format(tostring(name)), 2) end
  buffer:assign(core.tensor.new(costs))
end

-- Losses ----------------------------------------------------------------------------------------------------------------------------------

local function is_tensor(v) return type(v) == "userdata" end
local function log(v) return is_tensor(v) and core.op.log(v) or math.log(v) end
local function power(v, e) return is_tensor(v) and core.op.exp(core.op.log(v) * e) or v ^ e end
local function positive_part(v) return is_tensor(v) and core.op.relu(v) or math.max(0, v) end
local function value_of(v) return is_tensor(v) and v:item() or v end

-- Logarithms of costs have to be positive: the unit is chosen once, so that costs are above 1.
local function check_unit(who, cost, target)
  for name, v in pairs { cost = cost, target = target } do
    if value_of(v) <= 1 or value_of(v) ~= value_of(v) then
      error(("losses.%s: the %s must be above 1 in its unit, got %g"):format(who, name, value_of(v)), 3)
    end
  end
end

local losses = {}
expected.losses = losses

--- CE * alpha * log(E)^beta; alpha = 0.2, beta = 0.6. FBNet.
function losses.fbnet(ce, cost, options)
  local o = util.parameters("losses.fbnet", { alpha = { 0.2, min = 0 }, beta = { 0.6 } }, options or {}, 2)
  check_unit("fbnet", cost)
  return ce * o.alpha * power(log(cost), o.beta)
end

--- alpha * CE * (log E / log T)^beta; alpha = 0.2, beta = 0.3: ProxylessNAS's program.
function losses.proxyless(ce, cost, target, options)
  local o = util.parameters("losses.proxyless", { alpha = { 0.2, min = 0 }, beta = { 0.3 } }, options or {}, 2)
  check_unit("proxyless", cost, target)
  return ce * o.alpha * power(log(cost) / math.log(target), o.beta)
end

--- CE + lambda * (E - T) / T: ProxylessNAS's other one; without target CE + lambda * E, the paper's.
function losses.linear(ce, cost, lambda, target)
  if target then return ce + (cost - target) * (lambda / target) end
  return ce + cost * lambda
end

--- CE + lambda * log(E) / log(tau): DenseNAS. lambda = 0.15, tau = 15 ms (its MobileNetV2 space).
function losses.densenas(ce, cost, options)
  local o = util.parameters("losses.densenas", { lambda = { 0.15, min = 0 }, tau = { 15.0 } }, options or {}, 2)
  check_unit("densenas", cost, o.tau)
  return ce + log(cost) * (o.lambda / math.log(o.tau))
end

--- CE + mu * max(0, E - T) / T. losses.multiplier raises mu until the limit holds.
function losses.limit(ce, cost, target, mu) return ce + positive_part(cost - target) * (mu / target) end

--- Dual ascent on mu of losses.limit: an object; update(cost) after each step returns the next mu: mu + rate * (E - T) / T, not below 0.
function losses.multiplier(target, options)
  local o = util.parameters("losses.multiplier", { rate = { 0.1, min = 0 }, first = { 0.0, min = 0 } }, options or {}, 2)
  local self = { mu = o.first }
  function self.update(cost)
    self.mu = math.max(0, self.mu + o.rate * (value_of(cost) - target) / target)
    return self.mu
  end
  return self
end

return expected
