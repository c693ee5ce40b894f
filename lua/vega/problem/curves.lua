--- CURVES: learning curves that cross, from a hash; what schedulers are tested on. Section 10.3 of the search specification.
--    local p = vega.problem.curves(81)           -- configurations 0 to 80, steps 1 to 81, a second a step
--    p:evaluate({ config = 15 }, nil, 27)        -- { loss =, seconds = 27 }
local problem = require "vega.problem"
local space = require "vega.space"

local STEPS = 81

local function w(t, i) return problem.hash((t << 32) + i) end

local function loss(i, t)
  local a, b = 0.05 + 0.45 * w(7, i), 0.3 + 0.9 * w(8, i)
  return a + (0.9 - a) * (1.0 + t) ^ -b
end

return function(n)
  n = n or 81
  local best = 0
  for i = 1, n - 1 do if loss(i, STEPS) < loss(best, STEPS) then best = i end end
  return problem.define { name = "curves", objectives = { loss = "min" },
    space = space.define { name = "curves", choices = { config = space.int(0, n - 1) } },
    fidelity = { name = "step", min = 1, max = STEPS }, optimum = loss(best, STEPS), at = { config = best },
    values = function(arch, _, step) return { loss = loss(arch.config, step), seconds = step + 0.0 } end }
end
