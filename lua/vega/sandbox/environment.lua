--- What code of others sees: a table built of names that are allowed, never a copy of _G with some taken out. The functions that could lose a
-- budget's error (pcall, coroutine.resume) or take a lot at once (string.rep) are those of vega.core.sandbox.
local core = require "vega.core"

local environment = {}

local guard, real = core.sandbox, { load = load, getmetatable = debug.getmetatable, setmetatable = setmetatable }

local BASE = { "assert", "error", "ipairs", "next", "pairs", "rawequal", "rawget", "rawlen", "rawset", "select", "tonumber", "tostring", "type" }
local LIBRARIES = {
  string = { "byte", "char", "find", "gmatch", "gsub", "len", "lower", "match", "pack", "packsize", "reverse", "sub", "unpack", "upper" },
  table = { "insert", "move", "pack", "remove", "sort", "unpack" },
  math = { "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger", "min", "mininteger", "modf",
    "pi", "rad", "random", "sin", "sqrt", "tan", "tointeger", "type", "ult" },
  utf8 = { "char", "charpattern", "codepoint", "codes", "len", "offset" },
  coroutine = { "create", "isyieldable", "running", "status", "wrap", "yield" },
  os = { "clock", "date", "difftime", "time" },
}

local function pick(from, names)
  local to = {}
  for _, name in ipairs(names) do to[name] = from[name] end
  return to
end

local function strings()
  local lib = pick(string, LIBRARIES.string)
  lib.rep, lib.format = guard.rep, guard.format
  return lib
end

--- What strings are indexed with while such code runs: the functions of its `string`, in a table that it cannot reach.
environment.strings = strings()

-- Only metatables that the code itself has set can be seen or replaced; none may have __gc, which runs without the hook that keeps the budget.
local function metatables(env)
  local own = real.setmetatable({}, { __mode = "k" })
  function env.getmetatable(value)
    local meta = real.getmetatable(value)
    if meta == nil then return nil end
    if not own[meta] then return false end
    local shown = rawget(meta, "__metatable")
    if shown ~= nil then return shown end
    return meta
  end
  function env.setmetatable(t, meta)
    if type(t) ~= "table" then error("bad argument #1 to 'setmetatable' (table expected, got " .. type(t) .. ")", 2) end
    if meta ~= nil and type(meta) ~= "table" then error("bad argument #2 to 'setmetatable' (nil or table expected)", 2) end
    local old = real.getmetatable(t)
    if old and (not own[old] or rawget(old, "__metatable") ~= nil) then error("cannot change a protected metatable", 2) end
    if meta and rawget(meta, "__gc") ~= nil then error("sandbox: a metatable with __gc is not allowed", 2) end
    if meta then own[meta] = true end
    return real.setmetatable(t, meta)
  end
end

-- Text only, and this environment unless the code gives one of its own.
local function loader(env)
  return function(chunk, name, mode, ...)
    if mode ~= nil and not tostring(mode):find("t", 1, true) then return nil, "sandbox: only text is loaded" end
    local its = env
    if select("#", ...) > 0 then its = ... end
    return real.load(chunk, name, "t", its)
  end
end

local function count(what)
  if what ~= "count" then error("sandbox: collectgarbage is there for \"count\" only", 2) end
  return collectgarbage "count"
end

--- Writes what the code prints to standard error.
function environment.print(...)
  local parts = table.pack(...)
  for i = 1, parts.n do parts[i] = tostring(parts[i]) end
  io.stderr:write(table.concat(parts, "\t"), "\n")
end

--- A new environment.
-- @param find what `require` does: find(name) -> module, or raises
-- @param say what `print` does, by default environment.print
function environment.new(find, say)
  local env = pick(_G, BASE)
  for name, names in pairs(LIBRARIES) do env[name] = pick(_G[name], names) end
  env.string, env.table.concat = strings(), guard.concat
  env.coroutine.resume, env.coroutine.close = guard.checked(coroutine.resume), guard.checked(coroutine.close)
  env.pcall, env.xpcall, env.load, env.collectgarbage = guard.pcall, guard.xpcall, loader(env), count
  env.require, env.print, env._VERSION, env._G = find, say or environment.print, _VERSION, env
  metatables(env)
  return env
end

return environment
