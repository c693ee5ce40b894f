--- The problems of the study and how a run on each is judged. An entry:
--    name, metric (what the score is), goal (of the score), budget = { trials = } or { seconds = }, workers, seeds (how many the comparison needs),
--    make() -> problem, score(run, problem) -> number, options = { strategy = { .. } } where the defaults do not fit the budget,
--    on_tell(run, suggestion, values, problem) -> true to stop, known = { { who, median, low, high } .. }: what others reached, and where that is written.
local vega = require "vega"

local AGING = { aging = { population = 10, tournament = 3 } }       -- for 100 evaluations

local list = {}
local function add(entry)
  entry.workers = entry.workers or 1
  list[#list + 1] = entry
end

-- NAS-Bench-201: search by validation after 12 epochs, judge by test after 200.
local NB201 = { { "cifar10", 93.74, 93.99 }, { "cifar100", 71.19, 72.06 }, { "imagenet16-120", 44.90, 45.55 } }
for _, each in ipairs(NB201) do
  local data = each[1]
  add { name = "nb201-" .. data, metric = "test accuracy (%) of the best by validation", goal = "max", average = "mean", budget = { trials = 100 }, seeds = 100,
    options = AGING, make = function() return vega.table.nas_bench_201(data, { epochs = 12 }) end,
    score = function(run) return run.driver:best().values.test_accuracy end,
    known = { { "random, reference", each[2] }, { "aging (10, 3), reference", each[3] } } }
end

-- NAS-Bench-Macro: how many networks are asked for until one within 0.1 % of the best is found. A run that does not find one counts as budget + 1.
local NEAR = 0.1
add { name = "nbmacro", metric = "networks until within 0.1 % of the best", goal = "min", budget = { trials = 1000 }, seeds = 20, options = { aging = { population = 50, tournament = 10 } },
  make = function() return vega.table.nas_bench_macro() end, censored = true,
  on_tell = function(run, _, values, problem)
    run.found = problem:regret(values) <= NEAR
    return run.found
  end,
  score = function(run) return run.found and run.told or run.trials + 1 end }

-- LCBench: 100 trainings to the end.
for _, task in ipairs { 3945, 7593, 34539, 126025, 167104, 167149, 168868, 189862 } do
  local make = function() return vega.table.lcbench(task) end
  add { name = "lcbench-" .. task, metric = "regret of validation accuracy (%)", goal = "min", budget = { trials = 100 }, seeds = 20, options = AGING,
    make = make, score = function(run, problem) return problem:regret(run.driver:best().values) end }
end

-- LCBench under schedulers: equal simulated time, that of 30 trainings to the end at the task's mean; the incumbent is judged by its full training.
local FULL_TRAININGS = 30
for _, task in ipairs { 3945, 34539, 167104, 189862 } do
  add { name = "lcbench-time-" .. task, metric = "regret of validation accuracy (%) after the time of 30 trainings", goal = "min", seeds = 20, timed = true, options = AGING,
    make = function() return vega.table.lcbench(task) end,
    budget = function(problem)
      local sum = 0.0
      for _, member in ipairs(problem.members) do sum = sum + problem:evaluate(member.arch).seconds end
      return { seconds = FULL_TRAININGS * sum / #problem.members }
    end,
    score = function(run, problem)
      local best = run.driver:best()
      return problem:regret(best and problem:evaluate(best.arch) or { accuracy = 0 })
    end }
end

local SPEC = "specs 9.2"
local function regret(run, problem)
  local best = run.driver:best()
  return best and problem:regret(best.values)
end

for _, each in ipairs {
  { "branin", 120, 1, { { "random (100), " .. SPEC, 0.249 }, { "TPE, Optuna 5.0 (100), " .. SPEC, 0.0179 }, { "GP, Optuna 5.0 (100), " .. SPEC, 8.3e-6 } } },
  { "branin", 60, 4, { { "random (60), " .. SPEC, 0.609 } } },
  { "hartmann6", 120, 1, { { "random, " .. SPEC, 1.208 }, { "TPE, Optuna 3.1, " .. SPEC, 0.195 }, { "TPE, Optuna 5.0, " .. SPEC, 0.0773 },
    { "GP, Optuna 5.0, " .. SPEC, 8.0e-5 }, { "forest, scikit-optimize, " .. SPEC, 0.257 } } },
  { "hartmann6", 60, 4, { { "random (60), " .. SPEC, 1.365 }, { "TPE, Optuna 3.1, running counted as bad, " .. SPEC, 0.271 },
    { "TPE, Optuna 3.1, running ignored, " .. SPEC, 0.702 } } },
} do
  local name, trials, workers, known = table.unpack(each)
  add { name = name .. (workers > 1 and "-batch" .. workers or ""), metric = ("regret after %d evaluations"):format(trials), goal = "min", budget = { trials = trials },
    workers = workers, seeds = 20, log = true, known = known, options = { aging = { population = 20, tournament = 5 } }, score = regret,
    make = function() return vega.problem[name]() end }
end

add { name = "micro", metric = "best score after 200 evaluations", goal = "max", average = "mean", budget = { trials = 200 }, seeds = 100, options = { aging = { population = 50, tournament = 10 } },
  make = function() return vega.problem.micro() end, score = function(run) return run.driver:best().values.score end,
  known = { { "random, specs 9.3", 0.6897 }, { "aging (50, 10), specs 9.3", 0.7170 }, { "local search, specs 9.3", 0.7182 } } }

-- Several objectives. The references are of the non-dominated part of the population; where a strategy keeps one (`alive`), ours is too.
local function points_of(run)
  local method, points = run.driver.method, {}
  local members = method.population and type(method.population) == "function" and method:population() or method.alive
  if not members then members = run.driver:front() end
  for _, trial in ipairs(members) do if trial.costs and trial.violation == 0 then points[#points + 1] = trial.costs end end
  local front, ranks = {}, vega.pareto.rank(points)
  for i, rank in ipairs(ranks) do if rank == 1 then front[#front + 1] = points[i] end end
  return front
end

local function volume(run, problem) return problem:hypervolume(points_of(run)) end

add { name = "micro2", metric = "share of the exact front's hypervolume after 500 evaluations", goal = "max", budget = { trials = 500 }, seeds = 20, several = true,
  make = function() return vega.problem.micro { objectives = 2 } end,
  score = function(run, problem)
    local points = {}
    for i, trial in ipairs(run.driver:front()) do points[i] = trial.costs end
    return problem:hypervolume(points) / problem.volume
  end, known = { { "random, specs 5.2", 0.878 }, { "NSGA-II (20), specs 5.2", 0.994 } } }

local HYPERVOLUME = { [1] = { 0.87057, 0.87044, 0.87072, 0.86925, 0.86959 }, [2] = { 0.53747, 0.53734, 0.53757, 0.53615, 0.53617 },
  [3] = { 1.32864, 1.32853, 1.32875, 1.32756, 1.32745 }, [4] = { 0.86716, 0.86497, 0.86779, 0.86548, 0.86464 }, [6] = { 0.50078, 0.50057, 0.50110, 0.49471, 0.49642 } }
for _, k in ipairs { 1, 2, 3, 4, 6 } do
  local h = HYPERVOLUME[k]
  add { name = "zdt" .. k, metric = "hypervolume of the population after 25,000 evaluations", goal = "max", budget = { trials = 25000 }, seeds = 20, several = true,
    make = function() return vega.problem.zdt(k) end, score = volume,
    known = { { "NSGA-II, pymoo, specs 9.1", h[1], h[2], h[3] }, { "NSGA-II, DEAP, specs 9.1", h[4] }, { "NSGA-II, pagmo, specs 9.1", h[5] } } }
end

add { name = "dtlz2", metric = "IGD of the population to 91 points after 25,000 evaluations", goal = "min", budget = { trials = 25000 }, seeds = 20, several = true, log = true,
  make = function() return vega.problem.dtlz2(3) end, score = function(run, problem) return vega.problem.igd(points_of(run), problem:front()) end,
  known = { { "NSGA-II, pymoo, specs 9.1", 0.0730 }, { "NSGA-III, pymoo (23,000), specs 5.3", 0.00128, 0.00094, 0.00234 } } }

return list
