--- Code of others, restricted: an environment of what is allowed, and budgets for memory, instructions and time.
--    local value, message, code = vega.sandbox.run("return { n = ... * 2 }", { name = "theirs", argument = 21, seconds = 5 })      --> { n = 42 }
-- It guards against accidents and simple malice and is no security boundary: docs/sandbox.md says against what.
-- Search-space files always run like this, `vega-lua --sandbox SCRIPT` runs a script like this.
local core = require "vega.core"
local environment = require "vega.sandbox.environment"
local modules = require "vega.sandbox.modules"
local util = require "vega.util"

local sandbox = {}

local LIMITS = {
  memory = { 256 << 20, min = 1 << 16, max = 1e15, about = "bytes of Lua values" },
  tensors = { 1 << 30, min = 1, max = 1e15, about = "bytes of tensors" },
  instructions = { 1e9, min = 1, max = 1e18, about = "steps of Lua's machine" },
  seconds = { 30.0, min = 1e-3, max = 1e9, about = "of time" },
}
local RUN = { name = { "sandbox" }, argument = {}, stores = {}, folders = {}, prepare = {}, value = {} }
for name, rule in pairs(LIMITS) do RUN[name] = rule end

local function limits_of(who, given, declared, level)
  local o = util.parameters(who, declared, given or {}, level + 1)
  return o
end

--- Runs a script's text in a Lua state of its own, which is closed afterwards: nothing is shared, plain data (what JSON holds) goes in and out.
-- @param text Lua, never bytecode
-- @param options name, for messages; argument, what the text gets as `...`; memory, tensors (bytes), instructions, seconds; stores = { url, ... } that
--   its studies may open beside mem:, folders = { path, ... } that its checkpoints may lie in; prepare = "module", value =: a module of ours whose
--   function(environment, value) is called first, with all rights
-- @return what the text returns | nil, message, code: "EBUDGET", "ENOMEM", "ESCRIPT", "EFORMAT" (no Lua, or a result that is no plain data), "EINTR"
function sandbox.run(text, options)
  if type(text) ~= "string" then error("sandbox.run: a text expected, got " .. type(text), 2) end
  local o = limits_of("sandbox.run", options, RUN, 2)
  local ok, request = pcall(core.json.encode, o, { nonfinite = "tag" })
  if not ok then error("sandbox.run: " .. tostring(request), 2) end
  local answer, message = core.sandbox.apart(package.path, "vega.sandbox.state", text, request)
  if not answer then return nil, message, message == "not enough memory" and "ENOMEM" or "ESCRIPT" end
  local result = core.json.decode(answer, { nonfinite = "tag" })
  if result.code then return nil, result.message, result.code end
  if result.value == core.json.null then return nil end
  return result.value
end

-- Search-space files -------------------------------------------------------------------------------------------------------------------

-- The result of a call in the program's own state, or its error again.
local function passed_on(ok, ...)
  if ok then return ... end
  local message, code, value = ...
  if code == "EINTR" then error("interrupted!", 0) end
  if code == "EBUDGET" or code == "ENOMEM" then error(util.failure(5, "%s", message), 0) end
  error(value, 0)
end

local function limits_for(name)
  local o = limits_of("sandbox", {}, LIMITS, 1)
  o.name, o.strings = name, environment.strings
  return o
end

--- A function of restricted code that runs under a budget of its own for each call.
function sandbox.guard(name, fn)
  local limits = limits_for(name)
  return function(...) return passed_on(core.sandbox.call(limits, fn, ...)) end
end

--- What a search-space file returns. It runs in this state, for spaces are objects: its environment and budgets are the same as for other code, the
-- memory is this state's own. Functions that it leaves behind keep the environment; of these, build runs under a budget again.
-- Raises on what is no Lua, and the file's own errors.
function sandbox.space(path)
  local file, why = io.open(path, "r")
  if not file then error(why, 0) end
  local text = file:read "a"
  file:close()
  if not text then error(path .. ": cannot be read", 0) end
  local chunk, message = load((text:gsub("^#[^\n]*", "", 1)), "@" .. path, "t", environment.new(modules.finder "space"))
  if not chunk then error(message, 0) end
  return passed_on(core.sandbox.call(limits_for(path), chunk))
end

-- vega-lua --sandbox -------------------------------------------------------------------------------------------------------------------

local UNITS = { [""] = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30 }

local function read_limit(given, word)
  local name, number, unit = word:match "^(%l+)=([%d%.e+]+)([KMG]?)$"
  local value = tonumber(number)
  if not name or not LIMITS[name] or not value then
    error(util.failure(2, "--sandbox: %s or store expected, as in --sandbox=memory=256M,seconds=30; got '%s'",
      table.concat(util.sorted_keys(LIMITS), ", "), word), 0)
  end
  value = value * UNITS[unit]
  given[name] = name ~= "seconds" and math.tointeger(value) or value
end

-- "memory=64M,seconds=5,store=runs/x.db"
local function read_limits(text)
  local given, stores = {}, {}
  for word in text:gmatch "[^,]+" do
    local url = word:match "^store=(.+)$"
    if url then stores[#stores + 1] = url else read_limit(given, word) end
  end
  local ok, o = pcall(limits_of, "--sandbox", given, LIMITS, 1)
  if not ok then error(util.failure(2, "%s", (tostring(o):gsub("^[^\n]-:%d+: ", ""))), 0) end
  o.stores = stores
  return o
end

--- What `vega-lua --sandbox[=LIMITS] SCRIPT ...` does. The whole program is then this sandbox.
-- @return an exit code
function sandbox.main(limits, path, ...)
  local o = read_limits(limits)
  local file, why = io.open(path, "r")
  local text = file and file:read "a"
  if not text then error(util.failure(1, "cannot open %s", why or path), 0) end
  file:close()
  o.name, o.arg = path, { [0] = path, ... }
  local ok, message, code, value = require("vega.sandbox.state").run((text:gsub("^#[^\n]*", "", 1)), o, ...)
  if ok then return 0 end
  if code == "EINTR" then error("interrupted!", 0) end
  local exit = (code == "EBUDGET" or code == "ENOMEM") and 5 or type(value) == "table" and math.tointeger(value.exit_code) or 1
  error(util.failure(exit, "%s", message), 0)
end

return sandbox
