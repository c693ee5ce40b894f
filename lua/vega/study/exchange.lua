--- A study as JSON lines, between versions and kinds of store: the study, then a line a trial with all that belongs to it, then its events in order.
--    vega.study.export("runs/x.db", "study", "x.jsonl")
--    vega.study.import("postgresql://db/vega", "x.jsonl", { name = "copy" })
-- What is written back is what was read: texts and numbers are the same to the last bit, and the study goes on where it was. Numbers that are not
-- finite are {"$f":"nan"}. Leases, the strategy's lease and workers belong to the store and stay there. A file is data: nothing in it is run.
local core_json = require("vega.core").json
local store = require "vega.store"
local util = require "vega.util"

local exchange = {}
local TAG = { nonfinite = "tag" }
local FORMAT, VERSION = "vega-study", 1

-- The columns of each table in the order of its import statement; "_json" ones are JSON within the line.
local STUDY = { "name", "created_at", "status", "objectives_json", "space_json", "space_hash", "strategy", "strategy_json", "seed_lo", "seed_hi",
  "next_number", "script_sha256", "env_json", "budget_json", "script" }
local TRIAL = { "params_json", "arch_hash", "fidelity", "priority", "attempts", "max_attempts", "epoch", "created_at", "started_at" }
local SETTLED = { "state", "reason", "finished_at" }
local CHILDREN = {                                       -- name in the line, statement that lists, statement that adds, columns after trial_id
  { "tries", "attempt_list", "attempt_import",
    { "epoch", "owner", "host", "started_at", "ended_at", "outcome", "signal", "exit_code", "max_rss_kb", "message" } },
  { "values", "value_list", "value_add", { "objective", "kind", "value" } },
  { "metrics", "metric_all", "metric_import", { "epoch", "name", "step", "kind", "value", "at" } },
  { "artifacts", "artifact_list", "artifact_import", { "epoch", "kind", "sha256", "bytes", "locator", "created_at" } },
  { "needs", "need_list", "trial_need", { "capability" } },
}

local function is_json(column) return column:sub(-5) == "_json" end

local function run(db, ...)
  local rows, message, code = db:run(...)
  if not rows then error({ message = message, code = code }, 0) end
  return rows
end

-- A failure of the store's, or of the file's, as nil, message, code; a mistake of ours goes on upwards.
local function guarded(fn)
  local result = table.pack(xpcall(fn, function(e)
    if type(e) == "table" and e.exit_code then return { message = e.message, code = "EFORMAT" } end        -- store.decode's
    return type(e) == "table" and e.code and e or debug.traceback(e, 2)
  end))
  if result[1] then return table.unpack(result, 2, result.n) end
  if type(result[2]) ~= "table" then error(result[2], 0) end
  return nil, result[2].message, result[2].code
end

-- Export ------------------------------------------------------------------------------------------------------------------------------

local function pick(row, columns, into)
  for _, column in ipairs(columns) do
    local value = row[column]
    if value ~= nil and is_json(column) then value = store.decode(value) end
    into[column] = value
  end
  return into
end

-- The rows of a table by trial, each without what the line says already.
local function by_trial(db, study_id, statement, columns)
  local lists = {}
  for _, row in ipairs(run(db, statement, study_id)) do
    local list = lists[row.trial_id] or {}
    lists[row.trial_id] = list
    list[#list + 1] = pick(row, columns, {})
  end
  return lists
end

local function write_trials(db, study_id, write)
  local children, numbers = {}, {}
  for i, child in ipairs(CHILDREN) do children[i] = by_trial(db, study_id, child[2], child[4]) end
  for _, row in ipairs(run(db, "trial_list", study_id)) do
    numbers[row.trial_id] = row.number
    local trial = pick(row, SETTLED, pick(row, TRIAL, { number = row.number, parent = numbers[row.parent_id or 0] }))
    trial.network = (row.params or row.macs) and { params = row.params, macs = row.macs } or nil
    for i, child in ipairs(CHILDREN) do trial[child[1]] = children[i][row.trial_id] end
    write { trial = trial }
  end
  return numbers
end

local function find(db, name)
  local row = run(db, "study_find", name)[1]
  if row then return row end
  local names = {}
  for i, study in ipairs(run(db, "study_list")) do names[i] = study.name end
  error({ message = util.unknown("study export", "study", name, names), code = "EFORMAT" }, 0)
end

local function write_study(db, name, write)
  local row, n = find(db, name), 1
  local function line(value)
    n = n + 1
    local ok, text = pcall(core_json.encode, value, TAG)
    if not ok then error({ message = ("study export: line %d: it is damaged: %s"):format(n, text), code = "EFORMAT" }, 0) end
    write(text .. "\n")
  end
  line { format = FORMAT, version = VERSION, study = pick(row, STUDY, {}) }
  local numbers = write_trials(db, row.study_id, line)
  for _, event in ipairs(run(db, "event_list", row.study_id)) do
    local payload = store.decode(event.payload_json)
    line { event = { kind = event.kind, at = event.at, trial = numbers[event.trial_id], payload = payload } }
  end
  return n - 1
end

-- Calls fn(write); what it writes is at `to` under its name when it is whole.
local function with_output(to, fn)
  if type(to) == "function" then return fn(to) end
  local temporary = to .. ".tmp"
  local file, why = io.open(temporary, "w")
  if not file then error({ message = "study export: " .. why, code = "EIO" }, 0) end
  local _ <close> = setmetatable({}, { __close = function() os.remove(temporary) end })       -- there only when what follows raised
  local n = fn(function(text)
    local ok, message = file:write(text)
    if not ok then error({ message = "study export: " .. message, code = "EIO" }, 0) end
  end)
  local ok, message = file:close()
  if ok then ok, message = os.rename(temporary, to) end
  if not ok then error({ message = "study export: " .. message, code = "EIO" }, 0) end
  return n
end

--- Writes study `name` of the store at `url` to a file, or to a function that is given the lines one by one.
-- Returns the number of lines, or nil, a message and a code.
function exchange.export(url, name, to)
  local db <close>, message, code = store.open(url)
  if not db then return nil, message, code end
  return guarded(function() return with_output(to, function(write) return write_study(db, name, write) end) end)
end

-- Import ------------------------------------------------------------------------------------------------------------------------------

local function refuse(n, text, ...) error({ message = ("study import: line %d: "):format(n) .. text:format(...), code = "EFORMAT" }, 0) end

-- The object at `key` of a line.
local function object(n, from, key)
  local value = type(from) == "table" and from[key]
  if type(value) ~= "table" then refuse(n, "an object '%s' expected, got a %s", key, type(value)) end
  return value
end

local function columns_of(n, from, columns, values)
  for _, column in ipairs(columns) do
    local value = from[column]
    if value == core_json.null then value = nil end
    if value ~= nil and is_json(column) then value = core_json.encode(value, TAG)
    elseif value ~= nil and type(value) ~= "number" and type(value) ~= "string" then refuse(n, "'%s' is a %s", column, type(value)) end
    values.n = values.n + 1
    values[values.n] = value
  end
  return values
end

local function add(db, n, statement, values)
  local rows, message, code = db:run(statement, table.unpack(values, 1, values.n))
  if rows then return rows end
  if code == "EBACKEND" then refuse(n, "%s", message) end                       -- a wrong type, a row twice: the tables' rules judge the file
  error({ message = message, code = code }, 0)
end

local function add_trial(db, n, study_id, trial, ids)
  if math.type(trial.number) ~= "integer" then refuse(n, "a trial's number expected, got %s", tostring(trial.number)) end
  local parent = trial.parent and ids[trial.parent]
  if trial.parent and not parent then refuse(n, "trial %d comes before its parent", trial.number) end
  local id = add(db, n, "trial_import", columns_of(n, trial, TRIAL, { study_id, trial.number, parent, n = 3 }))[1].trial_id
  ids[trial.number] = id
  if trial.network then
    local network = object(n, trial, "network")
    local values = columns_of(n, network, { "params", "macs" }, { study_id, trial.arch_hash, core_json.encode(trial.params_json, TAG), n = 3 })
    add(db, n, "arch_add", values)
  else
    add(db, n, "arch_add", { study_id, trial.arch_hash, core_json.encode(trial.params_json, TAG), nil, nil, n = 5 })
  end
  for _, child in ipairs(CHILDREN) do
    for _, row in ipairs(trial[child[1]] and object(n, trial, child[1]) or {}) do
      if type(row) ~= "table" then refuse(n, "'%s' holds a %s", child[1], type(row)) end
      add(db, n, child[3], columns_of(n, row, child[4], { id, n = 1 }))
    end
  end
  add(db, n, "trial_settle", columns_of(n, trial, SETTLED, { id, n = 1 }))
end

local function add_event(db, n, study_id, event, ids)
  if event.trial and not ids[event.trial] then refuse(n, "an event of trial %s, which is not there", tostring(event.trial)) end
  if type(event.payload) ~= "table" then refuse(n, "an event's payload expected") end
  add(db, n, "event_import", { study_id, ids[event.trial or 0], event.at, event.kind, core_json.encode(event.payload, TAG), n = 5 })
end

local function add_study(db, line, name)
  if type(line) ~= "table" or line.format ~= FORMAT then refuse(1, 'this is no study: {"format":"%s", ...} expected', FORMAT) end
  if math.type(line.version) ~= "integer" or line.version > VERSION then
    refuse(1, "version %s of the format, this program knows %d", tostring(line.version), VERSION)
  end
  local study = object(1, line, "study")
  study.name = name or study.name
  if type(study.name) ~= "string" then refuse(1, "the study has no name") end
  if #run(db, "study_find", study.name) > 0 then
    error({ message = ("study import: there is a study '%s' already; give it another name"):format(study.name), code = "EFORMAT" }, 0)
  end
  return study.name, add(db, 1, "study_import", columns_of(1, study, STUDY, { n = 0 }))[1].study_id
end

--- Adds the study that `lines` gives one by one to an open store, in the caller's transaction. Raises { message =, code = }.
-- @return the study's name, its number of trials
function exchange.read(db, lines, name)
  local n, ids, trials, study_id = 0, {}, 0, nil
  for text in lines do
    n = n + 1
    local line, message = core_json.decode(text, TAG)
    if line == nil then refuse(n, "%s", message) end
    if n == 1 then name, study_id = add_study(db, line, name)
    elseif type(line) == "table" and line.trial then
      trials = trials + 1
      add_trial(db, n, study_id, object(n, line, "trial"), ids)
    else add_event(db, n, study_id, object(n, line, "event"), ids) end
  end
  if n == 0 then refuse(1, "the file is empty") end
  return name, trials
end

local function opened(from)
  if type(from) == "function" then return from end
  local file, why = io.open(from, "r")
  if not file then error({ message = "study import: " .. why, code = "EIO" }, 0) end
  return function()
    if io.type(file) == "closed file" then return nil end
    local line = file:read "l"
    if not line then file:close() end
    return line
  end
end

--- Reads a study from a file, or from a function that gives its lines one by one, into the store at `url`, wholly or not at all.
-- options: { name = another name }. Returns the study's name and its number of trials, or nil, a message and a code.
function exchange.import(url, from, options)
  util.check_options("study import", options or {}, { name = true }, 2)
  local db <close>, message, code = store.open(url)
  if not db then return nil, message, code end
  return guarded(function()
    local lines = opened(from)
    local begun, why, reason = db:begin()
    if not begun then error({ message = why, code = reason }, 0) end
    local ok, name, trials = xpcall(exchange.read, function(e) return e end, db, lines, options and options.name)
    if not ok then
      db:rollback()
      error(name, 0)
    end
    local done, text, status = db:commit()
    if not done then error({ message = text, code = status }, 0) end
    return name, trials
  end)
end

return exchange
