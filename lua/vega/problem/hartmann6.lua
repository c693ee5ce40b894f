--- Hartmann-6 on the unit cube: six local minima. Hartmann 1973; Dixon & Szegö 1978.
local problem = require "vega.problem"
local space = require "vega.space"

local ALPHA = { 1.0, 1.2, 3.0, 3.2 }
local A = { { 10, 3, 17, 3.5, 1.7, 8 }, { 0.05, 10, 17, 0.1, 8, 14 }, { 3, 3.5, 1.7, 10, 17, 8 }, { 17, 8, 0.05, 10, 0.1, 14 } }
local P = { { 1312, 1696, 5569, 124, 8283, 5886 }, { 2329, 4135, 8307, 3736, 1004, 9991 }, { 2348, 1451, 3522, 2883, 3047, 6650 },
  { 4047, 8828, 8732, 5743, 1091, 381 } }           -- times 1e-4
local NAMES = { "x1", "x2", "x3", "x4", "x5", "x6" }

local function values(arch)
  local sum = 0.0
  for i = 1, 4 do
    local inner = 0.0
    for j = 1, 6 do inner = inner + A[i][j] * (arch[NAMES[j]] - 1e-4 * P[i][j]) ^ 2 end
    sum = sum - ALPHA[i] * math.exp(-inner)
  end
  return { value = sum }
end

return function()
  local choices = {}
  for _, name in ipairs(NAMES) do choices[name] = space.float(0, 1) end
  return problem.define { name = "hartmann6", space = space.define { name = "hartmann6", choices = choices }, objectives = { value = "min" },
    values = values, optimum = -3.3223680114155147,
    at = { x1 = 0.20168952, x2 = 0.15001069, x3 = 0.47687398, x4 = 0.27533243, x5 = 0.31165162, x6 = 0.65730054 } }
end
