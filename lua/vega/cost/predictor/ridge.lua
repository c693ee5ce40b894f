--- Ridge regression of relative errors: sum_i (p_i / y_i - 1)^2 + penalty |w|^2, columns scaled to a mean square of 1. In closed form.
-- Without a penalty of the caller's the one with the least leave-one-out error is taken. Squares of a few outliers would rule the fit, and the more
-- so the smaller their target: with huber > 0, such as 2, errors are relative to the prediction of the round before, and count linearly from
-- `huber` robust deviations on (Huber 1964). 0: plain squares of p / y - 1.
local core = require "vega.core"
local solve = require "vega.cost.solve"

local Ridge = { params = { penalty = { -1.0 }, huber = { 0.0, min = 0 }, rounds = { 8, min = 1 } } }
Ridge.__index = Ridge

local GRID = { 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1 }

local function column_scales(rows)
  local scale = {}
  for j = 1, #rows[1] do
    local sum = 0.0
    for _, row in ipairs(rows) do sum = sum + row[j] ^ 2 end
    scale[j] = sum > 0 and math.sqrt(sum / #rows) or 1
  end
  return scale
end

-- Rows and targets of the relative problem: each divided by `unit`, times the root of its weight.
local function relative(rows, y, scale, unit, weight)
  local a, b = {}, {}
  for i, row in ipairs(rows) do
    local by, line = math.sqrt(weight[i]) / unit[i], {}
    for j, v in ipairs(row) do line[j] = by * v / scale[j] end
    a[i], b[i] = line, by * y[i]
  end
  return a, b
end

local function dot(a, b)
  local sum = 0.0
  for j = 1, #a do sum = sum + a[j] * b[j] end
  return sum
end

-- The mean squared leave-one-out error, by the leverages of the rows: as the rows are weighed, and without their weights.
local function left_out(a, b, w, l, weight)
  local sum, total, plain = 0.0, 0.0, 0.0
  for i, row in ipairs(a) do
    local e = (dot(row, w) - b[i]) / math.max(1e-6, 1 - dot(row, solve.by_factor(l, row)))
    sum, total, plain = sum + e * e, total + weight[i], plain + e * e / weight[i]
  end
  return sum / total, plain / #a
end

local function fit_once(rows, y, scale, unit, weight, penalty)
  local a, b = relative(rows, y, scale, unit, weight)
  local mean = 0.0
  for _, row in ipairs(a) do mean = mean + dot(row, row) / #row end
  local best, why
  for _, p in ipairs(penalty >= 0 and { penalty } or GRID) do
    local w, l = solve.ridge(a, b, p * mean / 1000 + 1e-12 * mean)
    if w then
      local loss, plain = left_out(a, b, w, l, weight)
      if not best or loss < best.loss then best = { w = w, loss = loss, plain = plain, penalty = p } end
    else why = l end
  end
  return best, why
end

-- The predictions, which must not vanish, and weights of the rows by Huber's rule in units of a robust deviation.
local function weigh(rows, y, scale, w, huber, floor)
  local unit, errors, sizes, weight = {}, {}, {}, {}
  for i, row in ipairs(rows) do
    local p = 0.0
    for j, v in ipairs(row) do p = p + v / scale[j] * w[j] end
    unit[i] = math.max(p, floor)
    errors[i] = math.abs(y[i] - p) / unit[i]
    sizes[i] = errors[i]
  end
  table.sort(sizes)
  local limit = huber * math.max(1e-9, 1.4826 * sizes[(#sizes + 1) // 2])
  for i, e in ipairs(errors) do weight[i] = e <= limit and 1 or limit / e end
  return unit, weight
end

-- The first round is of absolute errors: no target, however wrong, makes a row heavy there.
local function fit_robust(rows, y, scale, p)
  local unit, weight, mean = {}, {}, 0.0
  local best, why
  for _, v in ipairs(y) do mean = mean + v / #y end
  for i = 1, #rows do unit[i], weight[i] = mean, 1 end
  for _ = 0, p.rounds do
    best, why = fit_once(rows, y, scale, unit, weight, p.penalty)
    if not best then return nil, why end
    unit, weight = weigh(rows, y, scale, best.w, p.huber, 0.02 * mean)
  end
  return best
end

function Ridge.fit(rows, y, p)
  local scale, ones = column_scales(rows), {}
  local best, why
  for i = 1, #rows do ones[i] = 1 end
  if p.huber > 0 and #rows > 2 * #rows[1] then best, why = fit_robust(rows, y, scale, p)
  else best, why = fit_once(rows, y, scale, y, ones, p.penalty) end
  if not best then return nil, why, "ENAN" end
  local w = {}
  for j, v in ipairs(best.w) do w[j] = v / scale[j] end
  return setmetatable({ w = w, error = math.sqrt(best.plain), penalty = best.penalty }, Ridge)
end

--- Means; deviations are the leave-one-out error, relative, times the mean.
function Ridge:predict(rows)
  local means, deviations = {}, {}
  for i, row in ipairs(rows) do
    means[i] = dot(row, self.w)
    deviations[i] = self.error * math.abs(means[i])
  end
  return means, deviations
end

function Ridge:on_tape(x) return core.op.reshape(core.op.linear(x, core.tensor.new { self.w }), { rank = 1, d0 = -1 }) end

return Ridge
