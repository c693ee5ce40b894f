--- Which decisions mattered: the share of the variance that each explains alone, on a random forest of the trials, after functional ANOVA (Hutter,
-- Hoos & Leyton-Brown 2014, proceedings.mlr.press/v32/hutter14). There the integrals over a tree's leaves are exact; here they are means over a Latin
-- hypercube, as for any model. How far the forest can be trusted says its R2 on trials that it was not grown with.
local core = require("vega.core").model
local history = require "vega.model.history"

local MOST_TRIALS, BASE, LEVELS, TREES, SEED = 2000, 200, 12, 24, 1
local FEWEST = 20

-- Rows of the table and the costs of the trials that are members of the space.
local function read(space, rows, trials)
  local index, costs = {}, {}
  for _, t in ipairs(trials) do
    local ok, point = pcall(space.encode, space, t.arch)
    local row = ok and rows:add(point)
    if row then
      index[#index + 1], costs[#costs + 1] = row, t.costs[1]
    end
  end
  return index, costs
end

local function mean_of(list)
  local sum = 0.0
  for _, v in ipairs(list) do sum = sum + v end
  return sum / #list
end

local function variance_of(list)
  local mean, sum = mean_of(list), 0.0
  for _, v in ipairs(list) do sum = sum + (v - mean) ^ 2 end
  return sum / #list
end

local function grown(rows, index, costs)
  local forest = core.forest(rows, { trees = TREES, min_leaf = 2, features = 0.7 })
  forest:grow(TREES, index, costs, SEED)
  return forest
end

-- R2 on every fifth trial of a forest grown with the others.
local function r2_of(space, rows, trials)
  local learn, judge = {}, {}
  for i, t in ipairs(trials) do table.insert(i % 5 == 0 and judge or learn, t) end
  local index, costs = read(space, rows, learn)
  local points, truth = {}, {}
  for _, t in ipairs(judge) do
    local ok, point = pcall(space.encode, space, t.arch)
    if ok then points[#points + 1], truth[#truth + 1] = point, t.costs[1] end
  end
  if #index < 8 or #points < 3 then return nil end
  local guess, errors, variance = grown(rows, index, costs):predict(points), 0.0, variance_of(truth)
  for i, v in ipairs(truth) do errors = errors + (v - guess[i]) ^ 2 end
  return variance > 0 and 1 - errors / #truth / variance or nil
end

-- The places in [0, 1] that a decision is looked at.
local function levels_of(d)
  local size, list = d.domain.size, {}
  local n = size and math.min(size, LEVELS) or LEVELS
  for i = 1, n do list[i] = size and size <= LEVELS and d.domain:unit(d.domain:at(i)) or (i - 0.5) / n end
  return list
end

-- The variance of the mean prediction over the levels of column j, among the base points where it is active.
local function effect(forest, base, j, d)
  local points = {}
  for _, point in ipairs(base) do if point[j] >= 0 then points[#points + 1] = table.move(point, 1, #point, 1, {}) end end
  if #points < 2 then return 0.0 end
  local means = {}
  for k, level in ipairs(levels_of(d)) do
    for _, point in ipairs(points) do point[j] = level end
    means[k] = mean_of((forest:predict(points)))
  end
  return variance_of(means) * #points / #base
end

local function by_share(a, b)
  if a.share ~= b.share then return a.share > b.share end
  return a.name < b.name
end

--- @param space a vega.space, or nil where the store does not say enough. @param trials complete ones with costs
-- @return { r2, trials = how many were used, list = { { name, share }, ... } the largest first }, or nil and why there is none
return function(space, trials)
  if not space then return nil, "the space has functions that the store does not hold" end
  if #trials < FEWEST then return nil, ("it needs %d complete trials"):format(FEWEST) end
  if #space.decisions < 2 then return nil, "there is one decision" end
  trials = require("vega.report.facts").sample(trials, MOST_TRIALS)
  local rows = history.new(space).rows
  local index, costs = read(space, rows, trials)
  if #index < FEWEST or variance_of(costs) == 0 then return nil, "the trials do not differ" end
  local forest, base = grown(rows, index, costs), rows:latin(BASE, SEED)
  local whole, list = variance_of((forest:predict(base))), {}
  for j, d in ipairs(space.decisions) do
    list[j] = { name = d.name, share = whole > 0 and math.min(1, effect(forest, base, j, d) / whole) or 0.0 }
  end
  table.sort(list, by_share)
  return { r2 = r2_of(space, history.new(space).rows, trials), trials = #trials, list = list }
end
