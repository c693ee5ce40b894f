--- DTLZ2: the front is the part of the unit sphere with no negative coordinate. Deb et al. 2002, doi:10.1109/CEC.2002.1007032.
--    local p = vega.problem.dtlz2(3)       -- 2 or 3 objectives, 10 distance variables
local pareto = require("vega.core").pareto
local problem = require "vega.problem"
local space = require "vega.space"

local DISTANCE = 10
local VOLUME = { [2] = 0.424602, [3] = 0.807401 }          -- of the exact front below (1.1, ..)
local DIVISIONS = { [2] = 99, [3] = 12 }

--- The 91 points (2 objectives: 100) of the front in the directions of Das and Dennis: the targets of the inverted generational distance.
local function front(m)
  local points = pareto.das_dennis(m, DIVISIONS[m])
  for _, p in ipairs(points) do
    local norm = 0.0
    for _, v in ipairs(p) do norm = norm + v * v end
    for i, v in ipairs(p) do p[i] = v / math.sqrt(norm) end
  end
  return points
end

return function(m)
  m = m or 3
  if not VOLUME[m] then error(("problem 'dtlz2': 2 or 3 objectives expected, got %s"):format(tostring(m)), 2) end
  local names, choices, objectives = {}, {}, {}
  for i = 1, m - 1 + DISTANCE do
    names[i] = ("x%02d"):format(i)
    choices[names[i]] = space.float(0, 1)
  end
  for k = 1, m do objectives["f" .. k] = "min" end
  return problem.define { name = "dtlz2", space = space.define { name = "dtlz2", choices = choices }, objectives = objectives,
    reference = m == 2 and { 1.1, 1.1 } or { 1.1, 1.1, 1.1 }, volume = VOLUME[m], front = function() return front(m) end,
    values = function(arch)
      local g, result = 0.0, {}
      for i = m, #names do g = g + (arch[names[i]] - 0.5) ^ 2 end
      local radius = 1 + g
      for k = m, 2, -1 do
        local angle = arch[names[m - k + 1]] * math.pi / 2
        result["f" .. k], radius = radius * math.sin(angle), radius * math.cos(angle)
      end
      result.f1 = radius
      return result
    end }
end
