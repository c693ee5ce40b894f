--- Makes a store for the tests of migrations: vega-lua tests/stores/make_schema.lua PATH. Two studies in the middle of their work: one under a
-- scheduler with paused trials, one without. Run by the program that wrote the schema; schema_N.db is kept from then on.
local vega = require "vega"
local studies = dofile((arg[0]:gsub("[^/]*$", "")) .. "studies.lua")

for _, name in ipairs { "plain", "halving" } do
  local options = studies[name](assert(arg[1], "a path expected"), 9)
  local evaluate, left = options.evaluate, 9
  function options.evaluate(...)
    left = left - 1
    if left < 0 then error("interrupted!", 0) end                    -- the trial stays in flight
    return evaluate(...)
  end
  options.budget.trials = 30
  local study <close> = vega.study(options)
  assert(not pcall(study.run, study))
end
