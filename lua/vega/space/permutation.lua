--- permutation(list): all orders.
local Finite = require "vega.space.finite"
local collection = require "vega.space.collection"

local INDEXED = collection.INDEXED
local Permutation = collection.class()

function Permutation:places(value)
  local places = collection.places(self, value)
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

local function swap(list, i, j) list[i], list[j] = list[j], list[i] end

--- Two elements change places.
function Permutation:swap(rng, value)
  return collection.edited(value, function(list)
    local i, j = rng:int(1, self.n), rng:int(1, self.n - 1)
    swap(list, i, j < i and j or j + 1)
  end)
end

--- One element moves to another place.
function Permutation:insert(rng, value)
  return collection.edited(value, function(list)
    local i, j = rng:int(1, self.n), rng:int(1, self.n - 1)
    local v = table.remove(list, i)
    table.insert(list, j < i and j or j + 1, v)
  end)
end

--- A stretch of at least two is turned round.
function Permutation:invert(rng, value)
  return collection.edited(value, function(list)
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
  for i = 1, self.n - 1 do for j = i + 1, self.n do near[#near + 1] = collection.edited(value, function(list) swap(list, i, j) end) end end
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
  for i = 2, n do r, bits = collection.product(r, i), bits + math.log(i, 2) end
  return r, bits
end

return function(values)
  local self = collection.new("permutation", values)
  return collection.finish(self, Permutation, factorial(self.n))
end
