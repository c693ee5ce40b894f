--- What a study asks of an architecture: build it, train it, measure it.
--
--     evaluate = vega.evaluate.train { data = vega.data "fashion-mnist", epochs = 1, limit = 8000 }
local core = require "vega.core"
local train = require "vega.train"

local evaluate = {}

local OWN = { "data", "limit", "validation", "classes", "latency", "input" }
local PASSED = { "epochs", "batch", "optimiser", "schedule", "clip", "smoothing", "precision", "augment", "seed" }

local function check(options)
  local known, names = {}, {}
  for _, list in ipairs { OWN, PASSED } do
    for _, name in ipairs(list) do known[name], names[#names + 1] = true, name end
  end
  if type(options) ~= "table" then error("evaluate.train: a table of options expected, got " .. type(options), 3) end
  for key in pairs(options) do
    if not known[key] then
      local near = require("vega.util").nearest(tostring(key), names)
      error(("evaluate.train: unknown option '%s'%s"):format(tostring(key), near and ("; did you mean '%s'?"):format(near) or ""), 3)
    end
  end
  local latency = options.latency
  if latency ~= nil and type(latency) ~= "boolean" and not (type(latency) == "table" and latency.measure) then
    error(("evaluate.train: latency: false or a vega.cost.device expected, got %s"):format(type(latency)), 3)
  end
  local data = options.data
  if data == nil then error("evaluate.train: option 'data' is missing (assert(vega.data ...) says why there is none)", 3) end
  if type(data) ~= "userdata" and not (type(data) == "table" and (data.train or data.loader)) then
    error(("evaluate.train: data: a data set or { train =, test = } expected, got %s"):format(type(data)), 3)
  end
end

--- Median milliseconds of one inference at batch 1, norms folded into the weights; the protocol is that of vega.cost.latency.
-- With a vega.cost.device it is measured there, or nil, message, code.
function evaluate.latency_ms(model, device)
  if device then
    local there, message, code = device:measure(model)
    return there and there.median_ms, message, code
  end
  local folded <close> = model:fold()
  return core.cost.latency(folded, { batch = 1 }).median_ms
end

-- Evaluation of an architecture -----------------------------------------------------------------------------------------------------

--- The training part (at most `limit` samples) and the validation part, of disjoint samples; chosen once, the same for every trial.
local function parts(o)
  local data, held = o.data, o.validation
  local source = data.train or data
  if held ~= nil and math.type(held) ~= "integer" then
    return o.limit and source:subset { n = o.limit, seed = 0 } or source, held
  end
  local validation, rest = source:split { n = held or math.max(1, #source // 10), seed = 0 }
  if o.limit and o.limit < #rest then rest = rest:subset { n = o.limit, seed = 0 } end
  return rest, validation
end

local function settings(o, trial)
  local fit = {}
  for _, name in ipairs(PASSED) do fit[name] = o[name] end
  fit.seed = trial and trial.seed or o.seed or 1
  return fit
end

-- Under a scheduler a trial is trained from its checkpoint to the epoch it was given, on a schedule that spans the whole training. Epochs that an
-- interrupted attempt trained are reported again: the study knows them.
local function add_fidelity(fit, o, trial, report)
  local fidelity = trial.fidelity
  if not fidelity then return end
  if o.epochs and o.epochs ~= fidelity.max then
    error(("evaluate.train: epochs = %d, but the scheduler trains up to %d; leave epochs out"):format(o.epochs, fidelity.max), 0)
  end
  fit.epochs, fit.stop_epoch, fit.checkpoint, fit.resume, fit.on_restored = fidelity.max, fidelity.to, trial.checkpoint, true, report
end

--- An evaluation for vega.study: trains each architecture on `data` (at most `limit` samples, `validation` samples or a set held out).
-- Options beside these are those of vega.train.fit; latency = false leaves the measurement out, latency = vega.cost.device {...} makes
-- it there. Under a scheduler (whose metric is "accuracy") each trial is paused and resumed from its checkpoint with the bits of an undisturbed
-- training, and `epochs` is the scheduler's.
-- @return function(arch, trial, space) -> { accuracy, latency_ms, params, macs } | nil, message, code
function evaluate.train(options)
  check(options)
  local o, training, validation = options, nil, nil
  return function(arch, trial, space)
    trial = trial or {}
    space = space or trial.space
    if not training then training, validation = parts(o) end
    local fit = settings(o, trial)
    local input = o.input or training.shape
    local model = space:network(arch, input, o.classes or training.n_classes, fit.seed)
    fit.model, fit.data, fit.validation = model, training, validation
    local function report(entry)
      local decision = trial.report and trial.report(entry.epoch, { accuracy = entry.accuracy, loss = entry.loss })
      return not (decision == "stop" or decision == "pause")
    end
    fit.on_epoch = report
    add_fidelity(fit, o, trial, report)
    local history, message, code = train.fit(fit)
    if not history then return nil, message, code end
    local result = { accuracy = history[#history].accuracy, params = model:n_params() }
    result.macs = core.cost.count(model).macs
    if o.latency ~= false then
      model:precision "f32"
      result.latency_ms, message, code = evaluate.latency_ms(model, type(o.latency) == "table" and o.latency)
      if not result.latency_ms then return nil, message, code end
    end
    return result
  end
end

return evaluate
