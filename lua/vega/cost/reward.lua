--- Accuracy and cost as one number to maximise, and as an objective with a limit.
--    local reward = vega.cost.reward.mnasnet { target = 80 }                 -- MnasNet's soft exponent
--    reward(0.75, 92)                                                        --> 0.7427
--    evaluate = vega.cost.reward.of(evaluate, { accuracy = "accuracy", cost = "latency_ms", reward = reward })    -- adds values.reward
-- A limit that must hold is no reward: vega.study takes constraints = { latency_ms = { le = 80 } }, and vega.cost.quota keeps a space within it.
local util = require "vega.util"

local reward = {}

local function check(who, accuracy, cost)
  for name, v in pairs { accuracy = accuracy, cost = cost } do
    if type(v) ~= "number" or v ~= v then error(("reward.%s: the %s must be a number, got %s"):format(who, name, tostring(v)), 3) end
  end
  if cost <= 0 then error(("reward.%s: the cost must be above 0, got %g"):format(who, cost), 3) end
end

local function target_of(who, options, declared)
  declared.target = {}
  local o = util.parameters("reward." .. who, declared, options, 3)
  if type(o.target) ~= "number" or o.target <= 0 or o.target ~= o.target then error(("reward.%s: a target above 0 is needed"):format(who), 3) end
  return o
end

--- ACC * (LAT / T)^w with w = alpha within the target and beta beyond it. Tan et al. 2019, arXiv:1807.11626.
-- @param options target; hard = false: alpha = beta = -0.07, a network twice as slow is worth 5 % more accuracy; hard = true: alpha = 0, beta = -1;
--   or alpha and beta of one's own
-- @return function(accuracy, cost)
function reward.mnasnet(options)
  local o = target_of("mnasnet", options, { hard = { false }, alpha = {}, beta = {} })
  local alpha, beta = o.alpha or (o.hard and 0 or -0.07), o.beta or (o.hard and -1 or -0.07)
  return function(accuracy, cost)
    check("mnasnet", accuracy, cost)
    return accuracy * (cost / o.target) ^ (cost <= o.target and alpha or beta)
  end
end

--- ACC * (T / LAT)^exponent, exponent = 0.1: ProxylessNAS with REINFORCE, arXiv:1812.00332.
function reward.proxyless(options)
  local o = target_of("proxyless", options, { exponent = { 0.1 } })
  return function(accuracy, cost)
    check("proxyless", accuracy, cost)
    return accuracy * (o.target / cost) ^ o.exponent
  end
end

--- ACC - beta * |LAT / T - 1|, beta = 0.07: lands on the target rather than below it. TuNAS, Bender et al. 2020, arXiv:2008.06120.
function reward.absolute(options)
  local o = target_of("absolute", options, { beta = { 0.07, min = 0 } })
  return function(accuracy, cost)
    check("absolute", accuracy, cost)
    return accuracy - o.beta * math.abs(cost / o.target - 1)
  end
end

--- ACC within the target, and below every such value beyond it, the more so the further: for strategies without constraints.
function reward.budgeted(options)
  local o = target_of("budgeted", options, {})
  return function(accuracy, cost)
    check("budgeted", accuracy, cost)
    return cost <= o.target and accuracy or 1 - cost / o.target
  end
end

--- An evaluation for vega.study that adds a value `name` ("reward") to those of another. Its failures are passed on.
-- @param options reward = function(accuracy, cost), accuracy = "accuracy", cost = "latency_ms", name = "reward"
function reward.of(evaluate, options)
  local o = util.parameters("reward.of", { reward = {}, accuracy = { "accuracy" }, cost = { "latency_ms" }, name = { "reward" } }, options, 2)
  if type(o.reward) ~= "function" then error("reward.of: option 'reward' must be a function, such as vega.cost.reward.mnasnet { target = 80 }", 2) end
  return function(...)
    local values, message, code = evaluate(...)
    if not values then return nil, message, code end
    for _, key in ipairs { "accuracy", "cost" } do
      if values[o[key]] == nil then return nil, ("reward: the evaluation gives no '%s'"):format(o[key]), "EARG" end
    end
    local result = {}
    for key, v in pairs(values) do result[key] = v end
    result[o.name] = o.reward(values[o.accuracy], values[o.cost])
    return result
  end
end

return reward
