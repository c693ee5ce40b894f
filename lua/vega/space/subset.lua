--- subset(list, k), subset(list, { min =, max = }): distinct candidates, order does not matter.
local Finite = require "vega.space.finite"
local collection = require "vega.space.collection"
local fail = require "vega.space.fail"
local util = require "vega.util"

local INDEXED = collection.INDEXED
local Subset = collection.class()

local function gcd(a, b)
  while b ~= 0 do a, b = b, a % b end
  return a
end

-- n over k, exact, or nil from 2^63 on.
local function binomial(n, k)
  if k < 0 or k > n then return 0 end
  local r = 1
  for i = 1, math.min(k, n - k) do
    local up, down = n - math.min(k, n - k) + i, i
    local g = gcd(r, down)
    r, down = r // g, down // g
    r = collection.product(r, up // down)                      -- what is left of i divides n - k + i
    if not r then return nil end
  end
  return r
end

local function log2_binomial(n, k)
  local bits = 0.0
  for i = 1, k do bits = bits + math.log((n - k + i) / i, 2) end
  return bits
end

function Subset:places(value)
  local places = collection.places(self, value)
  if not places or #places < self.min or #places > self.max then return nil end
  table.sort(places)
  for i = 2, #places do if places[i] == places[i - 1] then return nil end end
  return places
end

-- Smaller subsets come first; those of one size in lexicographic order.
function Subset:at(i)
  local r, k = i - 1, self.min
  while r >= binomial(self.n, k) do r, k = r - binomial(self.n, k), k + 1 end
  local list, from = {}, 1
  for slot = k, 1, -1 do
    local without = binomial(self.n - from, slot - 1)
    while r >= without do
      r, from = r - without, from + 1
      without = binomial(self.n - from, slot - 1)
    end
    list[#list + 1] = self.values[from]
    from = from + 1
  end
  return list
end

function Subset:index(value)
  local places = self:places(value)
  if not places or not self.size then return nil end
  local r, from = 0, 1
  for k = self.min, #places - 1 do r = r + binomial(self.n, k) end
  for slot, p in ipairs(places) do
    for skipped = from, p - 1 do r = r + binomial(self.n - skipped, #places - slot) end
    from = p + 1
  end
  return r + 1
end

-- k members, each subset of that size as likely as any other.
local function draw(self, rng, k)
  local list = {}
  for i = 1, self.n do
    if (self.n - i + 1) * rng:uniform() < k - #list then list[#list + 1] = self.values[i] end
  end
  return list
end

function Subset:random(rng)
  local at = rng:uniform() * self.cumulative[#self.cumulative]
  for i, share in ipairs(self.cumulative) do if at < share then return draw(self, rng, self.min + i - 1) end end
  return draw(self, rng, self.max)
end

-- Members in the order of the candidates.
local function ordered(self, set)
  local list = {}
  for _, v in ipairs(self.values) do if set[v] then list[#list + 1] = v end end
  return list
end

local function as_set(value)
  local set = {}
  for _, v in ipairs(value) do set[v] = true end
  return set
end

local function outsiders(self, value)
  local set, list = as_set(value), {}
  for _, v in ipairs(self.values) do if not set[v] then list[#list + 1] = v end end
  return list, set
end

--- One member is exchanged for another candidate; where the size is free, one may also come or go.
function Subset:other(rng, value)
  local out, set = outsiders(self, value)
  local moves = {}
  if #value > 0 and #out > 0 then moves[1] = "exchange" end
  if #value < self.max then moves[#moves + 1] = "add" end
  if #value > self.min then moves[#moves + 1] = "remove" end
  local move = rng:pick(moves)
  if move ~= "add" then set[rng:pick(value)] = nil end
  if move ~= "remove" then set[rng:pick(out)] = true end
  return ordered(self, set)
end

--- One member for one candidate.
function Subset:exchange(rng, value)
  local out, set = outsiders(self, value)
  if #value == 0 or #out == 0 then return self:other(rng, value) end
  set[rng:pick(value)] = nil
  set[rng:pick(out)] = true
  return ordered(self, set)
end

function Subset:near(value)
  local near, out, set = {}, outsiders(self, value)
  local function try(gone, come)
    if gone then set[gone] = nil end
    if come then set[come] = true end
    near[#near + 1] = ordered(self, set)
    if come then set[come] = nil end
    if gone then set[gone] = true end
  end
  for _, gone in ipairs(value) do for _, come in ipairs(out) do try(gone, come) end end
  if #value < self.max then for _, come in ipairs(out) do try(nil, come) end end
  if #value > self.min then for _, gone in ipairs(value) do try(gone, nil) end end
  return near
end

--- What both have, and of what one has enough to reach the size of one of the two.
function Subset:cross(rng, a, b)
  local in_a, in_b, set, loose = as_set(a), as_set(b), {}, {}
  local count, k = 0, rng:uniform() < 0.5 and #a or #b
  for _, v in ipairs(self.values) do
    if in_a[v] and in_b[v] then set[v], count = true, count + 1
    elseif in_a[v] or in_b[v] then loose[#loose + 1] = v end
  end
  rng:shuffle(loose)
  for i = 1, k - count do set[loose[i]] = true end
  return ordered(self, set)
end

-- The share of the subsets that hold the next candidate is (members to come) / (candidates left); a free size narrows first.
function Subset:narrow(places, into)
  local total, k = self.cumulative[#self.cumulative], #places
  local before = k > self.min and self.cumulative[k - self.min] or 0
  into(before / total, (self.cumulative[k - self.min + 1] - before) / total)
  local member = as_set(places)
  for i = 1, self.n do
    local share = k / (self.n - i + 1)
    if member[i] then into(0, share) else into(share, 1 - share) end
    if member[i] then k = k - 1 end
  end
end

function Subset:from_unit(u)
  if self.size and self.size < INDEXED then return Finite.from_unit(self, u) end
  u = math.max(0, math.min(1, u))
  local total, at, list = self.cumulative[#self.cumulative], 1, {}
  while at < #self.cumulative and u * total >= self.cumulative[at] do at = at + 1 end
  local before = at > 1 and self.cumulative[at - 1] or 0
  u = (u * total - before) / (self.cumulative[at] - before)
  local k = self.min + at - 1
  for i = 1, self.n do
    local share = k / (self.n - i + 1)
    if k > 0 and (u < share or share >= 1) then
      list[#list + 1], k, u = self.values[i], k - 1, u / share
    elseif share < 1 then
      u = (u - share) / (1 - share)
    end
  end
  return list
end

local function check_members(k, n)
  local min, max = k, k
  if type(k) == "table" then
    for key in pairs(k) do
      if key ~= "min" and key ~= "max" then fail("%s", util.unknown("space: subset", "option", key, { "max", "min" })) end
    end
    min, max = k.min or 0, k.max or n
  end
  if math.type(min) ~= "integer" or math.type(max) ~= "integer" or min < 0 or max < min or max > n or max < 1 then
    fail("space: subset: 1 to %d of the candidates can be taken, got %s", n, type(k) == "table" and ("%s to %s"):format(min, max) or tostring(k))
  end
  return min, max
end

--- subset(candidates, k) or subset(candidates, { min =, max = })
return function(values, k)
  local self = collection.new("subset", values, { k })
  self.min, self.max = check_members(k, self.n)
  local size, bits, most = 0, 0.0, -math.huge
  for i = self.min, self.max do most = math.max(most, log2_binomial(self.n, i)) end
  self.cumulative = {}                                           -- of the shares of the sizes, relative to the largest
  for i = self.min, self.max do
    bits = bits + 2.0 ^ (log2_binomial(self.n, i) - most)
    self.cumulative[#self.cumulative + 1] = bits
    local n = binomial(self.n, i)
    size = size and n and size <= math.maxinteger - n and size + n or nil
  end
  self.text = ("%s of %s"):format(self.min == self.max and self.min or self.min .. " to " .. self.max, self.text)
  return collection.finish(self, Subset, size, most + math.log(bits, 2))
end
