--- The options of a command line, one word a line.
local arguments = require "vega.arguments"

arg = { [0] = "script.lua" }                  -- luacheck: ignore 121
local DECLARED = { trials = 48, lr = 0.1, store = "runs/x.db", batch_size = 32, retrain = false, verbose = true }

return function(text)
  local words = {}
  for word in text:gmatch "[^\n]+" do if word ~= "--help" then words[#words + 1] = word end end
  local ok, options = pcall(arguments, DECLARED, words)
  if not ok then
    if type(options) ~= "table" or options.exit_code ~= 2 then error(options, 0) end
    return
  end
  for name, default in pairs(DECLARED) do assert(math.type(options[name]) == math.type(default) and type(options[name]) == type(default), name) end
end
