--- Point 11 of the contract: at equal budget the median of its best values is better than that of random search, on a landscape of categories
-- (MICRO-15625), on one of two numbers (Branin) and one of six (Hartmann-6). One line applies it:
--    require("tests.spec.contract.beats_random")(describe, it, "aging", function() return vega.strategy.aging { population = 20 } end)
-- Options (a last table): seeds = 20, trials = 100, problems = { "micro", "branin", "hartmann6" } (fewer for one made for numbers only).
local assert = require "luassert"
local problem = require "vega.problem"
local strategy = require "vega.strategy"

-- The best cost after n trials.
local function search(descriptor, p, n, seed)
  local s = strategy.create(descriptor, { space = p.space, objectives = p.objectives, seed = seed, budget = { trials = n } })
  for _ = 1, n do
    local t = s:ask(1)[1]
    if not t then break end
    s:tell(t.id, { status = "ok", values = p:evaluate(t.config, t) })
  end
  return s:best().costs[1]
end

local function median(make, p, options)
  local list = {}
  for seed = 1, options.seeds do list[seed] = search(make(), p, options.trials, seed) end
  table.sort(list)
  return (list[(#list + 1) // 2] + list[#list // 2 + 1]) / 2
end

local known = {}                                       -- medians of random search, for all that are compared in one process

local function random_median(name, p, options)
  local key = ("%s %d %d"):format(name, options.seeds, options.trials)
  known[key] = known[key] or median(function() return strategy.random {} end, p, options)
  return known[key]
end

return function(describe, it, name, descriptor, given)
  local options = { seeds = 20, trials = 100, problems = { "micro", "branin", "hartmann6" } }
  for key, v in pairs(given or {}) do options[key] = v end

  describe("beats random search: " .. name, function()
    for _, which in ipairs(options.problems) do
      it("on " .. which, function()
        local p = problem[which]()
        local mine, random = median(descriptor, p, options), random_median(which, p, options)
        assert.is_true(mine < random, ("%s %g, random %g"):format(name, mine, random))
      end)
    end
  end)
end
