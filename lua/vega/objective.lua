--- Objectives and constraints: parsing, normalising to costs (minimised), Deb's rule.
local util = require "vega.util"

local objective = {}

--- { accuracy = "max", latency_ms = "min" }, or a list of { name =, goal = }, to a list in byte order of the names (a given list keeps its order).
function objective.parse(given)
  local list = {}
  if type(given) ~= "table" then error("objectives: a table such as { accuracy = \"max\" } expected, got " .. type(given), 3) end
  for i, o in ipairs(given) do list[i] = { name = o.name, goal = o.goal, ref = o.ref } end
  if #list == 0 then
    for i, name in ipairs(util.sorted_keys(given)) do list[i] = { name = name, goal = given[name] } end
  end
  if #list == 0 then error("objectives: at least one is needed", 3) end
  for _, o in ipairs(list) do
    if type(o.name) ~= "string" or o.goal ~= "min" and o.goal ~= "max" then
      error(("objectives: '%s' must be \"min\" or \"max\", got '%s'"):format(tostring(o.name), tostring(o.goal)), 3)
    end
  end
  return list
end

--- { params = { le = 2e6 }, accuracy = { ge = 0.8, scale = 0.1 } } to a sorted list.
function objective.parse_constraints(given)
  local list = {}
  for i, name in ipairs(util.sorted_keys(given or {})) do
    local c = given[name]
    util.check_options(("constraint '%s'"):format(name), c, { le = true, ge = true, scale = true, name = true }, 3)
    if not (c.le or c.ge) then error(("constraint '%s': le or ge is needed"):format(name), 3) end
    list[i] = { name = c.name or name, le = c.le, ge = c.ge, scale = c.scale or 1 }
  end
  return list
end

local function finite(x) return type(x) == "number" and x == x and x ~= math.huge and x ~= -math.huge end

--- values -> costs (list, all minimised), or nil and what is wrong.
function objective.costs(objectives, values)
  local costs = {}
  for i, o in ipairs(objectives) do
    local v = values[o.name]
    if v == nil then return nil, ("objective '%s' is missing"):format(o.name), "script" end
    if type(v) ~= "number" then return nil, ("objective '%s' is a %s, a number expected"):format(o.name, type(v)), "script" end
    if not finite(v) then return nil, ("objective '%s' is %s"):format(o.name, v ~= v and "nan" or tostring(v)), "nan" end
    costs[i] = o.goal == "max" and 0.0 - v or v + 0.0
  end
  return costs
end

--- How far each bound is from being met, over its scale: a list of numbers, <= 0 where it holds; or nil and what is wrong.
function objective.slacks(constraints, values)
  local slacks = {}
  for _, c in ipairs(constraints) do
    local v = values[c.name]
    if not finite(v) then return nil, ("constrained value '%s' is missing or not finite"):format(c.name), "nan" end
    if c.le then table.insert(slacks, (v - c.le) / c.scale) end
    if c.ge then table.insert(slacks, (c.ge - v) / c.scale) end
  end
  return slacks
end

--- The sum of what the constraints are violated by, each over its scale; or nil and what is wrong. Then the slacks it is made of.
function objective.violation(constraints, values)
  local slacks, message, reason = objective.slacks(constraints, values)
  if not slacks then return nil, message, reason end
  local sum = 0.0
  for _, slack in ipairs(slacks) do sum = sum + math.max(0, slack) end
  return sum, nil, nil, slacks
end

--- True when trial a comes before b by the k-th objective: feasible first, then smaller violation, then cost, then the older.
function objective.before(a, b, k)
  if a.violation ~= b.violation then return a.violation < b.violation end
  if a.violation == 0 and a.costs[k] ~= b.costs[k] then return a.costs[k] < b.costs[k] end
  return a.id < b.id
end

return objective
