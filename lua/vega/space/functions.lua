--- Functions by name, so that a space that uses them can be saved: space.register("total_width", fn).
local fail = require "vega.space.fail"
local util = require "vega.util"

local functions = { by_name = {}, name_of = {} }

--- Gives a function a name for save and load. A name means one function in a process.
function functions.register(name, fn)
  if type(name) ~= "string" or name == "" then fail("space.register: a name expected, got %s", type(name)) end
  if type(fn) ~= "function" then fail("space.register('%s'): a function expected, got %s", name, type(fn)) end
  if functions.by_name[name] and functions.by_name[name] ~= fn then fail("space.register: '%s' is another function already", name) end
  functions.by_name[name], functions.name_of[fn] = fn, name
  return fn
end

--- A function given itself or by name; returns it and its registered name, if any.
function functions.find(fn, who)
  if type(fn) == "string" then
    local found = functions.by_name[fn]
    if not found then fail("%s", util.unknown("space: " .. who, "function", fn, util.sorted_keys(functions.by_name))) end
    return found, fn
  end
  if type(fn) ~= "function" then fail("space: %s: a function or the name of a registered one expected, got %s", who, type(fn)) end
  return fn, functions.name_of[fn]
end

return functions
