--- Small helpers shared by the Lua side: option tables, nearest names, hashes, sorted keys.
local util = {}

--- The keys of a table in byte order, so that no result depends on the order of `pairs`.
function util.sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function edit_distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal
    diagonal, row[0] = row[0], i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

--- The entry of `names` (a list) nearest to `word`, at most three edits away, or nil.
function util.nearest(word, names)
  local best, distance
  for _, name in ipairs(names) do
    local a, b = tostring(word), tostring(name)
    local d = math.abs(#a - #b) <= 3 and edit_distance(a, b)          -- not of a word of a megabyte
    if d and d <= 3 and (not distance or d < distance) then best, distance = name, d end
  end
  return best
end

--- The text for an unknown name: what came, the nearest known name, all of them.
function util.unknown(who, what, word, names)
  local near = util.nearest(word, names)
  return ("%s: unknown %s '%s'%s (known: %s)"):format(who, what, tostring(word), near and ("; did you mean '%s'?"):format(near) or "",
    table.concat(names, ", "))
end

--- Raises at the caller's caller when `options` has a key that is not in `known` (a table with those keys).
function util.check_options(who, options, known, level)
  level = (level or 1) + 1
  if type(options) ~= "table" then error(("%s: a table of options expected, got %s"):format(who, type(options)), level) end
  for _, key in ipairs(util.sorted_keys(options)) do
    if known[key] == nil then error(util.unknown(who, "option", key, util.sorted_keys(known)), level) end
  end
end

--- Fills in and checks parameters declared as `{ default, min =, max =, one_of = { words }, about = "text" }`; returns a new table. Without a
-- default, `type = "number"` says what to take. A whole-number default takes whole numbers only. Raises on a wrong one.
function util.parameters(who, declared, given, level)
  level = (level or 1) + 1
  util.check_options(who, given, declared, level)
  local result = {}
  for _, name in ipairs(util.sorted_keys(declared)) do
    local rule, value = declared[name], given[name]
    if type(rule) ~= "table" then rule = { rule } end
    if value == nil then value = rule[1] end
    local kind = rule.type or rule[1] ~= nil and type(rule[1])
    if kind and value ~= nil and type(value) ~= kind then
      error(("%s: %s must be a %s, got %s"):format(who, name, kind, type(value)), level)
    end
    if math.type(rule[1]) == "integer" and type(value) == "number" and not math.tointeger(value) then
      error(("%s: %s must be a whole number, got %s"):format(who, name, value), level)
    end
    local number = type(value) == "number" and value
    if rule.min and number and (number < rule.min or number ~= number) then
      error(("%s: %s must be >= %s, got %s"):format(who, name, rule.min, number), level)
    end
    if rule.max and number and (number > rule.max or number ~= number) then
      error(("%s: %s must be <= %s, got %s"):format(who, name, rule.max, number), level)
    end
    if rule.one_of and not util.contains(rule.one_of, value) then
      error(("%s: %s must be one of %s, got %s"):format(who, name, table.concat(rule.one_of, ", "), tostring(value)), level)
    end
    result[name] = value
  end
  return result
end

local Failure = { __tostring = function(self) return self.message end }
Failure.__concat = function(a, b) return tostring(a) .. tostring(b) end
Failure.__index = function(_, name)                              -- message:find(...), as a message that is text has it
  local method = string[name]
  return method and function(self, ...) return method(self.message, ...) end
end

--- An error value that prints as its message and ends the program with `exit_code` when nobody catches it.
-- 2 usage, 3 a search without a successful trial, 4 the store is missing or incompatible, 5 resources.
function util.failure(exit_code, message, ...)
  return setmetatable({ exit_code = exit_code, message = message:format(...) }, Failure)
end

--- Is `value` in the list?
function util.contains(list, value)
  for _, v in ipairs(list) do if v == value then return true end end
  return false
end

--- FNV-1a, 64 bit, of a text, as an integer.
util.fnv = require("vega.core").hash.fnv

--- A copy of plain data.
function util.copy(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for k, v in pairs(value) do result[k] = util.copy(v) end
  return result
end

--- A new table with the entries of both; those of `b` win.
function util.merge(a, b)
  local result = {}
  for k, v in pairs(a) do result[k] = v end
  for k, v in pairs(b) do result[k] = v end
  return result
end

return util
