--- What draws from a search space cost, in microseconds of CPU time: `bench.lua space`. The yardstick is ConfigSpace 1.2 as measured in
-- specs/search-strategies.md 3.12: 10.7 a configuration in batches of 5000, 52 one at a time, 78 with two conditions and a clause,
-- 24 for a hash and a comparison.
local vega = require "vega"

local function flat()
  local t = {}
  for i = 1, 4 do t["float" .. i] = vega.space.float(i == 1 and 1e-4 or 0, 1, { log = i == 1 }) end
  for i = 1, 3 do t["int" .. i] = vega.space.int(1, 64) end
  for i = 1, 3 do t["choice" .. i] = vega.space.choice { "a", "b", "c", "d" } end
  return t
end

local function conditional()
  local t = flat()
  t.int1 = vega.space.when(vega.space.eq("choice1", "a"), t.int1)
  t.int2 = vega.space.when(vega.space.is_in("choice2", { "a", "b" }), t.int2)
  return vega.space(t):forbid { choice1 = "a", choice3 = "b" }
end

-- Median of five rounds.
local function micros(n, work)
  local times = {}
  for round = 1, 5 do
    collectgarbage()
    local start = os.clock()
    work(n)
    times[round] = (os.clock() - start) / n * 1e6
  end
  table.sort(times)
  return times[3]
end

local function each(fn) return function(n) for _ = 1, n do fn() end end end

return function()
  local rng, space, clauses = vega.rng.new(1, "bench space"), vega.space(flat()), conditional()
  local a, b = space:random(rng), space:random(rng)
  local result = {
    batch_us = micros(50000, function(n) for _ = 1, n, 5000 do space:sample(5000, rng) end end),
    rows_us = micros(50000, function(n) for _ = 1, n, 5000 do space:sample(5000, rng, { encoded = true }) end end),
    single_us = micros(50000, each(function() space:random(rng) end)),
    conditional_us = micros(20000, each(function() clauses:random(rng) end)),
    hash_and_compare_us = micros(20000, each(function() return space:hash(a) == space:hash(b) end)),
    check_us = micros(20000, each(function() space:check(a) end)),
    mutate_us = micros(20000, each(function() space:mutate(a, rng) end)),
    crossover_us = micros(20000, each(function() space:crossover(a, b, rng) end)),
  }
  result.per_second = 1e6 / result.batch_us
  return result
end
