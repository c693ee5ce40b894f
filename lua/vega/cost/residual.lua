--- What the models of logarithms share: a ridge on the first `base` columns, whose relative errors they then learn from all columns.
local ridge = require "vega.cost.predictor.ridge"

local residual = {}

local function first_columns(rows, n)
  local cut = {}
  for i, row in ipairs(rows) do cut[i] = table.move(row, 1, n, 1, {}) end
  return cut
end

local function least(y)
  local low = math.huge
  for _, v in ipairs(y) do low = math.min(low, v) end
  return low
end

--- The base of a fit: an object with values(rows) -> list of predictions, all above 0. base = 0: the geometric mean of y.
function residual.base(rows, y, n)
  if n > #rows[1] then error(("predictor: base = %d, but rows have %d columns"):format(n, #rows[1]), 4) end
  if n == 0 then
    local sum = 0.0
    for _, v in ipairs(y) do sum = sum + math.log(v) / #y end
    return { values = function(some)
      local list = {}
      for i = 1, #some do list[i] = math.exp(sum) end
      return list
    end }
  end
  local model, why, code = ridge.fit(first_columns(rows, n), y, { penalty = -1.0, huber = 0.0, rounds = 8 })
  if not model then return nil, why, code end
  local floor = 0.1 * least(y)
  return { values = function(some)
    local list = model:predict(first_columns(some, n))
    for i, v in ipairs(list) do list[i] = math.max(v, floor) end
    return list
  end }
end

--- log(y / base), and how columns are brought to 0..1.
function residual.targets(rows, y, base)
  local values, t = base.values(rows), {}
  for i, v in ipairs(values) do t[i] = math.log(y[i] / v) end
  local low, high = {}, {}
  for j = 1, #rows[1] do
    low[j], high[j] = math.huge, -math.huge
    for _, row in ipairs(rows) do low[j], high[j] = math.min(low[j], row[j]), math.max(high[j], row[j]) end
  end
  return t, function(row)
    local unit = {}
    for j, v in ipairs(row) do unit[j] = high[j] > low[j] and math.min(1, math.max(0, (v - low[j]) / (high[j] - low[j]))) or 0.5 end
    return unit
  end
end

--- From logarithms back: medians and deviations of log-normal predictions.
function residual.back(base, rows, means, deviations)
  local values, y, sd = base.values(rows), {}, {}
  for i, v in ipairs(values) do
    y[i] = v * math.exp(means[i])
    sd[i] = y[i] * math.sqrt(math.exp(math.min(deviations[i] ^ 2, 50)) - 1)
  end
  return y, sd
end

return residual
