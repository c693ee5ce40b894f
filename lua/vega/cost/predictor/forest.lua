--- A random forest of log(y / base), the base being a ridge on the first `base` columns (0: the mean). Error bars are those of the forest.
local core = require "vega.core"
local residual = require "vega.cost.residual"

local Forest = { params = { base = { 0, min = 0 }, trees = { 100, min = 1 }, min_leaf = { 3, min = 1 }, features = { 0.5, min = 0, max = 1 },
  seed = { 1 } } }
Forest.__index = Forest

local function columns(n)
  local list = {}
  for j = 1, n do list[j] = { levels = 0 } end
  return list
end

function Forest.fit(rows, y, p)
  local base, why, code = residual.base(rows, y, p.base)
  if not base then return nil, why, code end
  local targets, unit = residual.targets(rows, y, base)
  local table_of, index = core.model.rows(columns(#rows[1]), {}, {}), {}
  for i, row in ipairs(rows) do index[i] = table_of:add(unit(row)) end
  local forest = core.model.forest(table_of, { trees = p.trees, min_leaf = p.min_leaf, features = p.features })
  local ok
  ok, why, code = forest:grow(p.trees, index, targets, p.seed)
  if not ok then return nil, why, code end
  return setmetatable({ base = base, unit = unit, forest = forest }, Forest)
end

function Forest:predict(rows)
  local points = {}
  for i, row in ipairs(rows) do points[i] = self.unit(row) end
  return residual.back(self.base, rows, self.forest:predict(points))
end

return Forest
