--- NAS-Bench-Macro: all 3^8 = 6,561 networks of eight layers on CIFAR-10, three trainings each. Su et al. 2021, arXiv:2103.11922.
--
--    local bench = assert(vega.table.nas_bench_macro())       -- { repeats = "draw" }: one of the three trainings, by the trial's seed
--
-- values: accuracy (test, %; the mean of the three), params, macs. The space is "nb_macro".
local shared = require "vega.table.shared"
local space = require "vega.space"

return function(options)
  local read, path, message, code = require "vega.table", shared "nas-bench-macro/nasbench_macro_cifar10.csv.gz"
  if not path then return nil, message, code end
  local nb_macro = space "nb_macro"
  return read { name = "nas-bench-macro", file = path, text = { "arch" }, arch = function(row) return nb_macro.parse(row.arch) end, space = nb_macro,
    repeats = options and options.repeats, objectives = { accuracy = "max" },
    values = { accuracy = read.repeats { "acc_1", "acc_2", "acc_3" }, params = "params", macs = "flops" } }
end
