--- The store that studies and workers share: src/store/protocol.h says what each operation does. A worker, all of it:
--    local store, keeper = assert(vega.store.open(url)), assert(vega.store.keeper(url, me))
--    assert(store:run("worker_add", me, host, pid, boot_id, vega.version, caps_json))        -- shown by `study show`; keeper sees to last_seen
--    while true do
--      local at = vega.store.now()                                 -- before the claim: the lease lasts from then at least
--      local trial = assert(store:claim { study = id, owner = me, host = host, capabilities = { "avx512" } })[1]
--      if trial then
--        keeper:hold(trial.trial_id, trial.epoch, at)
--        local result = train(trial.params_json, function() return keeper:fenced(trial.trial_id) end)      -- looks between steps, stops when fenced
--        keeper:drop(trial.trial_id)
--        store:finish { trial_id = trial.trial_id, epoch = trial.epoch, state = "COMPLETE", values = { result.loss }, event = json }
--        -- or store:fail { trial_id, epoch, cause = "crash", signal = 11 }, store:release(trial_id, epoch); all answer false when fenced: go on
--      else
--        store:wait(5)                                             -- until somebody has written, 5 s at most: a pause's end wakes nobody
--      end
--    end
-- Who leads the strategy: epoch = store:lead(study, me); keeper:lead(study, epoch, at); store:adopt(study); journal:lead(epoch); then for each ask
-- store:run("trial_enqueue", study, number, params_json, arch_hash, fidelity, priority, max_attempts, parent_id) in the transaction of its event, and
-- for each event "finish" after the last one seen (store:run("event_after", study, seq)) a tell. Events of a study are seen in the order of seq.
-- Statements: src/store/statements.c. Times are the store's; a row's text columns named ..._json are JSON.
local core = require "vega.core"
local util = require "vega.util"
local store = {}

--- Where a URL leads: { kind = "memory" | "sqlite" | "postgres", path, shown }; `shown` has no password. Raises on a wrong URL.
store.where = core.store.where

--- The steady clock that leases are measured with on this machine, in seconds.
store.now = core.keeper.now

--- A thread that renews the leases of what it is told to hold, reaps and finds out when we are fenced (src/bind/keeper.c).
-- keeper(url [, worker id, lease = 60, backoff = 5]) -> keeper | nil, message, code
store.keeper = core.keeper.start

--- Opens a store, or makes it with its folder: sqlite:PATH[?durability=normal&network_fs=allow], a path, mem: or postgresql://...
-- Returns it, or nil, a message and a code: "EIO" (cannot be reached, a network file system), "EFORMAT" (another program's, a newer version's).
-- Raises on a wrong URL, or one with a password in it.
function store.open(url)
  local where = core.store.where(url)
  local folder = where.path and where.path:match "^(.+)/[^/]*$"
  if folder then
    local made, message, code = core.sys.make_dirs(folder)
    if not made then return nil, message, code end
  end
  return core.store.open(url)
end

--- The value, which must be a table; raises with exit code 4 when what was read out of a store is something else.
function store.expect_table(value, what)
  if type(value) == "table" then return value end
  error(util.failure(4, "store: it is damaged, there is no %s where one should be", what), 0)
end

--- A text column that is JSON, as a value; raises with exit code 4 when it is none: the file was changed from outside.
function store.decode(text)
  local value, message = nil, "it is a " .. type(text)
  if type(text) == "string" then value, message = core.json.decode(text, { nonfinite = "tag" }) end
  if value == nil then error(util.failure(4, "store: it is damaged, a text in it is no JSON (%s)", message), 0) end
  return value
end

return store
