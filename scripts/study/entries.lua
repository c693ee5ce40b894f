--- What is compared: every strategy that lua/vega/strategy/ holds, and every scheduler of lua/vega/scheduler/ where time is what is equal.
-- A label is NAME, NAME:option=value:option=value, or either followed by +SCHEDULER.
local vega = require "vega"
local core = require "vega.core"
local util = require "vega.util"

local entries = {}

local function names(kind)
  local list = {}
  for _, name in ipairs(vega[kind].names()) do
    if pcall(function() return vega[kind][name] end) then list[#list + 1] = name end          -- a file may hold what several share
  end
  return list
end

local function value_of(text)
  if text == "true" or text == "false" then return text == "true" end
  return math.tointeger(text) or tonumber(text) or text
end

local function parse(label)
  local first, scheduler = label:match "^([^+]+)%+?([%w_]*)$"
  local name, rest = (first or ""):match "^([%w_]+)(.*)$"
  if not name then error(("strategy '%s': NAME, NAME:option=value or NAME+SCHEDULER expected"):format(label), 0) end
  local options = {}
  for key, value in rest:gmatch ":([%w_]+)=([^:]+)" do options[key] = value_of(value) end
  return name, options, scheduler ~= "" and scheduler or nil
end

-- The scheduler over the whole range of the problem's fidelity.
local function scheduler_for(name, problem)
  local class, options = vega.scheduler[name].class, {}
  local given = { min = problem.fidelity.min, max = problem.fidelity.max, eta = 3 }
  for key, value in pairs(given) do if class.params and class.params[key] then options[key] = value end end
  return vega.scheduler[name](options)
end

--- The descriptors of a label for an entry of the protocol. @return strategy, scheduler or nil
function entries.resolve(label, entry, problem)
  local name, options, scheduler = parse(label)
  for key, value in pairs(entry.options and entry.options[name] or {}) do if options[key] == nil then options[key] = value end end
  return vega.strategy[name](options), scheduler and scheduler_for(scheduler, problem)
end

--- Labels that fit an entry of the protocol.
function entries.all(entry)
  local list, several = {}, entry.several
  for _, name in ipairs(names "strategy") do
    if not several or vega.strategy[name].class.multi_objective then list[#list + 1] = name end
  end
  if entry.timed then for _, name in ipairs(names "scheduler") do list[#list + 1] = "random+" .. name end end
  return list
end

local function source(kind, name)
  local file = assert(io.open(assert(package.searchpath(("vega.%s.%s"):format(kind, name), package.path)), "r"))
  local text = file:read "a"
  file:close()
  return text
end

--- What a stored run must agree in to count: the sources of what ran, its options and the budget.
function entries.code(label, entry, budget)
  local name, _, scheduler = parse(label)
  local options = core.json.encode(entry.options and entry.options[name] or {})
  local parts = { source("strategy", name), scheduler and source("scheduler", scheduler) or "", options, tostring(budget or "") }
  return ("%016x"):format(util.fnv(table.concat(parts, "\0")))
end

return entries
