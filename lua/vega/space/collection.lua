--- Domains whose value is a list: subset (k of n, or min to max of n), sequence (k of n with repetition), permutation.
-- A value's index is its place in lexicographic order while there are fewer than 2^53 of them. Beyond that, unit and from_unit are the ends of
-- arithmetic coding: each element narrows an interval of [0, 1]. That keeps order and nearness but not every bit; encode(arch, "onehot") does.
local Finite = require "vega.space.finite"
local fail = require "vega.space.fail"
local listed = require "vega.space.listed"
local util = require "vega.util"

local collection = {}
local INDEXED = 1 << 53

local function product(a, b)
  if not a or not b or (b ~= 0 and a > math.maxinteger // b) then return nil end
  return a * b
end

local function gcd(a, b)
  while b ~= 0 do a, b = b, a % b end
  return a
end

--- n over k, exact, or nil from 2^63 on.
function collection.binomial(n, k)
  if k < 0 or k > n then return 0 end
  local r = 1
  for i = 1, math.min(k, n - k) do
    local up, down = n - math.min(k, n - k) + i, i
    local g = gcd(r, down)
    r, down = r // g, down // g
    r = product(r, up // down)                                  -- what is left of i divides n - k + i
    if not r then return nil end
  end
  return r
end
local binomial = collection.binomial

local function log2_binomial(n, k)
  local bits = 0.0
  for i = 1, k do bits = bits + math.log((n - k + i) / i, 2) end
  return bits
end

-- Methods shared by the three; each class has places(value) -> list of indices or nil, and code / decode for large domains.
local Collection = setmetatable({}, { __index = Finite })
Collection.__index = Collection

local function class()
  local new = setmetatable({}, { __index = Collection })
  new.__index = new
  return new
end

function Collection:accept(value)
  local places = self:places(value)
  return places and self:values_at(places)
end

function Collection:values_at(places)
  local list = {}
  for i, p in ipairs(places) do list[i] = self.values[p] end
  return list
end

-- The places in `values` that a list names; nil when it is no list of them.
local function places_of(self, value)
  if type(value) ~= "table" then return nil end
  local places, n = {}, 0
  for i, v in ipairs(value) do
    places[i], n = self.place[v], i
    if not places[i] then return nil end
  end
  for key in pairs(value) do if math.type(key) ~= "integer" or key > n then return nil end end
  return places
end

function Collection:equal(a, b)
  local p, q = self:places(a), self:places(b)
  if not p or not q or #p ~= #q then return false end
  for i = 1, #p do if p[i] ~= q[i] then return false end end
  return true
end

function Collection:unit(value)
  if self.size and self.size < INDEXED then return Finite.unit(self, value) end
  local low, width = 0.0, 1.0
  self:narrow(self:places(value), function(from, share) low, width = low + width * from, width * share end)
  return low + width / 2
end

local function finish(self, metatable, size, bits)
  self.size, self.bits = size, bits
  return setmetatable(self, metatable)
end

local function new(kind, values, arguments)
  local copy, place, shown = listed.values(kind, values)
  return { kind = kind, values = copy, place = place, n = #copy, arguments = { copy, table.unpack(arguments or {}) }, text = kind .. " " .. shown }
end

local function swap(list, i, j) list[i], list[j] = list[j], list[i] end
local function edited(value, edit)
  local list = table.move(value, 1, #value, 1, {})
  edit(list)
  return list
end

-- Sequence ----------------------------------------------------------------------------------------------------------------------------

local Sequence = class()

function Sequence:places(value)
  local places = places_of(self, value)
  return places and #places == self.k and places or nil
end

function Sequence:at(i)
  local r, list = i - 1, {}
  for slot = self.k, 1, -1 do r, list[slot] = r // self.n, self.values[r % self.n + 1] end
  return list
end

function Sequence:index(value)
  local places, r = self:places(value), 0
  if not places or not self.size then return nil end
  for _, p in ipairs(places) do r = r * self.n + p - 1 end
  return r + 1
end

function Sequence:random(rng)
  local list = {}
  for i = 1, self.k do list[i] = self.values[rng:int(1, self.n)] end
  return list
end

--- One element changes.
function Sequence:other(rng, value)
  return edited(value, function(list)
    local i, skip = rng:int(1, self.k), rng:int(1, self.n - 1)
    list[i] = self.values[skip < self.place[list[i]] and skip or skip + 1]
  end)
end

function Sequence:near(value)
  local near = {}
  for i = 1, self.k do
    for _, v in ipairs(self.values) do
      if v ~= value[i] then near[#near + 1] = edited(value, function(list) list[i] = v end) end
    end
  end
  return near
end

--- Each element from one of the two.
function Sequence:cross(rng, a, b)
  return edited(a, function(list) for i = 1, self.k do if rng:uniform() < 0.5 then list[i] = b[i] end end end)
end

function Sequence:narrow(places, into) for _, p in ipairs(places) do into((p - 1) / self.n, 1 / self.n) end end

function Sequence:from_unit(u)
  if self.size and self.size < INDEXED then return Finite.from_unit(self, u) end
  local list = {}
  u = math.max(0, math.min(1, u))
  for i = 1, self.k do
    u = u * self.n
    local p = math.min(math.floor(u), self.n - 1)
    list[i], u = self.values[p + 1], u - p
  end
  return list
end

local function power(n, k)
  local r = 1
  for _ = 1, k do r = product(r, n) end
  return r
end

function collection.sequence(values, k)
  local self = new("sequence", values, { k })
  if math.type(k) ~= "integer" or k < 1 then fail("space: sequence: a length of at least 1 expected, got %s", tostring(k)) end
  self.k, self.text = k, ("%s, %d long"):format(self.text, k)
  return finish(self, Sequence, power(self.n, k), k * math.log(self.n, 2))
end

-- Permutation -------------------------------------------------------------------------------------------------------------------------

local Permutation = class()

function Permutation:places(value)
  local places = places_of(self, value)
  if not places or #places ~= self.n then return nil end
  local seen = {}
  for _, p in ipairs(places) do
    if seen[p] then return nil end
    seen[p] = true
  end
  return places
end

local function rest_of(self) return table.move(self.values, 1, self.n, 1, {}) end

function Permutation:at(i)
  local r, digits, rest, list = i - 1, {}, rest_of(self), {}
  for slot = 1, self.n do digits[slot], r = r % slot, r // slot end                  -- Lehmer code, last digit first
  for slot = self.n, 1, -1 do list[#list + 1] = table.remove(rest, digits[slot] + 1) end
  return list
end

-- How many smaller elements are still to come, for each element.
local function lehmer(places)
  local code = {}
  for i, p in ipairs(places) do
    local smaller = 0
    for j = i + 1, #places do if places[j] < p then smaller = smaller + 1 end end
    code[i] = smaller
  end
  return code
end

function Permutation:index(value)
  local places, r = self:places(value), 0
  if not places or not self.size then return nil end
  for i, digit in ipairs(lehmer(places)) do r = r * (self.n - i + 1) + digit end
  return r + 1
end

function Permutation:random(rng) return rng:shuffle(rest_of(self)) end

--- Two elements change places.
function Permutation:swap(rng, value)
  return edited(value, function(list)
    local i, j = rng:int(1, self.n), rng:int(1, self.n - 1)
    swap(list, i, j < i and j or j + 1)
  end)
end

--- One element moves to another place.
function Permutation:insert(rng, value)
  return edited(value, function(list)
    local i, j = rng:int(1, self.n), rng:int(1, self.n - 1)
    local v = table.remove(list, i)
    table.insert(list, j < i and j or j + 1, v)
  end)
end

--- A stretch of at least two is turned round.
function Permutation:invert(rng, value)
  return edited(value, function(list)
    local i, j = rng:int(1, self.n), rng:int(1, self.n - 1)
    if j >= i then j = j + 1 else i, j = j, i end
    while i < j do
      swap(list, i, j)
      i, j = i + 1, j - 1
    end
  end)
end

local MOVES = { "swap", "insert", "invert" }
function Permutation:other(rng, value) return self[rng:pick(MOVES)](self, rng, value) end

function Permutation:near(value)
  local near = {}
  for i = 1, self.n - 1 do for j = i + 1, self.n do near[#near + 1] = edited(value, function(list) swap(list, i, j) end) end end
  return near
end

--- Order crossover (Davis 1985): a stretch of a, then the others in the order of b, from behind the stretch on.
function Permutation:cross(rng, a, b)
  local from, to = rng:int(1, self.n), rng:int(1, self.n)
  if from > to then from, to = to, from end
  local list, taken = {}, {}
  for i = from, to do list[i], taken[a[i]] = a[i], true end
  local at = to
  for step = 1, self.n do
    local v = b[(to + step - 1) % self.n + 1]
    if not taken[v] then
      at = at % self.n + 1
      list[at] = v
    end
  end
  return list
end

function Permutation:narrow(places, into)
  for i, digit in ipairs(lehmer(places)) do into(digit / (self.n - i + 1), 1 / (self.n - i + 1)) end
end

function Permutation:from_unit(u)
  if self.size and self.size < INDEXED then return Finite.from_unit(self, u) end
  local rest, list = rest_of(self), {}
  u = math.max(0, math.min(1, u))
  for left = self.n, 1, -1 do
    u = u * left
    local digit = math.min(math.floor(u), left - 1)
    list[#list + 1], u = table.remove(rest, digit + 1), u - digit
  end
  return list
end

local function factorial(n)
  local r, bits = 1, 0.0
  for i = 2, n do r, bits = product(r, i), bits + math.log(i, 2) end
  return r, bits
end

function collection.permutation(values)
  local self = new("permutation", values)
  return finish(self, Permutation, factorial(self.n))
end

-- Subset ------------------------------------------------------------------------------------------------------------------------------

local Subset = class()

function Subset:places(value)
  local places = places_of(self, value)
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
function collection.subset(values, k)
  local self = new("subset", values, { k })
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
  return finish(self, Subset, size, most + math.log(bits, 2))
end

return collection
