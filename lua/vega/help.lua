--- Help on a name, from where it is written down already: the table of operators, the comments over Lua functions and at the head of modules,
-- and those over the engine's functions in src/bind.
--    print(vega.help.text "vega.op.conv2d")        vega-lua help conv2d
local core = require "vega.core"
local util = require "vega.util"

local HERE = debug.getinfo(1, "S").source:match "^@(.*)lua/vega/help%.lua$" or "./"

local function read_lines(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local lines = {}
  for line in file:lines() do lines[#lines + 1] = line end
  file:close()
  return lines
end

-- Lua ---------------------------------------------------------------------------------------------------------------------------------

--- The comment whose last line is `last`, without its dashes; nil when there is none that begins with three.
local function comment_ending_at(lines, last)
  local first = last
  while lines[first] and lines[first]:match "^%s*%-%-" do first = first - 1 end
  for i = first + 1, last do
    if lines[i]:match "^%s*%-%-%-" then
      local text = {}
      for k = i, last do text[#text + 1] = lines[k]:gsub("^%s*%-%-%-?%s?", "") end
      return table.concat(text, "\n")
    end
  end
end

local function head_comment(path)
  local lines = read_lines(path)
  if not lines then return nil end
  local last = 0
  while lines[last + 1] and lines[last + 1]:match "^%-%-" do last = last + 1 end
  return comment_ending_at(lines, last)
end

local function lua_function(f)
  local info = debug.getinfo(f, "S")
  local lines = info.source:sub(1, 1) == "@" and read_lines(info.source:sub(2))
  if not lines then return nil end
  local signature = lines[info.linedefined]:match "function%s*(.-%b())" or "function"
  local comment = comment_ending_at(lines, info.linedefined - 1) or "(no description)"
  return ("%s\n%s\n%s:%d"):format(signature, comment, info.short_src, info.linedefined)
end

-- The engine --------------------------------------------------------------------------------------------------------------------------

local function operator(name)
  for _, op in ipairs(core.op.list()) do
    if op.name == name then
      local options = #op.args > 0 and "\noptions: " .. table.concat(op.args, ", ") or ""
      return ("op.%s   (also x:%s)\n%s%s"):format(name, name, op.doc, options)
    end
  end
end

--- The text of a C comment that starts in line i, without its marks.
local function c_comment(lines, i)
  local text = {}
  for k = i, math.min(#lines, i + 20) do
    local line = k == i and lines[k]:gsub("^.-/%*%s?", "") or lines[k]:gsub("^%s*%*?%s?", "")
    text[#text + 1] = (line:gsub("%s*%*/.*$", ""))
    if line:find("*/", 1, true) then break end
  end
  return table.concat(text, "\n")
end

--- The comment on a function of src/bind/FILE.c: behind its opening line or above it.
local function c_function(file, name)
  local lines = read_lines(("%ssrc/bind/%s.c"):format(HERE, file))
  if not lines then return nil end
  local implementation = table.concat(lines, "\n"):match(('{ "%s", ([%%w_]+) }'):format(name))
  if not implementation then return nil end
  for i, line in ipairs(lines) do
    if line:find("static int " .. implementation .. "(lua_State *L)", 1, true) then
      if line:find("/*", 1, true) then return c_comment(lines, i) end
      local start = i - 1
      while start > 0 and lines[start] ~= "" and not lines[start]:find("/*", 1, true) do start = start - 1 end
      return start > 0 and lines[start]:find("/*", 1, true) and c_comment(lines, start) or nil
    end
  end
end

local SHARED_FILES = { dataset = "data", loader = "data", trainer = "train" }

--- The file of src/bind that holds an engine object's methods, or one of the engine's tables.
local function c_file(object)
  if type(object) == "userdata" then
    local meta = debug.getmetatable(object)
    local name = type(meta) == "table" and (meta.__name or ""):match "^vega%.(%a+)$"
    return SHARED_FILES[name] or name
  end
  for _, name in ipairs(util.sorted_keys(core)) do if core[name] == object then return name end end
end

local function engine_function(owner, name, f)
  local file = c_file(owner)
  for _, part in ipairs(file and {} or util.sorted_keys(core)) do             -- a module in Lua may hand out the engine's functions, renamed
    for key, value in pairs(type(core[part]) == "table" and core[part] or {}) do
      if value == f then file, name = part, key end
    end
  end
  return file and c_function(file, name)
end

local function engine_table(name)
  local lines = read_lines(("%ssrc/bind/%s.c"):format(HERE, name))
  local members = table.concat(util.sorted_keys(core[name]), ", ")
  return ("%s\nfunctions: %s"):format(lines and c_comment(lines, 1) or "vega." .. name, members)
end

-- Names -------------------------------------------------------------------------------------------------------------------------------

local function parameters(module)
  local ok, class = pcall(require, module)
  if not ok or type(class) ~= "table" or type(class.params) ~= "table" then return "" end
  local list = {}
  for i, name in ipairs(util.sorted_keys(class.params)) do
    local rule = class.params[name]
    local default = type(rule) == "table" and rule[1] or rule
    list[i] = type(default) == "table" and name or ("%s = %s"):format(name, tostring(default))
  end
  return #list > 0 and "\noptions: " .. table.concat(list, ", ") or ""
end

local function module_text(name)
  local path = name:match "^vega[%w_.]*$" and package.searchpath(name, package.path)
  local comment = path and head_comment(path)
  return comment and ("%s%s\n%s"):format(comment, parameters(name), path)
end

--- The value of "a.b.c" and the object it is a member of.
local function resolve(name, environment)
  local owner, value, last = nil, environment, nil
  for word in name:gmatch "[%a_][%w_]*" do
    local ok, inner = pcall(function() return value[word] end)
    if not ok or inner == nil then return nil end
    owner, value, last = value, inner, word
  end
  return value, owner, last
end

local function value_text(name, environment)
  local value, owner, last = resolve(name, environment)
  if type(value) == "function" then
    return engine_function(owner, last, value) or lua_function(value) or ("%s is a function without a description"):format(name)
  end
  local part = type(value) == "table" and c_file(value)
  if part then return engine_table(part) end
  if value ~= nil then return ("%s is a %s: %s"):format(name, type(value), tostring(value)) end
end

local help = {}

--- What is known about a name: an operator, "vega.NAME", "module.function", or a variable of `environment`.
-- @return text | nil, message
function help.text(name, environment)
  environment = environment or setmetatable({ vega = require "vega" }, { __index = _G })
  local short = name:match "^vega%.op%.([%w_]+)$" or name:match "^op%.([%w_]+)$" or name:match "^[%w_]+:([%w_]+)$" or name
  local text = operator(short) or module_text(name) or value_text(name, environment) or module_text("vega." .. name)
    or module_text("vega.strategy." .. name) or value_text("vega." .. name, environment)
  if text then return text end
  local known = require("vega").members()
  for _, op in ipairs(core.op.list()) do known[#known + 1] = op.name end
  local near = util.nearest(name, known)
  return nil, ("nothing is known about '%s'%s"):format(name, near and ("; did you mean '%s'?"):format(near) or "")
end

return help
