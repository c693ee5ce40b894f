--- How good predictions of a cost are.
--    local m = vega.cost.metrics.of(truths, predictions)
--    print(m.within_10, m.mape, m.rmspe, m.rho, m.tau)            -- shares and relative errors as numbers, 0.1 = 10 %
local stats = require "vega.stats"

local metrics = {}

-- Places of the values, equal ones sharing the mean of theirs.
local function ranks(v)
  local order, rank = {}, {}
  for i = 1, #v do order[i] = i end
  table.sort(order, function(a, b) return v[a] < v[b] end)
  local k = 1
  while k <= #order do
    local last = k
    while last < #order and v[order[last + 1]] == v[order[k]] do last = last + 1 end
    for at = k, last do rank[order[at]] = 0.5 * (k + last) end
    k = last + 1
  end
  return rank
end

local function correlation(a, b)
  local n, ma, mb, aa, bb, ab = #a, 0.0, 0.0, 0.0, 0.0, 0.0
  for i = 1, n do ma, mb = ma + a[i] / n, mb + b[i] / n end
  for i = 1, n do
    local x, y = a[i] - ma, b[i] - mb
    aa, bb, ab = aa + x * x, bb + y * y, ab + x * y
  end
  return ab / math.sqrt(aa * bb)
end

--- Spearman's rank correlation, ties by their mean rank; NaN where a list is constant.
function metrics.spearman(x, y) return correlation(ranks(x), ranks(y)) end

local function check(y, p)
  if #y ~= #p or #y == 0 then error(("metrics: two lists of one length expected, got %d and %d"):format(#y, #p), 3) end
  for i = 1, #y do
    if not (type(y[i]) == "number" and y[i] > 0 and y[i] < math.huge) then
      error(("metrics: truth %d is %s; a number above 0 expected"):format(i, tostring(y[i])), 3)
    end
    if type(p[i]) ~= "number" or p[i] ~= p[i] then error(("metrics: prediction %d is %s"):format(i, tostring(p[i])), 3) end
  end
end

--- Of truths y (above 0) and predictions p: mape, rmspe (of p / y - 1), rmse, r2, within_5, within_10 (shares), rho (Spearman), tau (Kendall's b), n.
function metrics.of(y, p)
  check(y, p)
  local n, mean = #y, 0.0
  for i = 1, n do mean = mean + y[i] / n end
  local m, squares, total = { mape = 0.0, rmspe = 0.0, within_5 = 0.0, within_10 = 0.0, n = n }, 0.0, 0.0
  for i = 1, n do
    local e = p[i] / y[i] - 1
    m.mape, m.rmspe = m.mape + math.abs(e) / n, m.rmspe + e * e / n
    if math.abs(e) <= 0.05 then m.within_5 = m.within_5 + 1 / n end
    if math.abs(e) <= 0.1 then m.within_10 = m.within_10 + 1 / n end
    squares, total = squares + (p[i] - y[i]) ^ 2, total + (y[i] - mean) ^ 2
  end
  m.rmspe, m.rmse, m.r2 = math.sqrt(m.rmspe), math.sqrt(squares / n), 1 - squares / total
  m.rho = n > 1 and metrics.spearman(y, p) or 0 / 0
  m.tau = n > 1 and stats.kendall(y, p) or 0 / 0
  return m
end

--- How far the best of the k that are predicted smallest is from the smallest, relative to it; and the share of the k truly smallest among them.
-- @return regret, precision
function metrics.at_k(y, p, k)
  check(y, p)
  local by_truth, by_guess, chosen = {}, {}, {}
  for i = 1, #y do by_truth[i], by_guess[i] = i, i end
  table.sort(by_truth, function(a, b) return y[a] < y[b] or y[a] == y[b] and a < b end)
  table.sort(by_guess, function(a, b) return p[a] < p[b] or p[a] == p[b] and a < b end)
  local best, hits = math.huge, 0
  for j = 1, math.min(k, #y) do best, chosen[by_guess[j]] = math.min(best, y[by_guess[j]]), true end
  for j = 1, math.min(k, #y) do if chosen[by_truth[j]] then hits = hits + 1 end end
  return best / y[by_truth[1]] - 1, hits / math.min(k, #y)
end

return metrics
