--- NAS-Bench-201: all 15,625 cells of the space "nb201" on three data sets. Dong & Yang 2020, arXiv:2001.00326.
--
--    local bench = assert(vega.table.nas_bench_201("cifar10", { epochs = 12 }))
--
-- values: accuracy (%: validation after 12 epochs; test, mean over seeds, after 200), test_accuracy (after 200: what a search is judged by), params,
-- macs, seconds. With { epochs = 12 } the table has that one fidelity; otherwise 12 and 200.
-- Seconds of training were published for 1,000 of the cells; for the others they are predicted from the counts of the five operations, which
-- explains 99.5 % of the variance of the measured ones.
local core = require "vega.core"
local shared = require "vega.table.shared"
local space = require "vega.space"

local DATA = { cifar10 = { "c10", "cifar10" }, cifar100 = { "c100", "cifar100" }, ["imagenet16-120"] = { "in16", "ImageNet16-120" } }
local OPS = { ["0"] = "none", ["1"] = "skip_connect", ["2"] = "nor_conv_1x1", ["3"] = "nor_conv_3x3", ["4"] = "avg_pool_3x3" }
local EDGES = { "edge_0_1", "edge_0_2", "edge_1_2", "edge_0_3", "edge_1_3", "edge_2_3" }
local KINDS = 5

local function read(name, text)
  local path, message, code = shared("nas-bench-201/" .. name)
  if not path then return nil, message, code end
  return core.csv.read(path, text)
end

local function counts_of(ops)
  local n = { 0, 0, 0, 0, 0 }
  for i = 1, #ops do
    local k = ops:byte(i) - 47
    n[k] = n[k] + 1
  end
  return n
end

-- Solves a w = b in place: Gaussian elimination with the largest pivot.
local function solve(a, b)
  for i = 1, KINDS do
    local p = i
    for r = i + 1, KINDS do if math.abs(a[r][i]) > math.abs(a[p][i]) then p = r end end
    a[i], a[p], b[i], b[p] = a[p], a[i], b[p], b[i]
    for r = i + 1, KINDS do
      local f = a[r][i] / a[i][i]
      for c = i, KINDS do a[r][c] = a[r][c] - f * a[i][c] end
      b[r] = b[r] - f * b[i]
    end
  end
  for i = KINDS, 1, -1 do
    for c = i + 1, KINDS do b[i] = b[i] - a[i][c] * b[c] end
    b[i] = b[i] / a[i][i]
  end
  return b
end

-- The least-squares seconds of one operation of each kind; six operations make a cell, so that a constant is among them.
local function fit(measured, ops)
  local a, b = {}, {}
  for i = 1, KINDS do a[i], b[i] = { 0, 0, 0, 0, 0 }, 0 end
  for row, seconds in pairs(measured) do
    local n = counts_of(ops[row])
    for i = 1, KINDS do
      for k = 1, KINDS do a[i][k] = a[i][k] + n[i] * n[k] end
      b[i] = b[i] + n[i] * seconds
    end
  end
  return solve(a, b)
end

local function seconds_column(times, ops, dataset, epochs)
  local measured, all = {}, {}
  local t = times.columns
  for i = 1, times.rows do
    if t.dataset[i] == dataset and t.epochs[i] == epochs then measured[t.index[i] + 1] = t.train_seconds[i] end
  end
  local per_op = fit(measured, ops)
  for row = 1, #ops do
    local n, sum = counts_of(ops[row]), 0.0
    for k = 1, KINDS do sum = sum + n[k] * per_op[k] end
    all[row] = measured[row] or sum
  end
  return all
end

local function read_arch(row)
  local arch, ops = {}, row.ops
  for i, edge in ipairs(EDGES) do arch[edge] = OPS[ops:sub(i, i)] end
  return arch
end

return function(dataset, options)
  local names, epochs = DATA[dataset or "cifar10"], options and options.epochs
  if not names then error(require("vega.util").unknown("nas_bench_201", "data set", dataset, { "cifar10", "cifar100", "imagenet16-120" }), 2) end
  if epochs and epochs ~= 12 and epochs ~= 200 then error(("nas_bench_201: epochs is 12 or 200, got %s"):format(tostring(epochs)), 2) end
  local cells, message, code = read("nasbench201.csv.gz", { ops = true })
  if not cells then return nil, message, code end
  local times, why, kind = read "nasbench201_times_1000.csv.gz"
  if not times then return nil, why, kind end
  local columns, p = cells.columns, names[1]
  for _, e in ipairs { 12, 200 } do columns["seconds_" .. e] = seconds_column(times, columns.ops, names[2], e) end
  local at = { accuracy = { [12] = p .. "_val_e12", [200] = p .. "_test_e200" }, seconds = { [12] = "seconds_12", [200] = "seconds_200" } }
  local function value(name) return epochs and at[name][epochs] or require("vega.table").at(at[name]) end
  return require("vega.table") { name = "nas-bench-201/" .. (dataset or "cifar10"), columns = columns, space = space "nb201", arch = read_arch,
    objectives = { accuracy = "max" }, scores = { test_accuracy = "max" }, seconds = value "seconds", fidelity = { name = "epochs" },
    values = { accuracy = value "accuracy", test_accuracy = p .. "_test_e200", params = p .. "_params", macs = p .. "_flops" } }
end
