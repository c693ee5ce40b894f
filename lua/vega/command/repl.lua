--- vega-lua repl: an interactive session (vega.repl).
local options = require "vega.arguments"

return function(words)
  options({}, words, { command = "repl", about = "Interactive Lua: an expression prints its value, Tab completes names, ?NAME explains one.",
    examples = { "vega-lua repl", "echo '=vega.version' | vega-lua repl" } })
  return require "vega.repl"()
end
