--- The domains of single decisions. Each has kind, size (nil = continuous), at(i), index(v), accept(v), random(rng), other(rng, v), equal,
-- describe, unit(v) in [0, 1] and from_unit(u); from_unit(unit(v)) is v for a finite domain.
local domain = {}

--- A value as a Lua literal.
function domain.show(value)
  if type(value) ~= "table" then return type(value) == "string" and ("%q"):format(value) or tostring(value) end
  local parts = {}
  for i, v in ipairs(value) do parts[i] = domain.show(v) end
  if #parts == 0 then
    local keys = {}
    for k in pairs(value) do keys[#keys + 1] = tostring(k) end
    table.sort(keys)
    for i, k in ipairs(keys) do parts[i] = k .. " = " .. domain.show(value[k]) end
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

--- A value as text that says its type: two values have the same text only when they are equal.
function domain.canonical(value)
  local kind = math.type(value) or type(value)
  if kind == "integer" then return "i:" .. value end
  if kind == "float" then
    local text = ("%.17g"):format(value == 0 and 0.0 or value)
    return "f:" .. (text:find("[%.en]") and text or text .. ".0")
  end
  if kind == "boolean" then return value and "b:1" or "b:0" end
  if kind == "string" then return ("s:%d:%s"):format(#value, value) end
  local parts = {}
  for i, v in ipairs(value) do parts[i] = domain.canonical(v) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local Finite = {}
Finite.__index = Finite

function Finite:accept(value)
  local i = self:index(value)
  if i then return self:at(i) end
end
function Finite:random(rng) return self:at(rng:int(1, self.size)) end
function Finite:other(rng, value)
  local i, skip = rng:int(1, self.size - 1), self:index(value)
  return self:at(i < skip and i or i + 1)
end
function Finite:unit(value) return (self:index(value) - 0.5) / self.size end
function Finite:from_unit(u) return self:at(math.max(1, math.min(self.size, math.floor(u * self.size) + 1))) end
function Finite.equal(_, a, b) return a == b end
function Finite:describe() return self.text end

local Listed = setmetatable({}, { __index = Finite })
Listed.__index = Listed
function Listed:at(i) return self.values[i] end
function Listed:index(value) return self.place[value] end

local function listed(kind, name, values)
  if type(values) ~= "table" or #values == 0 then error(("space: %s '%s' needs a list of at least one value"):format(kind, name), 4) end
  local place, parts = {}, {}
  for i, v in ipairs(values) do
    if type(v) == "table" or type(v) == "function" then error(("space: %s '%s': options must be plain values"):format(kind, name), 4) end
    if place[v] then error(("space: %s '%s': option %s is given twice"):format(kind, name, domain.show(v)), 4) end
    place[v], parts[i] = i, domain.show(v)
  end
  return setmetatable({ kind = kind, size = #values, values = table.move(values, 1, #values, 1, {}), place = place,
    text = ("%s { %s }"):format(kind, table.concat(parts, ", ")) }, Listed)
end

function domain.choice(name, values) return listed("choice", name, values) end
function domain.const(name, value) return listed("const", name, { value }) end
function domain.bool(name) return listed("bool", name, { false, true }) end

function domain.ordinal(name, values)
  local self = listed("ordinal", name, values)
  self.other = function(d, rng, value)                      -- a neighbour
    local i = d:index(value)
    if i == 1 then return d:at(2) elseif i == d.size then return d:at(i - 1) end
    return d:at(rng:uniform() < 0.5 and i - 1 or i + 1)
  end
  return self
end

local function check_bounds(kind, name, lo, hi, options)
  options = options or {}
  if type(lo) ~= "number" or type(hi) ~= "number" or lo ~= lo or hi ~= hi or lo > hi or hi - lo == math.huge then
    error(("space: %s '%s': finite bounds with low <= high expected, got %s and %s"):format(kind, name, tostring(lo), tostring(hi)), 4)
  end
  for key in pairs(options) do
    if key ~= "step" and key ~= "log" then error(("space: %s '%s': unknown option '%s' (known: log, step)"):format(kind, name, tostring(key)), 4) end
  end
  if options.log and lo <= 0 then error(("space: %s '%s': a log scale needs bounds above 0, got %s"):format(kind, name, lo), 4) end
  if options.step and options.step <= 0 then error(("space: %s '%s': step must be > 0, got %s"):format(kind, name, options.step), 4) end
  return ("%s [%s, %s]%s%s"):format(kind, lo, hi, options.step and " step " .. options.step or "", options.log and " log" or ""), options
end

local Stepped = setmetatable({}, { __index = Finite })
Stepped.__index = Stepped
function Stepped:at(i) return self.lo + (i - 1) * self.step end
function Stepped:index(value)
  if type(value) ~= "number" or value ~= value then return nil end
  local i = math.floor((value - self.lo) / self.step + 0.5) + 1
  if i < 1 or i > self.size or math.abs(self:at(i) - value) > 1e-9 * self.step then return nil end
  return math.tointeger(i)
end
function Stepped:random(rng)
  if not self.log then return self:at(rng:int(1, self.size)) end
  local lo, hi = math.log(self.lo - self.step / 2 > 0 and self.lo - self.step / 2 or self.lo / 2), math.log(self.lo + (self.size - 0.5) * self.step)
  local i = math.floor((math.exp(lo + (hi - lo) * rng:uniform()) - self.lo) / self.step + 0.5) + 1
  return self:at(math.max(1, math.min(self.size, i)))
end

function domain.int(name, lo, hi, options)
  local text
  text, options = check_bounds("int", name, lo, hi, options)
  lo, hi = math.tointeger(lo), math.tointeger(hi)
  local step = math.tointeger(options.step or 1)
  if not (lo and hi and step) then error(("space: int '%s': whole numbers expected"):format(name), 3) end
  return setmetatable({ kind = "int", size = (hi - lo) // step + 1, lo = lo, step = step, log = options.log, text = text }, Stepped)
end

local Float = {}
Float.__index = Float
function Float:to_unit(v)
  if self.lo == self.hi then return 0.5 end
  if self.log then return math.log(v / self.lo) / math.log(self.hi / self.lo) end
  return (v - self.lo) / (self.hi - self.lo)
end
function Float:from_unit(u)
  u = math.max(0.0, math.min(1.0, u))
  local v = self.log and self.lo * (self.hi / self.lo) ^ u or self.lo + (self.hi - self.lo) * u
  return math.max(self.lo, math.min(self.hi, v))
end
function Float:accept(v) if type(v) == "number" and v >= self.lo and v <= self.hi then return v + 0.0 end end
function Float:random(rng) return self:from_unit(rng:uniform()) end
function Float:unit(v) return self:to_unit(v) end
function Float.equal(_, a, b) return a == b end
function Float:describe() return self.text end

--- Polynomial mutation, index 20 (Deb & Agrawal 1995), in the unit interval.
function Float:other(rng, v)
  local u = rng:uniform()
  local delta = u < 0.5 and (2 * u) ^ (1 / 21) - 1 or 1 - (2 * (1 - u)) ^ (1 / 21)
  return self:from_unit(self:to_unit(v) + delta)
end

--- Simulated binary crossover, index 15 (Deb & Agrawal 1995), in the unit interval; one of the two children.
function Float:blend(rng, a, b)
  local u = rng:uniform()
  local beta = u <= 0.5 and (2 * u) ^ (1 / 16) or (1 / (2 * (1 - u))) ^ (1 / 16)
  if rng:uniform() < 0.5 then beta = -beta end
  local ua, ub = self:to_unit(a), self:to_unit(b)
  return self:from_unit(0.5 * ((1 + beta) * ua + (1 - beta) * ub))
end

function domain.float(name, lo, hi, options)
  local text
  text, options = check_bounds("float", name, lo, hi, options)
  lo, hi = lo + 0.0, hi + 0.0
  if options.step then
    local size = math.tointeger(math.floor((hi - lo) / options.step + 1e-9)) + 1
    return setmetatable({ kind = "float", size = size, lo = lo, step = options.step + 0.0, log = options.log, text = text }, Stepped)
  end
  return setmetatable({ kind = "float", lo = lo, hi = hi, log = options.log, text = text }, Float)
end

local function binomial(n, k)
  local r = 1
  for i = 1, k do r = r * (n - k + i) // i end
  return r
end

-- k of n, kept in the order of the candidates; ranked lexicographically.
local Subset = setmetatable({}, { __index = Finite })
Subset.__index = Subset
function Subset:at(i)
  local r, list, from = i - 1, {}, 1
  for slot = self.k, 1, -1 do
    local n = binomial(#self.values - from, slot - 1)
    while r >= n do
      r, from = r - n, from + 1
      n = binomial(#self.values - from, slot - 1)
    end
    list[#list + 1] = self.values[from]
    from = from + 1
  end
  return list
end
function Subset:index(value)
  if type(value) ~= "table" or #value ~= self.k then return nil end
  local places = {}
  for i, v in ipairs(value) do
    if not self.place[v] then return nil end
    places[i] = self.place[v]
  end
  table.sort(places)
  local r, from = 0, 1
  for slot, p in ipairs(places) do
    if p < from then return nil end                          -- named twice
    for skipped = from, p - 1 do r = r + binomial(#self.values - skipped, self.k - slot) end
    from = p + 1
  end
  return r + 1
end
function Subset:equal(a, b) return self:index(a) == self:index(b) end

function domain.subset(name, candidates, k)
  local list = listed("subset", name, candidates)
  if math.type(k) ~= "integer" or k < 1 or k > #candidates then
    error(("space: subset '%s': 1 to %d of the candidates can be taken, got %s"):format(name, #candidates, tostring(k)), 3)
  end
  return setmetatable({ kind = "subset", size = binomial(#candidates, k), values = list.values, place = list.place, k = k,
    text = ("%d of %s"):format(k, list.text) }, Subset)
end

return domain
