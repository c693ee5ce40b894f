--- The face of vega-lua. A member is loaded when it is first used: `vega.study` requires "vega.study", `vega.tensor` the engine's.
local core = require "vega.core"
local settings = require "vega.settings"
local util = require "vega.util"

local vega = { version = core.sys.versions().vega }

-- Members written in Lua, by the module that holds them.
local MODULES = {
  arguments = "vega.arguments", cars = "vega.cars", comm = "vega.comm", data = "vega.data", densenas = "vega.densenas", differentiable = "vega.differentiable",
  evaluate = "vega.evaluate", genotype = "vega.genotype", graph = "vega.graph", hypergradient = "vega.hypergradient", nn = "vega.nn",
  proxy = "vega.proxy", readout = "vega.supernet.readout", report = "vega.report", sandbox = "vega.sandbox", space = "vega.space", stats = "vega.stats",
  strategy = "vega.strategy", study = "vega.study", supernet = "vega.supernet", train = "vega.train", zoo = "vega.zoo",
}
-- Members that a module may wrap and that the engine has otherwise.
local ENGINE = { "cost", "graph", "io", "json", "op", "pareto", "rng", "store", "sys", "tape", "tensor", "train" }

-- vega.tape() is vega.tape.new(), and so on.
local CALLED_AS_NEW = { rng = true, tape = true, tensor = true }

--- Sets the number of threads of the whole process when given, and returns it.
function vega.threads(n) return core.sys.threads(n) end

--- Names of all members, sorted: for completion and messages.
function vega.members()
  local set, names = {}, {}
  for name in pairs(vega) do set[name] = true end
  for name in pairs(MODULES) do set[name] = true end
  for _, name in ipairs(ENGINE) do if core[name] then set[name] = true end end
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function has_file(module)
  return package.loaded[module] ~= nil or package.preload[module] ~= nil or package.searchpath(module, package.path) ~= nil
end

local function load_member(_, name)
  local module = type(name) == "string" and (MODULES[name] or "vega." .. name)
  local value
  if module and name:match "^[%a_][%w_]*$" and has_file(module) then
    value = require(module)
  elseif type(name) == "string" then
    value = core[name]
    if CALLED_AS_NEW[name] and value and not getmetatable(value) then
      setmetatable(value, { __call = function(part, ...) return part.new(...) end })
    end
  end
  if value == nil then
    local near = type(name) == "string" and util.nearest(name, vega.members())
    error(("vega has no member '%s'%s"):format(tostring(name), near and ("; did you mean '%s'?"):format(near) or ""), 2)
  end
  vega[name] = value
  return value
end

-- VEGA_THREADS, or "threads" in vega.json; what --threads of a command says comes first.
local function use_settings()
  local role = package.loaded["vega.study.role"]
  if os.getenv "VEGA_RUN" or role and role.get().threads then return end
  local n = settings.get "threads"
  if n then core.sys.threads(n) end
end

use_settings()

return setmetatable(vega, { __index = load_member })
