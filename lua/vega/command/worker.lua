--- vega-lua worker --store URL [--study NAME] [...] [SCRIPT] [-- arguments]: evaluates the trials of a study that somebody leads, from any machine that
-- reaches its store (docs/workers.md). It runs the study's script, where study:run() then evaluates trials; that script must be the one that the study
-- was last run with, byte by byte.
local Pool = require "vega.study.pool"
local core = require "vega.core"
local opened = require "vega.command.opened"
local origin = require "vega.study.origin"
local script = require "vega.study.script"
local store = require "vega.store"
local util = require "vega.util"

local DEFAULTS = { store = "", study = "", workers = 1, threads = 0, may_lead = false, lease = 60.0, backoff = 5.0, attempts = 3, time_limit = 0.0,
  memory_limit = 0.0, has = "", wait = 60.0 }
local LOOK = 0.25

local ABOUT = { command = "worker", positional = { "[SCRIPT.lua]" },
  about = "Evaluates trials of a study that somebody leads, on any machine that reaches its store, with the script that the study was begun with. What"
    .. " follows -- is the script's.",
  examples = { "vega-lua worker --store postgresql://db/vega", "srun -n 16 vega-lua worker --store postgresql://db/vega --study mnas search.lua" },
  values = { store = " URL", study = " NAME", time_limit = " S", memory_limit = " MIB", has = " WORDS", lease = " S", backoff = " S", wait = " S" },
  options = { store = "where the study is (VEGA_STORE, \"store\" in vega.json)", study = "which one, when there are several that are not over",
    workers = "processes", threads = "of each; 0: its share of the cores", may_lead = "leads the study when its leader is gone",
    has = "what this worker has beside the machine's own: gpu,fast-disk", lease = "as of vega-lua run", backoff = "as of vega-lua run",
    attempts = "as of vega-lua run", time_limit = "as of vega-lua run", memory_limit = "as of vega-lua run",
    wait = "seconds to wait for the study to be begun" } }

local function fail(code, ...) error(util.failure(code, ...), 0) end

local function run(db, ...)
  local rows, message, code = db:run(...)
  if not rows then fail(4, "worker: %s (%s)", message, code) end
  return rows
end

-- The row of the study that is meant, or nil when there is none yet.
local function find(db, name)
  if name ~= "" then return run(db, "study_find", name)[1] end
  local open, names = {}, {}
  for _, row in ipairs(run(db, "study_list")) do
    if row.status ~= "DONE" then open[#open + 1] = row end
    names[#names + 1] = row.name
  end
  if #open > 1 then fail(2, "worker: the store has several studies (%s); --study NAME says which", table.concat(names, ", ")) end
  return open[1]
end

local function wait_for(db, o)
  local until_then = store.now() + o.wait
  while true do
    local row = find(db, o.study)
    if row then return row end
    if store.now() >= until_then then
      fail(4, "worker: %s in %s", o.study ~= "" and ("no study '%s'"):format(o.study) or "no study that is not over", store.where(o.store).shown)
    end
    db:wait(1)
    if core.sys.interrupted() then error("interrupted!", 0) end
  end
end

-- The script's path: the one given, else where the study says it is; refused when it is another one.
local function find_script(row, given)
  local env = row.env_json and core.json.decode(row.env_json) or {}
  local path = given or env.script
  if not row.script_sha256 then
    if given then return given, env end
    fail(4, "worker: study '%s' was begun without a script file; name one: vega-lua worker ... SCRIPT.lua", row.name)
  end
  local sha256 = origin.script(path)
  if not sha256 then
    fail(4, "worker: cannot read %s, the script of study '%s'; name it: vega-lua worker ... SCRIPT.lua", path or "(nothing)", row.name)
  end
  if sha256 ~= row.script_sha256 then
    fail(4, "worker: %s is not the script that study '%s' is run with (sha256 %s..., the study's %s...): bring the same file here, or run the study again"
      .. " with this one", path, row.name, sha256:sub(1, 12), row.script_sha256:sub(1, 12))
  end
  return path, env
end

local function or_nil(value) return value ~= 0 and value or nil end

local function supervise(pool, db)
  local ok, message = xpcall(function()
    pool:start()
    while not pool:is_done() do
      db:wait(LOOK)
      if core.sys.interrupted() then error("interrupted!", 0) end
      pool:watch()
    end
  end, function(e) return e end)
  pool:stop()
  if not ok then error(message, 0) end
end

return function(words)
  local o, given, rest = script.split(DEFAULTS, words, ABOUT)
  o.store = opened.url("worker", o.store)
  for name, least in pairs { workers = 1, threads = 0, backoff = 0, time_limit = 0, memory_limit = 0, wait = 0, lease = 0.1 } do
    script.at_least(name:gsub("_", "-"), o[name], least)
  end
  if store.where(o.store).kind == "memory" then fail(2, "worker: a store in memory (mem:) cannot be shared") end
  local db <close>, message, code = store.open(o.store)
  if not db then fail(4, "worker: %s (%s)", message, code) end
  core.sys.resumable(true)
  local row = wait_for(db, o)
  local path, env = find_script(row, given)
  local role = { kind = "worker", study = row.name, store = o.store, lease = o.lease, backoff = o.backoff, attempts = o.attempts,
    threads = or_nil(o.threads) or env.deterministic and env.threads or script.share(o.workers), time_limit = or_nil(o.time_limit),
    memory_limit = or_nil(o.memory_limit), may_lead = o.may_lead, capabilities = script.words(o.has), parent = core.process.about().pid }
  local words_of_script = rest or env.arguments or {}
  role.words = table.move(words_of_script, 1, #words_of_script, 2, { path })
  supervise(Pool.new { n = o.workers, words = role.words, role = role, name = row.name, db = db, study_id = row.study_id }, db)
  return 0
end
