--- Sizes that depend on the architecture. A Size stands for a number of channels or a kernel while a supernet is built: `max` is what weights are
-- made for, `read(arch)` what one architecture uses. It can be multiplied and divided by whole numbers; what else code does with channels (compare
-- them with a number, take a remainder) raises, as the answer would differ from one architecture to the next.
local Size = {}
Size.__index = Size

local elastic = {}

local function make(key, max, read) return setmetatable({ key = key, max = max, read = read }, Size) end

--- The size that decision `name` picks from `values`.
function elastic.decided(name, values)
  local max = values[1]
  for _, v in ipairs(values) do max = math.max(max, v) end
  return make(name, max, function(arch) return arch[name] end)
end

function elastic.is(value) return getmetatable(value) == Size end

--- The largest value of a size or a plain number.
function elastic.max(value) return elastic.is(value) and value.max or value end

--- A size computed from another by a pure function of a number; `text` tells two such apart.
function elastic.map(size, text, fn)
  local read = size.read
  return make(("%s(%s)"):format(text, size.key), fn(size.max), function(arch) return fn(read(arch)) end)
end

local function whole(a, b, what)
  local size, n = a, b
  if not elastic.is(a) then size, n = b, a end
  if math.type(n) ~= "integer" then error(("a size that depends on the architecture cannot be %s %s"):format(what, tostring(n)), 3) end
  return size, n
end

function Size.__mul(a, b)
  local size, n = whole(a, b, "multiplied by")
  return n == 1 and size or elastic.map(size, n .. "*", function(v) return v * n end)
end
function Size.__idiv(a, b)
  local size, n = whole(a, b, "divided by")
  return n == 1 and size or elastic.map(size, "1/" .. n .. "*", function(v) return v // n end)
end
function Size.__eq(a, b) return a.key == b.key end
function Size:__tostring() return ("%s (at most %d)"):format(self.key, self.max) end
local function refuse() error("a size that depends on the architecture cannot be compared or rounded while a supernet is built", 2) end
for _, event in ipairs { "__lt", "__le", "__mod", "__add", "__sub", "__div" } do Size[event] = refuse end

return elastic
