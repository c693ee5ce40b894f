--- vega-lua list strategies|schedulers|proxies|spaces|ops [--format text|json]: what is installed, each with one line about it, its options, their
-- defaults and ranges. Descriptions are the first sentence of a file's head comment; options are those the class declares.
local core = require "vega.core"
local options = require "vega.arguments"
local util = require "vega.util"

local ROOT = debug.getinfo(1, "S").source:match "^@(.*)lua/vega/command/list%.lua$" or "./"

--- The first sentence of the comment at the head of a file; "et al." ends none.
local function first_sentence(path)
  local words = {}
  for line in io.lines(path) do
    local text = line:match "^%-%-%-?%s*(.*)$"
    if not text or text == "" then break end
    words[#words + 1] = text
  end
  local text = table.concat(words, " ")
  local from = 1
  while true do
    local stop = text:find("%.%s", from)
    if not stop then return text end
    if text:sub(stop - 2, stop) ~= "al." then return text:sub(1, stop) end
    from = stop + 1
  end
end

-- A parameter's rule as { name, default, min, max, one_of, about }.
local function option(name, rule)
  if type(rule) ~= "table" then rule = { rule } end
  return { name = name, default = rule[1], min = rule.min, max = rule.max, one_of = rule.one_of, about = rule.about }
end

local function options_of(params)
  local list = {}
  for i, name in ipairs(util.sorted_keys(params or {})) do list[i] = option(name, params[name]) end
  return core.json.array(list)
end

local function classes(family)
  local list = {}
  for i, name in ipairs(family.names()) do
    local class = family[name].class
    local path = assert(package.searchpath(("vega.%s.%s"):format(family.kind, name), package.path))
    list[i] = { name = name, about = first_sentence(path), options = options_of(class.params),
      objectives = class.multi_objective and "several" or nil, needs = class.needs }
  end
  return list
end

local LISTS = {}

function LISTS.strategies() return classes(require "vega.strategy") end
function LISTS.schedulers() return classes(require "vega.scheduler") end
function LISTS.proxies() return classes(require "vega.proxy") end

function LISTS.spaces()
  local list = {}
  for _, file in ipairs(core.sys.list(ROOT .. "searchspaces") or {}) do
    local name = file:match "^([%w_]+)%.lua$"
    if name then
      local path = ("%ssearchspaces/%s"):format(ROOT, file)
      local space = require "vega.space"(path)
      list[#list + 1] = { name = name, about = first_sentence(path), decisions = #space.decisions, size = space.size,
        bits = space.finite and space.bits or nil }
    end
  end
  return list
end

function LISTS.ops()
  local list = {}
  for i, op in ipairs(core.op.list()) do list[i] = { name = op.name, about = op.doc, options = core.json.array(op.options) } end
  return list
end

-- Text ------------------------------------------------------------------------------------------------------------------------------------

local function plain(v)
  if type(v) == "string" then return v == "" and "\"\"" or v end
  if math.type(v) == "float" then return ("%.6g"):format(v) end
  return tostring(v)
end

local function range(o)
  if o.one_of then return table.concat(o.one_of, " | ") end
  if o.min and o.max then return ("%s to %s"):format(plain(o.min), plain(o.max)) end
  return o.min and ">= " .. plain(o.min) or o.max and "<= " .. plain(o.max) or ""
end

local function size_text(s)
  local members = s.size and tostring(s.size) or s.bits and ("2^%.1f"):format(s.bits)
  return ("%d decisions, %s"):format(s.decisions, members and members .. " architectures" or "continuous")
end

local function print_list(list)
  for _, item in ipairs(list) do
    print(("%-20s %s%s%s"):format(item.name, item.about, item.objectives and " [several objectives]" or "",
      item.needs and (" [needs %s]"):format(table.concat(item.needs, ", ")) or ""))
    if item.decisions then print(("%22s%s"):format("", size_text(item))) end
    for _, o in ipairs(item.options or {}) do
      local default = o.required and "(needed)" or o.default == nil and "" or plain(o.default)
      print((("%22s%-14s %-10s %-24s %s"):format("", o.name, default, range(o), o.about or ""):gsub("%s+$", "")))
    end
  end
end

local function about(names)
  return { command = "list", about = ("What is installed, each with its options, their defaults and ranges. WHAT is one of %s."):format(
    table.concat(names, ", ")), examples = { "vega-lua list strategies", "vega-lua list spaces --format json | jq '.[].name'" }, positional = { "WHAT" },
    one_of = { format = { "text", "json" } } }
end

return function(words)
  local what, names = words[1], util.sorted_keys(LISTS)
  if what == "--help" then return options({ format = "text" }, words, about(names)) end
  if not what or what:find "^%-" then error(util.failure(2, "list: one of %s must follow", table.concat(names, ", ")), 0) end
  if not LISTS[what] then error(util.failure(2, "%s", util.unknown("list", "word", what, names)), 0) end
  local o = options({ format = "text" }, words, about(names))
  local list = LISTS[what]()
  if o.format == "json" then print(core.json.encode(core.json.array(list))) else print_list(list) end
  return 0
end
