--- A sum of rates: least squares of relative errors with no coefficient below 0, so that no network is predicted cheaper for doing more. Lawson &
-- Hanson. `prior`: coefficients that those are drawn to, by `penalty` (with columns scaled to a mean square of 1): what other devices teach of a
-- new one.
local ridge = require "vega.cost.predictor.ridge"
local solve = require "vega.cost.solve"

local Additive = { params = { penalty = { 0.0, min = 0 }, prior = {} } }
Additive.__index = Additive

local function fit(rows, y, p)
  local scale, a, ones, prior = {}, {}, {}, {}
  for j = 1, #rows[1] do
    local sum = 0.0
    for i, row in ipairs(rows) do sum = sum + (row[j] / y[i]) ^ 2 end
    scale[j] = sum > 0 and math.sqrt(sum / #rows) or 1
    prior[j] = p.prior and p.prior[j] * scale[j] or 0.0
  end
  for i, row in ipairs(rows) do
    a[i], ones[i] = {}, 1
    for j, v in ipairs(row) do a[i][j] = v / y[i] / scale[j] end
  end
  local w = solve.nonnegative(a, ones, p.penalty * #rows, prior)
  for j, v in ipairs(w) do w[j] = v / scale[j] end
  return w
end

--- The root mean square of relative errors on each row when it is left out of the fit, and those errors.
function Additive.left_out(rows, y, p)
  local sum, errors = 0.0, {}
  for i = 1, #rows do
    local some, targets = {}, {}
    for k = 1, #rows do if k ~= i then some[#some + 1], targets[#targets + 1] = rows[k], y[k] end end
    local w, e = fit(some, targets, p), 0.0
    for j, v in ipairs(rows[i]) do e = e + v * w[j] end
    errors[i] = e / y[i] - 1
    sum = sum + errors[i] ^ 2
  end
  return math.sqrt(sum / #rows), errors
end

local MOST_LEFT_OUT = 100              -- rows up to which the error bar is by leaving out; beyond, that of the fit

function Additive.fit(rows, y, p)
  if p.prior ~= nil and (type(p.prior) ~= "table" or #p.prior ~= #rows[1]) then
    error(("predictor 'additive': prior: %d coefficients expected"):format(#rows[1]), 3)
  end
  local self = setmetatable({ w = fit(rows, y, p) }, Additive)
  if #rows <= MOST_LEFT_OUT then
    self.error = Additive.left_out(rows, y, p)
  else
    self.error = 0
    local means, sum = self:predict(rows), 0.0
    for i, m in ipairs(means) do sum = sum + (m / y[i] - 1) ^ 2 end
    self.error = math.sqrt(sum / math.max(1, #rows - #rows[1]))
  end
  return self
end

Additive.predict, Additive.on_tape = ridge.predict, ridge.on_tape

return Additive
