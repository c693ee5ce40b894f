--- Scripts that commands run: the words of their command lines, and the script itself, as the program would run it.
local arguments = require "vega.arguments"
local core = require "vega.core"
local util = require "vega.util"

local script = {}

--- Splits `OPTIONS [SCRIPT] [OPTIONS] [-- ARGUMENTS]` by what the command declares (vega.arguments): the options' values, the script or nil, its
-- arguments or nil. Raises with exit code 2 on a wrong one.
function script.split(defaults, words, about)
  local last = #words
  for i, word in ipairs(words) do
    if word == "--" then
      last = i - 1
      break
    end
  end
  local rest = last < #words and table.move(words, last + 2, #words, 1, {}) or nil
  local o, places = arguments(defaults, table.move(words, 1, last, 1, {}), about)
  return o, places[1], rest
end

--- Runs the script as the program would: `arg`, `...` and the modules beside it are its own. Raises what it raises.
function script.run(path, words)
  local chunk, message = loadfile(path, "t")
  if not chunk then error(util.failure(1, "%s", message), 0) end
  package.path = ("%s/?.lua;%s"):format(path:match "^(.*)/[^/]*$" or ".", package.path)
  _G.arg = table.move(words, 1, #words, 1, { [0] = path, [-1] = core.process.about().program })
  chunk(table.unpack(words))
end

--- Raises with exit code 2 unless `value` is at least `least`.
function script.at_least(name, value, least)
  if value < least then error(util.failure(2, "%s: option --%s must be >= %g, got %g", arg[0], name, least, value), 0) end
end

--- The words of a list such as "gpu,fast-disk", or nil.
function script.words(text)
  local list = {}
  for word in text:gmatch "[^,%s]+" do list[#list + 1] = word end
  return #list > 0 and list or nil
end

--- Threads for each of n processes of this machine.
function script.share(n) return math.max(1, core.sys.cpu().online // math.max(1, n)) end

return script
