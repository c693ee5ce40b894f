--- Bring your own table: a CSV file with what was measured becomes an objective that answers at once, and strategies are compared on it.
local vega = require "vega"

-- A file as a benchmark or a sweep leaves it: one row for each configuration, epoch and seed. (Written here so that the example needs nothing.)
local path = os.tmpname()
os.remove(path)
path = path .. ".csv"
local file = assert(io.open(path, "w"))
file:write "optimiser,lr,depth,epoch,seed,accuracy,time_s\n"
for _, optimiser in ipairs { "sgd", "adam" } do
  for _, lr in ipairs { 0.001, 0.01, 0.1, 1 } do
    for depth = 1, 6 do
      for _, epoch in ipairs { 1, 5, 25 } do
        for seed = 1, 2 do
          local best_lr = optimiser == "sgd" and 0.1 or 0.01
          local top = 0.9 - 0.1 * math.abs(math.log(lr / best_lr, 10)) - 0.01 * (depth - 4) ^ 2 + 0.002 * seed
          file:write(("%s,%g,%d,%d,%d,%.4f,%.1f\n"):format(optimiser, lr, depth, epoch, seed, top - 0.5 / (epoch + 1), 2.5 * depth * epoch))
        end
      end
    end
  end
end
file:close()

local bench = assert(vega.table {
  file = path,
  space = { "optimiser", "lr", "depth" },             -- columns that are decisions; their values are the options
  objectives = { accuracy = "max" },
  fidelity = "epoch",                                 -- several rows for the same configuration: its learning curve ...
  repeats = "mean",                                   -- ... and its seeds: their mean, or "draw": each trial gets one of them
  seconds = "time_s",
})
local best, arch = bench:best()
print(bench)
print(("best known: %.4f with %s, lr %g, depth %d"):format(best, arch.optimiser, arch.lr, arch.depth))

-- Looked up by hand: an architecture, a trial with its seed, a fidelity.
local values = bench:evaluate({ optimiser = "adam", lr = 0.01, depth = 4 }, nil, 5)
print(("adam, lr 0.01, depth 4 after 5 epochs: %.4f in %.0f simulated seconds"):format(values.accuracy, values.seconds))

-- Two strategies under the virtual clock, 20 seeds each.
for _, name in ipairs { "random", "aging" } do
  local sum = 0.0
  for seed = 1, 20 do
    local run = vega.simulate { problem = bench, strategy = vega.strategy[name](name == "aging" and { population = 6, tournament = 3 } or {}),
      budget = { trials = 24 }, workers = 2, seed = seed }
    sum = sum + bench:regret(run.driver:best().values)
  end
  print(("%-8s mean regret after 24 of %d trials: %.4f"):format(name, bench.space.size, sum / 20))
end
os.remove(path)
