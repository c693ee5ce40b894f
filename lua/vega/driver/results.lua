--- What a driver has been told: all trials, the best of each objective kept up to date, the front. Under a scheduler only trials of the highest
-- fidelity that any has reached are compared.
local objective = require "vega.objective"
local pareto = require("vega.core").pareto

local Results = {}
Results.__index = Results

function Results.new(objectives) return setmetatable({ objectives = objectives, told = {}, level = -math.huge, leaders = {} }, Results) end

--- Adds a trial's record.
function Results:add(trial)
  self.told[#self.told + 1] = trial
  local level = trial.fidelity or 0
  if trial.failed or level < self.level then return end
  if level > self.level then self.level, self.leaders = level, {} end
  for k = 1, #self.objectives do
    local best = self.leaders[k]
    if not best or objective.before(trial, best, k) then self.leaders[k] = trial end
  end
end

local function candidates(self)
  local list = {}
  for _, trial in ipairs(self.told) do
    if not trial.failed and trial.violation == 0 and (trial.fidelity or 0) == self.level then list[#list + 1] = trial end
  end
  return list
end

local function by_first(a, b) return objective.before(a, b, 1) end

--- As Driver:best.
function Results:best(which)
  if math.type(which) == "integer" then
    local list = candidates(self)
    table.sort(list, by_first)
    return table.move(list, 1, math.min(which, #list), 1, {})
  end
  local k = 1
  for i, o in ipairs(self.objectives) do if o.name == which then k = i end end
  local best = self.leaders[k]
  if best and best.violation > 0 then return nil, best end
  return best
end

--- As Driver:front.
function Results:front()
  local trials, points, front = candidates(self), {}, {}
  for i, trial in ipairs(trials) do points[i] = trial.costs end
  for i, rank in ipairs(pareto.rank(points)) do if rank == 1 then front[#front + 1] = trials[i] end end
  table.sort(front, by_first)
  return front
end

return Results
