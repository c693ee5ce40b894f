--- Every strategy on tables and problems with known answers, at equal budget, beside random search: one table, one picture.
--
--    vega-lua scripts/study_tables.lua                                                     everything; hours
--    vega-lua scripts/study_tables.lua --problems nb201,hartmann6 --strategies random,aging:population=20,tpe --seeds 20 --jobs 2
--
--    --problems LIST    names or beginnings of names (default: all); --list prints them
--    --strategies LIST  labels (default: all of lua/vega/strategy/, on timed problems also random with each of lua/vega/scheduler/)
--    --seeds N          runs of each (default: the protocol's, 20 or 100)      --budget N   trials, instead of the protocol's
--    --limit S          processor seconds a run may take (default 600): a run that is ended is kept and said so; the rest of its cell is left out
--    --out DIR          where runs/*.jsonl, table.md, table.json, plot.svg and study.html go (default runs/study_tables)
--    --jobs N           processes at a time, each with one thread (default 1)
--
-- Stop it at any time: a run that has ended is stored and not run again.
local vega = require "vega"
local core = require "vega.core"
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local entries = dofile(here .. "/study/entries.lua")
local present = dofile(here .. "/study/present.lua")
local protocol = dofile(here .. "/study/protocol.lua")
local results = dofile(here .. "/study/results.lua")
local run_jobs = dofile(here .. "/jobs.lua")
local shared = require "vega.table.shared"

local DEFAULTS = { problems = "", strategies = "", seeds = 0, budget = 0, limit = 600, out = "runs/study_tables", jobs = 1, list = false }

local function fail(message, ...) error({ message = "study_tables: " .. message:format(...), exit_code = 2 }, 0) end

local function words(text)
  local list = {}
  for word in text:gmatch "[^,%s]+" do list[#list + 1] = word end
  return list
end

local function chosen_problems(o)
  local list, wanted = {}, words(o.problems)
  for _, want in ipairs(wanted) do
    local found
    for _, entry in ipairs(protocol) do found = found or entry.name:sub(1, #want) == want end
    if not found then fail("no problem is named or begins with '%s'; --list prints them", want) end
  end
  for _, entry in ipairs(protocol) do
    local take = #wanted == 0
    for _, want in ipairs(wanted) do take = take or entry.name:sub(1, #want) == want end
    if take then list[#list + 1] = entry end
  end
  return list
end

-- Without those whose table is not here.
local function available(entries_chosen)
  local list = {}
  for _, entry in ipairs(entries_chosen) do
    local path, message = true, nil
    if entry.data then path, message = shared(entry.data) end
    if path then list[#list + 1] = entry else io.stderr:write(("%s is left out: %s\n"):format(entry.name, message)) end
  end
  return list
end

local function budget_text(o) return o.budget > 0 and o.budget or nil end

-- One cell: all runs that are missing, in this process --------------------------------------------------------------------------------------

local function run_once(entry, problem, label, seed, o)
  local strategy, scheduler = entries.resolve(label, entry, problem)
  local budget = type(entry.budget) == "function" and entry.budget(problem) or entry.budget
  if o.budget > 0 then budget = { trials = o.budget } end
  local began, late = os.clock(), false
  local run = vega.simulate { problem = problem, strategy = strategy, scheduler = scheduler, budget = budget, workers = entry.workers, seed = seed,
    on_tell = function(run, suggestion, values)
      late = os.clock() - began > o.limit
      return late or entry.on_tell and values and entry.on_tell(run, suggestion, values, problem)
    end }
  return { seed = seed, score = entry.score(run, problem), trials = run.told, seconds = os.clock() - began, simulated_s = run.now,
    stopped = late or nil }
end

local function entry_named(name)
  for _, entry in ipairs(protocol) do if entry.name == name then return entry end end
  fail("no problem is named '%s'", name)
end

local function run_cell(o, label, seeds)
  local entry = entry_named(o.problems)
  vega.threads(1)                                     -- the processes are what runs side by side
  local code = entries.code(label, entry, budget_text(o))
  local done, problem = results.read(o.out, entry.name, label, code), nil
  for seed = 1, seeds do
    if not done[seed] then
      problem = problem or assert(entry.make())
      local ok, run = xpcall(run_once, function(e) return tostring(e) end, entry, problem, label, seed, o)
      if not ok and run:match "interrupted!%s*$" then error(run, 0) end
      if not ok then run = { seed = seed, failed = (run:gsub("^[^\n:]+:%d+: ", "")) } end
      run.problem, run.strategy, run.code = entry.name, label, code
      results.append(o.out, run)
      if run.stopped or run.failed then return end
    elseif done[seed].stopped or done[seed].failed then
      return
    end
  end
end

-- The whole: cells handed to processes, then the table ------------------------------------------------------------------------------------

local function seeds_of(o, entry) return o.seeds > 0 and o.seeds or entry.seeds end

local function runs_of(o, cell)
  local by_seed, runs = results.read(o.out, cell.entry.name, cell.label, entries.code(cell.label, cell.entry, budget_text(o))), {}
  for seed = 1, seeds_of(o, cell.entry) do
    if not by_seed[seed] then return runs, false end
    runs[#runs + 1] = by_seed[seed]
    if by_seed[seed].stopped or by_seed[seed].failed then return runs, true end
  end
  return runs, true
end

local function plan(o)
  local cells = {}
  for _, entry in ipairs(available(chosen_problems(o))) do
    local labels = #o.strategies > 0 and words(o.strategies) or entries.all(entry)
    for _, label in ipairs(labels) do cells[#cells + 1] = { entry = entry, label = label } end
  end
  return cells
end

local function job_of(o, cell)
  return { "cell", cell.label, tostring(seeds_of(o, cell.entry)), "--problems", cell.entry.name, "--budget", tostring(o.budget), "--limit",
    tostring(o.limit), "--out", o.out }
end

local function measure(o, cells)
  local missing, jobs = {}, {}
  for _, cell in ipairs(cells) do
    if not select(2, runs_of(o, cell)) then missing[#missing + 1], jobs[#jobs + 1] = cell, job_of(o, cell) end
  end
  local ended = #cells - #missing
  if ended > 0 then io.stderr:write(("%d/%d cells are there already\n"):format(ended, #cells)) end
  run_jobs(jobs, o.jobs, function(i, code, seconds)
    ended = ended + 1
    local runs = runs_of(o, missing[i])
    local last = runs[#runs]
    io.stderr:write(("%d/%d %s, %s: %s\n"):format(ended, #cells, missing[i].entry.name, missing[i].label, code ~= 0 and "ended with code " .. code
      or last and last.failed and "cannot: " .. last.failed or ("%d runs, %.0f s"):format(#runs, seconds)))
  end)
end

local function study(o)
  local cells = plan(o)
  assert(core.sys.make_dirs(o.out))
  measure(o, cells)
  local parts, by_name = {}, {}
  for _, cell in ipairs(cells) do
    local name = cell.entry.name
    if not by_name[name] then
      by_name[name] = { entry = cell.entry, cells = {} }
      parts[#parts + 1] = by_name[name]
    end
    table.insert(by_name[name].cells, { strategy = cell.label, runs = (runs_of(o, cell)) })
  end
  for _, part in ipairs(parts) do
    local budget = part.entry.budget
    part.rows = present.rows(part.entry, part.cells)
    part.trials = o.budget > 0 and o.budget or type(budget) == "table" and budget.trials or nil
    part.known = o.budget == 0 and part.entry.known or nil
  end
  present.write(o.out, parts, "vega-lua " .. table.concat(arg, " ", 0))
  print(o.out .. "/study.html")
end

if arg[1] == "cell" then
  run_cell(vega.arguments(DEFAULTS, table.move(arg, 4, #arg, 1, {})), arg[2], math.tointeger(arg[3]))
else
  local o = vega.arguments(DEFAULTS)
  if o.list then
    for _, entry in ipairs(protocol) do print(("%-26s %s"):format(entry.name, entry.metric)) end
  else
    study(o)
  end
end
