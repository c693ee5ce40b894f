--- How many architectures there are, and which is the i-th.
-- Decisions are settled one after the other. What the rest can still be depends on those earlier decisions alone that a later condition
-- looks at, and on them only through the conditions' answers: values that no condition tells apart form a class. Counts are kept per place and
-- classes of the open decisions, so nested and repeated parts cost no more than their sum. The same counts rank, unrank and draw uniformly.
local condition = require "vega.space.condition"
local core_rng = require("vega.core").rng
local fail = require "vega.space.fail"

local count = { methods = {} }
local methods = count.methods

local MOST_STATES = 100000    -- classes that may be open at once; beyond it the size is estimated
local MOST_CLAUSES = 16       -- for inclusion and exclusion
local ENUMERABLE = 200000     -- members that are checked one by one
local DRAWS = 10000           -- for an estimate

local function times(a, b)
  if not a or not b or (b ~= 0 and a > math.maxinteger // b) then return nil end
  return a * b
end
local function plus(a, b) return a and b and a <= math.maxinteger - b and a + b or nil end
local function plus_bits(a, b)
  if a < b then a, b = b, a end
  return b == -math.huge and a or a + math.log(1 + 2.0 ^ (b - a), 2)
end

-- Classes -----------------------------------------------------------------------------------------------------------------------------

local function answers(leaf, code)
  for _, piece in ipairs(leaf.intervals) do if code >= piece[1] and code <= piece[2] then return true end end
  return false
end

-- Runs of places of d with equal answers to all leaves: { low, high, class }; a class is { id, truth = { [leaf] = true } }.
local function runs_of(d, leaves)
  local starts, seen = { 1 }, { [1] = true }
  for _, leaf in ipairs(leaves) do
    for _, piece in ipairs(leaf.intervals) do
      for _, start in ipairs { piece[1], piece[2] + 1 } do
        if start <= d.domain.size and not seen[start] then seen[start], starts[#starts + 1] = true, start end
      end
    end
  end
  table.sort(starts)
  local runs, classes, n = {}, {}, 0
  for i, low in ipairs(starts) do
    local truth, signature = {}, {}
    for k, leaf in ipairs(leaves) do
      truth[leaf] = answers(leaf, low)
      signature[k] = truth[leaf] and "1" or "0"
    end
    local key = table.concat(signature)
    if not classes[key] then n = n + 1 end
    classes[key] = classes[key] or { id = n, truth = truth }
    runs[i] = { low = low, high = (starts[i + 1] or d.domain.size + 1) - 1, class = classes[key] }
  end
  return runs, n
end

-- For each place the open decisions before it, and the runs of each decision that is looked at; nil when too much is open.
local function prepare(space)
  local n, leaves, last = #space.decisions, {}, {}
  for p, d in ipairs(space.decisions) do
    if d.guard then
      condition.leaves(d.guard, function(leaf)
        local q = leaf.decision.place
        leaves[q] = leaves[q] or {}
        table.insert(leaves[q], leaf)
        last[q] = p
      end)
    end
  end
  local plan, open, states = { runs = {}, open = {} }, {}, {}
  for p = 1, n + 1 do
    local still, product = {}, 1
    for _, q in ipairs(open) do if last[q] >= p then still[#still + 1], product = q, product * states[q] end end
    if product > MOST_STATES then return nil end
    open, plan.open[p] = still, table.move(still, 1, #still, 1, {})
    if leaves[p] then
      plan.runs[p], states[p] = runs_of(space.decisions[p], leaves[p])
      if space.decisions[p].guard then states[p] = states[p] + 1 end            -- or inactive
      open[#open + 1] = p
    end
  end
  return plan
end

-- Counting ----------------------------------------------------------------------------------------------------------------------------

local Counter = {}
Counter.__index = Counter

-- `restrict`: place -> intervals of places in the domain; the decision must be active and within them.
local function counter(space, restrict)
  local memo = {}
  for p = 1, #space.decisions do memo[p] = {} end
  return setmetatable({ decisions = space.decisions, plan = space.plan, memo = memo, restrict = restrict or {}, class = {} }, Counter)
end

function Counter:is_active(p)
  local guard = self.decisions[p].guard
  return not guard or condition.truth(guard, function(leaf)
    local class = self.class[leaf.decision.place]
    return class and class.truth[leaf] or false
  end)
end

local function key_of(self, p)
  local ids = {}
  for i, q in ipairs(self.plan.open[p]) do ids[i] = self.class[q] and self.class[q].id or 0 end
  return table.concat(ids, ",")
end

-- How many places of low..high the restriction leaves.
local function length(low, high, intervals)
  if not intervals then return high - low + 1 end
  local n = 0
  for _, piece in ipairs(intervals) do n = n + math.max(0, math.min(high, piece[2]) - math.max(low, piece[1]) + 1) end
  return n
end

local function count_active(self, p)
  local d, runs, restrict = self.decisions[p].domain, self.plan.runs[p], self.restrict[p]
  if not runs then
    local n, bits = self:count(p + 1)
    if not restrict then return times(n, d.size), bits + d.bits end
    local own = length(1, d.size, restrict)
    return times(n, own), bits + math.log(own, 2)
  end
  local total, total_bits = 0, -math.huge
  for _, run in ipairs(runs) do
    local own = length(run.low, run.high, restrict)
    if own > 0 then
      self.class[p] = run.class
      local n, bits = self:count(p + 1)
      total, total_bits = plus(total, times(n, own)), plus_bits(total_bits, bits + math.log(own, 2))
    end
  end
  self.class[p] = nil
  return total, total_bits
end

--- The number of ways to settle the decisions from place p on: exact or nil, and log2.
function Counter:count(p)
  if p > #self.decisions then return 1, 0.0 end
  local key = key_of(self, p)
  local known = self.memo[p][key]
  if not known then
    known = {}
    if self:is_active(p) then known.n, known.bits = count_active(self, p)
    elseif self.restrict[p] then known.n, known.bits = 0, -math.huge
    else known.n, known.bits = self:count(p + 1) end
    self.memo[p][key] = known
  end
  return known.n, known.bits
end

-- The mean of the product of the sizes of the decisions met is the size, whatever is open (Knuth 1975, doi:10.2307/2005469).
local function estimate_size(space)
  local rng, sum, most = core_rng.new(0, "size", 0), 0.0, nil
  for _ = 1, DRAWS do
    local arch, bits = space:draw(rng), 0.0
    for _, d in ipairs(space.decisions) do if arch[d.name] ~= nil then bits = bits + d.domain.bits end end
    most = most or bits
    sum = sum + 2.0 ^ (bits - most)
  end
  return most + math.log(sum / DRAWS, 2)
end

--- Writes size (exact, nil from 2^63 on), bits (log2, inf for a continuous space) and finite. Clauses do not count here.
function count.measure(space)
  space.finite = true
  for _, d in ipairs(space.decisions) do space.finite = space.finite and d.domain.bits < math.huge end
  space.size, space.bits = nil, math.huge
  if not space.finite then return end
  space.plan = prepare(space)
  if space.plan then
    space.counter = counter(space)
    space.size, space.bits = space.counter:count(1)
  else
    space.bits, space.is_estimate = estimate_size(space), true
  end
end

-- Places ------------------------------------------------------------------------------------------------------------------------------

-- Walks the decisions in order; settle(p, d, counter) settles one and returns its run, whose class is noted.
local function walk(space, settle)
  local c = space.counter
  c.class = {}
  for p, d in ipairs(space.decisions) do
    if c:is_active(p) then
      local run = settle(p, d, c)
      c.class[p] = run and run.class
    end
  end
  c.class = {}
end

--- The place of an architecture among all of a finite space, 1 to size (clauses not counted). The last decision runs fastest.
function methods:rank(arch)
  if not self.size then fail("space '%s' cannot be ranked: it is continuous or too large", self.name) end
  local rank = 0
  walk(self, function(p, d, c)
    local index, runs = d.domain:index(arch[d.name]), c.plan.runs[p]
    if not index then fail("space '%s': '%s' cannot be %s", self.name, d.name, tostring(arch[d.name])) end
    if not runs then
      rank = rank + (index - 1) * c:count(p + 1)
      return nil
    end
    for _, run in ipairs(runs) do
      c.class[p] = run.class
      local n = c:count(p + 1)
      if index <= run.high then
        rank = rank + (index - run.low) * n
        return run
      end
      rank = rank + (run.high - run.low + 1) * n
    end
  end)
  return rank + 1
end

-- unrank without the tied values.
function count.unrank(space, index)
  local arch, rest = {}, index - 1
  walk(space, function(p, d, c)
    for _, run in ipairs(c.plan.runs[p] or { { low = 1, high = d.domain.size } }) do
      c.class[p] = run.class
      local n = c:count(p + 1)
      local all = (run.high - run.low + 1) * n
      if rest < all then
        rest, arch[d.name] = rest % n, d.domain:at(run.low + rest // n)
        return run
      end
      rest = rest - all
    end
  end)
  return arch
end

-- One of the runs, by the number of architectures behind each.
local function pick_run(c, p, runs, rng)
  local shares, most, total = {}, -math.huge, 0.0
  for i, run in ipairs(runs) do
    c.class[p] = run.class
    local _, bits = c:count(p + 1)
    shares[i] = bits + math.log(run.high - run.low + 1, 2)
    most = math.max(most, shares[i])
  end
  for i, bits in ipairs(shares) do
    shares[i] = 2.0 ^ (bits - most)
    total = total + shares[i]
  end
  local at, picked = rng:uniform() * total, nil
  for i, share in ipairs(shares) do
    if share > 0 then picked = runs[i] end
    at = at - share
    if at < 0 then break end
  end
  return picked
end

--- One architecture, each of a finite space as likely as any other; weights and scales do not matter. Without the tied values.
function count.draw_uniform(space, rng)
  if not space.counter then fail("space '%s': the uniform measure needs a finite space that can be counted", space.name) end
  local arch = {}
  walk(space, function(p, d, c)
    local runs = c.plan.runs[p]
    local run = runs and pick_run(c, p, runs, rng)
    if run then arch[d.name] = d.domain:at(rng:int(run.low, run.high))
    elseif d.domain.size then arch[d.name] = d.domain:at(rng:int(1, d.domain.size))
    else arch[d.name] = d.domain:random(rng) end
    return run
  end)
  return arch
end

-- Clauses -----------------------------------------------------------------------------------------------------------------------------

local function intersect(a, b)
  if not a then return b end
  local result = {}
  for _, x in ipairs(a) do
    for _, y in ipairs(b) do
      local low, high = math.max(x[1], y[1]), math.min(x[2], y[2])
      if low <= high then result[#result + 1] = { low, high } end
    end
  end
  table.sort(result, function(x, y) return x[1] < y[1] end)
  return result
end

-- A restriction narrowed by literals; nil when nothing is left.
local function narrowed(restrict, literals)
  local result = {}
  for p, intervals in pairs(restrict) do result[p] = intervals end
  for _, literal in ipairs(literals) do
    local p = literal.decision.place
    result[p] = intersect(result[p], literal.intervals)
    if #result[p] == 0 then return nil end
  end
  return result
end

-- Sums +-count(restriction) over all conjunctions: those of `forbids` are taken away, one of `allowed` (if there are any) must hold.
local function inclusion_exclusion(space, forbids, allowed)
  local exact, share = 0, 0.0
  local function add(sign, restrict)
    local n, bits = counter(space, restrict):count(1)
    exact = exact and n and exact + sign * n                    -- may wrap on the way; the sum does not
    share = share + sign * 2.0 ^ (bits - space.bits)
  end
  local function exclude(i, sign, restrict)
    if not restrict then return end
    if i > #forbids then return add(sign, restrict) end
    exclude(i + 1, sign, restrict)
    exclude(i + 1, -sign, narrowed(restrict, forbids[i]))
  end
  local function include(i, sign, restrict, any)
    if not restrict then return end
    if i > #allowed then return any and exclude(1, sign, restrict) end
    include(i + 1, sign, restrict, any)
    include(i + 1, any and -sign or sign, narrowed(restrict, allowed[i]), true)
  end
  if #allowed > 0 then include(1, 1, {}, false) else exclude(1, 1, {}) end
  if exact == 0 then share = 0 end
  return exact, space.bits + math.log(math.max(0, share), 2)
end

-- The clauses as conjunctions of countable literals; nil when one of them is something else.
local function conjunctions(space)
  local forbids, allowed, lists = {}, {}, 0
  for _, clause in ipairs(space.clauses) do
    if not clause.countable then return nil end
    if clause.kind == "only" then lists = lists + 1 end
    for _, literals in ipairs(clause.conjunctions) do table.insert(clause.kind == "only" and allowed or forbids, literals) end
  end
  if lists > 1 or #forbids + #allowed > MOST_CLAUSES then return nil end
  return forbids, allowed
end

local function enumerate(space)
  local n = 0
  for i = 1, space.size do if space:check(space:unrank(i)) then n = n + 1 end end
  return n
end

-- The share of the space that the clauses leave, with Wilson's 95 % interval.
local function estimate(space)
  local rng, good = core_rng.new(0, "count", 0), 0
  for _ = 1, DRAWS do
    local arch = count.draw_uniform(space, rng)
    if space:check(arch) then good = good + 1 end
  end
  local z = 1.959963984540054
  local p, w = good / DRAWS, z * z / DRAWS
  local middle, half = (p + w / 2) / (1 + w), z * math.sqrt(p * (1 - p) / DRAWS + w / (4 * DRAWS)) / (1 + w)
  local function bits(share) return space.bits + math.log(math.max(0, share), 2) end
  return { bits = bits(p), low = bits(math.max(0, middle - half)), high = bits(math.min(1, middle + half)), method = "estimate" }
end

--- The number of allowed architectures: { size = exact or nil, bits = log2, method = "exact" | "inclusion-exclusion" | "enumeration" |
-- "estimate" | "continuous" }; an estimate also has low and high, the 95 % interval of bits.
function methods:count()
  if self.counted then return self.counted end
  local result
  if not self.finite then result = { bits = math.huge, method = "continuous" }
  elseif not self.counter then result = { bits = self.bits, method = "estimate" }
  elseif #self.clauses == 0 then result = { size = self.size, bits = self.bits, method = "exact" }
  else
    local forbids, allowed = conjunctions(self)
    if forbids then
      result = { method = "inclusion-exclusion" }
      result.size, result.bits = inclusion_exclusion(self, forbids, allowed)
    elseif self.size and self.size <= ENUMERABLE then
      result = { size = enumerate(self), method = "enumeration" }
      result.bits = math.log(result.size, 2)
    else result = estimate(self) end
  end
  self.counted = result
  return result
end

return count
