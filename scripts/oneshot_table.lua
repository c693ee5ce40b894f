--- Every preset of differentiable search on the cells of NAS-Bench-201, searched here on CIFAR-10 pictures in a small supernet: what the published
-- table says of the cell that is found, beside random search and the cell with the most parameters; and the read-outs by arg max and by
-- perturbation of the same supernets beside each other.
--
--    vega-lua scripts/oneshot_table.lua --jobs 2 --page docs/differentiable.md                    everything; an hour
--    vega-lua scripts/oneshot_table.lua --presets darts,pc_darts,random --seeds 1 --images 200 --epochs 5
--
-- The learning rates of the architectures are multiplied, for all alike, so that rate times steps is that of a published search (`STEPS`): its
-- 19,500 steps are too many here, and with a tenth of them at the published rate every mixture would still be even. Random search trains cells of
-- the same small network for as many epochs as the search has, until it has spent the multiply-adds of first-order DARTS, and takes the one with the
-- best validation accuracy. Stop it at any time: what has ended is kept in --out.
local vega = require "vega"
local core = require "vega.core"
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local latency = require "vega.supernet.latency"
local plugin = require "vega.plugin"
local read_images = dofile(here .. "/cifar_jpeg.lua")
local readout = require "vega.supernet.readout"
local run_jobs = dofile(here .. "/jobs.lua")
local shared = require "vega.table.shared"
local util = require "vega.util"

local DEFAULTS = { presets = "", seeds = 3, images = 600, validation = 600, epochs = 20, batch = 32, channels = 8, jobs = 1,
  out = "runs/oneshot_table", page = "" }
local SETTINGS = { "images", "validation", "epochs", "batch", "channels" }
local STEPS = 50 * 25000 // 64                                          -- of the published DARTS search
local ARCH_LR = 3e-4                                                    -- where a preset says nothing
local RANDOM = "random"
local MODULE = "vega.differentiable"

local function fail(message, ...) error({ message = "oneshot_table: " .. message:format(...), exit_code = 2 }, 0) end

local function space_of(o, cells) return vega.space("nb201").with { cells = cells or 1, channels = o.channels } end

local function images(o)
  local held_out, rest = read_images(assert(shared "cifar10-jpeg75/train20k.cjpk"), 0):split { n = o.validation, seed = 0, stratified = true }
  return rest:subset { n = o.images, seed = 0, stratified = true }, held_out
end

local function macs_of(space, arch, shape) return vega.cost.count(space:network(arch, shape, 10)).macs end

-- The cell with one operation on all its edges.
local function uniform(space, op)
  local arch = {}
  for _, d in ipairs(space.decisions) do arch[d.name] = op end
  return arch
end

-- Jobs: a search, or random search, with one seed ----------------------------------------------------------------------------------------

-- What a preset needs that this space is not made for by itself.
local ADAPT = {}

-- Three stages of 1, 2 and 3 cells; of 5 operations one goes after each of the first two.
function ADAPT.p_darts(o, job)
  job.space = function(stage) return space_of(o, stage) end
  job.set, job.epochs = { drop = { 1, 1 } }, math.max(1, o.epochs // 3)
end

-- The cost is counted: the multiply-adds that each operation adds to a cell of skips.
function ADAPT.la_darts(_, job)
  local space, costs = job.space, {}
  local arch = uniform(space, "skip_connect")
  local least = macs_of(space, arch, job.data.shape)
  for _, d in ipairs(space.decisions) do
    costs[d.name] = { {} }
    for _, op in ipairs(d.domain.values) do
      arch[d.name] = op
      costs[d.name][1][op] = macs_of(space, arch, job.data.shape) - least
    end
    arch[d.name] = "skip_connect"
  end
  job.set = { cost = latency.additive(costs) }
end

local function file_of(o, cell) return ("%s/%s-%d.json"):format(o.out, cell.preset, cell.seed) end

local function keep(o, cell, result)
  result.preset, result.seed = cell.preset, cell.seed
  for _, key in ipairs(SETTINGS) do result[key] = o[key] end
  assert(core.sys.write_file(file_of(o, cell), core.json.encode(result)))
end

local function read(o, cell)
  local file = io.open(file_of(o, cell), "r")
  if not file then return nil end
  local result = assert(core.json.decode(file:read "a"))
  file:close()
  for _, key in ipairs(SETTINGS) do if result[key] ~= o[key] then return nil end end
  return result
end

local function run_search(o, cell)
  local data, held_out = images(o)
  local lr = (require(MODULE .. "." .. cell.preset).arch or {}).lr or ARCH_LR
  local job = { space = space_of(o), preset = cell.preset, data = data, validation = held_out, epochs = o.epochs, batch = o.batch, seed = cell.seed,
    arch = { lr = lr * STEPS / (o.epochs * ((o.images + o.batch - 1) // o.batch)) } }
  if ADAPT[cell.preset] then ADAPT[cell.preset](o, job) end
  local began = os.clock()
  local found, why = vega.differentiable.search(job)
  if not found then return keep(o, cell, { failed = why }) end
  local last, text = found.history[#found.history], found.space.text
  local result = { seconds = os.clock() - began, own = text(found.arch), argmax = text(readout.argmax(found)), warnings = found.warnings,
    skips = last.skips.cell, depth = last.depth and last.depth.cell, entropy = last.entropy, skip_mass = last.skip_mass, none_top = last.none_top,
    disc_gap = last.disc_gap }
  if found.net.options.paths == 0 then                                  -- removing a candidate wants a mixture of all
    result.perturbation = text(assert(readout.perturbation(found, { data = held_out, seed = cell.seed })))
  end
  keep(o, cell, result)
end

-- The multiply-adds of a picture through the mixture: each edge computes every operation once.
local function mixture_macs(space, shape)
  return macs_of(space, uniform(space, "nor_conv_3x3"), shape) + macs_of(space, uniform(space, "nor_conv_1x1"), shape)
    - macs_of(space, uniform(space, "skip_connect"), shape)
end

local function run_random(o, cell)
  local data, held_out = images(o)
  local space, stats = space_of(o), data:stats()
  local began, rng, left = os.clock(), vega.rng.new(cell.seed, "random search"), 2 * mixture_macs(space, data.shape)   -- two steps a batch
  local best, accuracy, n = nil, nil, 0
  while true do
    local arch = space:random(rng)
    left = left - macs_of(space, arch, data.shape)
    if left < 0 then break end
    local network <close> = space:network(arch, data.shape, data.n_classes, cell.seed)
    local history = vega.train.fit { model = network, data = data, validation = held_out, epochs = o.epochs, batch = o.batch, seed = cell.seed,
      clip = 5, normalise = { mean = stats.mean, std = stats.std }, optimiser = { lr = 0.025, momentum = 0.9, weight_decay = 3e-4 },
      schedule = { name = "cosine", floor = 0.001 } }
    local got = history and history[#history].accuracy or 0.0           -- a training that diverged
    n = n + 1
    if not best or got > accuracy then best, accuracy = arch, got end
  end
  keep(o, cell, { seconds = os.clock() - began, own = space.text(best), warnings = {}, trained = n })
end

-- The page ------------------------------------------------------------------------------------------------------------------------------

-- The published test accuracies, best first, and what a cell's text stands for among them.
local function truth()
  local bench, all = assert(vega.table.nas_bench_201 "cifar10"), {}
  for i = 1, bench.space.size do all[i] = bench:evaluate(bench.space:unrank(i)).test_accuracy end
  table.sort(all, function(a, b) return a > b end)
  local function rank_of(value)
    local rank = 1
    while all[rank] > value do rank = rank + 1 end
    return rank
  end
  return all, function(text)
    local value = bench:evaluate(assert(bench.space.parse(text))).test_accuracy
    return { accuracy = value, rank = rank_of(value) }
  end
end

local function mean_of(list)
  local sum = 0.0
  for _, v in ipairs(list) do sum = sum + v end
  return sum / #list
end

-- `show` of what `value_of` gives of each result; "" where one has none.
local function each(results, format, value_of)
  local list = {}
  for _, result in ipairs(results) do
    local value = value_of(result)
    if value == nil then return "" end
    list[#list + 1] = format:format(value)
  end
  return table.concat(list, " ")
end

local function mean_text(results, format, value_of)
  local list = {}
  for i, result in ipairs(results) do
    list[i] = value_of(result)
    if list[i] == nil then return "" end
  end
  return format:format(mean_of(list))
end

local function row(out, ...) out[#out + 1] = "| " .. table.concat({ ... }, " | ") .. " |" end

local function head(out, ...)
  local rule = {}
  for i = 1, select("#", ...) do rule[i] = "---" end
  out[#out + 1] = ""
  row(out, ...)
  row(out, table.unpack(rule))
end

local function field(name) return function(result) return result[name] end end

local function warned(results)
  local n = 0
  for _, result in ipairs(results) do n = n + (#result.warnings > 0 and 1 or 0) end
  return ("%d of %d"):format(n, #results)
end

-- Accuracy, its mean, ranks and regret of the cells that the results have under `key`.
local function standing(results, key, look_up, best)
  local cells = {}
  for i, result in ipairs(results) do cells[i] = look_up(result[key]) end
  local mean = mean_text(cells, "%.2f", field "accuracy")
  return each(cells, "%.2f", field "accuracy"), mean, each(cells, "%d", field "rank"), ("%.2f"):format(best - tonumber(mean)), cells
end

local function presets_table(out, by_preset, all, look_up)
  head(out, "preset", "test accuracy of each seed, %", "mean", "rank of 15,625", "mean regret", "processor s", "skips of 6", "depth", "skip mass",
    "none leads", "entropy", "gap", "warned")
  for _, entry in ipairs(by_preset) do
    local results = entry.results
    local accuracy, mean, rank, regret = standing(results, "own", look_up, all[1])
    row(out, entry.preset, accuracy, mean, rank, regret, mean_text(results, "%.0f", field "seconds"), each(results, "%d", field "skips"),
      each(results, "%d", field "depth"), mean_text(results, "%.2f", field "skip_mass"), mean_text(results, "%.2f", field "none_top"),
      mean_text(results, "%.2f", field "entropy"), mean_text(results, "%.2f", field "disc_gap"), entry.preset == RANDOM and "" or warned(results))
  end
  local most, middle = look_up(vega.space("nb201").text(uniform(vega.space "nb201", "nor_conv_3x3"))), #all // 2 + 1
  local function baseline(name, accuracy, rank)
    row(out, name, "", ("%.2f"):format(accuracy), tostring(rank), ("%.2f"):format(all[1] - accuracy), "", "", "", "", "", "", "", "")
  end
  baseline("most parameters", most.accuracy, most.rank)
  baseline("a random cell, exact mean", mean_of(all), "")
  baseline("a random cell, median", all[middle], middle)
  for _, entry in ipairs(by_preset) do
    if entry.preset == RANDOM then
      out[#out + 1] = ("\nRandom search trained %s cells, for the multiply-adds of a first-order search."):format(each(entry.results, "%d",
        field "trained"))
    end
  end
end

local function readouts_table(out, by_preset, all, look_up)
  local better, worse, n = 0, 0, 0
  head(out, "supernet of", "arg max, each seed", "mean", "perturbation, each seed", "mean", "perturbation better")
  for _, entry in ipairs(by_preset) do
    if entry.results[1].perturbation then
      local by_weight, mean_1, _, _, cells_1 = standing(entry.results, "argmax", look_up, all[1])
      local by_accuracy, mean_2, _, _, cells_2 = standing(entry.results, "perturbation", look_up, all[1])
      local here_better = 0
      for i in ipairs(cells_1) do
        n = n + 1
        if cells_2[i].accuracy > cells_1[i].accuracy then here_better = here_better + 1 end
        if cells_2[i].accuracy < cells_1[i].accuracy then worse = worse + 1 end
      end
      better = better + here_better
      row(out, entry.preset, by_weight, mean_1, by_accuracy, mean_2, ("%d of %d"):format(here_better, #cells_1))
    end
  end
  out[#out + 1] = ("\nOf %d supernets the read-out by perturbation found the better cell in %d, arg max in %d."):format(n, better, worse)
end

local function failures(out, o, cells)
  for _, cell in ipairs(cells) do
    local result = read(o, cell)
    if result and result.failed then out[#out + 1] = ("\n%s, seed %d, ended without a cell: %s."):format(cell.preset, cell.seed, result.failed) end
  end
end

local PREFACE = [[
Made by `scripts/oneshot_table.lua`: %d pictures of CIFAR-10 for the weights, %d for the architecture, %d epochs, batches of %d, a supernet of %d
channels and 1 cell a stage (the published networks have 16 and 5), one thread. Test accuracy and rank are those of the cell found in the published
table (best: %.2f %%). Rates of the architectures are raised so that rate times steps is that of a published search. Indicators are those of the last
epoch: skips, the longest way of operations with weights, the weight of skips, the share of edges that `none` leads, entropy (1: undecided), the
accuracy that the supernet loses without its other operations; `warned` counts the searches that showed signs of collapse.]]

local function present(o, cells)
  local all, look_up = truth()
  local by_preset, place = {}, {}
  for _, cell in ipairs(cells) do
    local result = read(o, cell)
    if result and not result.failed then
      local entry = place[cell.preset]
      if not entry then
        entry = { preset = cell.preset, results = {} }
        place[cell.preset], by_preset[#by_preset + 1] = entry, entry
      end
      table.insert(entry.results, result)
    end
  end
  local out = { "# Differentiable searches on NAS-Bench-201", "", PREFACE:format(o.images, o.validation, o.epochs, o.batch, o.channels, all[1]) }
  if #by_preset > 0 then
    presets_table(out, by_preset, all, look_up)
    out[#out + 1] = "\nThe read-outs of the same supernets; those of sampled paths have no mixture to take candidates from."
    readouts_table(out, by_preset, all, look_up)
  end
  failures(out, o, cells)
  return table.concat(out, "\n") .. "\n"
end

-- The command line ------------------------------------------------------------------------------------------------------------------------

local function chosen(o)
  local known, list = plugin.names(MODULE), {}
  known[#known + 1] = RANDOM
  for name in o.presets:gmatch "[^,%s]+" do
    if not util.contains(known, name) then fail("%s", (util.unknown("", "preset", name, known):gsub("^: ", ""))) end
    list[#list + 1] = name
  end
  return #list > 0 and list or known
end

if arg[1] == "job" then
  local o, cell = vega.arguments(DEFAULTS, table.move(arg, 4, #arg, 1, {})), { preset = arg[2], seed = math.tointeger(arg[3]) }
  vega.threads(1)
  return (cell.preset == RANDOM and run_random or run_search)(o, cell)
end
local o = vega.arguments(DEFAULTS)
local presets, cells, jobs = chosen(o), {}, {}
assert(core.sys.make_dirs(o.out))
for seed = 1, o.seeds do
  for _, preset in ipairs(presets) do cells[#cells + 1] = { preset = preset, seed = seed } end
end
for _, cell in ipairs(cells) do
  if not read(o, cell) then
    local job = { "job", cell.preset, tostring(cell.seed), "--out", o.out }
    for _, key in ipairs(SETTINGS) do table.move({ "--" .. key, tostring(o[key]) }, 1, 2, #job + 1, job) end
    jobs[#jobs + 1] = job
  end
end
local failed = run_jobs(jobs, o.jobs, function(i, code, seconds)
  io.stderr:write(("%s: %s, %.0f s\n"):format(table.concat(jobs[i], " ", 2, 3), code == 0 and "done" or "code " .. code, seconds))
end)
local text = present(o, cells)
assert(core.sys.write_file(o.page ~= "" and o.page or o.out .. "/table.md", text))
io.write(text)
if failed > 0 then fail("%d jobs failed; run again to go on", failed) end
