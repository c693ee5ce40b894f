--- Statistics of results.
--    local tau, about = vega.stats.kendall(shared, alone)        -- rank correlation; about.low, about.high: its 95 % interval
local stats = {}

-- Counts of values by rank, with prefix sums: Fenwick's tree.
local function tree(n)
  local sum = {}
  for i = 1, n do sum[i] = 0 end
  return {
    add = function(i) while i <= n do sum[i] = sum[i] + 1; i = i + (i & -i) end end,
    upto = function(i) local s = 0; while i > 0 do s = s + sum[i]; i = i - (i & -i) end; return s end,
  }
end

-- rank[i]: the place of v[i] among the different values; the number of those; group[r]: how many share it.
local function ranks(v)
  local order, rank, group, r = {}, {}, {}, 0
  for i = 1, #v do order[i] = i end
  table.sort(order, function(a, b) return v[a] < v[b] end)
  for k, i in ipairs(order) do
    if k == 1 or v[i] ~= v[order[k - 1]] then r = r + 1 end
    rank[i], group[r] = r, (group[r] or 0) + 1
  end
  return { rank = rank, n = r, group = group, order = order }
end

-- For each i, adds to agree[i] and differ[i] the pairs with those j whose x is smaller (from the front) or larger (from the back).
local function count_pairs(x, y, agree, differ, back)
  local n, seen, t = #x.order, 0, tree(y.n)
  local first, last, step = 1, n, 1
  if back then first, last, step = n, 1, -1 end
  local k = first
  while k >= 1 and k <= n do
    local stop = k                                 -- a group of equal x: all are looked up before any is added
    while stop ~= last and x.rank[x.order[stop + step]] == x.rank[x.order[k]] do stop = stop + step end
    for at = k, stop, step do
      local i = x.order[at]
      local below, above = t.upto(y.rank[i] - 1), seen - t.upto(y.rank[i])
      agree[i] = agree[i] + (back and above or below)
      differ[i] = differ[i] + (back and below or above)
    end
    for at = k, stop, step do t.add(y.rank[x.order[at]]) end
    seen = seen + math.abs(stop - k) + 1
    k = stop + step
  end
end

local function check(x, y)
  if type(x) ~= "table" or type(y) ~= "table" then error("stats.kendall: two lists of numbers expected", 3) end
  if #x ~= #y then error(("stats.kendall: lists of one length expected, got %d and %d"):format(#x, #y), 3) end
  if #x < 2 then error("stats.kendall: at least two pairs of numbers expected", 3) end
  for name, list in pairs { x = x, y = y } do
    for i, v in ipairs(list) do
      if type(v) ~= "number" or v ~= v then error(("stats.kendall: number %d of %s is %s"):format(i, name, tostring(v)), 3) end
    end
  end
end

-- The quantile p >= 1/2 of the normal distribution, by bisection.
local function normal_quantile(p)
  local function cdf(z)                            -- Abramowitz & Stegun 26.2.17, 7.5e-8
    local t = 1 / (1 + 0.2316419 * z)
    local tail = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) *
      t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    return 1 - tail
  end
  local low, high = 0, 10
  for _ = 1, 60 do
    local middle = (low + high) / 2
    if cdf(middle) < p then low = middle else high = middle end
  end
  return (low + high) / 2
end

--- Kendall's tau-b between two lists, in O(n log n): (C - D) / sqrt((C + D + Tx) (C + D + Ty)) with C concordant and D discordant pairs, Tx pairs tied
-- in x alone, Ty in y alone; pairs tied in both count nowhere. Kendall 1945; NaN where a list is constant. Infinite numbers are ordered as such.
-- The interval is asymptotic, for pairs drawn independently from whatever distribution: the standard error is that of the U statistics (the spread of
-- what each observation contributes, as by an infinitesimal jackknife), taken to Fisher's z and back. From some 30 pairs on it covers what
-- it says; it is too narrow for a handful, and has no width at tau = 1 or -1.
-- @param options level = 0.95
-- @return tau, { low, high, se, n, concordant, discordant, ties_x, ties_y }
function stats.kendall(x, y, options)
  check(x, y)
  local level = options and options.level or 0.95
  require("vega.util").check_options("stats.kendall", options or {}, { level = true }, 2)
  if not (type(level) == "number" and level > 0 and level < 1) then error("stats.kendall: level must be between 0 and 1", 2) end
  local n, rx, ry, agree, differ = #x, ranks(x), ranks(y), {}, {}
  for i = 1, n do agree[i], differ[i] = 0, 0 end
  count_pairs(rx, ry, agree, differ, false)
  count_pairs(rx, ry, agree, differ, true)
  local c, d, untied_x, untied_y = 0, 0, 0, 0      -- twice the number of pairs, each being counted from both ends
  for i = 1, n do
    c, d = c + agree[i], d + differ[i]
    untied_x, untied_y = untied_x + n - rx.group[rx.rank[i]], untied_y + n - ry.group[ry.rank[i]]
  end
  local root = math.sqrt(1.0 * untied_x * untied_y)
  local tau, sum = (c - d) / root, 0
  for i = 1, n do                                  -- how much observation i moves tau: the delta method on its three sums
    local own_x, own_y = n - rx.group[rx.rank[i]], n - ry.group[ry.rank[i]]
    local h = (agree[i] - differ[i] - (c - d) / n) * n / root - tau / 2 * (own_x * n / untied_x + own_y * n / untied_y - 2)
    sum = sum + h * h
  end
  local se = 2 * math.sqrt(sum / (n * (n - 1)))
  local about = { se = se, n = n, concordant = c // 2, discordant = d // 2, ties_x = (untied_y - c - d) // 2,
    ties_y = (untied_x - c - d) // 2 }
  if math.abs(tau) < 1 then
    local z, half = 0.5 * math.log((1 + tau) / (1 - tau)), normal_quantile(0.5 + level / 2) * se / (1 - tau * tau)
    about.low, about.high = 1 - 2 / (math.exp(2 * (z - half)) + 1), 1 - 2 / (math.exp(2 * (z + half)) + 1)
  else
    about.low, about.high = tau, tau
  end
  return tau, about
end

return stats
