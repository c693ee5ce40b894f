--- Training of a network: epochs, learning-rate schedule, validation, checkpoints.
--
--     local history = vega.train.fit {
--       model = graph, data = train_set, epochs = 10, batch = 64,
--       optimiser = { name = "sgd", lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 5e-4 },
--       schedule = { name = "cosine", warmup = 100 }, validation = test_set, checkpoint = "runs/net.ckpt.safetensors", resume = true,
--     }
--     print(history[#history].accuracy)
local core = require "vega.core"
local log = require "vega.log"
local ranks = require "vega.train.ranks"

local train = {}

-- Options ---------------------------------------------------------------------------------------------------------------------------

local function set(words)
  local result = {}
  for word in words:gmatch "%S+" do result[word] = true end
  return result
end

local FIT = set [[model data epochs batch optimiser schedule clip smoothing loss precision augment normalise validation seed checkpoint
  checkpoint_steps resume paths before_step measure average updates state stop_epoch on_step on_epoch on_restored comm]]
local OPTIMISER = set "name lr momentum nesterov beta1 beta2 eps weight_decay decay_norms"
local SCHEDULE = set "name warmup at factor floor"
local AUGMENT = set "flip crop cutout"
local EVALUATE = set "batch normalise precision slots"
local NORMALISE = set "mean std"

--- Raises, at the line that called the public function, on a key that is not known.
local function check(who, options, known, level)
  if type(options) ~= "table" then error(("%s: a table of options expected, got %s"):format(who, type(options)), level + 1) end
  for key in pairs(options) do
    if not known[key] then
      local names = {}
      for name in pairs(known) do names[#names + 1] = name end
      table.sort(names)
      local near = type(key) == "string" and require("vega.util").nearest(key, names)
      error(("%s: unknown option '%s'%s"):format(who, tostring(key), near and ("; did you mean '%s'?"):format(near) or ""), level + 1)
    end
  end
  return options
end

local function has_method(object, name)
  local ok, method = pcall(function() return object[name] end)
  return ok and type(method) == "function"
end

local function check_fit(o)
  check("train.fit", o, FIT, 3)
  check("train.fit: optimiser", o.optimiser or {}, OPTIMISER, 3)
  check("train.fit: schedule", o.schedule or {}, SCHEDULE, 3)
  check("train.fit: augment", o.augment or {}, AUGMENT, 3)
  for _, name in ipairs { "model", "data" } do
    if o[name] == nil then error(("train.fit: option '%s' is missing"):format(name), 3) end
  end
  if not has_method(o.model, "precision") then error("train.fit: model: a network expected, got " .. type(o.model), 3) end
  if not (has_method(o.data, "loader") or has_method(o.data, "next")) then
    local parts = type(o.data) == "table" and o.data.train and " of two data sets; take its train" or ""
    error(("train.fit: data: a data set or a loader expected, got %s%s"):format(type(o.data), parts), 3)
  end
  if math.type(o.epochs or 1) ~= "integer" or (o.epochs or 1) < 1 then
    error(("train.fit: epochs must be an integer >= 1, got %s"):format(tostring(o.epochs)), 3)
  end
  if o.average ~= nil and type(o.average) ~= "boolean" and o.average ~= "shared" then
    error(("train.fit: average must be true, false or 'shared', got %s"):format(tostring(o.average)), 3)
  end
  if o.updates and (math.type(o.updates) ~= "integer" or o.updates < 1) then
    error(("train.fit: updates must be an integer >= 1, got %s"):format(tostring(o.updates)), 3)
  end
  if o.comm ~= nil and not has_method(o.comm, "allreduce") then error("train.fit: comm: a communicator expected, got " .. type(o.comm), 3) end
  if o.resume and not o.checkpoint then error("train.fit: resume wants a checkpoint", 3) end
  if o.stop_epoch and (math.type(o.stop_epoch) ~= "integer" or o.stop_epoch < 1) then
    error(("train.fit: stop_epoch must be an integer >= 1, got %s"):format(tostring(o.stop_epoch)), 3)
  end
end

local function precision_of(name)
  if name ~= "auto" then return name or "f32" end
  return core.sys.cpu().bf16 and "bf16" or "f32"
end

-- Data ------------------------------------------------------------------------------------------------------------------------------

--- What the images are normalised with: given, none (false), or the training set's own mean and deviation.
local function normalisation(given, data)
  if given == false then return nil end
  if given ~= nil then return check("normalise", given, NORMALISE, 4) end
  local s = data:stats()
  return { mean = s.mean, std = s.std }
end

local function open_loader(data, options, normalise)
  if normalise then options.mean, options.std = normalise.mean, normalise.std end
  return data:loader(options)
end

local function training_loader(o, normalise)
  if has_method(o.data, "next") then return o.data end
  local a, comm = o.augment or {}, o.comm
  return open_loader(o.data, { batch = o.batch or 64, shuffle = true, seed = o.seed or 1, flip = a.flip, crop = a.crop, cutout = a.cutout,
    part = comm and comm.rank + 1, parts = comm and comm.size }, normalise)
end

--- A loader over a data set in its order; normalise as in fit. A loader given is returned as it is.
function train.loader(data, options)
  if has_method(data, "next") then return data end
  return open_loader(data, { batch = options.batch }, normalisation(options.normalise, data))
end

-- Evaluation ------------------------------------------------------------------------------------------------------------------------

local function score_all(model, loader, slots)
  local n, correct, loss = 0, 0, 0
  while true do
    local images, labels, code = loader:next()
    if code then return nil, labels, code end
    if not images then break end
    local x <close>, y = images, labels
    local count, good, sum = core.train.score(model, x, y, slots)
    if not count then return nil, good, sum end
    n, correct, loss = n + count, correct + good, loss + sum
  end
  if n == 0 then return nil, "evaluate: the data set is empty", "EARG" end
  return { accuracy = correct / n, loss = loss / n, correct = correct, n = n }
end

local function score_set(model, data, batch, normalise, slots)
  if has_method(data, "next") then return score_all(model, data, slots) end
  return score_all(model, open_loader(data, { batch = batch }, normalise), slots)
end

--- Accuracy and mean loss over a data set (or one epoch of a loader), in inference mode.
-- @param options batch = 256, normalise = { mean, std } as in the history of fit (false: none; default: the set's own), slots (of a supernet)
-- @return { accuracy, loss, correct, n } | nil, message, code
function train.evaluate(model, data, options)
  local o = check("train.evaluate", options or {}, EVALUATE, 2)
  local normalise = not has_method(data, "next") and normalisation(o.normalise, data) or nil
  if not o.precision then return score_set(model, data, o.batch or 256, normalise, o.slots) end
  local before = model:precision()
  model:precision(precision_of(o.precision))
  local result, message, code = score_set(model, data, o.batch or 256, normalise, o.slots)
  model:precision(before)
  return result, message, code
end

-- Fit -------------------------------------------------------------------------------------------------------------------------------

--- The flat table of the engine. `at` counts epochs here and steps there.
local function trainer_options(o, batches)
  batches = batches * (o.updates or 1)
  local opt, schedule = o.optimiser or {}, o.schedule or {}
  local t = {}
  for key, value in pairs(opt) do t[key] = value end
  for key, value in pairs(schedule) do t[key] = value end
  t.name = nil
  t.optimiser, t.schedule = opt.name or "sgd", schedule.name or "constant"
  t.lr = opt.lr or (t.optimiser == "sgd" and 0.1 or 1e-3)
  t.at = nil
  if schedule.at then
    t.at = {}
    for i, epoch in ipairs(schedule.at) do t.at[i] = math.floor(epoch * batches + 0.5) end
  end
  t.total_steps = (o.epochs or 1) * batches
  t.clip, t.smoothing, t.loss, t.seed = o.clip, o.smoothing, o.loss, o.seed
  t.average, t.average_shared = o.average == true, o.average == "shared"
  t.comm = o.comm
  return t
end

--- One run; its fields are what a checkpoint must bring back beside the trainer's own.
local Run = {}
Run.__index = Run

-- Rank 0 alone writes.
function Run:write()
  local history, state = table.move(self.history, 1, #self.history, 1, {}), nil
  if self.o.state then
    local message, code
    state, message, code = self.o.state.save()
    if state == nil then return nil, message, code end
  end
  return self.trainer:save(self.o.checkpoint, core.json.encode { history = history, sum = self.sum, seen = self.seen, state = state })
end

function Run:save()
  if not self.o.checkpoint then return true end
  local ok, message, code = self.ranks:copy_buffers(self.o.model)
  if not ok then return nil, message, code end
  return self.ranks:first(self.write, self)
end

function Run:read()
  local o = self.o
  if not (o.resume and core.train.has_checkpoint(o.checkpoint)) then return true end
  local ok, text, fell_back = self.trainer:load(o.checkpoint)
  if not ok then return nil, text, fell_back end
  if fell_back then
    self.history.warning = ("checkpoint '%s' was missing or damaged: continued from '%s.prev'"):format(o.checkpoint, o.checkpoint)
    log.warn("train.fit: %s", self.history.warning)
  end
  local kept = text and core.json.decode(text) or {}
  for i, entry in ipairs(kept.history or {}) do self.history[i] = entry end
  self.sum, self.seen = kept.sum or 0, kept.seen or 0
  if o.state and kept.state then return o.state.load(kept.state) end
  return true
end

function Run:restore() return self.ranks:start(self.o.model, self.trainer, self:read()) end

-- What a callback says on rank 0, which alone calls it; nil: there is none. @return whether to go on | nil, message, code
function Run:ask(callback, ...)
  if not callback then return true end
  local answer, message, code = self.ranks:first(function(...) return callback(...) ~= false end, ...)
  return answer, message, code
end

--- Steps from the trainer's place to the end of its epoch. @return true, or false when a callback stopped it | nil, message, code
function Run:epoch(epoch, batch)
  local loader, trainer, on_step, paths, before = self.loader, self.trainer, self.o.on_step, self.o.paths, self.o.before_step
  local updates = self.o.updates or 1
  loader:seek(epoch + 1, batch + 1)
  while true do
    local images, labels, code = loader:next()
    if code then return nil, labels, code end
    if not images then return true end
    local x <close>, y = images, labels
    if before then
      local ready, message, why = before(x, y, trainer)
      if not ready then return nil, message, why end
    end
    local loss, lr, norm = 0, nil, nil
    for _ = 1, updates do
      local one
      one, lr, norm = trainer:step(x, y, paths and paths((trainer:place()) + 1))
      if not one then return nil, lr, norm end
      loss = loss + one / updates
    end
    batch = batch + 1
    self.sum, self.seen = self.sum + loss, self.seen + 1
    local step = trainer:place(epoch, batch)
    if on_step then
      local on, message, why = self:ask(on_step, { step = step, epoch = epoch + 1, batch = batch, loss = loss, lr = lr, grad_norm = norm })
      if not on then return on, message, why end
    end
    if self.o.checkpoint_steps and step % self.o.checkpoint_steps < updates then      -- the first batch that ends at or after that step
      local ok, message, why = self:save()
      if not ok then return nil, message, why end
    end
  end
end

function Run:validate()
  local o = self.o
  local ok, message, code = self.ranks:copy_buffers(o.model)
  if not ok then return nil, message, code end
  local part <close> = self.ranks:part(o.validation)
  local score, why, name = score_set(o.model, part or o.validation, o.batch or 64, self.normalise)
  if not (score and part) then return score, why, name end
  return self.ranks:join(score)
end

--- Closes an epoch: validation, history, checkpoint, callback.
function Run:finish(epoch, seconds)
  local o = self.o
  local entry = { epoch = epoch + 1, loss = self.sum / math.max(1, self.seen), seconds = seconds }
  if o.validation then
    local score, message, code = self:validate()
    if not score then return nil, message, code end
    entry.accuracy, entry.validation_loss = score.accuracy, score.loss
  end
  if o.measure then
    local measured, message, code = o.measure(entry)
    if not measured then return nil, message, code end
  end
  self.history[#self.history + 1] = entry
  self.sum, self.seen = 0, 0
  self.trainer:place(epoch + 1, 0)
  local ok, message, code = self:save()
  if not ok then return nil, message, code end
  return self:ask(o.on_epoch, entry)
end

-- Tells the callback of the epochs that a checkpoint has brought back; false: the training ends here.
function Run:tell_restored()
  for _, entry in ipairs(self.o.on_restored and self.history or {}) do
    local on, message, code = self:ask(self.o.on_restored, entry)
    if on == false then self.history.stopped = true end
    if not on then return on, message, code end
  end
  return true
end

function Run:go()
  local told, why, name = self:tell_restored()
  if told == nil then return nil, why, name end
  if told == false then return self.history end
  local _, first, batch = self.trainer:place()
  local progress = self.o.model:buffers().progress
  for epoch = first, math.min(self.o.stop_epoch or math.huge, self.o.epochs or 1) - 1 do
    local started = core.sys.clock()
    if progress then progress:fill(epoch / (self.o.epochs or 1)) end
    local on, message, code = self:epoch(epoch, batch)
    batch = 0
    if on == nil then return nil, message, code end
    if on == false then
      self.history.stopped = true
      local ok
      ok, why, name = self:save()
      if not ok then return nil, why, name end
      return self.history
    end
    on, message, code = self:finish(epoch, core.sys.clock() - started)
    if on == nil then return nil, message, code end
    if on == false then
      self.history.stopped = true
      return self.history
    end
  end
  return self.history
end

--- Trains `model`. Callbacks get a table and stop the training by returning false; they are called once a batch or once an epoch, on_restored for
-- each epoch that `resume` brings back. stop_epoch ends the training early: the schedule is still that of all `epochs`, so that a later run with
-- `resume` goes on as if nothing had stopped.
-- paths(step) gives the settings of a supernet's slots that a step trains: a list, a list of slots a path (vega.supernet does this); their gradients
-- are added, or with `average` averaged, before they are clipped; average = "shared" averages those of parameters that all paths of the step read.
-- updates = n makes n steps on each batch, which `paths` is asked for one by one; the schedule counts them all.
-- before_step(x, y, trainer) is called with each batch, before its steps; measure(entry) at the end of an epoch, before the entry is written into the
-- checkpoint, to add to it. Both return true, or nil, message, code, with which the training fails.
-- state = { save = function() -> plain data, or nil, message, code; load = function(data) -> true, or the same }: what a caller keeps beside it is
-- written into each checkpoint, and comes back with it before on_restored is called.
-- The images are normalised with the training set's mean and deviation unless `normalise` is given; history.normalise tells them.
-- A network may have a buffer "progress", one number: it is set to the part of the epochs that is over, 0 in the first one. What grows over a
-- training reads it (drop path, see vega.genotype.network).
-- comm = a communicator of vega.comm: the ranks train one network together, each on its part of every batch (a loader given gives that part alone).
-- All pass the same options and start with rank 0's values; steps, weights and history are the same on each. Batch norms have the statistics of their
-- rank's part, and rank 0's running ones are everybody's at each validation and checkpoint. on_step, on_epoch and on_restored are called on rank 0,
-- which writes the checkpoint; all ranks read it. Dropout draws other masks than in a training without ranks.
-- @return history: a list of { epoch, loss, accuracy, validation_loss, seconds } | nil, message, code (ENAN: the training diverged)
function train.fit(options)
  check_fit(options)
  local o = options
  local normalise = not has_method(o.data, "next") and normalisation(o.normalise, o.data) or nil
  o.model:precision(precision_of(o.precision))
  local loader = training_loader(o, normalise)
  local trainer, why, name = core.train.new(o.model, trainer_options(o, loader:batches()))
  if not trainer then return nil, why, name end
  local run = setmetatable({ o = o, loader = loader, trainer = trainer, ranks = ranks.new(o.comm), normalise = normalise, sum = 0, seen = 0,
    history = { normalise = normalise } }, Run)
  local ok, message, code = run:restore()
  if ok then ok, message, code = run:go() end
  trainer:close()
  if loader ~= o.data then loader:close() end
  return ok, message, code
end

return train
