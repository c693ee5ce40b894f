--- Rosenbrock's valley on [-2, 2]^n, n = 4 unless said. Rosenbrock 1960, doi:10.1093/comjnl/3.3.175.
local problem = require "vega.problem"
local space = require "vega.space"

return function(n)
  n = n or 4
  local names, choices, at = {}, {}, {}
  for i = 1, n do
    names[i] = ("x%02d"):format(i)
    choices[names[i]], at[names[i]] = space.float(-2, 2), 1.0
  end
  return problem.define { name = "rosenbrock", space = space.define { name = "rosenbrock", choices = choices }, objectives = { value = "min" },
    optimum = 0.0, at = at,
    values = function(arch)
      local sum = 0.0
      for i = 1, n - 1 do
        local x, y = arch[names[i]], arch[names[i + 1]]
        sum = sum + 100 * (y - x * x) ^ 2 + (1 - x) ^ 2
      end
      return { value = sum }
    end }
end
