--- FairNAS's search: NSGA-II with learned mutations; accuracy (expensive), multiply-adds and parameters (cheap) of NAS-Bench-201 read from a table.
-- Run: vega-lua examples/strategies/fairnas.lua          (without the table: the analytic problem of the other examples)
local vega = require "vega"

local bench = vega.table.nas_bench_201("cifar10", { epochs = 200 })
local objectives = bench and { { name = "accuracy", goal = "max" }, { name = "macs", goal = "min" }, { name = "params", goal = "max" } }
if not bench then
  bench = vega.problem.micro { objectives = 2 }
  objectives = bench.objectives
end

-- Whole generations: 70 architectures are asked for at once, so that a supernet could score them together.
local search = vega.strategy.create(vega.strategy.fairnas {}, { space = bench.space, objectives = objectives, seed = 1 })
local origins = {}
for generation = 1, 15 do
  for _, trial in ipairs(search:ask(70)) do
    origins[trial.origin] = (origins[trial.origin] or 0) + 1
    assert(search:tell(trial.id, { status = "ok", values = bench:evaluate(trial.config) }))
  end
  if generation % 5 == 0 then print(("generation %2d: %d trials on the front"):format(generation, #search:front())) end
end
print(("children: %d by random mutation, %d reinforced, %d by the prior, %d by crossover alone"):format(origins.mutation, origins.reinforced,
  origins.prior, origins.crossover))
