--- Completion of what is typed: keywords, globals, and the fields and methods behind a chain such as vega.tensor or x.w:re.
local core = require "vega.core"

local KEYWORDS = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil", "not", "or",
  "repeat", "return", "then", "true", "until", "while" }

local function add_keys(set, t)
  for key in next, t do if type(key) == "string" and key:match "^[%a_][%w_]*$" then set[key] = true end end
end

--- The methods of an engine object hang on the C function that is its __index.
local function upvalue_table(f)
  local _, methods = debug.getupvalue(f, 1)
  return type(methods) == "table" and methods or {}
end

--- All names that `object` answers to.
local function members(object)
  local set = {}
  if type(object) == "table" then add_keys(set, object) end
  if object == package.loaded["vega"] then for _, name in ipairs(object.members()) do set[name] = true end end
  if object == package.loaded["vega.strategy"] and object.names then for _, name in ipairs(object.names()) do set[name] = true end end
  local meta, depth = debug.getmetatable(object), 0
  while type(meta) == "table" and depth < 8 do
    local index = rawget(meta, "__index")
    if type(index) == "function" and type(object) == "userdata" then add_keys(set, upvalue_table(index)) end
    if meta.__name == "vega.tensor" then add_keys(set, core.op) end
    if type(index) ~= "table" then break end
    add_keys(set, index)
    meta, depth = debug.getmetatable(index), depth + 1
  end
  return set
end

--- The value of a chain of names such as "vega.tensor" or "x.w"; nil when there is none.
local function resolve(chain, environment)
  local value = environment
  for name in chain:gmatch "[^.:]+" do
    local ok, inner = pcall(function() return value[name] end)
    if not ok or inner == nil then return nil end
    value = inner
  end
  return value
end

--- The sorted names that can stand at the end of `text`, and the part of it that they replace.
local function candidates(text, environment)
  local path = text:match "[%a_][%w_.:]*$"
  if not path then return {}, "" end
  local chain, separator, word = path:match "^(.*)([.:])([%w_]*)$"
  if not chain then chain, word = "", path end
  local object = resolve(chain, environment)
  if object == nil then return {}, word end
  local set = members(object)
  if chain == "" then for _, keyword in ipairs(KEYWORDS) do set[keyword] = true end end
  local list = {}
  for name in pairs(set) do
    local fits = name:sub(1, #word) == word and (word ~= "" or name:sub(1, 2) ~= "__")
    if fits and separator == ":" then
      local ok, value = pcall(function() return object[name] end)
      fits = ok and type(value) == "function"
    end
    if fits then list[#list + 1] = name end
  end
  table.sort(list)
  return list, word
end

local function common_prefix(list)
  local prefix = list[1]
  for _, name in ipairs(list) do
    while name:sub(1, #prefix) ~= prefix do prefix = prefix:sub(1, -2) end
  end
  return prefix
end

--- Names in columns of a terminal of 80.
local function columns(list)
  local width = 0
  for _, name in ipairs(list) do width = math.max(width, #name + 2) end
  local rows, per_row = {}, math.max(1, 80 // width)
  for i = 1, #list, per_row do
    local row = {}
    for k = i, math.min(#list, i + per_row - 1) do row[#row + 1] = list[k] .. (" "):rep(width - #list[k]) end
    rows[#rows + 1] = table.concat(row):gsub("%s+$", "")
  end
  return table.concat(rows, "\n")
end

--- What to insert after `text`, and the list to show when that alone does not settle it.
return function(text, environment)
  local list, word = candidates(text, environment or _G)
  if #list == 0 then return "" end
  local insert = common_prefix(list):sub(#word + 1)
  return insert, #list > 1 and insert == "" and columns(list) or nil
end
