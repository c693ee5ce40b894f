--- The cost on a device of which only a handful of networks was measured, given tables of others. Three ways; the first, unless another one's
-- leave-one-out error is less than half of it (a handful of samples picks the luckiest of many models otherwise):
--    mixture   a sum of the known devices' times and a constant, no weight below 0, drawn to the plain mean
--    nearest   a * t + b of one known device
--    counts    an additive model of the networks' own rows, its coefficients drawn to those of one known device
-- Ten samples and the literature's splits: HELP (Lee et al. 2021, arXiv:2106.08630) meta-learns; this is closed-form.
--    local t = vega.cost.transfer.new { rows = rows, known = { pixel3 = list of ms, ... } }         -- all networks; rows may be a list of such lists
--    local p = t:fit({ 17, 230, ... }, { 25.1, 9.7, ... })                       -- numbers of the networks that were measured, and what they took
--    p:predict(4), p.way, p.error
local additive = require "vega.cost.predictor.additive"
local util = require "vega.util"

local transfer, Transfer, Fitted = {}, {}, {}
Transfer.__index, Fitted.__index = Transfer, Fitted

local CLEARLY = 0.5
local PENALTIES = { 0.001, 0.003, 0.01, 0.03, 0.1 }       -- a sample

local function median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  return 0.5 * (sorted[(#sorted + 1) // 2] + sorted[#sorted // 2 + 1])
end

local function scaled(list, by)
  local result = {}
  for i, v in ipairs(list) do result[i] = v / by end
  return result
end

-- Coefficients of every known device on every set of rows, each times scaled to a median of 1: from at most MOST networks, evenly spaced.
local MOST = 400
local function learn_priors(self)
  self.priors = {}
  for s, rows in ipairs(self.sets) do
    self.priors[s] = {}
    for k, times in ipairs(self.times) do
      local some, y, step = {}, {}, math.max(1, #rows // MOST)
      for i = 1, #rows, step do some[#some + 1], y[#y + 1] = rows[i], times[i] end
      self.priors[s][k] = additive.fit(some, y, { penalty = 0 }).w
    end
  end
end

--- @param options known = { name = times of all networks }, rows = descriptions of all networks (a list of rows, or of several such lists: by the
-- pruning of the runtime, for one); without rows the way "counts" is left out
function transfer.new(options)
  util.check_options("transfer", options, { known = true, rows = true }, 2)
  local self = setmetatable({ names = util.sorted_keys(options.known or {}), times = {}, sets = options.rows or {} }, Transfer)
  if #self.names == 0 then error("transfer: at least one known device expected", 2) end
  for k, name in ipairs(self.names) do
    local times = options.known[name]
    if #times ~= #options.known[self.names[1]] then error(("transfer: device '%s' has %d networks, the first has %d"):format(name, #times,
      #options.known[self.names[1]]), 2) end
    for i, v in ipairs(times) do
      if type(v) ~= "number" or v <= 0 or v ~= v then
        error(("transfer: time %d of device '%s' is %s; a number above 0 expected"):format(i, name, tostring(v)), 2)
      end
    end
    self.times[k] = scaled(times, median(times))
  end
  if self.sets[1] and type(self.sets[1][1]) == "number" then self.sets = { self.sets } end
  learn_priors(self)
  return self
end

-- Each way is { name, row(i) -> numbers, penalty, prior }.
local function ways_of(self)
  local list = {}
  local function mixture(i)
    local row = { 1 }
    for k, times in ipairs(self.times) do row[k + 1] = times[i] end
    return row
  end
  local prior = { 0 }
  for k = 1, #self.times do prior[k + 1] = 1 / #self.times end
  for _, penalty in ipairs(PENALTIES) do list[#list + 1] = { "mixture", mixture, penalty, prior } end
  for k, times in ipairs(self.times) do
    list[#list + 1] = { "nearest: " .. self.names[k], function(i) return { 1, times[i] } end, 0.01, { 0, 1 } }
    for s, rows in ipairs(self.sets) do
      list[#list + 1] = { ("counts %d: %s"):format(s, self.names[k]), function(i) return rows[i] end, 0.03, self.priors[s][k] }
    end
  end
  return list
end

--- Fits the new device. @param places numbers of its measured networks. @param y what they took
-- @return object with predict(i) -> value, sd; way; error (leave-one-out, relative)
function Transfer:fit(places, y)
  if #places ~= #y or #y < 3 then error(("transfer: at least three networks and as many times expected, got %d and %d"):format(#places, #y), 2) end
  for i, v in ipairs(y) do
    if type(v) ~= "number" or v <= 0 or v ~= v then error(("transfer: time %d is %s; a number above 0 expected"):format(i, tostring(v)), 2) end
  end
  local scale, best, mixture = median(y), nil, nil
  local unit = scaled(y, scale)
  for _, way in ipairs(ways_of(self)) do
    local rows = {}
    for n, i in ipairs(places) do rows[n] = way[2](i) end
    local e = additive.left_out(rows, unit, { penalty = way[3], prior = way[4] })
    local is_mixture = way[1] == "mixture"
    if is_mixture and (not mixture or e < mixture.error) then mixture = { error = e, way = way, rows = rows } end
    if not is_mixture and (not best or e < best.error) then best = { error = e, way = way, rows = rows } end
  end
  if best.error >= CLEARLY * mixture.error then best = mixture end
  local w = additive.fit(best.rows, unit, { penalty = best.way[3], prior = best.way[4] }).w
  return setmetatable({ w = w, scale = scale, row = best.way[2], way = best.way[1], error = best.error }, Fitted)
end

--- What network i is believed to take, and its standard deviation.
function Fitted:predict(i)
  local sum = 0.0
  for j, v in ipairs(self.row(i)) do sum = sum + v * self.w[j] end
  return self.scale * sum, self.scale * sum * self.error
end

return transfer
