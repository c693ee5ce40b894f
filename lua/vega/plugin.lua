--- Families of classes that are found by their file's name: strategies (vega.strategy.NAME), schedulers, samplers, proxies.
--    local family = plugin.family("scheduler", { "new", "next", "started", "tell" })
--    family.asha { max = 27 }          -- a descriptor: the class and its checked parameters
--    family.use(MyClass, { max = 9 })  -- the same for a class that is no file of ours
local sys = require("vega.core").sys
local util = require "vega.util"

local plugin = {}

local Descriptor = {}

local function describe(kind, class, name, params) return setmetatable({ kind = kind, class = class, name = name, params = params }, Descriptor) end

local function parameters(kind, class, name, options, level)
  local params = util.parameters(("%s '%s'"):format(kind, name), class.params or {}, options or {}, level + 1)
  return params                                    -- not a tail call: the level counts this function
end

--- The names of the files in the family's folders, sorted.
function plugin.names(module)
  local found, names = {}, {}
  for template in package.path:gmatch "[^;]+" do
    local folder, ending = template:match "^(.-)/%?(%.lua)$"
    for _, file in ipairs(folder and sys.list(folder .. "/" .. module:gsub("%.", "/")) or {}) do
      local name = file:match("^([%a_][%w_]*)" .. ending:gsub("%.", "%%.") .. "$")
      if name and not found[name] then found[name], names[#names + 1] = true, name end
    end
  end
  table.sort(names)
  return names
end

--- A table from name to descriptor, filled as it is used.
-- @param kind "strategy", "scheduler", "sampler": the module is vega.KIND.NAME
-- @param needed names of the functions that a class must have
-- @param call optional: what calling a descriptor does, call(descriptor, ...), instead of giving it options
function plugin.family(kind, needed, call)
  local module, family = "vega." .. kind, { kind = kind }

  --- A descriptor of a class of one's own.
  function family.use(class, options)
    local name = class.name or "custom"
    for _, field in ipairs(needed) do
      if type(class[field]) ~= "function" then error(("%s '%s': function '%s' is missing"):format(kind, name, field), 2) end
    end
    local params = options or {}
    if class.params then params = parameters(kind, class, name, options, 2) end
    local descriptor = describe(kind, class, name, params)
    descriptor.call = call
    return descriptor
  end

  --- Names of all that are installed, sorted.
  function family.names() return plugin.names(module) end

  --- What a user gave (a descriptor, a plain class, a name) as a descriptor. Raises otherwise.
  function family.resolve(given, level)
    if type(given) == "string" then given = family[given] end
    if getmetatable(given) == Descriptor then return given end
    if type(given) ~= "table" then
      error(("%s: vega.%s.NAME { ... } or a table with %s expected, got %s"):format(kind, kind, table.concat(needed, ", "), type(given)), level + 1)
    end
    return family.use(given)
  end

  return setmetatable(family, { __index = function(_, name)
    local path = module .. "." .. tostring(name)
    if not package.preload[path] and not package.searchpath(path, package.path) then
      local names = family.names()
      local near = util.nearest(tostring(name), names)
      error(("%s '%s' is not found%s (known: %s)"):format(kind, tostring(name), near and ("; did you mean '%s'?"):format(near) or "",
        table.concat(names, ", ")), 2)
    end
    local descriptor = family.use((require(path)))
    rawset(family, name, descriptor)
    return descriptor
  end })
end

Descriptor.__call = function(self, options, ...)
  if self.call then
    local result = self:call(options, ...)         -- not a tail call: the level counts this function
    return result
  end
  return describe(self.kind, self.class, self.name, parameters(self.kind, self.class, self.name, options, 2))
end

return plugin
