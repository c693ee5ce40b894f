--- vega-lua run SCRIPT [--workers N] [...] [-- the script's arguments]: runs a script whose study is evaluated by worker processes (docs/workers.md).
local origin = require "vega.study.origin"
local roles = require "vega.study.role"
local script = require "vega.study.script"
local util = require "vega.util"
local core = require "vega.core"

local DEFAULTS = { workers = 0, deterministic = false, parallel_window = 0, threads = 0, lease = 60.0, backoff = 5.0, attempts = 3, time_limit = 0.0,
  memory_limit = 0.0, may_lead = false, has = "" }

local ABOUT = { command = "run", positional = { "[SCRIPT.lua]" },
  about = "Runs a script whose study is evaluated by worker processes. What follows -- is the script's.",
  examples = { "vega-lua run search.lua --workers 4", "vega-lua run search.lua --workers 4 --deterministic -- --trials 100" },
  values = { time_limit = " S", memory_limit = " MIB", has = " WORDS", lease = " S", backoff = " S" },
  options = { workers = "worker processes on this machine; 0: this process evaluates by itself",
    deterministic = "the same trials and results for any number of workers, whatever their speed: results are told in the order of the trials, inside a"
      .. " window; the slowest trial of a window holds up the next asks. One thread a worker unless --threads says otherwise",
    parallel_window = "the window (8, kept with the study); without --deterministic: how many trials are out at a time",
    threads = "of each worker; 0: its share of the cores", lease = "seconds after which a silent worker's trial is given to another",
    backoff = "seconds before a lost trial is tried again; they double with each loss", attempts = "lost so often, a trial is abandoned",
    time_limit = "seconds for a trial; then it has failed, and its worker is replaced; 0: none",
    memory_limit = "for the tensors and the Lua values of a worker; over it the trial has failed; 0: none",
    may_lead = "the workers go on without this process when it is killed; one of them leads",
    has = "what these workers have beside the machine's own (needs = {...} of a study): gpu,fast-disk" } }

local function or_nil(value) return value ~= 0 and value or nil end

local function role_of(o, path, words)
  for name, least in pairs { workers = 0, parallel_window = 0, threads = 0, backoff = 0, attempts = 1, time_limit = 0, memory_limit = 0 } do
    script.at_least(name:gsub("_", "-"), o[name], least)
  end
  script.at_least("lease", o.lease, 0.1)
  local threads = or_nil(o.threads) or o.deterministic and 1 or o.workers > 0 and script.share(o.workers) or nil
  return { kind = o.workers > 0 and "leader" or "alone", workers = o.workers, deterministic = o.deterministic, window = or_nil(o.parallel_window),
    threads = threads, lease = o.lease, backoff = o.backoff, attempts = o.attempts, time_limit = or_nil(o.time_limit),
    memory_limit = or_nil(o.memory_limit), may_lead = o.may_lead, capabilities = script.words(o.has), words = table.move(words, 1, #words, 2, { path }) }
end

return function(words)
  local o, path, rest = script.split(DEFAULTS, words, ABOUT)
  if not path then error(util.failure(2, "run: a script is missing: vega-lua run SCRIPT.lua [options] [-- the script's arguments]"), 0) end
  if o.workers == 0 and (o.time_limit > 0 or o.memory_limit > 0) then
    error(util.failure(2, "run: --time-limit and --memory-limit hold for workers: a process of its own is ended; add --workers 1"), 0)
  end
  local role = role_of(o, path, rest or {})
  role.command = origin.command()
  roles.set(role)
  if role.kind == "alone" and role.threads then core.sys.threads(role.threads) end
  script.run(path, rest or {})
  return 0
end
