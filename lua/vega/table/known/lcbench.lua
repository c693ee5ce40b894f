--- LCBench: 1,000 configurations of a network's training on eight OpenML tasks, at 1, 3, 9, 27 and 50 epochs, from the YAHPO surrogate.
-- Zimmer et al. 2021, arXiv:2006.13799; Pfisterer et al. 2022, arXiv:2109.03670.
--
--    local bench = assert(vega.table.lcbench(3945))
--
-- values: accuracy (validation, %), test_balanced_accuracy, cross_entropy (validation), seconds. The space is the continuous one the
-- configurations were drawn from; for one that is not among them the three nearest answer, weighted by their inverse squared distance.
local shared = require "vega.table.shared"
local space = require "vega.space"

local SPACE = { batch_size = space.int(16, 512, { log = true }), learning_rate = space.float(1e-4, 0.1, { log = true }),
  momentum = space.float(0.1, 0.99), weight_decay = space.float(1e-5, 0.1), num_layers = space.int(1, 5),
  max_units = space.int(64, 1024, { log = true }), max_dropout = space.float(0, 1) }
local TASKS = { 3945, 7593, 34539, 126025, 167104, 167149, 168868, 189862 }

return function(task)
  local known = false
  for _, t in ipairs(TASKS) do known = known or t == task end
  if not known then error(("lcbench: task %s is not one of %s"):format(tostring(task), table.concat(TASKS, ", ")), 2) end
  local results, message, code = shared "hpo-lcbench-surrogate/results.csv.gz"
  local configs = shared "hpo-lcbench-surrogate/configs.csv.gz"
  if not (results and configs) then return nil, message, code end
  return require "vega.table" { name = "lcbench/" .. task, file = results, join = { file = configs, on = "config" },
    where = { task = task }, lookup = "interpolate",
    space = SPACE,
    objectives = { accuracy = "max" }, scores = { test_balanced_accuracy = "max" }, fidelity = "epoch", seconds = "time_s",
    values = { accuracy = "val_accuracy", cross_entropy = "val_cross_entropy", test_balanced_accuracy = "test_balanced_acc" } }
end
