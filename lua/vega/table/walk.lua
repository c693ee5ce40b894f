--- An evaluation along a learning curve that is known: what vega.table and vega.problem do when a trial has a fidelity.

-- Where training begins and ends; a study passes its space where a number may stand.
local function range(fidelity, trial, given)
  if type(given) ~= "number" then given = trial and trial.fidelity end
  if type(given) == "number" then return 0, given end
  if given then return given.from or 0, given.to end
  return 0, fidelity.max
end

-- Reports each whole step, as training would; ends where the answer is not to go on.
local function report_until(fidelity, look, from, to, trial)
  for step = math.max(from + 1, math.ceil(fidelity.min)), to do
    local decision = trial.report(step, look(step))
    if decision == "stop" or decision == "pause" then return step end
  end
  return to
end

--- Walks from one fidelity to another. look(step) gives the values there with the `seconds` from the very start; the seconds returned are those of
-- this piece. With fidelity.silent nothing is reported on the way.
-- @param who  "table 'x'", for the message
-- @return values | nil, message, "EARG"
return function(who, fidelity, look, trial, given)
  local from, to = range(fidelity, trial, given)
  if type(to) ~= "number" or to < fidelity.min or to > fidelity.max then
    return nil, ("%s: %s %s is outside of %s to %s"):format(who, fidelity.name, tostring(to), fidelity.min, fidelity.max), "EARG"
  end
  if trial and trial.report and not fidelity.silent then to = report_until(fidelity, look, from, to, trial) end
  local values = look(to)
  if values.seconds and from >= fidelity.min then values.seconds = values.seconds - look(from).seconds end
  return values
end
