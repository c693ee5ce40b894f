--- A study: a space, a strategy, an evaluator and a store, run until the budget is spent.
--    local study = vega.study { space = s, strategy = vega.strategy.nsga2 {}, evaluate = function(arch, trial) return { acc = f(arch) } end,
--                               objectives = { acc = "max" }, budget = { trials = 40 }, store = "runs/x.db", seed = 1 }
--    local front = study:run()        -- run the same script again to resume
-- Every ask and every tell is one transaction of the store. Resuming replays them: the strategy's state is a pure function of that journal.
local core = require "vega.core"
local core_json = require("vega.core").json
local core_store = require("vega.core").store
local objective = require "vega.objective"
local pareto = require("vega.core").pareto
local progress = require "vega.study.progress"
local strategy = require "vega.strategy"
local util = require "vega.util"

local TAG = { nonfinite = "tag" }
local OPTIONS = { space = true, strategy = true, evaluate = true, objectives = true, constraints = true, budget = true, store = true, name = true,
  seed = true, dedup = true, quiet = true, title = true }

local function encode(value) return core_json.encode(value, TAG) end
local function decode(text) return assert(core_json.decode(text, TAG)) end

-- The front ---------------------------------------------------------------------------------------------------------------------------

local Front = {}
Front.__index = Front

--- The trial of the front that is best by one objective (default the first).
function Front:best(name)
  local best
  for k, o in ipairs(self.objectives) do
    if o.name == (name or self.objectives[1].name) then
      for _, t in ipairs(self.trials) do if not best or objective.before(t, best, k) then best = t end end
      return best
    end
  end
  error(("front:best: no objective '%s'"):format(tostring(name)), 2)
end

--- What the front dominates below a reference { name = value }; exact, 1 to 3 objectives.
function Front:hypervolume(ref)
  local points = {}
  for i, t in ipairs(self.trials) do points[i] = t.costs end
  local corner, message = objective.costs(self.objectives, ref)
  if not corner then error("front:hypervolume: " .. message, 2) end
  return pareto.hypervolume(points, corner)
end

--- Writes one offline HTML file.
function Front:report(path) return require("vega.report").write(self.study, path) end

function Front:__tostring()
  local lines = { "trial" }
  for _, o in ipairs(self.objectives) do lines[1] = ("%s  %14s"):format(lines[1], o.name) end
  for _, t in ipairs(self.trials) do
    local line = ("%5d"):format(t.id)
    for _, o in ipairs(self.objectives) do line = ("%s  %14.6g"):format(line, t.values[o.name]) end
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end

-- The store ---------------------------------------------------------------------------------------------------------------------------

local Study = {}
Study.__index = Study

local function run(self, ...)
  local rows, message, code = self.db:run(...)
  if not rows then error(("study '%s': %s (%s)"):format(self.name, message, tostring(code)), 0) end
  return rows, message
end

-- All or nothing; an error inside rolls back and goes on upwards.
local function transaction(self, fn)
  assert(self.db:begin())
  local ok, message = xpcall(fn, function(e) return e end)
  if ok then
    assert(self.db:commit())
  else
    self.db:rollback()
    error(message, 0)
  end
end

local function journal(self, id, kind, payload) run(self, "event_add", self.study_id, id, os.time() + 0.0, kind, encode(payload)) end

-- What must not change between two runs of a study.
local function identity(self)
  return { objectives = encode { self.driver.objectives, self.driver.constraints }, space = encode(self.space:save()),
    strategy = self.driver.name, ["strategy options"] = encode { self.driver.params, self.driver.dedup }, seed = tostring(self.seed) }
end

local function compare(self, row)
  local mine = identity(self)
  local stored = { objectives = row.objectives_json, space = row.space_json, strategy = row.strategy, ["strategy options"] = row.strategy_json,
    seed = tostring(row.seed_lo) }
  for _, what in ipairs { "space", "objectives", "strategy", "strategy options", "seed" } do
    if mine[what] ~= stored[what] then
      error(("study '%s' in %s was begun with another %s\n  stored: %s\n  now:    %s\nuse another store or name, or put it back"):format(
        self.name, self.path, what, stored[what], mine[what]), 0)
    end
  end
end

local function kind_of(v)
  if v ~= v then return "nan", nil end
  if v == math.huge then return "+inf", nil end
  if v == -math.huge then return "-inf", nil end
  return "f", v + 0.0
end

local function record_ask(self, s)
  transaction(self, function()
    local text = encode(s.config)
    run(self, "arch_add", self.study_id, s.hash, text, nil, nil)
    local _, trial_id = run(self, "trial_create", self.study_id, s.id, text, s.hash, os.time() + 0.0)
    run(self, "attempt_start", trial_id, os.time() + 0.0)
    run(self, "study_next", s.id + 1, self.study_id)
    journal(self, trial_id, "ask", { id = s.id, hash = s.hash, seed = s.seed })
    self.trial_ids[s.id] = trial_id
  end)
end

local function record_tell(self, s, outcome, curves, seconds)
  local trial_id, now = self.trial_ids[s.id], os.time() + 0.0
  transaction(self, function()
    for _, point in ipairs(curves) do
      local kind, value = kind_of(point.value)
      run(self, "metric_add", trial_id, point.name, point.step, kind, value, now)
    end
    for i, o in ipairs(self.driver.objectives) do
      local v = outcome.values[o.name]
      if type(v) == "number" then run(self, "value_add", trial_id, i, kind_of(v)) end
    end
    if outcome.values.params or outcome.values.macs then
      run(self, "arch_add", self.study_id, s.hash, encode(s.config), math.tointeger(outcome.values.params), math.tointeger(outcome.values.macs))
    end
    local state = outcome.status == "ok" and "COMPLETE" or "FAILED"
    run(self, "trial_finish", trial_id, state, outcome.reason, now)
    run(self, "attempt_end", trial_id, state, outcome.message, now)
    journal(self, trial_id, "tell", { id = s.id, outcome = outcome, seconds = seconds })
  end)
end

local function replay(self)
  for _, t in ipairs(run(self, "trial_list", self.study_id)) do self.trial_ids[t.number] = t.trial_id end
  local open, elapsed = {}, 0
  for _, event in ipairs(run(self, "event_list", self.study_id)) do
    local payload = decode(event.payload_json)
    if event.kind == "ask" then
      local s = self.driver:ask(1)[1]
      if not s or s.id ~= payload.id or s.hash ~= payload.hash then
        error(("study '%s': the replayed strategy asks for something else in trial %d; its code has changed since the study began"):format(
          self.name, payload.id), 0)
      end
      open[s.id] = s
    else
      assert(self.driver:tell(payload.id, payload.outcome))
      open[payload.id], elapsed = nil, elapsed + (payload.seconds or 0)
    end
  end
  for _, id in ipairs(self.driver:pending()) do table.insert(self.waiting, open[id]) end
  self.elapsed = elapsed
end

local function make_folder(path)
  local folder = path:match("^(.*)/[^/]*$")
  if folder and folder ~= "" then os.execute("mkdir -p '" .. folder:gsub("'", "'\\''") .. "'") end
end

local function open_store(self)
  if self.path ~= ":memory:" then make_folder(self.path) end
  local db, message, code = core_store.open(self.path)
  if not db then error(("study '%s': %s (%s)"):format(self.name, message, code), 0) end
  self.db = db
  local row = run(self, "study_find", self.name)[1]
  if row then
    self.study_id = row.study_id
    compare(self, row)
    return replay(self)
  end
  local mine = identity(self)
  transaction(self, function()
    local hash = ("%016x"):format(util.fnv(mine.space))
    local _, id = run(self, "study_create", self.name, os.time() + 0.0, mine.objectives, mine.space, hash, mine.strategy, mine["strategy options"],
      self.seed, 0, encode(self.budget), "{}")
    self.study_id = id
  end)
end

-- Running -----------------------------------------------------------------------------------------------------------------------------

local function evaluator(given)
  local meta = getmetatable(given)
  if type(given) == "function" or type(meta) == "table" and meta.__call then return given end
  if type(given) == "table" and type(given.evaluate) == "function" then return function(...) return given:evaluate(...) end end
  error("study: evaluate must be a function or an object with evaluate(self, arch, trial), got " .. type(given), 3)
end

-- What an evaluator returned, as an outcome; the values are checked here, so that a wrong one is recorded with its reason.
local function judge(self, ok, values, message, code)
  if not ok then return { status = "failed", reason = "script", message = tostring(values), values = {} } end
  if values == nil then
    local reason = code == "ENAN" and "nan" or code == "ENOMEM" and "oom" or "script"
    return { status = "failed", reason = reason, message = tostring(message or "evaluate returned nothing"), values = {} }
  end
  if type(values) ~= "table" then
    return { status = "failed", reason = "script", message = "evaluate must return a table of values, got " .. type(values), values = {} }
  end
  local kept = {}
  for name, v in pairs(values) do if type(name) == "string" and type(v) == "number" then kept[name] = v end end
  local _, why, reason = objective.costs(self.driver.objectives, values)
  if not why then _, why, reason = objective.violation(self.driver.constraints, values) end
  if why then return { status = "failed", reason = reason, message = why, values = kept } end
  return { status = "ok", values = kept }
end

local function evaluate(self, s)
  local curves, started = {}, core.sys.clock()
  local trial = { id = s.id, seed = s.seed, hash = s.hash, space = self.space, report = function(step, values)
    for _, name in ipairs(util.sorted_keys(values)) do
      assert(type(values[name]) == "number", "trial.report: a table of numbers expected")
      curves[#curves + 1] = { step = math.tointeger(step), name = name, value = values[name] }
    end
  end }
  local traced
  local ok, values, message, code = xpcall(self.evaluate, function(e)
    traced = type(e) == "string" and debug.traceback(e, 2) or e
    return e
  end, s.config, trial, self.space)
  if not ok and tostring(values):match("interrupted!%s*$") then error(values, 0) end
  local seconds = core.sys.clock() - started
  return judge(self, ok, ok and values or traced, message, code), curves, seconds
end

local function spent(self)
  local trials, seconds = self.budget.trials, self.budget.seconds
  return trials and self.driver:stats().told >= trials or seconds and self.elapsed >= seconds
end

local function step(self)
  local s = table.remove(self.waiting, 1)
  if not s then
    s = self.driver:ask(1)[1]
    if not s then return false end
    record_ask(self, s)
  end
  local outcome, curves, seconds = evaluate(self, s)
  record_tell(self, s, outcome, curves, seconds)
  assert(self.driver:tell(s.id, outcome))
  self.elapsed = self.elapsed + seconds
  if outcome.status == "failed" then self.last_failure = outcome.message end
  return true
end

--- The front found so far: trials, best(objective), hypervolume(ref), report(path).
function Study:front()
  return setmetatable({ trials = self.driver:front(), objectives = self.driver.objectives, study = self }, Front)
end

--- Runs until the budget is spent or the space exhausted. Returns the front; nil, message, "EFAILED" when no trial succeeded.
-- An interruption leaves the store as it was after the last trial and goes on upwards.
function Study:run()
  local bar = progress.new(self)
  core.sys.resumable(self.path ~= ":memory:")
  local ok, message = xpcall(function()
    while not spent(self) and step(self) do bar:update() end
  end, function(e) return e end)
  bar:finish()
  if ok then core.sys.resumable(false) end
  if not ok then
    run(self, "study_status", "PAUSED", self.study_id)
    error(message, 0)
  end
  run(self, "study_status", "DONE", self.study_id)
  local stats = self.driver:stats()
  if stats.told > 0 and stats.failed == stats.told then
    return nil, ("study '%s': all %d trials failed; the last one: %s"):format(self.name, stats.told, tostring(self.last_failure or "see the store")), "EFAILED"
  end
  return self:front()
end

--- All trials in the order they were asked: { id, arch, hash, values, state, reason, message, seconds, curves, params, macs }.
function Study:trials()
  local list, by_id = {}, {}
  for i, row in ipairs(run(self, "trial_list", self.study_id)) do
    list[i] = { id = row.number, arch = decode(row.params_json), hash = row.arch_hash, values = {}, state = row.state, reason = row.reason,
      curves = {}, params = row.params, macs = row.macs }
    by_id[row.trial_id] = list[i]
  end
  for _, m in ipairs(run(self, "metric_list", self.study_id)) do
    local value = m.kind == "f" and m.value or m.kind == "nan" and 0 / 0 or m.kind == "+inf" and math.huge or -math.huge
    table.insert(by_id[m.trial_id].curves, { step = m.step, name = m.name, value = value })
  end
  for _, event in ipairs(run(self, "event_list", self.study_id)) do
    local payload = decode(event.payload_json)
    if event.kind == "tell" then
      local t = by_id[event.trial_id]
      t.values, t.message, t.seconds = payload.outcome.values, payload.outcome.message, payload.seconds
    end
  end
  return list
end

--- Closes the store.
function Study:close() self.db:close() end
Study.__close = Study.close

local function check_budget(given)
  util.check_options("study: budget", given or {}, { trials = true, seconds = true }, 3)
  local budget = given or { trials = 100 }
  for name, v in pairs(budget) do
    if type(v) ~= "number" or v <= 0 then error(("study: budget.%s must be > 0, got %s"):format(name, tostring(v)), 3) end
  end
  return budget
end

--- Opens a study, or one begun before in the same store. Raises on a wrong option, or when what was begun differs.
local function new(options)
  util.check_options("study", options, OPTIONS, 2)
  for _, name in ipairs { "space", "strategy", "evaluate", "objectives" } do
    if options[name] == nil then error(("study: option '%s' is missing"):format(name), 2) end
  end
  local path = options.store or "mem:"
  local self = setmetatable({ name = options.name or "study", space = options.space, evaluate = evaluator(options.evaluate), seed = options.seed or 0,
    budget = check_budget(options.budget), path = path == "mem:" and ":memory:" or (path:gsub("^sqlite:", "")), waiting = {}, trial_ids = {}, elapsed = 0,
    quiet = options.quiet, options = options }, Study)
  if type(self.space) == "string" then self.space = require "vega.space" (self.space) end
  self.driver = strategy.create(options.strategy, { space = self.space, objectives = options.objectives, constraints = options.constraints,
    seed = self.seed, budget = self.budget, dedup = options.dedup })
  open_store(self)
  return self
end

return setmetatable({ new = new, Study = Study }, { __call = function(_, options) return new(options) end })
