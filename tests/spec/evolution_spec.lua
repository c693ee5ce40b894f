local here = debug.getinfo(1, "S").source:match("^@(.*)evolution_spec%.lua$")
local contract = dofile(here .. "contract/strategy.lua")
local strategy = require "vega.strategy"

local UNDER_CONTRACT = {
  { "local_search" }, { "annealing" }, { "tournament", { population = 10 } }, { "mu_plus_lambda" }, { "differential_evolution", { population = 8 } },
  { "cmaes" }, { "nsga3", { population = 10 } }, { "nsga3", { population = 10, synchronous = true } }, { "moead", { population = 10 } },
  { "smsemoa", { population = 10 } }, { "sobol" }, { "halton" }, { "latin_hypercube", { samples = 20 } },
}
for _, entry in ipairs(UNDER_CONTRACT) do
  local name, options = entry[1], entry[2] or {}
  contract(describe, it, name .. (options.synchronous and ", synchronous" or ""), function() return strategy[name](options) end)
end
