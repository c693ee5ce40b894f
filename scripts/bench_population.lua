--- One-shot evaluation of a population: sampled paths of workload `fair` on random images, together and one by one. One JSON line:
--   ours_s                seconds for all paths on all images as supernet:evaluate does it: shared, folded, in batches that stay in the cache
--   one_by_one_s, ratio   the same by train.evaluate, path by path at its default batch: measured on a sample of the paths, extrapolated by
--                         multiply-adds; ratio is the median over rounds of one_by_one_s / ours_s, beside its lowest and highest
--   shared_only_ratio     sharing alone: that batch and no folding on both sides
--   same_ratio            one by one in batches and folded as ours, over ours
--   batch_ratio, fold_ratio   one by one: the default batch over ours, unfolded over folded
--   macs_ratio            multiply-adds of all paths over those computed: what sharing can save in arithmetic
--   equal                 the sampled paths have the same bits together and one by one, folded and unfolded
--   peak_mb, fixed_mb     activations at one time, and weights made ready
-- Times are wall clock; with one thread, processor time. The sides alternate: each round takes a part of the images and of the sample.
local core = require "vega.core"
local score = require "vega.supernet.score"
local supernet = require "vega.supernet"
local vega = require "vega"

local INPUT, CLASSES, DEFAULT_BATCH = { 32, 32, 3 }, 10, 256

local Bench = {}
Bench.__index = Bench

-- `images` random ones in batches.
local function batches_of(images, size)
  local rng, list = vega.rng.new(0, "population", size), {}
  for first = 1, images, size do
    local n, labels = math.min(size, images - first + 1), {}
    for i = 1, n do labels[i] = rng:int(0, CLASSES - 1) end
    list[#list + 1] = { n = n, x = vega.tensor.randn({ n, table.unpack(INPUT) }, rng), y = vega.tensor.new(labels, { dtype = "i32" }) }
  end
  return list
end

local function new(o)
  local self = setmetatable({ settings = {}, macs = {}, total_macs = 0, images = o.images, sample = {} }, Bench)
  local rng = vega.rng.new(0, "population")
  self.net = supernet.new { space = "spos_mobile", input = INPUT, classes = CLASSES, seed = 0 }
  for i = 1, o.paths do
    local arch = self.net.space:random(rng)
    self.settings[i], self.macs[i] = self.net:setting(arch), vega.cost.count(self.net:extract(arch)).macs
    self.total_macs = self.total_macs + self.macs[i]
  end
  for i = 1, math.min(o.sample, o.paths) do self.sample[i] = i end          -- the paths are random already
  self.now = o.threads == 1 and os.clock or core.sys.clock
  self.batch = score.batch_for(self.net.graph)
  return self
end

function Bench:population(places, fold)
  local settings = {}
  for i, place in ipairs(places) do settings[i] = self.settings[place] end
  return core.population.new(self.net.graph, settings, { fold = fold })
end

-- Seconds to score the batches, as if they were all images and the population all paths.
function Bench:time(population, batches)
  local images, start = 0, self.now()
  for _, b in ipairs(batches) do
    assert(population:score(b.x, b.y))
    images = images + b.n
  end
  return (self.now() - start) * self.images / images
end

-- The same for paths one by one, in the fashion given by start(place) -> function(batch).
function Bench:time_each(places, batches, start_path)
  local images, macs, seconds = 0, 0, 0
  for _, b in ipairs(batches) do images = images + b.n end
  for _, place in ipairs(places) do
    local run = start_path(place)
    run(batches[1])                                                          -- convolutions are made, weights brought into their layout
    local start = self.now()
    for _, b in ipairs(batches) do run(b) end
    seconds, macs = seconds + self.now() - start, macs + self.macs[place]
  end
  return seconds * self.images / images * self.total_macs / macs
end

-- One by one: train.evaluate's way, and as a population of one.
function Bench:plain(place)
  return function(b) assert(core.train.score(self.net.graph, b.x, b.y, self.settings[place])) end
end
function Bench:folded(place)
  local population = self:population({ place }, true)
  return function(b) assert(population:score(b.x, b.y)) end
end

-- The sampled paths alone give the bits of the whole population: both begin with the first batch, or end there.
function Bench:is_equal(scores, batches, fold)
  for _, place in ipairs(self.sample) do
    local alone <close> = self:population({ place }, fold)
    for _, b in ipairs(batches) do assert(alone:score(b.x, b.y)) end
    local own = alone:scores()[1]
    if own.loss ~= scores[place].loss or own.correct ~= scores[place].correct then return false end
    if not fold then
      local n, correct, loss = core.train.score(self.net.graph, batches[1].x, batches[1].y, self.settings[place])
      if #batches ~= 1 or loss / n ~= own.loss or correct ~= own.correct then return false end
    end
  end
  return true
end

local function part(list, k, n)
  local first, last = (k - 1) * #list // n + 1, k * #list // n
  return table.move(list, math.min(first, #list), math.max(first, last), 1, {})
end

local function summary(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  return sorted[#sorted // 2 + 1], sorted[1], sorted[#sorted]
end

local function quotients(a, b)
  local list = {}
  for i = 1, #a do list[i] = a[i] / b[i] end
  return list
end

function Bench:all()
  local list = {}
  for i = 1, #self.settings do list[i] = i end
  return list
end

--- @param o paths, images, sample (paths scored one by one), threads, pairs (rounds)
return function(o)
  vega.threads(o.threads)
  local self = new(o)
  local small, large = batches_of(o.images, self.batch), batches_of(math.min(o.images, DEFAULT_BATCH), DEFAULT_BATCH)
  local rounds = math.min(o.pairs, #small, #self.sample)
  local ours, plain, plain_small, folded, seen = {}, {}, {}, {}, { small[1] }
  local population <close> = self:population(self:all(), true)
  assert(population:score(small[1].x, small[1].y))
  for k = 1, rounds do
    local batches, places = part(small, k, rounds), part(self.sample, k, rounds)
    ours[k] = self:time(population, batches)
    plain[k] = self:time_each(places, large, function(place) return self:plain(place) end)
    plain_small[k] = self:time_each(places, batches, function(place) return self:plain(place) end)
    folded[k] = self:time_each(places, batches, function(place) return self:folded(place) end)
    table.move(batches, 1, #batches, #seen + 1, seen)
    io.stderr:write(("round %d: ours %.1f s, one by one %.1f s, at batch %d %.1f s, folded %.1f s\n"):format(k, ours[k], plain[k], self.batch,
      plain_small[k], folded[k]))
  end
  local counts = population:counts()
  local equal = self:is_equal(population:scores(), seen, true)
  population:close()
  local shared <close> = self:population(self:all(), false)
  local shared_s = self:time(shared, large)
  equal = equal and self:is_equal(shared:scores(), large, false)
  local ratio, low, high = summary(quotients(plain, ours))
  return { workload = "fair", paths = o.paths, images = o.images, threads = o.threads, batch = self.batch, ours_s = summary(ours),
    one_by_one_s = summary(plain), ratio = ratio, ratio_low = low, ratio_high = high, shared_only_ratio = summary(plain) / shared_s,
    same_ratio = summary(quotients(folded, ours)), batch_ratio = summary(quotients(plain, plain_small)),
    fold_ratio = summary(quotients(plain_small, folded)), macs_ratio = self.total_macs * small[#small].n / counts.macs, equal = equal,
    peak_mb = counts.peak_bytes / 2 ^ 20, fixed_mb = counts.fixed_bytes / 2 ^ 20 }
end
