--- What the domains share whose value is a list: subset, sequence, permutation.
-- A value's index is its place in lexicographic order while there are fewer than 2^53 of them. Beyond that, unit and from_unit are the ends of
-- arithmetic coding: each element narrows an interval of [0, 1]. That keeps order and nearness but not every bit; encode(arch, "onehot") does.
local Finite = require "vega.space.finite"
local listed = require "vega.space.listed"

local collection = {}
collection.INDEXED = 1 << 53

--- a times b, or nil from 2^63 on (or when either is nil).
function collection.product(a, b)
  if not a or not b or (b ~= 0 and a > math.maxinteger // b) then return nil end
  return a * b
end

-- Methods shared by the three; each class has places(value) -> list of indices or nil, and
-- narrow(places, into), which calls into(begin, width) for each interval inside the one before.
local Collection = setmetatable({}, { __index = Finite })
Collection.__index = Collection

--- A new class of such domains.
function collection.class()
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

--- The places in `values` that a list names; nil when it is no list of them.
function collection.places(self, value)
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
  if self.size and self.size < collection.INDEXED then return Finite.unit(self, value) end
  local low, width = 0.0, 1.0
  self:narrow(self:places(value), function(from, share) low, width = low + width * from, width * share end)
  return low + width / 2
end

--- Makes the object that new() began.
function collection.finish(self, metatable, size, bits)
  self.size, self.bits = size, bits
  return setmetatable(self, metatable)
end

--- The fields that follow from the list of candidates.
function collection.new(kind, values, arguments)
  local copy, place, shown = listed.values(kind, values)
  return { kind = kind, values = copy, place = place, n = #copy, arguments = { copy, table.unpack(arguments or {}) }, text = kind .. " " .. shown }
end

--- A copy of a value, changed by edit(copy).
function collection.edited(value, edit)
  local list = table.move(value, 1, #value, 1, {})
  edit(list)
  return list
end

return collection
