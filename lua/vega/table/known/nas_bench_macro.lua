--- NAS-Bench-Macro: all 3^8 = 6,561 networks of eight layers on CIFAR-10, three trainings each. Su et al. 2021, arXiv:2103.11922.
--
--    local bench = assert(vega.table.nas_bench_macro())       -- { repeats = "draw" }: one of the three trainings, by the trial's seed
--
-- values: accuracy (test, %; the mean of the three), params, macs. The space has a decision a layer, layer_1 .. layer_8.
local shared = require "vega.table.shared"
local space = require "vega.space"

local LAYERS = { ["0"] = "identity", ["1"] = "mb3_k3", ["2"] = "mb6_k5" }         -- mbEXPANSION_kKERNEL
local N_LAYERS = 8

local function layers(s)
  for i = 1, N_LAYERS do s:choice("layer_" .. i, { LAYERS["0"], LAYERS["1"], LAYERS["2"] }) end
end

local function read_arch(row)
  local arch, digits = {}, row.arch
  for i = 1, N_LAYERS do arch["layer_" .. i] = LAYERS[digits:sub(i, i)] end
  return arch
end

return function(options)
  local read, path, message, code = require "vega.table", shared "nas-bench-macro/nasbench_macro_cifar10.csv.gz"
  if not path then return nil, message, code end
  return read { name = "nas-bench-macro", file = path, text = { "arch" }, arch = read_arch, repeats = options and options.repeats,
    space = space.define { name = "nas_bench_macro", choices = layers },
    objectives = { accuracy = "max" }, values = { accuracy = read.repeats { "acc_1", "acc_2", "acc_3" }, params = "params", macs = "flops" } }
end
