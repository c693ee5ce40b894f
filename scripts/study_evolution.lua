--- Evolutionary strategies on problems with known answers, at the budgets of the published comparisons: medians and quartiles over seeds.
--    vega-lua scripts/study_evolution.lua [--seeds 15] [--only zdt1]
-- Fronts are those of the population at the budget, not of everything ever seen; hypervolume as a share of the exact front's is not scaled.
local pareto = require("vega.core").pareto
local problem = require "vega.problem"
local strategy = require "vega.strategy"
local vega = require "vega"

local options = vega.arguments { seeds = 15, only = "" }

local function volume(p, points) return pareto.hypervolume(points, p.reference) end
local function igd(p, points) return pareto.distance(points, p:front(100)).igd end

local SYNCHRONOUS = { population = 100, synchronous = true }
local DIRECTIONS = { population = 92, divisions = 12, synchronous = true }

-- problem, strategy, its options, budgets, measure (single-objective problems: regret of the best)
local RUNS = {
  { "zdt1", problem.zdt, 1, "nsga2", { population = 100 }, { 5000, 10000, 25000 }, volume },
  { "zdt1, synchronous", problem.zdt, 1, "nsga2", SYNCHRONOUS, { 5000, 10000, 25000 }, volume },
  { "zdt3", problem.zdt, 3, "nsga2", { population = 100 }, { 5000, 10000, 25000 }, volume },
  { "zdt6", problem.zdt, 6, "nsga2", { population = 100 }, { 5000, 10000, 25000 }, volume },
  { "zdt1", problem.zdt, 1, "smsemoa", { population = 100 }, { 5000, 10000, 25000 }, volume },
  { "zdt1", problem.zdt, 1, "moead", { population = 100 }, { 5000, 10000, 25000 }, volume },
  { "dtlz2, IGD", problem.dtlz2, 3, "nsga3", DIRECTIONS, { 4600, 9200, 23000 }, igd },
  { "dtlz2, volume", problem.dtlz2, 3, "nsga3", DIRECTIONS, { 4600, 9200, 23000 }, volume },
  { "bnh", problem.bnh, nil, "nsga2", { population = 100 }, { 5000, 10000, 25000 }, volume },
  { "tnk", problem.tnk, nil, "nsga2", { population = 100 }, { 5000, 10000, 25000 }, volume },
  { "micro", problem.micro, nil, "random", {}, { 200, 500, 1000 } },
  { "micro", problem.micro, nil, "aging", { population = 50, tournament = 10 }, { 200, 500, 1000 } },
  { "micro", problem.micro, nil, "local_search", {}, { 200, 500, 1000 } },
  { "micro", problem.micro, nil, "mu_plus_lambda", {}, { 200, 500, 1000 } },
  { "hartmann6", problem.hartmann6, nil, "random", {}, { 60, 120, 200 } },
  { "hartmann6", problem.hartmann6, nil, "cmaes", {}, { 60, 120, 200 } },
  { "hartmann6", problem.hartmann6, nil, "differential_evolution", {}, { 60, 120, 200 } },
  { "rosenbrock", problem.rosenbrock, 4, "random", {}, { 100, 200 } },
  { "rosenbrock", problem.rosenbrock, 4, "cmaes", {}, { 100, 200 } },
  { "rosenbrock", problem.rosenbrock, 4, "differential_evolution", {}, { 100, 200 } },
}

local function population_of(s)
  local points = {}
  for _, trial in ipairs(s.method.population.members) do if trial.violation == 0 then points[#points + 1] = trial.costs end end
  return points
end

--- One run: what the measure says at each budget.
local function run(p, name, settings, budgets, measure, seed)
  local s = strategy.create(strategy[name](settings), { space = p.space, objectives = p.objectives, constraints = p.constraints, seed = seed,
    budget = { trials = budgets[#budgets] } })
  local values, asked = {}, 0
  for i, budget in ipairs(budgets) do
    while asked < budget do
      local t = s:ask(1)[1]
      s:tell(t.id, { status = "ok", values = p:evaluate(t.config, t) })
      asked = asked + 1
    end
    values[i] = measure and measure(p, population_of(s)) or p:regret(s:best().values)
  end
  return values
end

local function quartiles(list)
  table.sort(list)
  local function at(share) return list[math.floor(share * (#list - 1) + 1.5)] end
  return ("%.5f [%.5f, %.5f]"):format(at(0.5), at(0.25), at(0.75))
end

for _, row in ipairs(RUNS) do
  local title, make, argument, name, settings, budgets, measure = table.unpack(row, 1, 7)
  if title:find(options.only, 1, true) then
    local columns, started = {}, os.clock()
    for i = 1, #budgets do columns[i] = {} end
    for seed = 1, options.seeds do
      for i, v in ipairs(run(make(argument), name, settings, budgets, measure, seed)) do columns[i][seed] = v end
    end
    local cells = {}
    for i, budget in ipairs(budgets) do cells[i] = ("%d: %s"):format(budget, quartiles(columns[i])) end
    print(("%-18s %-22s %s   (%.1f s a run)"):format(title, name, table.concat(cells, "  "), (os.clock() - started) / options.seeds))
  end
end
