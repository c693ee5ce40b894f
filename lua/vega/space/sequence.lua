--- sequence(list, k): k of n with repetition, order matters.
local Finite = require "vega.space.finite"
local collection = require "vega.space.collection"
local fail = require "vega.space.fail"

local INDEXED = collection.INDEXED
local Sequence = collection.class()

function Sequence:places(value)
  local places = collection.places(self, value)
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
  return collection.edited(value, function(list)
    local i, skip = rng:int(1, self.k), rng:int(1, self.n - 1)
    list[i] = self.values[skip < self.place[list[i]] and skip or skip + 1]
  end)
end

function Sequence:near(value)
  local near = {}
  for i = 1, self.k do
    for _, v in ipairs(self.values) do
      if v ~= value[i] then near[#near + 1] = collection.edited(value, function(list) list[i] = v end) end
    end
  end
  return near
end

--- Each element from one of the two.
function Sequence:cross(rng, a, b)
  return collection.edited(a, function(list) for i = 1, self.k do if rng:uniform() < 0.5 then list[i] = b[i] end end end)
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
  for _ = 1, k do r = collection.product(r, n) end
  return r
end

return function(values, k)
  local self = collection.new("sequence", values, { k })
  if math.type(k) ~= "integer" or k < 1 then fail("space: sequence: a length of at least 1 expected, got %s", tostring(k)) end
  self.k, self.text = k, ("%s, %d long"):format(self.text, k)
  return collection.finish(self, Sequence, power(self.n, k), k * math.log(self.n, 2))
end
