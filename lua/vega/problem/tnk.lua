--- TNK: the front lies on the wavy edge of what is allowed. Tanaka et al. 1995, doi:10.1109/ICSMC.1995.537993.
local problem = require "vega.problem"
local space = require "vega.space"

local function values(arch)
  local x, y = arch.x1, arch.x2
  return { f1 = x, f2 = y, g1 = 1 + 0.1 * math.cos(16 * math.atan(x, y)) - x * x - y * y, g2 = (x - 0.5) ^ 2 + (y - 0.5) ^ 2 - 0.5 }
end

return function()
  local side = space.float(1e-12, math.pi)
  return problem.define { name = "tnk", space = space.define { name = "tnk", choices = { x1 = side, x2 = side } },
    values = values, objectives = { f1 = "min", f2 = "min" }, constraints = { g1 = { le = 0 }, g2 = { le = 0 } }, reference = { 1.2, 1.2 } }
end
