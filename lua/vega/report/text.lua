--- Values as text of a page: cut, without what would disturb the text around it, escaped.
-- Whatever a study holds may come from somebody else: names of a megabyte, marks that turn the direction of writing, broken UTF-8, tags.
local svg = require "vega.svg"

local text = {}

local LIMIT = 160                                    -- characters shown of a text, unless told otherwise

-- Control characters, and the invisible ones that change how text around them is laid out; ends are inclusive.
local HIDDEN = { { 0x00, 0x1f }, { 0x7f, 0x9f }, { 0x061c, 0x061c }, { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
  { 0xfff9, 0xfffb } }

local function is_hidden(code, multiline)
  if multiline and code == 10 then return false end
  for _, range in ipairs(HIDDEN) do if code >= range[1] and code <= range[2] then return true end end
  return code >= 0xd800 and code <= 0xdfff or code > 0x10ffff
end

-- The next character of s at i, and where the one after it begins; nil for a byte that is no UTF-8.
local function next_character(s, i)
  local byte = s:byte(i)
  if byte < 0x80 then return byte, i + 1 end
  local length = byte >= 0xf0 and 4 or byte >= 0xe0 and 3 or 2
  local code = utf8.len(s, i, i) and utf8.codepoint(s, i)
  return code, code and i + length or i + 1
end

--- Any value as text of at most `limit` characters, what is hidden or broken in it made visible. Line ends stay when `multiline` is true.
function text.show(value, limit, multiline)
  local s, out, n, i = tostring(value), {}, 0, 1
  limit = limit or LIMIT
  if #s <= limit and not s:find "[^ -~]" then return s end
  while i <= #s and n < limit do
    local code, after = next_character(s, i)
    n = n + 1
    out[n] = not code and "\u{fffd}" or is_hidden(code, multiline) and ("<%04X>"):format(code) or s:sub(i, after - 1)
    i = after
  end
  if i <= #s then out[n + 1] = #s < 1000 and "..." or ("... (%d bytes)"):format(#s) end
  return table.concat(out)
end

--- The same, for the inside of an element or attribute.
function text.html(value, limit, multiline) return svg.escape(text.show(value, limit, multiline)) end

--- A number for people: whole ones whole, others with five digits, nothing for nil.
function text.number(v)
  if v == nil then return "" end
  if type(v) ~= "number" then return text.show(v, 40) end
  if math.type(v) == "integer" then return tostring(v) end
  return ("%.5g"):format(v)
end

--- Seconds for people.
function text.duration(s)
  if s < 1 then return ("%.0f ms"):format(1e3 * s) end
  if s < 120 then return ("%.1f s"):format(s) end
  if s < 7200 then return ("%.1f min"):format(s / 60) end
  return ("%.1f h"):format(s / 3600)
end

--- "1 trial", "2 trials".
function text.count(n, noun) return ("%d %s%s"):format(n, noun, n == 1 and "" or "s") end

-- Data for the page's script -------------------------------------------------------------------------------------------------------------

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["<"] = "\\u003c", [">"] = "\\u003e", ["&"] = "\\u0026" }
local function quote(s) return '"' .. s:gsub('["\\<>&]', ESCAPES):gsub("%c", function(c) return ("\\u%04x"):format(c:byte()) end) .. '"' end

local write

local function write_list(list, n, out)
  out[#out + 1] = "["
  for i = 1, n do
    if i > 1 then out[#out + 1] = "," end
    write(list[i], out)
  end
  out[#out + 1] = "]"
end

local function write_object(object, out)
  local keys = {}
  for key in pairs(object) do keys[#keys + 1] = key end
  table.sort(keys)
  out[#out + 1] = "{"
  for i, key in ipairs(keys) do
    out[#out + 1] = (i > 1 and "," or "") .. quote(key) .. ":"
    write(object[key], out)
  end
  out[#out + 1] = "}"
end

local function write_number(v)
  if math.type(v) == "integer" then return ("%d"):format(v) end
  return v == v and math.abs(v) < math.huge and ("%.9g"):format(v) or "null"
end

function write(value, out)
  local kind = type(value)
  if kind == "table" then
    if value.n or #value > 0 then write_list(value, value.n or #value, out) else write_object(value, out) end
  elseif kind == "number" then out[#out + 1] = write_number(value)
  elseif kind == "boolean" then out[#out + 1] = tostring(value)
  elseif kind == "nil" then out[#out + 1] = "null"
  else out[#out + 1] = quote(text.show(value, 400)) end
end

--- JSON for a <script> element: nothing in it ends the element, numbers have nine digits (vega.json writes all 17, twice as long), and what is not
-- finite is null. A list has entries or a field n, its length; between, nil is null. Texts are cut as by text.show.
function text.json(value)
  local out = {}
  write(value, out)
  return table.concat(out)
end

return text
