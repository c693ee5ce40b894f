--- One evaluation of a trial, whoever does it: the study's evaluator is called in protected mode, and what it returns becomes an outcome.
local core = require "vega.core"
local objective = require "vega.objective"
local util = require "vega.util"

local evaluation = {}

local MOST = 1024                        -- trials of a batch (store/protocol.h)

-- One architecture by an object that takes lists of them.
local function one_by(object)
  return function(arch, trial)
    local result = object:evaluate_batch({ arch }, { trial })[1]
    if type(result) == "string" then return nil, result end
    return result
  end
end

--- The function to call for what a study was given as `evaluate`, and how many trials a worker is to claim at once; raises at the study's caller. An
-- object has evaluate(self, arch, trial, space), or evaluate_batch(self, archs, trials), which returns a list of what evaluate would (a text: why there
-- is no value), or both; `batch` is how many at once.
function evaluation.evaluator(given)
  local meta = getmetatable(given)
  if type(given) == "function" or type(meta) == "table" and meta.__call then return given, 1 end
  local is_object = type(given) == "table" and (type(given.evaluate) == "function" or type(given.evaluate_batch) == "function")
  if not is_object then
    error("study: evaluate must be a function or an object with evaluate(self, arch, trial) or evaluate_batch(self, archs, trials), got " .. type(given), 3)
  end
  local batch = given.batch or 1
  if math.type(batch) ~= "integer" or batch < 1 or batch > MOST then
    error(("study: evaluate: batch must be a whole number from 1 to %d, got %s"):format(MOST, tostring(batch)), 3)
  end
  if not given.evaluate then return one_by(given), batch end
  return function(...) return given:evaluate(...) end, batch
end

local function failed(reason, message, values) return { status = "failed", reason = reason, message = message, values = values or {} } end

-- Memory that ran out in Lua or in the engine, whether the script let the error through or returned its message.
local function is_oom(text) return text:find("not enough memory", 1, true) ~= nil or text:find("memory limit of", 1, true) ~= nil end

--- What an evaluator returned (or raised: ok is false), as an outcome; the values are checked here, so that a wrong one is recorded with its reason.
-- Of status "lost" it is no result: the trial is to be tried again.
function evaluation.judge(study, ok, values, message, code)
  if not ok then
    local text = type(values) == "table" and not getmetatable(values) and tostring(values.message or "an error without a message") or tostring(values)
    return failed(is_oom(text:match "^[^\n]*") and "oom" or "script", text)
  end
  if values == nil then
    if code == "ELOST" then return { status = "lost", message = tostring(message), values = {} } end      -- a process that it needed: vega.comm.gang
    local reason = code == "ENAN" and "nan" or code == "ENOMEM" and "oom" or "script"
    return failed(reason, tostring(message or "evaluate returned nothing"))
  end
  if type(values) ~= "table" then return failed("script", "evaluate must return a table of values, got " .. type(values)) end
  local kept = {}
  for name, v in pairs(values) do if type(name) == "string" and type(v) == "number" then kept[name] = v end end
  local _, why, reason = objective.costs(study.driver.objectives, values)
  if not why then _, why, reason = objective.violation(study.driver.constraints, values) end
  if why then return failed(reason, why, kept) end
  return { status = "ok", values = kept }
end

--- Calls fn(...) in protected mode: ok, its results (or the error, with the traceback of a text), and the seconds it took after them.
-- Raises "interrupted!" when the program was asked to stop meanwhile: it may have caught that.
function evaluation.call(fn, ...)
  local started, traced = core.sys.clock(), nil
  local ok, values, message, code = xpcall(fn, function(e)
    traced = type(e) == "string" and debug.traceback(e, 2) or e
    return e
  end, ...)
  local stopped = core.sys.interrupted() or code == "EINTR" or not ok and tostring(values):match "interrupted!%s*$"
  if stopped then error("interrupted!", 0) end
  if not ok then values = traced or values end                                       -- running out of memory is not traced
  return core.sys.clock() - started, ok, values, message, code
end

--- Evaluates a suggestion; returns the outcome and the seconds.
function evaluation.run(study, s, trial)
  local seconds, ok, values, message, code = evaluation.call(study.evaluate, util.copy(s.config), trial, study.space)    -- a copy: no part of the journal
  return evaluation.judge(study, ok, values, message, code), seconds
end

local function one_by_one(study, suggestions, trials, begin)
  local outcomes, seconds = {}, {}
  for i, s in ipairs(suggestions) do
    begin(i, i)
    outcomes[i], seconds[i] = evaluation.run(study, s, trials[i])
  end
  return outcomes, seconds
end

--- Evaluates several suggestions: together where the evaluator can, one after the other where it cannot, or where together it raised an error (one of
-- them may be to blame). begin(i, j) is called before those from i to j are. Returns the lists of outcomes and of seconds, each an equal share of them.
function evaluation.run_all(study, suggestions, trials, begin)
  local object = study.options.evaluate
  if type(object) ~= "table" or not object.evaluate_batch or #suggestions == 1 then return one_by_one(study, suggestions, trials, begin) end
  local archs = {}
  for i, s in ipairs(suggestions) do archs[i] = util.copy(s.config) end
  begin(1, #suggestions)
  local took, ok, results = evaluation.call(object.evaluate_batch, object, archs, trials)
  if not ok or type(results) ~= "table" then return one_by_one(study, suggestions, trials, begin) end
  local outcomes, seconds = {}, {}
  for i = 1, #suggestions do
    local values, message = results[i], "evaluate_batch returned nothing for it"
    if type(values) == "string" then values, message = nil, values end
    outcomes[i], seconds[i] = evaluation.judge(study, true, values, message), took / #suggestions
  end
  return outcomes, seconds
end

return evaluation
