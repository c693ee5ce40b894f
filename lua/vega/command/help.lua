--- vega-lua help NAME: what is known about an operator, a function, a module (vega.help).
local help = require "vega.help"
local options = require "vega.arguments"
local util = require "vega.util"

return function(words)
  local _, names = options({}, words, { command = "help", about = "What is known about an operator, a function or a module.",
    examples = { "vega-lua help conv2d", "vega-lua help vega.study" }, positional = { "NAME" } })
  local text, message = help.text(names[1])
  if not text then error(util.failure(2, "help: %s", message), 0) end
  print(text)
  return 0
end
