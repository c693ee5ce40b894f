--- What may be printed where: colour, rewritten lines, how wide.
local sys = require("vega.core").sys

local terminal = {}
local CODES = { red = "31", green = "32", yellow = "33", bold = "1" }

local function is_set(name) return (os.getenv(name) or "") ~= "" end

--- May escape codes be printed on that descriptor? NO_COLOR and TERM=dumb forbid it, CLICOLOR_FORCE asks for it, else a terminal may.
-- --color sets these variables.
function terminal.colours(fd)
  if is_set "NO_COLOR" or os.getenv "TERM" == "dumb" and not is_set "CLICOLOR_FORCE" then return false end
  local forced = os.getenv "CLICOLOR_FORCE"
  return forced ~= nil and forced ~= "" and forced ~= "0" or sys.isatty(fd)
end

--- May a line on that descriptor be written over?
function terminal.rewrites(fd) return sys.isatty(fd) and os.getenv "TERM" ~= "dumb" end

--- The text in a colour (red, green, yellow, bold), where standard output shows it.
function terminal.paint(colour, text)
  return colour and terminal.colours(1) and ("\27[%sm%s\27[0m"):format(CODES[colour], text) or text
end

--- Columns of the terminal at that descriptor, or nil when it is none. COLUMNS says another number.
function terminal.width(fd)
  return sys.isatty(fd) and (math.tointeger(tonumber(os.getenv "COLUMNS")) or sys.width(fd)) or nil
end

return terminal
