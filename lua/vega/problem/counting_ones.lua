--- Counting ones: d bits and d means of coins, each mean seen through `samples` tosses. Falkner et al. 2018, arXiv:1807.01774, section 5.1.
--    local p = vega.problem.counting_ones(8)     -- the optimum is -16; the tosses are drawn from the trial's seed
local rng = require("vega.core").rng
local problem = require "vega.problem"
local space = require "vega.space"

local SAMPLES = { name = "samples", min = 9, max = 729, silent = true }

return function(d)
  d = d or 8
  local choices, at = {}, {}
  for i = 1, d do
    local bit, coin = ("bit_%02d"):format(i), ("coin_%02d"):format(i)
    choices[bit], choices[coin] = space.choice { 0, 1 }, space.float(0, 1)
    at[bit], at[coin] = 1, 1.0
  end
  return problem.define { name = "counting_ones", space = space.define { name = "counting_ones", choices = choices }, objectives = { value = "min" },
    fidelity = SAMPLES, optimum = -2.0 * d, at = at,
    values = function(arch, trial, samples)
      local stream, sum = rng.new(trial and trial.seed or 0, "tosses", samples), 0.0
      for i = 1, d do
        local heads, p = 0, arch[("coin_%02d"):format(i)]
        for _ = 1, samples do if stream:uniform() < p then heads = heads + 1 end end
        sum = sum + arch[("bit_%02d"):format(i)] + heads / samples
      end
      return { value = -sum, seconds = samples + 0.0 }
    end }
end
