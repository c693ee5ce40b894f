--- Accel-NASBench (Ahmad et al. 2024): accuracy and speed of MnasNet-like networks on six accelerators, its authors' split.
local metrics = require "vega.cost.metrics"
local predictor = require "vega.cost.predictor"

local TARGETS = { { "val_top1", "accuracy, top-1", "tau .862, R2 .903" }, { "latency_vck190_mean", "latency, VCK190", "±10 % 73.0" },
  { "latency_zcu102_mean", "latency, ZCU102", "±10 % 54.3" }, { "throughput_a100_mean", "images a second, A100", "±10 % 87.7" },
  { "throughput_tpuv2_mean", "images a second, TPUv2", "±10 % 99.2" } }

-- Of each of seven blocks: layers, expansion, kernel, squeeze-excite, and their products with the layers.
local function row_of(c, i)
  local row = { 1 }
  for b = 1, 7 do
    local function digit(name, most) return tonumber(c[name][i]:sub(b, b)) / most end
    local l, e, k, se = digit("l7", 3), digit("e7", 6), digit("k7", 5), digit("se7", 1)
    for _, v in ipairs { l, e, k, se, l * e, l * k, l * se, l * e * k, l * e * se } do row[#row + 1] = v end
  end
  return row
end

return function(common)
  local say, pick = common.say, common.pick
  local c = common.read("accel-nasbench/accel_nasbench.csv.gz", { split = true, e7 = true, k7 = true, l7 = true, se7 = true })
  local rows = {}
  for i = 1, #c.split do rows[i] = row_of(c, i) end

  local function measured(target, part)
    local list = {}
    for i, s in ipairs(c.split) do
      if s == part and type(c[target][i]) == "number" and c[target][i] > 0 then list[#list + 1] = i end
    end
    return list
  end

  say "## Accel-NASBench: accuracy and speed on accelerators\n"
  say "Its authors' training part (4,100), tested on their validation part (512), as the test part is not public: one split, no spread. 64 columns:"
  say "layers, expansion, kernel, squeeze-excite of each block, and products with the layers. Measured for the task on the test part with a ridge of"
  say "logarithms; the authors' XGBoost reaches tau .917, R2 .984 in accuracy.\n"
  say "| target | model | ±10 %% | RMSPE %% | rho | tau | R2 | measured for the task |"
  say "| --- | --- | --- | --- | --- | --- | --- | --- |"
  for _, target in ipairs(common.o.quick and { TARGETS[1] } or TARGETS) do
    local y, train, test = c[target[1]], measured(target[1], "train"), measured(target[1], "val")
    for _, kind in ipairs { "ridge", "forest", "mlp" } do
      local options = kind == "forest" and { base = #rows[1] } or kind == "mlp" and { epochs = 40 } or nil
      local p = assert(predictor.fit(kind, pick(rows, train), pick(y, train), options))
      local m = metrics.of(pick(y, test), (p:predict_all(pick(rows, test))))
      say("| %s | %s | %.1f | %.1f | %.3f | %.3f | %.3f | %s |", target[2], kind == "forest" and "forest over ridge" or kind, 100 * m.within_10,
        100 * m.rmspe, m.rho, m.tau, m.r2, target[3])
    end
  end
  say ""
end
