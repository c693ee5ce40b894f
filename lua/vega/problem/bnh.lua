--- BNH: two objectives, two constraints, a smooth front. Binh & Korn 1997.
local problem = require "vega.problem"
local space = require "vega.space"

local function values(arch)
  local x, y = arch.x1, arch.x2
  return { f1 = 4 * x * x + 4 * y * y, f2 = (x - 5) ^ 2 + (y - 5) ^ 2, g1 = (x - 5) ^ 2 + y * y - 25, g2 = 7.7 - (x - 8) ^ 2 - (y + 3) ^ 2 }
end

return function()
  return problem.define { name = "bnh", values = values,
    space = space.define { name = "bnh", choices = { x1 = space.float(0, 5), x2 = space.float(0, 3) } },
    objectives = { f1 = "min", f2 = "min" }, constraints = { g1 = { le = 0 }, g2 = { le = 0 } }, reference = { 140, 50 },
    front = function(_, n)                           -- along the diagonal up to (3, 3), then along x2 = 3
      local points = {}
      for i = 0, n - 1 do
        local x = 5 * i / (n - 1)
        local v = values { x1 = x, x2 = math.min(x, 3) }
        points[i + 1] = { v.f1, v.f2 }
      end
      return points
    end }
end
