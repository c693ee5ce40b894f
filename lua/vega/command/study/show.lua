--- vega-lua study show: everything that the store knows about one study, but its trials.
local arguments = require "vega.arguments"
local core_json = require("vega.core").json
local identity = require "vega.study.identity"
local listing = require "vega.command.listing"
local opened = require "vega.command.opened"

local array = core_json.array

local function or_null(value) return value == nil and core_json.null or value end

local function goals_text(study)
  local parts = {}
  for _, o in ipairs(study.objectives) do parts[#parts + 1] = ("%s %s"):format(o.goal, o.name) end
  for _, c in ipairs(study.constraints) do
    if c.le then parts[#parts + 1] = ("%s <= %.6g"):format(c.name, c.le) end
    if c.ge then parts[#parts + 1] = ("%s >= %.6g"):format(c.name, c.ge) end
  end
  return table.concat(parts, ", ")
end

local STATES = { "COMPLETE", "PRUNED", "FAILED", "ABANDONED", "PAUSED", "RUNNING", "WAITING" }

local function counts_text(counts, n)
  local parts = {}
  for _, state in ipairs(STATES) do if counts[state] then parts[#parts + 1] = ("%d %s"):format(counts[state], state:lower()) end end
  return ("%d%s"):format(n, #parts > 0 and ": " .. table.concat(parts, ", ") or "")
end

local function facts(study)
  local counts, n = study:counts()
  return { counts = counts, n = n, outcomes = study:run("attempt_outcomes", study.id), owners = study:run("owner_list", study.id),
    workers = study:run "worker_list", best = study:best()[1],
    leader = (opened.leader(study)) }
end

local function object_of(study, f)
  local outcomes = {}
  for _, row in ipairs(f.outcomes) do outcomes[row.outcome] = { attempts = row.n, seconds = row.seconds } end
  local workers, seen = {}, {}
  for i, w in ipairs(f.workers) do
    workers[i] = { worker = w.worker_id, host = w.host, pid = w.pid, version = or_null(w.version), seconds_ago = w.seconds_ago }
  end
  for i, w in ipairs(f.owners) do
    seen[i] = { worker = w.owner, host = or_null(w.host), attempts = w.attempts, first_at = listing.time(w.first_at), last_at = listing.time(w.last_at) }
  end
  return { name = study.name, status = study.status, created_at = listing.time(study.created_at), objectives = array(study.objectives),
    constraints = array(study.constraints), strategy = study.strategy, params = study.params, scheduler = or_null(study.scheduler),
    seed = study.seed, budget = study.budget, space = study.space, space_hash = study.space_hash, trials = f.n, counts = f.counts, attempts = outcomes,
    best = f.best and { trial = f.best.id, values = f.best.values, arch = f.best.arch } or core_json.null, leader = or_null(f.leader),
    workers = array(workers), workers_seen = array(seen), script_sha256 = or_null(study.script_sha256), environment = study.env }
end

local function text_of_table(t)
  if next(t) == nil then return "" end
  return (core_json.encode(t, { nonfinite = "tag" }):gsub("%d+%.%d+", function(digits) return listing.number(tonumber(digits)) end))
end

local function lines_of(study, f)
  local lines = {}
  local function add(what, value) if value ~= nil and value ~= "" then lines[#lines + 1] = { what = what, is = value } end end
  add("name", study.name)
  add("status", study.status .. (f.leader and ", led by " .. f.leader or ""))
  add("begun", listing.time(study.created_at))
  add("objectives", goals_text(study))
  add("strategy", ("%s %s"):format(study.strategy, text_of_table(study.params)))
  if study.scheduler then add("scheduler", ("%s %s"):format(study.scheduler.name, text_of_table(study.scheduler.params))) end
  add("seed", tostring(study.seed))
  add("budget", text_of_table(study.budget))
  add("space", ("%s, %d decisions"):format(study.space.name or "(no name)", #(study.space.decisions or {})))
  add("trials", counts_text(f.counts, f.n))
  if f.best then
    local parts = {}
    for i, o in ipairs(study.objectives) do parts[i] = ("%s %.6g"):format(o.name, f.best.values[o.name]) end
    add("best", ("trial %d: %s"):format(f.best.id, table.concat(parts, ", ")))
  end
  for _, row in ipairs(f.outcomes) do
    add("attempts " .. row.outcome:lower(), ("%d, %s in all"):format(row.n, listing.duration(row.seconds)))
  end
  for _, w in ipairs(f.owners) do add("worker", ("%s: %s, last %s"):format(identity.shown(w.owner), listing.count(w.attempts, "attempt"), listing.time(w.last_at))) end
  for _, w in ipairs(f.workers) do add("registered", ("%s: seen %s ago"):format(identity.shown(w.worker_id), listing.duration(w.seconds_ago))) end
  local env = study.env
  add("command", env.command and table.concat(env.command, " "))
  add("folder", env.folder)
  add("script", env.script)
  add("script sha256", study.script_sha256)
  for _, key in ipairs { "version", "lua", "onednn", "blas", "isa", "cpu", "threads", "workers", "deterministic" } do
    if env[key] ~= nil and env[key] ~= core_json.null then add(key, tostring(env[key])) end
  end
  return lines
end

return function(words)
  local o, names = arguments({ store = "", format = "table" }, words, { command = "study show",
    about = "Everything that a store knows about one study: options, trials and attempts by outcome, workers, script and environment.",
    examples = { "vega-lua study show quickstart --store runs/quickstart.db",
      "vega-lua study show --format json --store runs/quickstart.db | jq .environment" },
    positional = { "[NAME]" }, options = opened.OPTIONS, values = opened.VALUES, one_of = { format = listing.FORMATS } })
  local study <close> = opened.study("study show", o.store, names[1])
  local f = facts(study)
  if o.format == "json" then
    print(core_json.encode(object_of(study, f), { nonfinite = "tag" }))
  else
    listing.show(o.format, { { "what", whole = true }, { "is", whole = true } }, lines_of(study, f))
  end
  return 0
end
