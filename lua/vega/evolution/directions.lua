--- Reference directions that fit a population: evenly spread points of the simplex.
local pareto = require("vega.core").pareto

local MOST = 1000           -- divisions; with two objectives a population of 1001

--- The Das-Dennis directions of `objectives` with `divisions`, or, when that is 0, with as many divisions as give at most `size` directions.
return function(objectives, divisions, size)
  if divisions == 0 then
    divisions = 1
    while divisions < MOST and objectives > 1 and pareto.das_dennis_count(objectives, divisions + 1) <= size do divisions = divisions + 1 end
  end
  return pareto.das_dennis(objectives, divisions)
end
