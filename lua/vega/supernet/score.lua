--- Accuracy and loss of many architectures with the weights of a supernet, what they have in common computed once (src/graph/population.h).
local core = require "vega.core"
local train = require "vega.train"

local score = {}

local GROUP = 2000              -- networks planned together: their plan takes some 100 bytes for each node of each
local CACHE = 6 << 20           -- bytes of the largest activation of a batch. Measured on one core of a Zen 4 (32 MiB of level 3 cache), folded:
local LEAST, MOST = 8, 128      -- milliseconds an image of a path at batch 8, 16, 32, 64, 128, 256: nb201 1.22 1.19 1.20 1.24 1.32 1.38,
                                -- mobile_tiny .079 .077 .073 .077 .082 .092, nb_macro .85 .86 .87 .89 .88 .88; the rule takes 64, 32, 8

--- The batch size that keeps activations in the cache: a power of two.
function score.batch_for(graph)
  local largest, batch = 1, LEAST
  for _, node in ipairs(graph:nodes()) do
    local bytes = node.kind == "op" and 4 or 0
    for _, n in ipairs(node.shape) do bytes = bytes * n end
    largest = math.max(largest, bytes)
  end
  while batch < MOST and 2 * batch * largest <= CACHE do batch = 2 * batch end
  return batch
end

-- The places 1 to #settings in an order in which settings with equal beginnings are neighbours, cut into groups.
local function groups(settings)
  local order, cut = {}, {}
  for i = 1, #settings do order[i] = i end
  if #settings <= GROUP then return { order } end
  table.sort(order, function(a, b)
    local x, y = settings[a], settings[b]
    for k = 1, #x do if x[k] ~= y[k] then return x[k] < y[k] end end
    return a < b
  end)
  for first = 1, #order, GROUP do cut[#cut + 1] = table.move(order, first, math.min(first + GROUP - 1, #order), 1, {}) end
  return cut
end

-- One epoch of a loader.
local function score_all(population, loader)
  local seen = false
  while true do
    local images, labels, code = loader:next()
    if code then return nil, labels, code end
    if not images then break end
    seen = true
    local x <close>, y = images, labels
    local ok, message, why = population:score(x, y)
    if not ok then return nil, message, why end
  end
  if not seen then return nil, "evaluate: the data set is empty", "EARG" end
  return population:scores()
end

-- Statistics of each path over the first batches of r.data.
local function calibrate(population, r, normalise)
  local loader = train.loader(r.data, { batch = r.batch or 128, normalise = normalise })
  local function run()
    for k = 1, r.batches or 20 do
      local images, labels, code = loader:next()
      if code then return nil, labels, code end
      if not images then return k > 1 or nil, "recalibrate: the data set is empty", "EARG" end
      local x <close> = images
      local ok, message, why = population:calibrate(x, k)
      if not ok then return nil, message, why end
    end
    return true
  end
  local ok, message, code = run()
  if loader ~= r.data then loader:close() end
  return ok, message, code
end

-- Scores one group. @return list | nil, message, code
local function score_group(graph, settings, data, o)
  local population <close> = core.population.new(graph, settings,
    { memory = o.memory and o.memory * 2 ^ 20, fold = o.fold, recalibrates = o.recalibrate ~= nil })
  if o.recalibrate then
    local ok, message, code = calibrate(population, o.recalibrate, o.normalise)
    if not ok then return nil, message, code end
  end
  local loader = train.loader(data, { batch = o.batch or score.batch_for(graph), normalise = o.normalise })
  local scores, message, code = score_all(population, loader)
  if loader ~= data then loader:close() end
  return scores, message, code
end

--- @param graph a supernet's  @param settings list of its slots' numbers, one an architecture
-- @param o batch, normalise as in vega.train.evaluate, memory in MB, fold, recalibrate = { data, batches, batch }
-- @return list of { accuracy, loss, correct, n } | nil, message, code
function score.run(graph, settings, data, o)
  local result = {}
  for _, group in ipairs(groups(settings)) do
    local own = {}
    for i, place in ipairs(group) do own[i] = settings[place] end
    local scores, message, code = score_group(graph, own, data, o)
    if not scores then return nil, message, code end
    for i, place in ipairs(group) do result[place] = scores[i] end
  end
  return result
end

return score
