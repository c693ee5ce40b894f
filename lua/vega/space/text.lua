--- Values as text: literals that Lua reads back, and canonical text that says the type.
local text = {}

local KEYWORD = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch "%a+" do
  KEYWORD[word] = true
end

local function show_float(v)
  if v ~= v then return "0/0" end
  if v == math.huge then return "math.huge" elseif v == -math.huge then return "-math.huge" end
  for digits = 15, 17 do                            -- the fewest that read back as the same number
    local s = ("%%.%dg"):format(digits):format(v)
    if tonumber(s) == v then return s:find "[%.eE]" and s or s .. ".0" end
  end
end

local function show_key(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" and not KEYWORD[key] then return key end
  return "[" .. text.show(key) .. "]"
end

--- A value as a Lua literal, on one line: what it reads back as is equal, floats to the bit.
function text.show(value)
  if math.type(value) == "float" then return show_float(value) end
  if type(value) == "string" then return (("%q"):format(value):gsub("\\\n", "\\n")) end
  if type(value) ~= "table" then return tostring(value) end
  local parts, keys = {}, {}
  for i, v in ipairs(value) do parts[i] = text.show(v) end
  for key in pairs(value) do if not (math.type(key) == "integer" and key >= 1 and key <= #parts) then keys[#keys + 1] = key end end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do parts[#parts + 1] = show_key(key) .. " = " .. text.show(value[key]) end
  return #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end

--- A value as text that says its type: two values have the same text only when they are equal.
function text.canonical(value)
  local kind = math.type(value) or type(value)
  if kind == "integer" then return "i:" .. value end
  if kind == "float" then
    local digits = ("%.17g"):format(value == 0 and 0.0 or value)
    return "f:" .. (digits:find("[%.en]") and digits or digits .. ".0")
  end
  if kind == "boolean" then return value and "b:1" or "b:0" end
  if kind == "string" then return ("s:%d:%s"):format(#value, value) end
  local parts = {}
  for i, v in ipairs(value) do parts[i] = text.canonical(v) end
  return "[" .. table.concat(parts, ",") .. "]"
end

--- "2 architectures", "2^70.3 architectures": an exact number, or its logarithm.
function text.size(exact, bits)
  if exact then return tostring(exact) end
  return bits < math.huge and ("2^%.2f"):format(bits) or "infinitely many"
end

return text
