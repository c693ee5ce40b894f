--- What may be set in three places: an option on the command line wins over the environment, and that over vega.json in the working directory.
--    settings.get("store", options.store)           -- --store, VEGA_STORE, { "store": "runs/x.db" }
local core_json = require("vega.core").json
local util = require "vega.util"

local settings = {}
local FILE = "vega.json"
local KNOWN = { store = "string", threads = "number", seed = "number", cache = "string" }

local project

local function refuse(text, ...) error(util.failure(2, FILE .. ": " .. text, ...), 0) end

local function read_project()
  local file = io.open(FILE, "r")
  if not file then return {} end
  local text = file:read "a"
  file:close()
  local values, message = core_json.decode(text or "")
  if type(values) ~= "table" then refuse("an object expected%s", message and ": " .. message or "") end
  for _, name in ipairs(util.sorted_keys(values)) do
    if not KNOWN[name] then error(util.failure(2, "%s", util.unknown(FILE, "setting", name, util.sorted_keys(KNOWN))), 0) end
    if type(values[name]) ~= KNOWN[name] then refuse("'%s' must be a %s, got a %s", name, KNOWN[name], type(values[name])) end
  end
  return values
end

--- The value of a setting: `given` unless it is nil or "", else of VEGA_NAME, else of vega.json, else nil.
function settings.get(name, given)
  if given ~= nil and given ~= "" then return given end
  local variable = "VEGA_" .. name:upper()
  local text = os.getenv(variable)
  if text and text ~= "" then
    if KNOWN[name] == "string" then return text end
    return math.tointeger(tonumber(text)) or error(util.failure(2, "%s: a whole number expected, got '%s'", variable, text), 0)
  end
  project = project or read_project()
  local value = project[name]
  if KNOWN[name] == "number" and value and not math.tointeger(value) then refuse("'%s' must be a whole number, got %s", name, value) end
  return math.tointeger(value) or value
end

--- The store's URL, from --store, VEGA_STORE or vega.json; ends the program with 2 when none says it.
function settings.store(who, given)
  local url = settings.get("store", given)
  if url then return url end
  error(util.failure(2, "%s: which store? --store URL, VEGA_STORE or \"store\" in %s says it, such as --store runs/study.db", who, FILE), 0)
end

return settings
