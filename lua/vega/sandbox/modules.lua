--- The modules that code of others may require, as views: tables that read from the module and cannot be written. Functions, and objects with a
-- metatable, are handed out as they are; the environment's getmetatable does not show theirs.
local util = require "vega.util"

local modules = {}

-- For search-space files, in the state of the program: describe and build, nothing that reads or writes a file, trains or starts anything.
local SPACES = { "vega.densenas.network", "vega.densenas.space", "vega.genotype", "vega.nn", "vega.nn.blocks", "vega.nn.darts", "vega.space",
  "vega.stats", "vega.util" }
local SPACES_FACE = { "genotype", "nn", "space", "stats", "version" }
-- For scripts, in a state that vega.sandbox.state has locked.
local SCRIPTS_FACE = { "arguments", "cars", "cost", "data", "densenas", "differentiable", "evaluate", "genotype", "graph", "hypergradient", "json", "nn",
  "objective", "op", "pareto", "problem", "proxy", "readout", "rng", "sampler", "scheduler", "simulate", "space", "stats", "strategy", "study",
  "supernet", "tape", "tensor", "threads", "train", "version" }

local function set(...)
  local result = {}
  for _, names in ipairs { ... } do for _, name in ipairs(names) do result[name] = true end end
  return result
end

local KINDS = { space = { modules = set(SPACES), face = set(SPACES_FACE) },
  script = { modules = set(SPACES), face = set(SPACES_FACE, SCRIPTS_FACE) } }
for name in pairs(KINDS.script.face) do if name ~= "version" and name ~= "threads" then KINDS.script.modules["vega." .. name] = true end end

local function read_only() error("sandbox: the modules of vega cannot be changed", 2) end

-- A space by its name; a path would open any file.
local function check_call(module, what)
  if module == "vega.space" and type(what) == "string" and not what:find "^[%w_]+$" then
    error(("sandbox: a search space is named, '%s' is a path"):format(what), 3)
  end
end

-- One view for each table, so that t.a == t.a.
local function view_maker()
  local views = {}
  local view
  local function shown(value)
    if type(value) == "table" and debug.getmetatable(value) == nil then return view(value) end
    return value
  end
  function view(target, name, allowed)
    if views[target] then return views[target] end
    local meta = { __metatable = false, __newindex = read_only, __name = name or "module" }
    function meta.__index(_, key)
      if type(key) == "string" and not key:find "^[%a_][%w_]*$" or allowed and not allowed[key] then return nil end
      return shown(target[key])
    end
    function meta.__len() return #target end
    function meta.__pairs()
      return function(_, key)
        local value
        repeat key, value = next(target, key) until key == nil or not allowed or allowed[key]
        return key, shown(value)
      end
    end
    local call = debug.getmetatable(target)
    if call and call.__call then
      function meta.__call(_, ...)
        check_call(name, (...))
        return target(...)
      end
    end
    views[target] = setmetatable({}, meta)
    return views[target]
  end
  return view
end

--- What `require` does in an environment for "space" or "script".
-- @param kind "space" or "script"
function modules.finder(kind)
  local allowed, view = KINDS[kind], view_maker()
  return function(name)
    if name == "vega" then return view(require "vega", name, allowed.face) end
    if type(name) ~= "string" or not allowed.modules[name] then
      error(("sandbox: module '%s' is not allowed here (allowed: vega, %s)"):format(tostring(name),
        table.concat(util.sorted_keys(allowed.modules), ", ")), 2)
    end
    local member = name:match "^vega%.([%w_]+)$"
    local module = member and KINDS.script.face[member] and require "vega"[member] or require(name)
    return type(module) == "table" and view(module, name) or module
  end
end

return modules
