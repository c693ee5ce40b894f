--- Numeric domains: int, float (with or without a step), normal. All move in the unit interval, on a log scale where asked.
-- Polynomial mutation and simulated binary crossover: Deb & Agrawal 1995 and Deb & Agrawal 1999, in the form that knows the bounds.
local core = require("vega.core").space
local Finite = require "vega.space.finite"
local fail = require "vega.space.fail"
local util = require "vega.util"

local numeric = {}

local FEW = 10                -- finite ranges up to this size have all their values as neighbours
local WIDEST = 1 << 53        -- values beyond it are no doubles

--- The spread of SBX for a uniform draw u; alpha = 2 where no bound is near.
function numeric.spread(u, eta, alpha)
  alpha = alpha or 2
  if u <= 1 / alpha then return (u * alpha) ^ (1 / (eta + 1)) end
  return (1 / (2 - u * alpha)) ^ (1 / (eta + 1))
end

--- The step of polynomial mutation for a uniform draw u, with the distances to both bounds (1 and 1: as if there were none).
function numeric.polynomial_step(u, eta, below, above)
  local power = eta + 1
  if u < 0.5 then return (2 * u + (1 - 2 * u) * (1 - (below or 1)) ^ power) ^ (1 / power) - 1 end
  return 1 - (2 * (1 - u) + (2 * u - 1) * (1 - (above or 1)) ^ power) ^ (1 / power)
end

local function reflect(u)
  u = u % 2
  return u > 1 and 2 - u or u
end

-- Methods of all numeric domains.
local moves = {}

-- Draws steps until the value changes; a finite range that stays put goes one value on.
local function moved(self, rng, value, step)
  for _ = 1, 20 do
    local new = self:from_unit(step(self:unit(value)))
    if new ~= value then return new end
  end
  return self.size and Finite.other(self, rng, value) or self:random(rng)
end

function moves:gaussian(rng, value, sd)
  return moved(self, rng, value, function(u) return reflect(u + rng:normal(0, sd or 0.1)) end)
end

function moves:polynomial(rng, value, eta)
  return moved(self, rng, value, function(u)
    u = math.max(0, math.min(1, u))
    return u + numeric.polynomial_step(rng:uniform(), eta or 20, u, 1 - u)
  end)
end

--- A child of two values: one of the two of SBX.
function moves:blend(rng, a, b, eta)
  eta = eta or 15
  local low, high = self:unit(a), self:unit(b)
  if low > high then low, high = high, low end
  if high - low < 1e-14 then return a end
  local upper = rng:uniform() < 0.5
  local room = upper and 1 - high or low
  local beta = numeric.spread(rng:uniform(), eta, 2 - (1 + 2 * math.max(0, room) / (high - low)) ^ -(eta + 1))
  return self:from_unit(0.5 * (low + high + (upper and beta or -beta) * (high - low)))
end

function moves:near(value, rng)
  if self.size and self.size <= FEW then return Finite.near(self, value) end
  local list, seen = {}, { [value] = true }
  local function add(new)
    if not seen[new] then seen[new], list[#list + 1] = true, new end
  end
  if rng then for _ = 1, 4 do add(self:gaussian(rng, value, 0.2)) end
  elseif self.size then
    local i = self:index(value)
    if i > 1 then add(self:at(i - 1)) end
    if i < self.size then add(self:at(i + 1)) end
  end
  return list
end

local function class(base)
  local new = setmetatable({}, { __index = base })
  for name, move in pairs(moves) do new[name] = move end
  new.__index = new
  return new
end

-- Checking ----------------------------------------------------------------------------------------------------------------------------

local function is_finite(v) return type(v) == "number" and v == v and v ~= math.huge and v ~= -math.huge end

local function check_options(kind, options, known)
  if options ~= nil and type(options) ~= "table" then fail("space: %s: a table of options expected, got %s", kind, type(options)) end
  for key in pairs(options or {}) do
    if not known[key] then fail("%s", util.unknown("space: " .. kind, "option", key, util.sorted_keys(known))) end
  end
  return options or {}
end

local function check_bounds(kind, lo, hi, options)
  options = check_options(kind, options, { step = true, log = true })
  if not is_finite(lo) or not is_finite(hi) or lo > hi or hi - lo == math.huge then
    fail("space: %s: finite bounds with low <= high expected, got %s and %s", kind, tostring(lo), tostring(hi))
  end
  if options.log and lo <= 0 then fail("space: %s: a log scale needs bounds above 0, got %s", kind, tostring(lo)) end
  if options.step ~= nil and not (is_finite(options.step) and options.step > 0) then
    fail("space: %s: step must be > 0, got %s", kind, tostring(options.step))
  end
  return options
end

local function describe(kind, lo, hi, options)
  return ("%s [%s, %s]%s%s"):format(kind, lo, hi, options.step and " step " .. options.step or "", options.log and " log" or "")
end

local function arguments(lo, hi, options)
  return { lo, hi, (options.step or options.log) and { step = options.step, log = options.log } or nil }
end

-- Ranges with a step ------------------------------------------------------------------------------------------------------------------

-- On a log scale each value owns the interval half a step to both sides.
local function log_edges(self)
  local half = self.step / 2
  return self.lo - half > 0 and self.lo - half or self.lo / 2, self.lo + (self.size - 0.5) * self.step
end

local Stepped = class(Finite)
function Stepped:unit(value)
  if not self.log then return Finite.unit(self, value) end
  return math.log(value / self.low_edge) / math.log(self.high_edge / self.low_edge)
end
function Stepped:from_unit(u)
  if not self.log then return Finite.from_unit(self, u) end
  u = math.max(0, math.min(1, u))
  local i = math.floor((self.low_edge * (self.high_edge / self.low_edge) ^ u - self.lo) / self.step + 0.5) + 1
  return self:at(math.max(1, math.min(self.size, math.tointeger(i))))
end
function Stepped:random(rng)
  if self.log then return self:from_unit(rng:uniform()) end
  return self:at(rng:int(1, self.size))
end
--- A step of 1, 2, ... values to either side, each half as likely as the one before (p = 0.5).
function Stepped:geometric(rng, value, p)
  local own, far = self:index(value), 1
  while rng:uniform() > (p or 0.5) and far < self.size do far = far + 1 end
  local i = rng:uniform() < 0.5 and own - far or own + far
  if i < 1 or i > self.size then i = 2 * own - i end          -- the other way
  return self:at(math.max(own == 1 and 2 or 1, math.min(own == self.size and own - 1 or self.size, i)))
end

local function stepped(self, metatable)
  if self.log then self.low_edge, self.high_edge = log_edges(self) end
  self.bits = math.log(self.size, 2)
  return setmetatable(self, metatable)
end

local Int = setmetatable({}, { __index = Stepped })
Int.__index = Int
function Int:at(i) return self.lo + (i - 1) * self.step end
function Int:index(value)
  local v = math.tointeger(value)
  if not v or type(value) == "string" or v < self.lo or v > self.hi or (v - self.lo) % self.step ~= 0 then return nil end
  return (v - self.lo) // self.step + 1
end

function numeric.int(lo, hi, options)
  options = check_bounds("int", lo, hi, options)
  local a, b, step = math.tointeger(lo), math.tointeger(hi), math.tointeger(options.step or 1)
  if not (a and b and step) then
    fail("space: int: whole numbers expected, got %s, %s, step %s", tostring(lo), tostring(hi), tostring(options.step or 1))
  end
  if (b + 0.0) - a >= 2.0 ^ 62 then fail("space: int: the range from %d to %d is too wide", a, b) end
  return stepped({ kind = "int", size = (b - a) // step + 1, lo = a, hi = b, step = step, log = options.log or nil,
    arguments = arguments(a, b, options), text = describe("int", a, b, options) }, Int)
end

local Grid = setmetatable({}, { __index = Stepped })
Grid.__index = Grid
function Grid:at(i) return self.lo + (i - 1) * self.step end
function Grid:index(value)
  if type(value) ~= "number" or value ~= value then return nil end
  local i = math.floor((value - self.lo) / self.step + 0.5) + 1
  if i < 1 or i > self.size or math.abs(self:at(i) - value) > 1e-9 * self.step then return nil end
  return math.tointeger(i)
end

-- Continuous --------------------------------------------------------------------------------------------------------------------------

local Continuous = { bits = math.huge }
function Continuous.accept(self, v) if type(v) == "number" and v >= self.lo and v <= self.hi then return v + 0.0 end end
function Continuous:random(rng) return self:from_unit(rng:uniform()) end
function Continuous:other(rng, v) return self:polynomial(rng, v) end
Continuous.equal, Continuous.describe, Continuous.save, Continuous.default = Finite.equal, Finite.describe, Finite.save, Finite.default

local Float = class(Continuous)
function Float:unit(v)
  if self.lo == self.hi then return 0.5 end
  if self.log then return math.log(v / self.lo) / math.log(self.hi / self.lo) end
  return (v - self.lo) / (self.hi - self.lo)
end
function Float:from_unit(u)
  u = math.max(0.0, math.min(1.0, u))
  local v = self.log and self.lo * (self.hi / self.lo) ^ u or self.lo + (self.hi - self.lo) * u
  return math.max(self.lo, math.min(self.hi, v))
end

function numeric.float(lo, hi, options)
  options = check_bounds("float", lo, hi, options)
  lo, hi = lo + 0.0, hi + 0.0
  local self = { kind = "float", lo = lo, hi = hi, log = options.log or nil, arguments = arguments(lo, hi, options),
    text = describe("float", lo, hi, options) }
  if not options.step and lo < hi then return setmetatable(self, Float) end
  options = options.step and options or { step = 1 }
  local steps = math.floor((hi - lo) / options.step + 1e-9)
  if steps >= WIDEST then fail("space: float: step %s is too small for the range from %s to %s", options.step, lo, hi) end
  self.step, self.size = options.step + 0.0, math.tointeger(steps) + 1
  return stepped(self, Grid)
end

--- Normal, cut to [lo, hi] where given. With log the logarithm is normal: mean log(mu), standard deviation sd.
local Normal = class(Continuous)
function Normal:unit(v) return core.normal_share(self.log and math.log(v) or v, self.mean, self.sd, self.low, self.high) end
function Normal:from_unit(u)
  local x = core.normal_quantile(u, self.mean, self.sd, self.low, self.high)
  return math.max(self.lo, math.min(self.hi, self.log and math.exp(x) or x))
end

function numeric.normal(mu, sd, options)
  options = check_options("normal", options, { lo = true, hi = true, log = true })
  if not is_finite(mu) or not is_finite(sd) or sd <= 0 then
    fail("space: normal: a mean and a standard deviation > 0 expected, got %s and %s", tostring(mu), tostring(sd))
  end
  local log = options.log or nil
  local lo, hi = options.lo or (log and 0.0 or -math.huge), options.hi or math.huge
  if type(lo) ~= "number" or type(hi) ~= "number" or lo >= hi or lo ~= lo or hi ~= hi then
    fail("space: normal: lo < hi expected, got %s and %s", tostring(lo), tostring(hi))
  end
  if log and (mu <= 0 or lo < 0) then fail("space: normal: a log scale needs a mean and bounds above 0, got %s and %s", mu, lo) end
  local saved = (options.lo or options.hi or log) and { lo = options.lo, hi = options.hi, log = log } or nil
  local cut = (options.lo or options.hi) and (" in [%s, %s]"):format(lo, hi) or ""
  return setmetatable({ kind = "normal", lo = lo + 0.0, hi = hi + 0.0, log = log, mean = log and math.log(mu) or mu + 0.0, sd = sd + 0.0,
    low = log and math.log(lo) or lo + 0.0, high = log and math.log(hi) or hi + 0.0, arguments = { mu, sd, saved },
    text = ("normal (%s, %s)%s%s"):format(mu, sd, cut, log and " log" or "") }, Normal)
end

numeric.next = core.nextafter
return numeric
