--- How well do shared weights rank? Supernets of NAS-Bench-201 and NAS-Bench-Macro, trained here on CIFAR-10 pictures, score sampled networks;
-- Kendall's tau of those scores with the published accuracies stands beside that of parameters, multiply-adds and the zero-cost proxies.
--
--    vega-lua scripts/rank_quality.lua --jobs 2                 everything; an hour and a half
--    vega-lua scripts/rank_quality.lua --spaces nb201 --samplers uniform --seeds 1 --networks 100 --images 1000 --passes 5
--
-- --passes: so many times each picture goes forward and back through a path, whatever the sampler: strict fairness, which takes m paths a step, has
-- passes / m epochs, and CARS trains one member of its population a step. Networks are smaller than the published ones (`SPACES`), for the proxies
-- too, which see them untrained. Stop it at any time: what has ended is kept in --out.
local vega = require "vega"
local core = require "vega.core"
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local read_images = dofile(here .. "/cifar_jpeg.lua")
local run_jobs = dofile(here .. "/jobs.lua")
local shared = require "vega.table.shared"
local util = require "vega.util"

local DEFAULTS = { spaces = "nb201,nb_macro", samplers = "uniform,strict_fair,cars", seeds = 3, networks = 500, images = 10000, passes = 15,
  validation = 1000, jobs = 1, out = "runs/rank_quality" }

-- The small network, the published accuracy, and how many paths a step of strict fairness takes.
local SPACES = {
  nb201 = { with = { cells = 1, channels = 8 }, fair_paths = 5, truth = function() return vega.table.nas_bench_201 "cifar10" end,
    name = "NAS-Bench-201, 1 cell a stage, 8 channels" },
  nb_macro = { with = { stem = 8, head = 128 }, fair_paths = 3, truth = function() return vega.table.nas_bench_macro() end,
    name = "NAS-Bench-Macro, stem 8, head 128" },
}

local SETTINGS = { "networks", "images", "passes", "validation" }
local PROXIES = { "naswot", "jacov", "synflow", "snip", "grasp", "zen" }

local function words(text)
  local list = {}
  for word in text:gmatch "[^,%s]+" do list[#list + 1] = word end
  return list
end

local function fail(message, ...) error({ message = "rank_quality: " .. message:format(...), exit_code = 2 }, 0) end

-- The networks that are ranked: the same for all samplers and seeds.
local function sampled(name, n)
  local bench = assert(SPACES[name].truth())
  local rng, archs, truth, seen = vega.rng.new(0, "rank_quality"), {}, {}, {}
  while #archs < n do
    local arch = bench.space:random(rng)
    local text = bench.space.text(arch)
    if not seen[text] then
      seen[text] = true
      archs[#archs + 1], truth[#truth + 1] = arch, bench:evaluate(arch)
    end
  end
  return archs, truth
end

-- Cells: a supernet trained and all networks scored ------------------------------------------------------------------------------------------

local function file_of(o, cell) return ("%s/%s-%s-%d.json"):format(o.out, cell.space, cell.sampler, cell.seed) end

local function read_cell(o, cell)
  local file = io.open(file_of(o, cell), "r")
  if not file then return nil end
  local result = assert(core.json.decode(file:read "a"))
  file:close()
  for _, key in ipairs(SETTINGS) do if result[key] ~= o[key] then return nil end end
  return result
end

local function images(o)
  local path = assert(shared "cifar10-jpeg75/train20k.cjpk")
  local held_out, rest = read_images(path, 0):split { n = o.validation, seed = 0, stratified = true }
  return rest:subset { n = o.images, seed = 0, stratified = true }, held_out
end

local SAMPLERS, AUGMENT, OPTIMISER = {}, { flip = true, crop = 4 }, { name = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 5e-4 }

local function fit(net, data, seed, sampler, epochs)
  return assert(net:fit { data = data, epochs = epochs, batch = 64, seed = seed, sampler = sampler, clip = 5, augment = AUGMENT,
    optimiser = OPTIMISER, schedule = { name = "cosine" } }).normalise
end

function SAMPLERS.uniform(net, data, seed, passes) return fit(net, data, seed, vega.sampler.uniform {}, passes) end

function SAMPLERS.strict_fair(net, data, seed, passes, paths)
  return fit(net, data, seed, vega.sampler.strict_fair {}, math.max(1, passes // paths))
end

-- Random paths for a fifth of the epochs, then members of a population of 32, which evolves every epoch on a part of the held-out pictures.
function SAMPLERS.cars(net, data, seed, passes, _, held_out)
  local stats = data:stats()
  assert(vega.cars.search { supernet = net, data = data, validation = held_out:subset { n = math.min(#held_out, 300), seed = 0, stratified = true },
    normalise = stats, epochs = passes, warmup = passes // 5, population = 32, batch = 64, seed = seed, clip = 5, augment = AUGMENT,
    optimiser = OPTIMISER, schedule = { name = "cosine" }, quiet = true })
  return stats
end

local function keep(o, cell, result)
  for key, value in pairs(cell) do result[key] = value end
  for _, key in ipairs(SETTINGS) do result[key] = o[key] end
  assert(core.sys.write_file(file_of(o, cell), core.json.encode(result)))
end

-- Every proxy on the untrained networks, on one batch of training pictures.
local function run_proxies(o, cell)
  local began, data, scores = core.sys.clock(), images(o), {}
  local loader <close> = data:loader { batch = 32, shuffle = true, seed = cell.seed, mean = data:stats().mean, std = data:stats().std }
  local batch, labels = loader:next()
  local space = vega.space(cell.space).with(SPACES[cell.space].with)
  for _, name in ipairs(PROXIES) do scores[name] = {} end
  for i, arch in ipairs((sampled(cell.space, o.networks))) do
    local network <close> = space:network(arch, data.shape, data.n_classes, cell.seed)
    for _, name in ipairs(PROXIES) do
      local value = vega.proxy[name](network, { batch = batch, labels = labels, seed = cell.seed })
      scores[name][i] = math.max(value, -1e300)                          -- JSON has no infinity
    end
  end
  keep(o, cell, { scores = scores, score_seconds = (core.sys.clock() - began) / #PROXIES })
end

local function run_cell(o, cell)
  vega.threads(1)
  if cell.sampler == "proxies" then return run_proxies(o, cell) end
  local entry, began = SPACES[cell.space], core.sys.clock()
  local data, held_out = images(o)
  local net = vega.supernet.new { space = vega.space(cell.space).with(entry.with), input = data.shape, classes = data.n_classes, seed = cell.seed }
  local normalise = SAMPLERS[cell.sampler](net, data, cell.seed, o.passes, entry.fair_paths, held_out)
  local trained = core.sys.clock() - began
  local archs = sampled(cell.space, o.networks)
  local scores = assert(net:evaluate(archs, held_out, { normalise = normalise, recalibrate = { data = data, batches = 4, batch = 64 } }))
  for i, score in ipairs(scores) do scores[i] = score.accuracy end
  keep(o, cell, { scores = scores, train_seconds = trained, score_seconds = core.sys.clock() - began - trained })
end

-- The table ---------------------------------------------------------------------------------------------------------------------------------

local function tau_of(x, truth) return (vega.stats.kendall(x, truth)) end

local function column(truth, name)
  local list = {}
  for i, values in ipairs(truth) do list[i] = values[name] end
  return list
end

-- Of the better half by truth: what a search is about.
local function better_half(x, truth)
  local sorted = table.move(truth, 1, #truth, 1, {})
  table.sort(sorted)
  local least, kept_x, kept_truth = sorted[#sorted // 2 + 1], {}, {}
  for i, value in ipairs(truth) do
    if value >= least then kept_x[#kept_x + 1], kept_truth[#kept_truth + 1] = x[i], value end
  end
  return tau_of(kept_x, kept_truth)
end

local function line(out, ...)
  out[#out + 1] = "| " .. table.concat({ ... }, " | ") .. " |"
end

local function range(list)
  table.sort(list)
  local text = {}
  for i, value in ipairs(list) do text[i] = ("%.3f"):format(value) end
  return table.concat(text, " ")
end

local function present(o, cells)
  local out = {}
  line(out, "space", "predictor", "tau, all", "tau, better half", "train s", "score s")
  line(out, "---", "---", "---", "---", "---", "---")
  for _, name in ipairs(words(o.spaces)) do
    local _, truth = sampled(name, o.networks)
    local accuracy = column(truth, "accuracy")
    for _, trivial in ipairs { "params", "macs" } do
      local x = column(truth, trivial)
      line(out, SPACES[name].name, trivial, ("%.3f"):format(tau_of(x, accuracy)), ("%.3f"):format(better_half(x, accuracy)), "", "")
    end
    -- `of` gives a predictor's scores from the result of a cell.
    local function predictor(title, sampler, of)
      local all, half, train, score = {}, {}, 0, 0
      for _, cell in ipairs(cells) do
        local result = cell.space == name and cell.sampler == sampler and read_cell(o, cell)
        if result then
          all[#all + 1], half[#half + 1] = tau_of(of(result), accuracy), better_half(of(result), accuracy)
          train, score = train + (result.train_seconds or 0), score + result.score_seconds
        end
      end
      if #all > 0 then line(out, SPACES[name].name, title, range(all), range(half), ("%.0f"):format(train / #all), ("%.0f"):format(score / #all)) end
    end
    for _, proxy in ipairs(PROXIES) do predictor(proxy, "proxies", function(result) return result.scores[proxy] end) end
    for _, sampler in ipairs(words(o.samplers)) do
      predictor("supernet, " .. sampler, sampler, function(result) return result.scores end)
    end
  end
  return table.concat(out, "\n") .. "\n"
end

if arg[1] == "job" then
  return run_cell(vega.arguments(DEFAULTS, table.move(arg, 5, #arg, 1, {})), { space = arg[2], sampler = arg[3], seed = math.tointeger(arg[4]) })
end
local o = vega.arguments(DEFAULTS)
assert(core.sys.make_dirs(o.out))
local cells, jobs = {}, {}
for seed = 1, o.seeds do
  for _, name in ipairs(words(o.spaces)) do
    if not SPACES[name] then fail("unknown space '%s'; known are nb201, nb_macro", name) end
    cells[#cells + 1] = { space = name, sampler = "proxies", seed = seed }
    for _, sampler in ipairs(words(o.samplers)) do
      if not SAMPLERS[sampler] then fail("unknown sampler '%s'; known are %s", sampler, table.concat(util.sorted_keys(SAMPLERS), ", ")) end
      cells[#cells + 1] = { space = name, sampler = sampler, seed = seed }
    end
  end
end
for _, cell in ipairs(cells) do
  if not read_cell(o, cell) then
    local job = { "job", cell.space, cell.sampler, tostring(cell.seed), "--out", o.out }
    for _, key in ipairs(SETTINGS) do table.move({ "--" .. key, tostring(o[key]) }, 1, 2, #job + 1, job) end
    jobs[#jobs + 1] = job
  end
end
local failed = run_jobs(jobs, o.jobs, function(i, code)
  io.stderr:write(("%s: %s\n"):format(table.concat(jobs[i], " ", 2, 4), code == 0 and "done" or "code " .. code))
end)
local text = present(o, cells)
assert(core.sys.write_file(o.out .. "/table.md", text))
io.write(text)
if failed > 0 then fail("%d supernets failed; run again to go on", failed) end
