--- Branin on [-5, 10] x [0, 15]: three equal minima. Branin 1972, doi:10.1147/rd.165.0504.
--    vega.problem.branin { noise = 0.1, disk = true }      noise: s.d. of a Gaussian, drawn from the trial's seed; disk: only near (2.5, 7.5)
local rng = require("vega.core").rng
local problem = require "vega.problem"
local space = require "vega.space"
local util = require "vega.util"

local PI = math.pi
local RADIUS2 = 50          -- the constraint (x1 - 2.5)^2 + (x2 - 7.5)^2 <= 50 leaves the first minimum in

local function branin(x, y)
  return (y - 5.1 / (4 * PI * PI) * x * x + 5 / PI * x - 6) ^ 2 + 10 * (1 - 1 / (8 * PI)) * math.cos(x) + 10
end

return function(options)
  local o = util.parameters("problem 'branin'", { noise = { 0.0, min = 0 }, disk = { false } }, options or {}, 1)
  return problem.define { name = "branin", space = space.define { name = "branin", choices = { x1 = space.float(-5, 10), x2 = space.float(0, 15) } },
    objectives = { value = "min" }, constraints = o.disk and { outside = { le = 0 } } or nil,
    optimum = 0.39788735772973816, at = { x1 = PI, x2 = 2.275 },
    values = function(arch, trial)
      local result = { value = branin(arch.x1, arch.x2) }
      if o.noise > 0 then result.value = result.value + o.noise * rng.new(trial and trial.seed or 0, "noise"):normal() end
      if o.disk then result.outside = (arch.x1 - 2.5) ^ 2 + (arch.x2 - 7.5) ^ 2 - RADIUS2 end
      return result
    end }
end
