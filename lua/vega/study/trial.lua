--- What an evaluation knows of its trial:
--   id, seed, hash, space, kind ("new", "resume", "clone"), parent
--   fidelity    { from, to, max } under a scheduler: train from step `from` to step `to`; a learning-rate schedule spans max
--   checkpoint  a path of its own, kept while the trial is paused: an evaluation that finds a file there goes on from it
--   report(step, values)   an intermediate result: "continue", or "pause" or "stop", after which the evaluation returns its values
local trial = {}

local function list_of(step, values)
  if not math.tointeger(step) then error(("trial:report: a whole number of steps expected, got %s"):format(tostring(step)), 3) end
  if type(values) ~= "table" then error(("trial:report: a table of numbers expected, got %s"):format(type(values)), 3) end
  local points = {}
  for name, v in pairs(values) do
    if type(v) ~= "number" then error(("trial:report: '%s' is a %s, a number expected"):format(tostring(name), type(v)), 3) end
    points[#points + 1] = { step = math.tointeger(step), name = name, value = v }
  end
  table.sort(points, function(a, b) return a.name < b.name end)
  return points
end

--- The trial of a suggestion. report(step, list of { step, name, value }, values) -> decision is what its reports come to; path() is its checkpoint's.
function trial.new(s, space, report, path)
  local self = { id = s.id, seed = s.seed, hash = s.hash, kind = s.kind, parent = s.parent, fidelity = s.fidelity, space = space }

  -- Both trial:report(...) and trial.report(...): whatever is handed around works.
  function self.report(first, second, third)
    local step, values = first, second
    if first == self then step, values = second, third end
    return report(math.tointeger(step), list_of(step, values), values)
  end

  return setmetatable(self, { __index = function(_, name)
    if name == "checkpoint" then return path() end
  end })
end

--- The trial of a study that evaluates it itself: without a scheduler what it reports is collected in `points`; with one each report is an event.
function trial.alone(study, s, points)
  local function report(step, list, values)
    if not study.driver.scheduler then
      table.move(list, 1, #list, #points + 1, points)
      return "continue"
    end
    local decision, known = study.driver:report(s.id, step, values)
    if not known then study.journal:report(s.id, step, values, list) end
    return decision
  end
  return trial.new(s, study.space, report, function() return study.checkpoints:path(s.id) end)
end

return trial
