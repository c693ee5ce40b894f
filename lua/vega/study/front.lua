--- The front of a study: its best trials, none of which another dominates.
local objective = require "vega.objective"
local pareto = require("vega.core").pareto

local Front = {}
Front.__index = Front

--- The front of a study found so far.
function Front.of(study)
  return setmetatable({ trials = study.driver:front(), objectives = study.driver.objectives, study = study }, Front)
end

--- The trial of the front that is best by one objective (default the first).
function Front:best(name)
  local best
  for k, o in ipairs(self.objectives) do
    if o.name == (name or self.objectives[1].name) then
      for _, t in ipairs(self.trials) do if not best or objective.before(t, best, k) then best = t end end
      return best
    end
  end
  error(("front:best: no objective '%s'"):format(tostring(name)), 2)
end

--- What the front dominates below a reference { name = value }; exact, 1 to 3 objectives.
function Front:hypervolume(ref)
  local points = {}
  for i, t in ipairs(self.trials) do points[i] = t.costs end
  local corner, message = objective.costs(self.objectives, ref)
  if not corner then error("front:hypervolume: " .. message, 2) end
  return pareto.hypervolume(points, corner)
end

--- Writes one offline HTML file.
function Front:report(path) return require("vega.report").write(self.study, path) end

function Front:__tostring()
  local lines = { "trial" }
  for _, o in ipairs(self.objectives) do lines[1] = ("%s  %14s"):format(lines[1], o.name) end
  for _, t in ipairs(self.trials) do
    local line = ("%5d"):format(t.id)
    for _, o in ipairs(self.objectives) do line = ("%s  %14.6g"):format(line, t.values[o.name]) end
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end

return Front
