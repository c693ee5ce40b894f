--- What a driver is made with, checked: the specification, and the scheduler with the objective it decides by.
local util = require "vega.util"

local options = {}

local DEDUP = { retry = true, reuse = true, allow = true }
local SPEC = { space = true, objectives = true, constraints = true, seed = true, budget = true, dedup = true, max_retries = true, scheduler = true,
  ordered = true, window = true }

local function check_window(spec, level)
  local window = spec.window or 1
  if math.type(window) ~= "integer" or window < 1 then
    error(("strategy: window must be a whole number >= 1, got %s"):format(tostring(window)), level + 1)
  end
  if spec.window and not spec.ordered then error("strategy: window goes with ordered = true", level + 1) end
  return spec.ordered and window or nil
end

--- Checks the specification of a driver for a strategy's class. Raises at `level`; returns the policy for duplicates, and the window or nil.
function options.check(spec, class, level)
  level = level + 1
  util.check_options("strategy", spec, SPEC, level)
  if spec.space == nil or #spec.space.decisions == 0 then
    error(spec.space and ("space '%s' is empty: it has no decision"):format(spec.space.name) or "strategy: option 'space' is missing", level)
  end
  local dedup = spec.dedup or class.dedup or "retry"
  if not DEDUP[dedup] then error(("strategy: dedup must be retry, reuse or allow, got '%s'"):format(tostring(dedup)), level) end
  if dedup == "reuse" and spec.scheduler then
    error("strategy: dedup = \"reuse\" does not go with a scheduler: a result is of one fidelity", level)
  end
  return dedup, check_window(spec, level)
end

--- Checks that a scheduler can work for these objectives; returns the one it decides by. Raises at `level`.
function options.metric(descriptor, objectives, window, level)
  local class, params = descriptor.class, descriptor.params
  local who = ("scheduler '%s'"):format(descriptor.name)
  if (window or 1) > 1 and class.report and not (class.decides and not class.decides(params)) then
    error(who .. " decides while trials run, so what it decides depends on timing: ordered = true takes it with window = 1 only", level + 1)
  end
  local names = {}
  for i, o in ipairs(objectives) do
    names[i] = o.name
    if o.name == params.metric or #objectives == 1 and (params.metric or "") == "" then return o end
  end
  error(("%s: metric must name one of the objectives (%s), got '%s'"):format(who, table.concat(names, ", "), params.metric or ""), level + 1)
end

return options
