--- ZDT1, 2, 3, 4, 6: two objectives, fronts of every shape. Zitzler, Deb & Thiele 2000, doi:10.1162/106365600568202.
--    local p = vega.problem.zdt(1)         -- 30 variables (ZDT4 and ZDT6: 10)
local pareto = require("vega.core").pareto
local problem = require "vega.problem"
local space = require "vega.space"

local PI = math.pi

local function linear_g(x)
  local sum = 0.0
  for i = 2, #x do sum = sum + x[i] end
  return 1 + 9 * sum / (#x - 1)
end

local function rastrigin_g(x)
  local sum = 1 + 10 * (#x - 1.0)
  for i = 2, #x do sum = sum + x[i] * x[i] - 10 * math.cos(4 * PI * x[i]) end
  return sum
end

local function identity(x) return x end
local function root(r) return 1 - math.sqrt(r) end
local function square(r) return 1 - r * r end

local function wave(r, f1) return 1 - math.sqrt(r) - r * math.sin(10 * PI * f1) end
local function peaks(x) return 1 - math.exp(-4 * x) * math.sin(6 * PI * x) ^ 6 end
local function biased_g(x) return 1 + 9 * ((linear_g(x) - 1) / 9) ^ 0.25 end

-- n variables, f1 of the first, g of the others, f2 = g h(f1 / g, f1); f1 of the front from `low` to `high`; volume: of the exact front below
-- (1.1, 1.1); bound: the others reach from -bound to bound instead of 0 to 1.
local KNOWN = {
  [1] = { n = 30, f1 = identity, g = linear_g, h = root, low = 0, high = 1, volume = 0.876667 },
  [2] = { n = 30, f1 = identity, g = linear_g, h = square, low = 0, high = 1, volume = 0.543333 },
  [3] = { n = 30, f1 = identity, g = linear_g, h = wave, low = 0, high = 0.8518328654, volume = 1.331763 },
  [4] = { n = 10, f1 = identity, g = rastrigin_g, h = root, low = 0, high = 1, volume = 0.876667, bound = 5 },
  [6] = { n = 10, f1 = peaks, g = biased_g, h = square, low = 0.2807753191, high = 1, volume = 0.507878 },
}

-- Points of the exact front, evenly spaced in f1.
local function front(k, n)
  local points = {}
  for i = 0, n - 1 do
    local f1 = k.low + (k.high - k.low) * i / (n - 1)
    points[i + 1] = { f1, k.h(f1, f1) }
  end
  local kept, rank = {}, pareto.rank(points)                 -- ZDT3: the gaps fall out
  for i, p in ipairs(points) do if rank[i] == 1 then kept[#kept + 1] = p end end
  return kept
end

return function(which)
  local k = KNOWN[which]
  if not k then error(("problem 'zdt': 1, 2, 3, 4 or 6 expected, got %s"):format(tostring(which)), 2) end
  local names, choices = {}, {}
  for i = 1, k.n do
    names[i] = ("x%02d"):format(i)
    choices[names[i]] = k.bound and i > 1 and space.float(-k.bound, k.bound) or space.float(0, 1)
  end
  local name = "zdt" .. which
  return problem.define { name = name, space = space.define { name = name, choices = choices }, objectives = { f1 = "min", f2 = "min" },
    reference = { 1.1, 1.1 }, volume = k.volume, front = function(_, n) return front(k, n) end,
    values = function(arch)
      local x = {}
      for i = 1, k.n do x[i] = arch[names[i]] end
      local f1, g = k.f1(x[1]), k.g(x)
      return { f1 = f1, f2 = g * k.h(f1 / g, f1) }
    end }
end
