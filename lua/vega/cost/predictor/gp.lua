--- A Gaussian process (Matern 5/2, a relevance a column) of log(y / base), the base being a ridge on the first `base` columns (0: the mean). Its
-- parameters are fitted to at most `most` rows; all rows are data. Targets beyond `clip` robust deviations are drawn in: a few networks that a
-- runtime treats in a way of its own are not to set the noise of all others.
local core = require "vega.core"
local residual = require "vega.cost.residual"

local Gp = { params = { base = { 0, min = 0 }, most = { 300, min = 10 }, random = { 1, min = 0 }, clip = { 6.0, min = 0 }, seed = { 1 } } }
Gp.__index = Gp

local function clipped(targets, limit)
  if limit == 0 then return targets end
  local sorted, sizes, list = { table.unpack(targets) }, {}, {}
  table.sort(sorted)
  local middle = sorted[(#sorted + 1) // 2]
  for i, v in ipairs(targets) do sizes[i] = math.abs(v - middle) end
  table.sort(sizes)
  local reach = limit * 1.4826 * math.max(1e-6, sizes[(#sizes + 1) // 2])
  for i, v in ipairs(targets) do list[i] = math.max(middle - reach, math.min(middle + reach, v)) end
  return list
end

function Gp.fit(rows, y, p)
  local base, why, code = residual.base(rows, y, p.base)
  if not base then return nil, why, code end
  local targets, unit = residual.targets(rows, y, base)
  targets = clipped(targets, p.clip)
  local columns, index = {}, {}
  for j = 1, #rows[1] do columns[j] = { levels = 0 } end
  local table_of = core.model.rows(columns, {}, {})
  for i, row in ipairs(rows) do index[i] = table_of:add(unit(row)) end
  local gp, n = core.model.gp(table_of), math.min(p.most, #rows)
  local ok
  ok, why, code = gp:set_data(table.move(index, 1, n, 1, {}), table.move(targets, 1, n, 1, {}))
  if ok then ok, why, code = gp:fit(true, p.random, p.seed) end
  if ok and n < #rows then ok, why, code = gp:set_data(index, targets) end
  if not ok then return nil, why, code end
  local mean, variance, parameters = 0.0, 0.0, gp:parameters()
  for _, t in ipairs(targets) do mean = mean + t / #targets end
  for _, t in ipairs(targets) do variance = variance + (t - mean) ^ 2 / #targets end
  return setmetatable({ base = base, unit = unit, gp = gp, noise = math.exp(parameters[#parameters]) * variance }, Gp)
end

function Gp:predict(rows)
  local points = {}
  for i, row in ipairs(rows) do points[i] = self.unit(row) end
  local means, deviations = self.gp:predict(points)
  for i, sd in ipairs(deviations) do deviations[i] = math.sqrt(sd * sd + self.noise) end      -- of a measurement, not of the mean
  return residual.back(self.base, rows, means, deviations)
end

return Gp
