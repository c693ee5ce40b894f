--- What the parts of predict_latency share: data, random splits, figures, lines of the page. A part is a file beside this that returns a function of
-- it; common.o are the script's options.
local core = require "vega.core"
local cells = require "vega.cost.cells"
local metrics = require "vega.cost.metrics"
local shared = require "vega.table.shared"

local common = { page = {} }

function common.say(text, ...) table.insert(common.page, select("#", ...) > 0 and text:format(...) or text) end

function common.read(name, text)
  local path, why = shared(name)
  if not path then error({ message = "predict_latency: " .. why, exit_code = 2 }, 0) end
  return assert(core.csv.read(path, text)).columns
end

--- Mean and spread over seeds.
function common.summary(list)
  local mean, var = 0.0, 0.0
  for _, v in ipairs(list) do mean = mean + v / #list end
  for _, v in ipairs(list) do var = var + (v - mean) ^ 2 / math.max(1, #list - 1) end
  return mean, math.sqrt(var)
end

--- What a method reaches over the seeds: run(seed) -> truths, predictions.
function common.over_seeds(run)
  local of = { within_10 = {}, rmspe = {}, rho = {}, tau = {} }
  for seed = 1, common.o.seeds do
    local m = metrics.of(run(seed))
    for key, list in pairs(of) do list[seed] = m[key] end
  end
  return of
end

--- "mean ± spread" of a list, times a factor.
function common.cell(list, factor, form)
  local mean, spread = common.summary(list)
  local number = form or "%.1f"
  return (number .. " ± " .. number):format(factor * mean, factor * spread)
end

--- The cells of a table's row: shares within 10 %, RMSPE, rho, tau.
function common.figures(of)
  local cell = common.cell
  return ("%s | %s | %s | %s"):format(cell(of.within_10, 100), cell(of.rmspe, 100), cell(of.rho, 1, "%.3f"), cell(of.tau, 1, "%.3f"))
end

--- n of the places, and the others.
function common.split(places, n, seed, name)
  local order = table.move(places, 1, #places, 1, {})
  core.rng.new(seed, name):shuffle(order)
  return table.move(order, 1, n, 1, {}), table.move(order, n + 1, #order, 1, {})
end

--- The entries of a list at those places.
function common.pick(list, places)
  local some = {}
  for n, i in ipairs(places) do some[n] = list[i] end
  return some
end

-- NAS-Bench-201 --------------------------------------------------------------------------------------------------------------------------

local NAMES = { [0] = "none", "skip", "conv1x1", "conv3x3", "pool" }
local COUNTED = { "skip", "conv1x1", "conv3x3", "pool" }
local FROM, TO = { 1, 1, 2, 1, 2, 3 }, { 2, 3, 3, 4, 4, 4 }
local PRUNES = { "nothing", "unreached", "dead_ends" }

-- { rows by pruning, full = counts, edges by both prunings and as they stand, connected = places, times by device, macs }
local function load_cells()
  local read = common.read
  local digits, times = read("nas-bench-201/nasbench201.csv.gz", { ops = true }), read "device-latency/help_nasbench201_latency_ms.csv.gz"
  local data = { rows = {}, full = {}, connected = {}, all = {}, times = times, macs = digits.c100_flops }
  for _, prune in ipairs(PRUNES) do data.rows[prune] = {} end
  for i, text in ipairs(digits.ops) do
    local edges = {}
    for e = 1, 6 do edges[e] = { from = FROM[e], to = TO[e], op = NAMES[tonumber(text:sub(e, e))] } end
    for _, prune in ipairs(PRUNES) do data.rows[prune][i] = cells.counts(edges, COUNTED, { prune = prune }) end
    local row = cells.counts(edges, COUNTED, { one_hot = true })
    table.move(cells.counts(edges, COUNTED, { prune = "nothing", one_hot = true }), 6, 29, #row + 1, row)
    data.full[i], data.all[i] = row, i
    if cells.is_connected(edges) then table.insert(data.connected, i) end
  end
  return data
end

local loaded
--- The cells, read when they are first asked for.
function common.cells()
  loaded = loaded or load_cells()
  return loaded
end

common.PRUNES = PRUNES

return common
