--- A value as text for people: tables with their entries, sorted, to a depth of three; the rest as tostring has it.
local util = require "vega.util"

local MOST, WIDTH, DEPTH = 60, 100, 3

local show

local function key_text(key)
  if type(key) == "string" and key:match "^[%a_][%w_]*$" then return key end
  return "[" .. (type(key) == "string" and ("%q"):format(key) or tostring(key)) .. "]"
end

--- "{ 1, 2, name = value }" on one line, or with an entry a line where that is too long.
local function join(entries, indent)
  local line = "{ " .. table.concat(entries, ", ") .. " }"
  if #entries == 0 then return "{}" end
  if #line + #indent <= WIDTH and not line:find("\n", 1, true) then return line end
  return "{\n" .. indent .. "  " .. table.concat(entries, ",\n" .. indent .. "  ") .. "\n" .. indent .. "}"
end

local function table_text(t, depth, indent)
  if depth > DEPTH then return next(t) == nil and "{}" or "{ ... }" end
  local entries, n = {}, #t
  for i = 1, math.min(n, MOST) do entries[i] = show(rawget(t, i), depth + 1, indent .. "  ") end
  for _, key in ipairs(util.sorted_keys(t)) do
    if not (math.type(key) == "integer" and key >= 1 and key <= n) and #entries < MOST then
      entries[#entries + 1] = key_text(key) .. " = " .. show(rawget(t, key), depth + 1, indent .. "  ")
    end
  end
  if #entries == MOST then entries[MOST + 1] = "..." end
  return join(entries, indent)
end

function show(value, depth, indent)
  local meta = getmetatable(value)
  if type(value) == "table" and not (type(meta) == "table" and (meta.__tostring or meta.__name)) then return table_text(value, depth, indent) end
  if type(value) == "string" and depth > 1 then return ("%q"):format(value) end
  return tostring(value)
end

--- @return the text, of one line where it fits
return function(value) return show(value, 1, "") end
