--- Trains every network of a small space and writes the table: the exact truth that a search over that space is measured by.
--
--    vega-lua scripts/tabulate.lua --jobs 2                       243 networks of fashion_macro, three trainings each; hours
--    vega-lua scripts/tabulate.lua --space SPACE.lua --out SPACE.csv
--
-- A row is one training: arch (the space's text), seed, params, macs, validation and test accuracy, seconds. Networks are trained on `images`
-- pictures of Fashion-MNIST's training set, validated on 5,000 others of it and tested on the whole test set. Stop it at any time: rows that are there are
-- not made again. --limit N ends after N rows of each job.
local vega = require "vega"
local core = require "vega.core"
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local fashion_split = dofile(here .. "/fashion_split.lua")
local run_jobs = dofile(here .. "/jobs.lua")

local DEFAULTS = { space = "fashion_macro", out = "fashion_macro.csv", images = 8000, epochs = 8, seeds = 3, jobs = 1, limit = 0, job = 0 }
local HEADER = "arch,seed,params,macs,validation,test,seconds\n"

local function fail(message, ...) error({ message = "tabulate: " .. message:format(...), exit_code = 2 }, 0) end

-- What the file holds: done["arch,seed"] = line.
local function read(path)
  local done, file = {}, io.open(path, "r")
  if not file then return done end
  local header = file:read "L"
  if header and header ~= HEADER then fail("%s begins with '%s', not with '%s'", path, header:gsub("\n", ""), (HEADER:gsub("\n", ""))) end
  for line in file:lines() do
    local key = line:match "^(%w+,%d+),%d+,%d+,[%d.]+,[%d.]+,[%d.]+$"                 -- a line cut short by a kill is made again
    if key then done[key] = line end
  end
  file:close()
  return done
end

local function rewrite(path, done)
  local keys, lines = {}, {}
  for key in pairs(done) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do lines[i] = done[key] .. "\n" end
  assert(core.sys.write_file(path, HEADER .. table.concat(lines)))
end

local function accuracy(network, set, normalise) return assert(vega.train.evaluate(network, set, { normalise = normalise })).accuracy end

local function train_one(space, arch, seed, data, o)
  local began = core.sys.clock()
  local network = space:network(arch, data.train.shape, data.train.n_classes, seed)
  local history = assert(vega.train.fit { model = network, data = data.train, epochs = o.epochs, batch = 64, seed = seed, clip = 5,
    optimiser = { name = "sgd", lr = 0.1, momentum = 0.9, weight_decay = 5e-4 }, schedule = { name = "cosine", warmup = 20 } })
  local counts = vega.cost.count(network)
  return ("%s,%d,%d,%d,%.4f,%.4f,%.1f"):format(space.text(arch), seed, counts.params, counts.macs,
    accuracy(network, data.validation, history.normalise), accuracy(network, data.test, history.normalise), core.sys.clock() - began)
end

-- Each process takes every `jobs`-th row.
local function work(o)
  vega.threads(1)
  local space, data = vega.space(o.space), fashion_split(o.images)
  local done, made, number = read(o.out), 0, 0
  for seed = 1, o.seeds do
    for rank = 1, space.size do
      number = number + 1
      local arch = space:unrank(rank)
      if number % o.jobs == o.job - 1 and not done[("%s,%d"):format(space.text(arch), seed)] then
        local line = train_one(space, arch, seed, data, o)
        local file = assert(io.open(o.out, "a"))
        file:write(line, "\n")                                     -- one write of one line: processes do not mix
        file:close()
        made = made + 1
        if made == o.limit then return end
      end
    end
  end
end

local o = vega.arguments(DEFAULTS)
if o.job > 0 then return work(o) end
local space = vega.space(o.space)
if not (space.text and space.size) then fail("space '%s' must be finite and have a text form", o.space) end
rewrite(o.out, read(o.out))
local jobs = {}
for job = 1, o.jobs do
  jobs[job] = { "--job", tostring(job) }
  for _, key in ipairs { "space", "out", "images", "epochs", "seeds", "jobs", "limit" } do
    table.move({ "--" .. key, tostring(o[key]) }, 1, 2, #jobs[job] + 1, jobs[job])
  end
end
local failed = run_jobs(jobs, o.jobs)
local done, rows = read(o.out), 0
rewrite(o.out, done)
for _ in pairs(done) do rows = rows + 1 end
print(("%s: %d of %d rows"):format(o.out, rows, space.size * o.seeds))
if failed > 0 then fail("%d of %d jobs ended with an error; run again to go on", failed, o.jobs) end
