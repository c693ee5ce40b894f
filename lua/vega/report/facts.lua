--- What the parts of the report share: the study's trials in order, sorted out and measured.
--    local f = facts.of(source)     -- source.of(study)
-- Fields: source, trials, complete (those with a result, each with costs), counts by state, front, on_front[id], names (of values, the objectives
-- first), best[k] (by objective), steps, knee, hypervolume, reference, wall[id] (seconds from the study's begin to the trial's end).
local objective = require "vega.objective"
local pareto = require("vega.core").pareto

local facts = {}

local MOST_NAMES = 12                                -- kinds of values shown beside the objectives
local HAS_RESULT = { COMPLETE = true, PRUNED = true, PAUSED = true }

local function sort_out(self)
  self.complete, self.counts = {}, {}
  for _, t in ipairs(self.trials) do
    self.counts[t.state] = (self.counts[t.state] or 0) + 1
    t.values = t.values or {}
    local costs = HAS_RESULT[t.state] and objective.costs(self.objectives, t.values)
    local violation = costs and objective.violation(self.source.constraints or {}, t.values)
    if violation then
      t.costs, t.violation = costs, violation
      if t.state == "COMPLETE" then self.complete[#self.complete + 1] = t end
    end
  end
end

local function value_names(self)
  local seen, names, extra = {}, {}, {}
  for i, o in ipairs(self.objectives) do seen[o.name], names[i] = true, o.name end
  for _, t in ipairs(self.trials) do
    for name in pairs(t.values) do
      if not seen[name] then
        seen[name] = true
        extra[#extra + 1] = name
      end
    end
  end
  table.sort(extra)
  return table.move(extra, 1, MOST_NAMES, #names + 1, names)
end

-- When each trial ended, from the begin of the study; a pause between two runs counts.
local function wall_times(source)
  local wall = {}
  for _, a in ipairs(source.attempts) do
    if a.trial and a.ended_at then wall[a.trial] = math.max(wall[a.trial] or 0, a.ended_at - source.created_at) end
  end
  return wall
end

local function best_by_objective(self)
  local best = {}
  for k in ipairs(self.objectives) do
    for _, t in ipairs(self.front) do if t.costs and (not best[k] or t.costs[k] < best[k].costs[k]) then best[k] = t end end
  end
  return best
end

--- The best by objective k after each of the trials, as a list of { trial, cost } where it changed.
function facts.steps(self, k)
  local steps, least = {}, math.huge
  for _, t in ipairs(self.complete) do
    if t.violation == 0 and t.costs[k] < least then
      least = t.costs[k]
      steps[#steps + 1] = { trial = t, cost = least }
    end
  end
  return steps
end

-- The extremes of the front by each objective: lists of costs.
local function extremes(front, n)
  local low, high = {}, {}
  for k = 1, n do
    low[k], high[k] = math.huge, -math.huge
    for _, t in ipairs(front) do low[k], high[k] = math.min(low[k], t.costs[k]), math.max(high[k], t.costs[k]) end
  end
  return low, high
end

-- The trial of the front nearest to the ideal point, each objective scaled to the front's extent.
local function knee_of(front, n)
  if n < 2 or #front < 3 then return nil end
  local low, high = extremes(front, n)
  local knee, nearest
  for _, t in ipairs(front) do
    local sum = 0.0
    for k = 1, n do sum = sum + (high[k] > low[k] and (t.costs[k] - low[k]) / (high[k] - low[k]) or 0) ^ 2 end
    if not nearest or sum < nearest then knee, nearest = t, sum end
  end
  return knee
end

-- What the front dominates below the worst of all complete trials by each objective; exact for up to three.
local function hypervolume_of(self)
  local n = #self.objectives
  if n < 2 or n > 3 or #self.front == 0 then return end
  local _, reference = extremes(self.complete, n)
  local points = {}
  for i, t in ipairs(self.front) do
    points[i] = t.costs
    for k = 1, n do reference[k] = math.max(reference[k], t.costs[k]) end
  end
  self.reference, self.hypervolume = {}, pareto.hypervolume(points, reference)
  for k, o in ipairs(self.objectives) do self.reference[k] = o.goal == "max" and -reference[k] or reference[k] end
end

local function with_costs(list, objectives)
  local kept = {}
  for _, t in ipairs(list) do
    t.costs = t.costs or objective.costs(objectives, t.values)
    if t.costs then kept[#kept + 1] = t end
  end
  return kept
end

--- @param source source.of(study)
function facts.of(source)
  local self = { source = source, trials = source.trials, objectives = source.objectives, on_front = {} }
  sort_out(self)
  self.front = with_costs(source.front, self.objectives)
  for _, t in ipairs(self.front) do self.on_front[t.id] = true end
  self.names, self.wall, self.best = value_names(self), wall_times(source), best_by_objective(self)
  self.knee = knee_of(self.front, #self.objectives)
  hypervolume_of(self)
  self.by_id = {}
  for _, t in ipairs(self.trials) do self.by_id[t.id] = t end
  return self
end

--- A cost as the objective's value.
function facts.value(self, k, cost) return self.objectives[k].goal == "max" and 0.0 - cost or cost end

--- Complete trials, the best first: those of the front, then by the first objective; feasible ones before others.
function facts.ranked(self)
  local list = table.move(self.complete, 1, #self.complete, 1, {})
  local on_front = self.on_front
  table.sort(list, function(a, b)
    if on_front[a.id] ~= on_front[b.id] then return on_front[a.id] == true end
    if a.violation ~= b.violation then return a.violation < b.violation end
    if a.costs[1] ~= b.costs[1] then return a.costs[1] < b.costs[1] end
    return a.id < b.id
  end)
  return list
end

--- Every so many of a list, at most `most` of them, evenly.
function facts.sample(list, most)
  if #list <= most then return list end
  local kept = {}
  for i = 1, most do kept[i] = list[(i - 1) * #list // most + 1] end
  return kept
end

return facts
