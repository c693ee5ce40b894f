--- All 243 networks of the space "fashion_macro", trained three times on 8,000 pictures of Fashion-MNIST by scripts/tabulate.lua.
--
--    local bench = assert(vega.table.fashion_macro())         -- { repeats = "draw" }: one of the three trainings, by the trial's seed
--
-- values: accuracy (on 5,000 pictures kept out; the mean of the three), test_accuracy (what a search is judged by), params, macs, seconds.
local space = require "vega.space"

local PATH = debug.getinfo(1, "S").source:match "^@(.*)%.lua$" .. ".csv"

return function(options)
  local fashion_macro = space "fashion_macro"
  return require "vega.table" { name = "fashion_macro", file = PATH, text = { "arch" }, space = fashion_macro,
    arch = function(row) return fashion_macro.parse(row.arch) end, repeats = options and options.repeats, objectives = { accuracy = "max" },
    scores = { test_accuracy = "max" }, values = { accuracy = "validation", test_accuracy = "test", params = "params", macs = "macs" },
    seconds = "seconds" }
end
