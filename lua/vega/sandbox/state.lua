--- Takes from this Lua state, once and for all, what reaches beyond it: files but the program's own, processes, the network, other stores. What code
-- of others may call of vega can then do no more than this, whatever it is talked into.
-- luacheck: ignore 122
local core = require "vega.core"
local environment = require "vega.sandbox.environment"
local modules = require "vega.sandbox.modules"
local util = require "vega.util"

local state, call = {}, core.sandbox.call

local function refusal(what) return function() error(("sandbox: %s is not allowed"):format(what), 2) end end

local function refuse_all(t, names, where)
  for _, name in ipairs(names) do t[name] = refusal(where .. name) end
end

local function begins_with_one_of(path, folders)
  if type(path) ~= "string" or path:find("..", 1, true) or path:find "%z" then return false end
  for _, folder in ipairs(folders) do if path:sub(1, #folder) == folder then return true end end
  return false
end

-- The folders of the program's own Lua files and spaces, and of what the machine says of itself.
local function readable()
  local root = debug.getinfo(1, "S").source:match "^@(.*)lua/vega/sandbox/state%.lua$"
  return { root .. "lua/", root .. "searchspaces/", root .. "examples/zoo/", "/proc/cpuinfo", "/proc/loadavg", "/sys/devices/system/cpu/", "/usr/share/" }
end

-- t.name(path) only where the path begins with one of `folders`.
local function within(t, name, folders, message)
  local real = t[name]
  t[name] = function(path)
    if not begins_with_one_of(path, folders) then error("sandbox: " .. message, 2) end
    return real(path)
  end
end

local function lock_files(folders)
  local open, places = io.open, readable()
  io.open = function(path, mode)
    if mode ~= nil and mode ~= "r" and mode ~= "rb" or not begins_with_one_of(path, places) then
      return nil, ("sandbox: '%s' is not to be opened"):format(tostring(path)), 13
    end
    return open(path, mode)
  end
  refuse_all(io, { "popen", "lines", "tmpfile", "input", "output", "read", "write" }, "io.")
  refuse_all(os, { "execute", "exit", "rename", "tmpname", "setlocale" }, "os.")
  local getenv = os.getenv
  os.getenv = function(name) return (name == "HOME" or tostring(name):find "^VEGA_") and getenv(name) or nil end
  within(os, "remove", folders, "files are not removed")
  within(core.sys, "make_dirs", folders, "folders are not made")
  within(core.sys, "list", table.move(folders, 1, #folders, #places + 1, places), "folders are not listed")
  local trainer = debug.getregistry()["vega.trainer"].__index
  local save = trainer.save
  trainer.save = function(self, path, ...)
    if not begins_with_one_of(path, folders) then error("sandbox: checkpoints are not written", 2) end
    return save(self, path, ...)
  end
end

-- The stores that may be opened, and mem:. Their folders are there already: open_places has made them.
local function lock_stores(stores)
  local known = { ["mem:"] = true, [":memory:"] = true }
  for _, url in ipairs(stores) do known[url] = true end
  local open = core.store.open
  local function open_known(url)
    if not known[url] then
      local list = util.sorted_keys(known)
      error(("sandbox: the store '%s' is not allowed (allowed: %s)"):format(tostring(url), table.concat(list, ", ")), 2)
    end
    return open(url)
  end
  core.store.open, require("vega.store").open = open_known, open_known
end

-- Makes the folders of the stores; what lies beside them, as checkpoints do, is within `folders` then.
local function open_places(stores, folders)
  local all = table.move(folders, 1, #folders, 1, {})
  for _, url in ipairs(stores) do
    local path = core.store.where(url).path
    local folder = path and path:match "^(.+)/[^/]*$"
    if folder then core.sys.make_dirs(folder) end
    if path then all[#all + 1] = path:gsub("%.db$", "") .. "-checkpoints/" end
  end
  return all
end

local function lock_debug()
  for name in pairs(debug) do
    if name ~= "getinfo" and name ~= "traceback" and name ~= "getmetatable" then debug[name] = nil end
  end
  package.loadlib, package.cpath = refusal "package.loadlib", ""
  package.searchers[3], package.searchers[4] = nil, nil
end

-- Of the engine, parts that compute and touch nothing else; of the others what is named. A part that is new is locked until it is entered here.
local OPEN = { cmaes = true, cost = true, curve = true, data = true, graph = true, hash = true, json = true, linalg = true, model = true, op = true,
  pareto = true, population = true, quasi = true, rng = true, space = true, tape = true, tensor = true, train = true, store = true }
local KEPT = { comm = { "is_root" }, keeper = { "now" }, log = { "level", "write" }, net = { "wait" }, process = { "about", "start_time" },
  sandbox = { "call", "checked", "pcall", "room", "xpcall" },
  sys = { "clock", "cpu", "disk", "interrupted", "isatty", "list", "make_dirs", "memory", "on_status", "resumable", "threads", "versions" } }

local function lock_engine(has_stores)
  for name, part in pairs(core) do
    local kept = {}
    for _, word in ipairs(KEPT[name] or {}) do kept[word] = true end
    if name == "keeper" and has_stores then kept.start = true end
    for word, value in pairs(type(part) == "table" and not OPEN[name] and part or {}) do
      if type(value) == "function" and not kept[word] then part[word] = refusal(name .. "." .. word) end
    end
  end
end

--- Locks the state. There is no way back.
-- @param stores list of the URLs of stores that may be opened; mem: always
-- @param folders list of what paths of folders and checkpoints may begin with, beside those of the stores
function state.lock(stores, folders)
  lock_files(open_places(stores, folders))
  lock_stores(stores)
  lock_engine(#stores > 0)
  lock_debug()
end

--- Loads the text, runs it under its budget in a locked state, and returns what vega.core.sandbox.call does. `o` are the options of vega.sandbox.run.
function state.run(text, o, ...)
  local env = environment.new(modules.finder "script", o.print)
  env.arg = o.arg
  if o.prepare then require(o.prepare)(env, o.value) end
  require "vega"
  state.lock(o.stores or {}, o.folders or {})
  local chunk, message = load(text, "=" .. o.name, "t", env)
  if not chunk then return false, message, "EFORMAT" end
  o.strings = environment.strings
  return call(o, chunk, ...)
end

-- What vega.core.sandbox.apart calls in a new state: texts in and out.
local function run_text(text, request)
  local o = core.json.decode(request, { nonfinite = "tag" })
  if o.value == core.json.null then o.value = nil end
  local ok, value, code = state.run(text, o, o.argument ~= core.json.null and o.argument or nil)
  if not ok then return core.json.encode { message = value, code = code } end
  local written, result = pcall(core.json.encode, { value = value }, { nonfinite = "tag" })
  if written then return result end
  return core.json.encode { message = "sandbox: what came back is no plain data: " .. tostring(result), code = "EFORMAT" }
end

return setmetatable(state, { __call = function(_, ...) return run_text(...) end })
