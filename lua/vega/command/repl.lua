--- vega-lua repl: an interactive session (vega.repl).
return function() return require "vega.repl" () end
