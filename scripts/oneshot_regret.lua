--- What shared weights are worth, measured by exact truth: methods that pick networks of fashion_macro by a supernet's scores, beside random search
-- at equal cost. Regret is the test accuracy of the best network of the table less that of the network chosen.
--
--    vega-lua scripts/oneshot_regret.lua --jobs 2                            --seeds 5 --images 8000 --passes 24 --finalists 3
--
-- A method trains a supernet (`passes`: how often each picture goes forward and back through a path), scores all 243 networks on a part of the
-- validation pictures, and takes the best of its `finalists` by their validation accuracy in the table, as if it had trained them. Cost is counted in
-- pictures: forward 1, forward and backward 3. Random search takes the best by validation of as many trainings as that cost pays for; its regret is
-- exact: the mean over all draws.
local vega = require "vega"
local core = require "vega.core"
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local fashion_split = dofile(here .. "/fashion_split.lua")
local run_jobs = dofile(here .. "/jobs.lua")

local DEFAULTS = { methods = "spos,fairnas,cars", seeds = 5, images = 8000, passes = 24, finalists = 3, scored = 1000, jobs = 1,
  out = "runs/oneshot_regret" }
local IMAGES, EPOCHS = 8000, 8                                        -- of a training in the table
local FORWARD_BACKWARD = 3
local OPTIMISER = { name = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 5e-4 }
local RECALIBRATE = { batches = 4, batch = 64 }

local function fail(message, ...) error({ message = "oneshot_regret: " .. message:format(...), exit_code = 2 }, 0) end

local function fit(net, data, seed, sampler, epochs)
  return assert(net:fit { data = data, epochs = epochs, batch = 64, seed = seed, sampler = sampler, clip = 5,
    optimiser = OPTIMISER, schedule = { name = "cosine" } }).normalise
end

-- Each trains a supernet with so many passes. @return what pictures were normalised with
local METHODS = {}
function METHODS.spos(net, data, seed, passes) return fit(net, data, seed, vega.sampler.uniform {}, passes) end
function METHODS.fairnas(net, data, seed, passes)
  local options = net.space.decisions[1].domain.size                  -- a step of strict fairness takes so many paths
  return fit(net, data, seed, vega.sampler.strict_fair {}, math.max(1, passes // options))
end

-- The population is judged on other validation pictures than those that score the networks afterwards.
local CARS = { population = 16, interval = 2, pictures = 300 }
function METHODS.cars(net, data, seed, passes, others)
  local stats = data:stats()
  assert(vega.cars.search { supernet = net, data = data, validation = others:subset { n = CARS.pictures, seed = 0, stratified = true },
    normalise = stats, epochs = passes, warmup = passes // 5, population = CARS.population, interval = CARS.interval,
    batch = 64, seed = seed, clip = 5, quiet = true, optimiser = OPTIMISER, schedule = { name = "cosine" } })
  return stats
end

-- All networks of the table, in the order of the space: { arch, accuracy, test_accuracy, params, macs }.
local function truth()
  local bench, list = assert(vega.table.fashion_macro()), {}
  for i = 1, bench.space.size do
    local arch = bench.space:unrank(i)
    list[i] = bench:evaluate(arch)
    list[i].arch = arch
  end
  return list, bench.space
end

local function best_of(list, key)
  local best = list[1]
  for _, values in ipairs(list) do if values[key] > best[key] then best = values end end
  return best
end

-- The test accuracy that random search ends with after n trainings, in the mean over all draws of n different networks.
local function expected_of_random(list, n)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted, function(a, b) return a.accuracy > b.accuracy end)
  local p, sum = n / #sorted, 0.0
  for i, values in ipairs(sorted) do
    sum = sum + p * values.test_accuracy
    if #sorted - i < n then break end
    p = p * (#sorted - i - n + 1) / (#sorted - i)
  end
  return sum
end

local function file_of(o, method, seed) return ("%s/%s-%d-%d-%d-%d.json"):format(o.out, method, seed, o.images, o.passes, o.scored) end

local function read_scores(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local scores = assert(core.json.decode(file:read "a")).scores
  file:close()
  return scores
end

local function score_all(o, method, seed)
  vega.threads(1)
  local list, space = truth()
  local data, archs = fashion_split(o.images), {}
  for i, values in ipairs(list) do archs[i] = values.arch end
  local net = vega.supernet.new { space = space, input = data.train.shape, classes = data.train.n_classes, seed = seed }
  local scored, others = data.validation:split { n = o.scored, seed = 0, stratified = true }
  local normalise = METHODS[method](net, data.train, seed, o.passes, others)
  local scores = assert(net:evaluate(archs, scored, { normalise = normalise,
    recalibrate = { data = data.train, batches = RECALIBRATE.batches, batch = RECALIBRATE.batch } }))
  for i, score in ipairs(scores) do scores[i] = score.accuracy end
  assert(core.sys.write_file(file_of(o, method, seed), core.json.encode { scores = scores }))
end

-- The network that is chosen of the finalists by a score.
local function chosen(list, scores, finalists)
  local order, few = {}, {}
  for i = 1, #list do order[i] = i end
  table.sort(order, function(a, b) return scores[a] > scores[b] or scores[a] == scores[b] and a < b end)
  for i = 1, finalists do few[i] = list[order[i]] end
  return best_of(few, "accuracy")
end

local function present(o, methods)
  local list = truth()
  local best, training = best_of(list, "test_accuracy").test_accuracy, EPOCHS * IMAGES * FORWARD_BACKWARD + 5000
  local cost = o.passes * o.images * FORWARD_BACKWARD + #list * (o.scored + RECALIBRATE.batches * RECALIBRATE.batch)
  local trainings = cost // training + o.finalists
  local out = { "| method | regret of each seed, % | mean | cost in trainings |", "| --- | --- | --- | --- |" }
  local function line(name, regrets, price)
    local sum, text = 0.0, {}
    for i, regret in ipairs(regrets) do sum, text[i] = sum + regret, ("%.2f"):format(100 * regret) end
    out[#out + 1] = ("| %s | %s | %.2f | %s |"):format(name, table.concat(text, " "), 100 * sum / #regrets, price)
  end
  for _, method in ipairs(methods) do
    local regrets = {}
    for seed = 1, o.seeds do
      local scores = read_scores(file_of(o, method, seed))
      if scores then regrets[#regrets + 1] = best - chosen(list, scores, o.finalists).test_accuracy end
    end
    local judged = method == "cars" and (o.passes - o.passes // 5) // CARS.interval * 2 * CARS.population * CARS.pictures or 0
    if #regrets > 0 then line(method, regrets, ("%.1f"):format((cost + judged) / training + o.finalists)) end
  end
  line("random search, exact mean", { best - expected_of_random(list, trainings) }, tostring(trainings))
  for _, key in ipairs { "params", "macs" } do
    local scores = {}
    for i, values in ipairs(list) do scores[i] = values[key] end
    line("most " .. key, { best - chosen(list, scores, o.finalists).test_accuracy }, tostring(o.finalists))
  end
  return table.concat(out, "\n") .. "\n"
end

if arg[1] == "job" then return score_all(vega.arguments(DEFAULTS, table.move(arg, 4, #arg, 1, {})), arg[2], math.tointeger(arg[3])) end
local o = vega.arguments(DEFAULTS)
local methods, jobs = {}, {}
for method in o.methods:gmatch "[^,%s]+" do
  if not METHODS[method] then fail("unknown method '%s'; known are %s", method, table.concat(require("vega.util").sorted_keys(METHODS), ", ")) end
  methods[#methods + 1] = method
end
assert(core.sys.make_dirs(o.out))
for seed = 1, o.seeds do
  for _, method in ipairs(methods) do
    if not read_scores(file_of(o, method, seed)) then
      jobs[#jobs + 1] = { "job", method, tostring(seed), "--images", tostring(o.images), "--passes", tostring(o.passes),
        "--scored", tostring(o.scored), "--out", o.out }
    end
  end
end
local failed = run_jobs(jobs, o.jobs)
local text = present(o, methods)
assert(core.sys.write_file(o.out .. "/table.md", text))
io.write(text)
if failed > 0 then fail("%d supernets failed; run again to go on", failed) end
