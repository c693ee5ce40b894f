--- The options of a script, read from its command line.
--
--     local o = vega.arguments { trials = 48, store = "runs/quickstart.db", retrain = false }     -- --trials 12 --retrain
--
-- An option is declared by its default, which also says its type: a number or text takes a value, `false` becomes true when the option is there.
-- `--batch-size` is batch_size. `--help` lists them. A wrong command line ends the program with exit code 2 and the nearest option's name.
local util = require "vega.util"

local function usage(defaults)
  local parts = {}
  for i, key in ipairs(util.sorted_keys(defaults)) do
    local default = defaults[key]
    local value = default == false and "" or (" %s"):format(default == "" and "TEXT" or default)
    parts[i] = ("[--%s%s]"):format(key:gsub("_", "-"), value)
  end
  return ("usage: %s %s"):format(arg[0] or "SCRIPT", table.concat(parts, " "))
end

local function refuse(defaults, message, ...)
  local name = (arg[0] or "script"):match "([^/]+)$"
  error({ message = ("%s: %s\n%s"):format(name, message:format(...), usage(defaults)), exit_code = 2 }, 0)
end

local function unknown(defaults, word)
  local names = util.sorted_keys(defaults)
  for i, name in ipairs(names) do names[i] = "--" .. name:gsub("_", "-") end
  local near = util.nearest(word, names)
  refuse(defaults, "unknown option %s%s", word, near and ("; did you mean %s?"):format(near) or "")
end

local function value_of(defaults, word, default, text)
  if text == nil then refuse(defaults, "option %s wants a value", word) end
  if type(default) == "string" then return text end
  local number = math.type(default) == "integer" and math.tointeger(tonumber(text)) or math.type(default) == "float" and tonumber(text)
  if number and math.type(default) == "float" then number = number + 0.0 end
  return number or refuse(defaults, "option %s wants a %s, got '%s'", word, math.type(default) == "integer" and "whole number" or "number", text)
end

--- @param defaults { name = default } @param words the command line, by default the script's. @return { name = value }
return function(defaults, words)
  local options, i = util.copy(defaults), 1
  words = words or arg
  while words[i] do
    local word = words[i]
    local key = (word:match "^%-%-([%w-]+)$" or ""):gsub("-", "_")
    if key == "help" then
      print(usage(defaults))
      os.exit(0, true)
    end
    local default = defaults[key]
    if default == nil then unknown(defaults, word) end
    if type(default) == "boolean" then
      options[key], i = not default, i + 1
    else
      options[key], i = value_of(defaults, word, default, words[i + 1]), i + 2
    end
  end
  return options
end
