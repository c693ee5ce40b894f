--- One evaluation of a trial, whoever does it: the study's evaluator is called in protected mode, and what it returns becomes an outcome.
local core = require "vega.core"
local objective = require "vega.objective"
local util = require "vega.util"

local evaluation = {}

--- The function to call for what a study was given as `evaluate`; raises at the study's caller. Its second value is the object, if it is one.
function evaluation.evaluator(given)
  local meta = getmetatable(given)
  if type(given) == "function" then return given end
  if type(given) == "table" and type(given.evaluate) == "function" then return function(...) return given:evaluate(...) end, given end
  if type(meta) == "table" and meta.__call then return given end
  error("study: evaluate must be a function or an object with evaluate(self, arch, trial), got " .. type(given), 3)
end

local function failed(reason, message, values) return { status = "failed", reason = reason, message = message, values = values or {} } end

-- Memory that ran out in Lua or in the engine, whether the script let the error through or returned its message.
local function is_oom(text) return text:find("not enough memory", 1, true) ~= nil or text:find("memory limit of", 1, true) ~= nil end

--- What an evaluator returned (or raised: ok is false), as an outcome; the values are checked here, so that a wrong one is recorded with its reason.
function evaluation.judge(study, ok, values, message, code)
  if not ok then
    local text = type(values) == "table" and not getmetatable(values) and tostring(values.message or "an error without a message") or tostring(values)
    return failed(is_oom(text:match "^[^\n]*") and "oom" or "script", text)
  end
  if values == nil then
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

return evaluation
