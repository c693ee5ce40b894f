--- The examples of examples/strategies run and say what they promise.
local EXPECTED = {
  aging = "optimum of all 15625 is 0.72343", annealing = "from T = 10, times 0.85", cmaes = "a step of 0.3",
  differential_evolution = "optimum:    %-3.32237", fairnas = "generation 15: %d+ trials on the front\nchildren: %d+ by random",
  grid = "38 members", halton = "halton  1500 points", latin_hypercube = "one in every row", local_search = "the optimum is 0.72343",
  moead = "hypervolume 0.%d+ of 0.5433", mu_plus_lambda = "mu =  5: mean regret 0.00", nsga2 = "hypervolume 1.%d+, 9%d.%d %%",
  nsga3 = "of 0.8074, mean distance to the targets 0.0", smsemoa = "points, all allowed; hypervolume 0.6", sobol = "sgd, depth 5 to 8%s4",
  tournament = "optimum 0.72343",
}

local function said(path)
  local lines, print_before = {}, print
  _G.print = function(...)
    local parts = table.pack(...)
    for i = 1, parts.n do parts[i] = tostring(parts[i]) end
    lines[#lines + 1] = table.concat(parts, "\t")
  end
  local ok, message = pcall(dofile, path)
  _G.print = print_before
  assert(ok, message)
  return table.concat(lines, "\n")
end

describe("examples/strategies", function()
  for _, name in ipairs(require("vega.util").sorted_keys(EXPECTED)) do
    it(name .. ".lua", function() assert.truthy(said("examples/strategies/" .. name .. ".lua"):find(EXPECTED[name])) end)
  end
end)
