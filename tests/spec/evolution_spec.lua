--- The contract of all strategies, for the evolutionary, local and designed ones; what each promises beyond it is in evolution_invariants_spec.lua.
local here = debug.getinfo(1, "S").source:match("^@(.*)evolution_spec%.lua$")
local contract = dofile(here .. "contract/strategy.lua")
local strategy = require "vega.strategy"

-- Name, the first 30 asks as a hash, options. A hash may change when its strategy, a part it is made of or the operators of spaces are changed on
-- purpose: then all studies begun with it cannot be resumed any more, so it wants a reason in the commit.
for _, entry in ipairs {
  { "aging", "41b8cb2ac154643b", { population = 10, tournament = 3 } },
  { "nsga2", "c7db55a9c5cb8e2b", { population = 10 } },
  { "nsga2", "980ab6df61ece755", { population = 10, synchronous = true } },
  { "nsga3", "68134c1969e80460", { population = 10 } },
  { "nsga3", "fd1f2c74fc160929", { population = 10, synchronous = true } },
  { "moead", "0d7748562d4d260e", { population = 10 } },
  { "smsemoa", "dbc3e0aadbd4b7c2", { population = 10 } },
  { "tournament", "e6c58a93b27bcd43", { population = 10 } },
  { "mu_plus_lambda", "eb74f7fdb5eebee3" },
  { "local_search", "6c552d1f94f9523c" },
  { "annealing", "bfd805bcde55f917" },
  { "differential_evolution", "e329dc0840c7e9cd", { population = 8 } },
  { "cmaes", "8e82a625c64f8f99" },
  { "sobol", "da91df5f3c983461" },
  { "halton", "2d74707d778831fc" },
  { "latin_hypercube", "7a7f6b289e4bdeff", { samples = 20 } },
  { "grid", "f2be0d7a55bc0bb1", { points = 30 } },
  { "grid", "3429fc4b58ca3854", { points = 30, shuffle = true } },
} do
  local name, frozen, options = entry[1], entry[2], entry[3] or {}
  local form = options.synchronous and ", synchronous" or options.shuffle and ", shuffled" or ""
  contract(describe, it, name .. form, function() return strategy[name](options) end, { frozen = frozen })
end
