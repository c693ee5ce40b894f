--- The options of a script, read from its command line.
--
--     local o = vega.arguments { trials = 48, store = "runs/quickstart.db", retrain = false }     -- --trials 12 --retrain
--
-- An option is declared by its default, which also says its type: a number or text takes a value, `false` becomes true when the option is there.
-- `--batch-size` is batch_size; `--trials=12` is `--trials 12`. `--help` lists them. A wrong command line ends the program with exit code 2 and the
-- nearest option's name. What else is known makes a better help, and is how every command of the program is declared:
--
--     local o, names = vega.arguments({ limit = 0, format = "table" }, words, { command = "study trials", about = "All trials of a study.",
--       examples = { "vega-lua study trials mnist --store runs/x.db", "vega-lua study trials mnist --format csv > trials.csv" },
--       positional = { "[NAME]" },                                     -- required without brackets; "[WORD...]": any number
--       options = { limit = "so many at most, 0: all" }, one_of = { format = { "table", "json" } } })
--
-- Commands also take -q, -v, -vv, --log-file F and --color WHEN.
local core = require "vega.core"
local util = require "vega.util"

local WIDE = 100
local COMMON = { { "-q", "print errors only" }, { "-v, -vv", "print more" }, { "--log-file F", "what is printed as JSON lines in F, too" },
  { "--color WHEN", "always, never or auto" }, { "--help", "this text" } }

-- Help --------------------------------------------------------------------------------------------------------------------------------

local function option_name(key) return "--" .. key:gsub("_", "-") end

-- "TEXT" for what has no default, or is long.
local function value_of_option(about, key, default)
  if default == false or default == true then return "" end
  local words = about and about.one_of and about.one_of[key]
  if words then return " WORD" end
  if about then return about.values and about.values[key] or type(default) == "string" and " TEXT" or " N" end
  return " " .. (default == "" and "TEXT" or tostring(default))
end

--- Words joined by blanks after `first`, broken before they are too long; later lines begin with `indent`.
local function wrap(words, first, indent)
  local lines, line = {}, first
  for i, word in ipairs(words) do
    if i > 1 and #line + 1 + #word > WIDE then
      lines[#lines + 1] = line
      line = indent .. word
    else
      line = line .. (i > 1 and " " or "") .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function words_of(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  return list
end

local function usage(defaults, about)
  if about then
    local places = table.concat(about.positional or {}, " ")
    return ("usage: vega-lua %s%s [options]"):format(about.command, places == "" and "" or " " .. places)
  end
  local parts = { "usage: " .. (arg[0] or "SCRIPT") }
  for _, key in ipairs(util.sorted_keys(defaults)) do
    parts[#parts + 1] = ("[%s%s]"):format(option_name(key), value_of_option(nil, key, defaults[key]))
  end
  return wrap(parts, "", "  ")
end

local function describe(about, key, default)
  local text = about.options and about.options[key] or ""
  local words = about.one_of and about.one_of[key]
  if words then text = ("%s%s%s"):format(text, text == "" and "" or ": ", table.concat(words, ", ")) end
  if default == "" or type(default) == "boolean" then return text end
  return ("%s (%s)"):format(text, tostring(default))
end

local function row(name, text)
  local first = ("  %-20s "):format(name)
  return wrap(words_of(text), first, (" "):rep(23))
end

local function help(defaults, about)
  if not about then return usage(defaults) end
  local lines = {}
  for _, example in ipairs(about.examples) do lines[#lines + 1] = "  " .. example end
  table.move({ "", usage(defaults, about), wrap(words_of(about.about), "", ""), "", "options:" }, 1, 5, #lines + 1, lines)
  for _, key in ipairs(util.sorted_keys(defaults)) do
    lines[#lines + 1] = row(option_name(key) .. value_of_option(about, key, defaults[key]), describe(about, key, defaults[key]))
  end
  for _, each in ipairs(COMMON) do lines[#lines + 1] = row(each[1], each[2]) end
  return table.concat(lines, "\n")
end

-- Reading -----------------------------------------------------------------------------------------------------------------------------

local function refuse(defaults, about, message, ...)
  local name = about and about.command or (arg[0] or "script"):match "([^/]+)$"
  error({ message = ("%s: %s\n%s"):format(name, message:format(...), usage(defaults, about)), exit_code = 2 }, 0)
end

local function unknown(defaults, about, word)
  local names = util.sorted_keys(defaults)
  for i, name in ipairs(names) do names[i] = option_name(name) end
  if about then table.move({ "--log-file", "--color", "--help" }, 1, 3, #names + 1, names) end
  local near = util.nearest(word, names)
  refuse(defaults, about, "unknown option %s%s", word, near and ("; did you mean %s?"):format(near) or "")
end

local function value_of(defaults, about, word, default, text)
  if text == nil then refuse(defaults, about, "option %s wants a value", word) end
  if type(default) == "string" then return text end
  local number = math.type(default) == "integer" and math.tointeger(tonumber(text)) or math.type(default) == "float" and tonumber(text)
  if number and math.type(default) == "float" then number = number + 0.0 end
  return number or refuse(defaults, about, "option %s wants a %s, got '%s'", word, math.type(default) == "integer" and "whole number" or "number", text)
end

local function check_word(defaults, about, word, key, value)
  local words = about and about.one_of and about.one_of[key]
  if not words or util.contains(words, value) then return end
  local near = util.nearest(value, words)
  refuse(defaults, about, "option %s is one of %s, got '%s'%s", word, table.concat(words, ", "), value, near and ("; did you mean '%s'?"):format(near) or "")
end

-- The environment carries what was asked for to programs that are started.
local COMMON_OPTIONS = {
  ["-q"] = function() core.log.level "error"; core.process.setenv("VEGA_LOG", "error") end,
  ["-v"] = function() core.log.level "debug"; core.process.setenv("VEGA_LOG", "debug") end,
  ["-vv"] = function() core.log.level "trace"; core.process.setenv("VEGA_LOG", "trace") end,
}
local COMMON_VALUES = {}

COMMON_VALUES["--log-file"] = function(path)
  local ok, message = core.log.open(path)
  if not ok then error(util.failure(5, "%s", message), 0) end
  core.process.setenv("VEGA_LOG_FILE", path)
end

COMMON_VALUES["--color"] = function(when, defaults, about)
  if when ~= "always" and when ~= "never" and when ~= "auto" then
    refuse(defaults, about, "option --color is one of always, never, auto, got '%s'", when)
  end
  core.process.setenv("NO_COLOR", when == "never" and "1" or nil)
  core.process.setenv("CLICOLOR_FORCE", when == "always" and "1" or nil)
end

-- One of the options that every command has, at word i; returns the index after it, or nil.
local function read_common(defaults, about, words, i, name, attached)
  if COMMON_OPTIONS[words[i]] then
    COMMON_OPTIONS[words[i]]()
    return i + 1
  end
  local set = COMMON_VALUES[name]
  if not set or defaults[name:sub(3):gsub("-", "_")] ~= nil then return nil end
  local value = attached or words[i + 1]
  if value == nil then refuse(defaults, about, "option %s wants a value", name) end
  set(value, defaults, about)
  return attached and i + 1 or i + 2
end

local function check_positional(defaults, about, places)
  local needed, most = 0, 0
  for _, name in ipairs(about.positional or {}) do
    if name:find("...", 1, true) then most = math.huge end
    most = most + 1
    if name:sub(1, 1) ~= "[" then needed = needed + 1 end
  end
  if #places < needed then refuse(defaults, about, "%s is missing", about.positional[#places + 1]) end
  if #places > most then refuse(defaults, about, "'%s' is one word too many", places[most + 1]) end
end

-- The option `key` at word i; returns the index after it.
local function read_option(defaults, about, words, i, name, key, attached, options)
  local default = defaults[key]
  if type(default) == "boolean" then
    if attached then refuse(defaults, about, "option %s takes no value", name) end
    options[key] = not default
    return i + 1
  end
  options[key] = value_of(defaults, about, name, default, attached or words[i + 1])
  check_word(defaults, about, name, key, options[key])
  return attached and i + 1 or i + 2
end

--- @param defaults { name = default } @param words the command line, by default the script's. @param about as above, or nil.
-- @return { name = value }, and the list of words that are no options (a script without `about` takes none)
return function(defaults, words, about)
  local options, places, i = util.copy(defaults), {}, 1
  words = words or arg
  while words[i] do
    local word = words[i]
    local name, attached = word:match "^(%-%-[%w-]+)=(.*)$"
    name = name or word
    local key = (name:match "^%-%-([%w-]+)$" or ""):gsub("-", "_")
    local common = about and read_common(defaults, about, words, i, name, attached)
    if defaults[key] ~= nil then i = read_option(defaults, about, words, i, name, key, attached, options)
    elseif key == "help" then
      print(help(defaults, about))
      return os.exit(0, true), {}                       -- restricted code has another exit, or none
    elseif common then i = common
    elseif about and word == "--" then
      table.move(words, i + 1, #words, #places + 1, places)
      break
    elseif about and (word:sub(1, 1) ~= "-" or word == "-") then places[#places + 1], i = word, i + 1
    else unknown(defaults, about, word) end
  end
  if about then check_positional(defaults, about, places) end
  return options, places
end
