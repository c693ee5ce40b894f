--- vega-lua help NAME: what is known about an operator, a function, a module (vega.help).
local help = require "vega.help"
local util = require "vega.util"

return function(words)
  local text, message = help.text(words[1])
  if not text then error(util.failure(2, "help: %s", message), 0) end
  print(text)
  return 0
end
