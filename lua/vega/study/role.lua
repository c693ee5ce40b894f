--- What this process is to the study of its script. A script says nothing of it: `vega-lua run` and `vega-lua worker` do (by role.set), and they tell the
-- processes that they start (by the environment variable VEGA_RUN, as JSON, read once and then taken out: what an evaluation starts is its own).
--   kind            "alone": evaluates its trials itself; "leader": asks the strategy, its workers evaluate; "worker"
--   study, store    of a worker: the one that it works for, and where
--   workers, threads, window, deterministic, lease, backoff, attempts, time_limit (s), memory_limit (MiB), may_lead, capabilities
--   words           the script and its arguments, for the workers
--   parent          the pid of who started this one and takes it along when it ends; nil: it goes on by itself
--   command         the words that the program was started with
local core = require "vega.core"

local role = {}

local DEFAULTS = { kind = "alone", lease = 60, backoff = 5, attempts = 3, workers = 0 }

local current

local function filled(given)
  for key, value in pairs(DEFAULTS) do if given[key] == nil then given[key] = value end end
  return given
end

--- The role of this process.
function role.get()
  if current then return current end
  local text = os.getenv "VEGA_RUN"
  if text then core.process.setenv("VEGA_RUN", nil) end
  current = filled(text and assert(core.json.decode(text)) or {})
  return current
end

--- Makes it another one; what is not given has its default.
function role.set(given)
  current = filled(given)
  return current
end

--- The environment of a process that is to have this role, on `threads` threads.
function role.environment(given)
  local n = tostring(given.threads or 1)
  return { VEGA_RUN = core.json.encode(given), OMP_NUM_THREADS = n, OPENBLAS_NUM_THREADS = n }
end

return role
