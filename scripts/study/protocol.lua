--- The problems of the study and how a run on each is judged. An entry:
--    name, metric (what the score is), goal (of the score), average = "mean" where the mean decides, log = true for a log scale
--    budget = { trials = }, or function(problem) -> { seconds = }; workers; seeds: how many runs the comparison needs
--    data: the file under $VEGA_SHARED/data that it needs; make() -> problem, score(run, problem) -> number
--    on_tell(run, suggestion, values, problem) -> true to stop
--    options = { strategy = { .. } } where a strategy's defaults do not fit the budget; several = true: more than one objective
--    known = { { who, median, lower quartile, upper quartile } .. }: what others reached; "9.1" and the like are sections of the specification
local vega = require "vega"

local FOR_100 = { aging = { population = 10, tournament = 3 } }
local FOR_200 = { aging = { population = 50, tournament = 10 } }

local list = {}
local function add(entry)
  entry.workers = entry.workers or 1
  list[#list + 1] = entry
end

-- NAS-Bench-201: search by validation after 12 epochs, judge by test after 200.
for _, each in ipairs { { "cifar10", 93.74, 93.99 }, { "cifar100", 71.19, 72.06 }, { "imagenet16-120", 44.90, 45.55 } } do
  local data, random, aging = table.unpack(each)
  add {
    name = "nb201-" .. data, data = "nas-bench-201/nasbench201.csv.gz",
    metric = "test accuracy (%) of the best by validation", goal = "max", average = "mean", budget = { trials = 100 }, seeds = 100, options = FOR_100,
    make = function() return vega.table.nas_bench_201(data, { epochs = 12 }) end,
    score = function(run) return run.driver:best().values.test_accuracy end,
    known = { { "random, reference (mean)", random }, { "aging 10, 3, reference (mean)", aging } },
  }
end

-- NAS-Bench-Macro: how many networks are asked for until one within 0.1 % of the best is found. A run that finds none counts as budget + 1.
local NEAR = 0.1
add {
  name = "nbmacro", data = "nas-bench-macro/nasbench_macro_cifar10.csv.gz",
  metric = "networks until within 0.1 % of the best", goal = "min", censored = true, budget = { trials = 1000 }, seeds = 20, options = FOR_200,
  make = function() return vega.table.nas_bench_macro() end,
  on_tell = function(run, _, values, problem)
    run.found = problem:regret(values) <= NEAR
    return run.found
  end,
  score = function(run) return run.found and run.told or run.trials + 1 end,
}

local LCBENCH = "hpo-lcbench-surrogate/results.csv.gz"

-- LCBench: 100 trainings to the end.
for _, task in ipairs { 3945, 7593, 34539, 126025, 167104, 167149, 168868, 189862 } do
  add {
    name = "lcbench-" .. task, data = LCBENCH, metric = "regret of validation accuracy (%)", goal = "min",
    budget = { trials = 100 }, seeds = 20, options = FOR_100,
    make = function() return vega.table.lcbench(task) end,
    score = function(run, problem) return problem:regret(run.driver:best().values) end,
  }
end

-- LCBench with schedulers: equal simulated time, that of 30 trainings to the end at the task's mean; the incumbent is judged by its full training.
local FULL_TRAININGS = 30
for _, task in ipairs { 3945, 34539, 167104, 189862 } do
  add {
    name = "lcbench-time-" .. task, data = LCBENCH,
    metric = "regret of validation accuracy (%) after the time of 30 trainings", goal = "min", seeds = 20, timed = true, options = FOR_100,
    make = function() return vega.table.lcbench(task) end,
    budget = function(problem)
      local sum = 0.0
      for _, member in ipairs(problem.members) do sum = sum + problem:evaluate(member.arch).seconds end
      return { seconds = FULL_TRAININGS * sum / #problem.members }
    end,
    score = function(run, problem)
      local best = run.driver:best()
      return problem:regret(best and problem:evaluate(best.arch) or { accuracy = 0 })
    end,
  }
end

-- Test functions: one worker, and four at half the budget.
local FUNCTIONS = {
  { "branin", 120, 1, { { "random at 100, 9.2", 0.249 }, { "TPE of Optuna 5.0 at 100, 9.2", 0.0179 }, { "GP of Optuna 5.0 at 100, 9.2", 8.3e-6 } } },
  { "branin", 60, 4, { { "random, 9.2", 0.609 } } },
  { "hartmann6", 120, 1, { { "random, 9.2", 1.208 }, { "TPE of Optuna 3.1, 9.2", 0.195, 0.136, 0.263 },
    { "TPE of Optuna 5.0, 9.2", 0.0773, 0.062, 0.175 }, { "GP of Optuna 5.0, 9.2", 8.0e-5 },
    { "forest of scikit-optimize, 9.2", 0.257, 0.224, 0.290 } } },
  { "hartmann6", 60, 4, { { "random, 9.2", 1.365 }, { "TPE of Optuna 3.1, running are bad, 9.2", 0.271, 0.206, 0.514 },
    { "TPE of Optuna 3.1, running ignored, 9.2", 0.702, 0.417, 1.09 } } },
}
for _, each in ipairs(FUNCTIONS) do
  local name, trials, workers, known = table.unpack(each)
  add {
    name = name .. (workers > 1 and "-batch" .. workers or ""), metric = ("regret after %d evaluations"):format(trials), goal = "min", log = true,
    budget = { trials = trials }, workers = workers, seeds = 20, known = known, options = { aging = { population = 20, tournament = 5 } },
    make = function() return vega.problem[name]() end,
    score = function(run, problem) return problem:regret(run.driver:best().values) end,
  }
end

add {
  name = "micro", metric = "best score after 200 evaluations", goal = "max", average = "mean",
  budget = { trials = 200 }, seeds = 100, options = FOR_200,
  make = function() return vega.problem.micro() end,
  score = function(run) return run.driver:best().values.score end,
  known = { { "random, 9.3 (mean)", 0.6897 }, { "aging 50, 10, 9.3 (mean)", 0.7170 }, { "local search, 9.3 (mean)", 0.7182 } },
}

-- Several objectives.
local function costs_of(trials)
  local points = {}
  for _, trial in ipairs(trials) do if trial.costs and trial.violation == 0 then points[#points + 1] = trial.costs end end
  return points
end

add {
  name = "micro2", metric = "share of the exact front's hypervolume after 500 evaluations", goal = "max", several = true,
  budget = { trials = 500 }, seeds = 20,
  make = function() return vega.problem.micro { objectives = 2 } end,
  score = function(run, problem) return problem:hypervolume(costs_of(run.driver:front())) / problem.volume end,
  known = { { "random, 5.2", 0.878 }, { "NSGA-II of 20, 5.2", 0.994 } },
}

-- The references are of the non-dominated part of the population; where a strategy keeps one, so are ours, else of all that was found.
local function front_of(run)
  local population = run.driver.method.population
  local points, front = costs_of(population and population.members or run.driver:front()), {}
  for i, rank in ipairs(vega.pareto.rank(points)) do if rank == 1 then front[#front + 1] = points[i] end end
  return front
end

local ZDT = {          -- NSGA-II of pymoo with quartiles, of DEAP, of pagmo
  [1] = { 0.87057, 0.87044, 0.87072, 0.86925, 0.86959 }, [2] = { 0.53747, 0.53734, 0.53757, 0.53615, 0.53617 },
  [3] = { 1.32864, 1.32853, 1.32875, 1.32756, 1.32745 }, [4] = { 0.86716, 0.86497, 0.86779, 0.86548, 0.86464 },
  [6] = { 0.50078, 0.50057, 0.50110, 0.49471, 0.49642 },
}
for _, k in ipairs { 1, 2, 3, 4, 6 } do
  local h = ZDT[k]
  add {
    name = "zdt" .. k, metric = "hypervolume of the population after 25,000 evaluations", goal = "max", several = true,
    budget = { trials = 25000 }, seeds = 20,
    make = function() return vega.problem.zdt(k) end,
    score = function(run, problem) return problem:hypervolume(front_of(run)) end,
    known = { { "NSGA-II of pymoo, 9.1", h[1], h[2], h[3] }, { "NSGA-II of DEAP, 9.1", h[4] }, { "NSGA-II of pagmo, 9.1", h[5] } },
  }
end

add {
  name = "dtlz2", metric = "IGD of the population to 91 points after 25,000 evaluations", goal = "min", several = true, log = true,
  budget = { trials = 25000 }, seeds = 20,
  make = function() return vega.problem.dtlz2(3) end,
  score = function(run, problem) return vega.pareto.distance(front_of(run), problem:front()).igd end,
  known = { { "NSGA-II of pymoo, 9.1", 0.0730 }, { "NSGA-III of pymoo at 23,000, 5.3", 0.00128, 0.00094, 0.00234 } },
}

return list
