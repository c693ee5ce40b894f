--- How much better than random search at the same budget, where the store lets one say.
-- Trials drawn at random are those of a study "random" over the same space in the same store, or the random phase that the strategy begins with. The
-- best of n draws from the distribution that M of them show is at most x with probability 1 - (1 - F(x))^n. With fewer draws than the budget the tail
-- is not known; then it is said how likely one draw is to be as good as what was found, with the interval of Clopper & Pearson (1934).
local facts_of = require "vega.report.facts"
local source_of = require "vega.report.source"
local objective = require "vega.objective"

local random = {}

-- How many trials a strategy draws at random before it learns; explicit or the population's size.
local function phase_length(params) return params.initial and params.initial > 0 and params.initial or params.population end

local function costs_of(trials, objectives, k, most)
  local list = {}
  for _, t in ipairs(trials) do
    if most and t.id > most then break end
    local costs = t.state == "COMPLETE" and objective.costs(objectives, t.values)
    if costs then list[#list + 1] = costs[k] end
  end
  table.sort(list)
  return list
end

--- The costs by objective k of trials that were drawn at random, sorted, and where they come from; nil when there are none to speak of.
function random.draws(self, k)
  local source = self.source
  if source.strategy == "random" then return nil end
  local name, trials = source_of.random_study(source)
  if name then
    local list = costs_of(trials, self.objectives, k)
    if #list >= 5 then return list, { study = name } end
  end
  local most = math.tointeger(phase_length(source.params or {}))
  if not most or most >= #self.trials then return nil end
  local list = costs_of(self.trials, self.objectives, k, most)
  if #list >= 5 then return list, { phase = most } end
end

--- The cost that the best of n draws stays under with probability q.
function random.best_of(list, n, q)
  local share = 1 - (1 - q) ^ (1 / n)                                  -- F at the answer
  return list[math.max(1, math.min(#list, math.ceil(share * #list)))]
end

-- P(X <= x) of a binomial count, by its terms.
local function binomial_below(x, n, p)
  local sum, term = 0.0, n * math.log(1 - p)
  for i = 0, x do
    sum = sum + math.exp(term)
    term = term + math.log((n - i) / (i + 1)) + math.log(p) - math.log(1 - p)
  end
  return sum
end

-- The p at which `fn`, falling in p, is `target`.
local function solve(fn, target)
  local low, high = 1e-12, 1 - 1e-12
  for _ = 1, 100 do
    local middle = (low + high) / 2
    if fn(middle) > target then low = middle else high = middle end
  end
  return (low + high) / 2
end

--- The 95 % interval of a share of which x in n were seen (Clopper & Pearson).
function random.interval(x, n)
  local low = x == 0 and 0 or solve(function(p) return binomial_below(x - 1, n, p) end, 0.975)
  local high = x == n and 1 or solve(function(p) return binomial_below(x, n, p) end, 0.025)
  return low, high
end

local function count_as_good(list, cost)
  local n = 0
  while n < #list and list[n + 1] <= cost do n = n + 1 end
  return n
end

--- What can be said by objective k: nil, or { name, found, origin, n, draws, median, low, high } when the draws are as many as the budget, else
-- { name, found, origin, n, draws, as_good, low, high } with the chance of a draw. Values, not costs.
function random.compare(self, k)
  local best, n = self.best[k], #self.complete
  local list, origin = random.draws(self, k)
  if not list or not best then return nil end
  local result = { name = self.objectives[k].name, found = facts_of.value(self, k, best.costs[k]), origin = origin, n = n, draws = #list }
  if #list >= n then
    result.median = facts_of.value(self, k, random.best_of(list, n, 0.5))
    result.low = facts_of.value(self, k, random.best_of(list, n, 0.025))
    result.high = facts_of.value(self, k, random.best_of(list, n, 0.975))
  else
    result.as_good = count_as_good(list, best.costs[k])
    result.low, result.high = random.interval(result.as_good, #list)
  end
  return result
end

--- The best of 1, 2, 4, ... draws as { n, value } for the progress chart; nil when there are no draws.
function random.line(self, k)
  local list = random.draws(self, k)
  if not list then return nil end
  local line, n = {}, 1
  while n <= #list do
    line[#line + 1] = { n, facts_of.value(self, k, random.best_of(list, n, 0.5)) }
    n = math.max(n + 1, n * 5 // 4)
  end
  return line
end

return random
