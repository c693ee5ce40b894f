--- Differentiable architecture search: the weights of a mixture supernet and its architecture parameters are trained in turn, then an architecture is
-- read out.
--    local found = assert(vega.differentiable.search { space = "nb201", preset = "darts", data = train, validation = held_out, epochs = 20 })
--    print(found.space.text(found.arch), found.history[#found.history].skip_mass)
--
-- A published method is a preset: a file of lua/vega/differentiable/, a table. A table of one's own may stand in its place. What it may hold:
--    weights, strength, init, partial, channels, edge_norm, extra, paths, activations, second, switches, skip_dropout     the mixtures, see
--                  vega.supernet.mixed; weights is called with the settings as a fourth argument
--    lr, lr_floor, weight_decay, clip      of the weights: SGD with momentum 0.9, cosine
--    arch          { lr, weight_decay, beta1, beta2, clip } of the architecture: Adam
--    warmup        the share of the epochs in which the architecture rests;  every = n: it takes a step before each n-th step of the weights
--    hypergradient how the weights' dependence on the architecture is taken: a method of vega.hypergradient, or a table with its name and settings
--    penalty(s)    a term of the architecture's loss: a tensor of one number, by vega.op from the tensors of s:parameters(); nil: none
--    fill(s, phase)      called before each step of the architecture ("arch"), of the weights ("weights") and before the supernet is judged
--                  ("measure"): fills buffers (s.net:buffer) and slots, with random numbers from s:rng(what). s.x, s.y: the weights' batch
--    after_arch(s) called after each step of the architecture
--    stages(p)     a list of tables, a search each with a supernet of its own; what they hold takes the place of the preset's. stage.hand_on(s) ->
--                  what the next stage gets beside its own, from the finished search s
--    read          the read-out ("argmax");  read_options
--    stop          the rule of vega.supernet.collapse that ends the search
--    params        declares settings of the preset's own, as strategies do theirs: { tau = { 10, min = 0 } }; they are found in s.p
--    check(p)      -> a text that says what is wrong with the settings, or nil
--    parts         functions of the preset's own that others may use
-- In s: net, graph, p, step (from 1), epoch (from 1), epochs, part (the share of the search that is over, 0 to 1), stage (from 1).
--
-- Every epoch is judged for collapse into skips and pools; history[i] holds, beside loss and accuracy (of the mixture, on `validation`):
--    arch_loss    mean loss of the architecture steps                 entropy     of the mixtures, over the largest possible: 1 is undecided
--    penalty      mean of the preset's term                           skip_mass   mean weight of skip_connect
--    none_top     share of the mixtures where none is the largest     free_share  share of the operations read out without weights
--    skips, ops   of each kind of cell, how many of those read out are skips, and how many there are
--    depth, width of each kind of cell: operations with weights on the longest way; nodes that read an input
--    disc_gap     accuracy that the same weights lose when what is read out takes the place of the mixtures
--    lambda_max   dominant eigenvalue of the validation loss's Hessian by the architecture, where `eigen` asks for it
--    stable_for   epochs since what is read out has changed           arch        what is read out (by arg max), hash
--    weights      net:weights(), which the report draws
local collapse = require "vega.supernet.collapse"
local core = require "vega.core"
local hypergradient = require "vega.hypergradient"
local mixed = require "vega.supernet.mixed"
local plugin = require "vega.plugin"
local readout = require "vega.supernet.readout"
local train = require "vega.train"
local util = require "vega.util"

local differentiable = { indicators = collapse.indicators, warnings = collapse.warnings }

-- Options -----------------------------------------------------------------------------------------------------------------------------

local SEARCH = {}
for name in ([[space preset set data validation input classes epochs batch seed clip on_epoch precision arch readout readout_options stop eigen
  disc_gap checkpoint checkpoint_steps resume]]):gmatch "%S+" do SEARCH[name] = true end
local PRESET = { lr = { 0.025, min = 0 }, lr_floor = { 0.001, min = 0 }, weight_decay = { 3e-4, min = 0 }, clip = { 5, min = 0 },
  warmup = { 0.0, min = 0, max = 1 }, every = { 1, min = 1 }, arch = { {} }, hypergradient = {}, penalty = {}, fill = {}, after_arch = {},
  stages = {}, read = {}, read_options = {}, stop = {}, params = {}, hand_on = {}, parts = {}, check = {} }
for key in pairs(mixed.options) do PRESET[key] = {} end
local ARCH = { lr = { 3e-4, min = 0 }, weight_decay = { 1e-3, min = 0 }, beta1 = { 0.5, min = 0, max = 1 }, beta2 = { 0.999, min = 0, max = 1 },
  clip = { 0.0, min = 0 } }
local EIGEN = { every = { 2, min = 1 }, iterations = { 20, min = 1 } }

local function merged(a, b)
  local all = {}
  for key, value in pairs(a) do all[key] = value end
  for key, value in pairs(b) do all[key] = value end
  return all
end

-- What a preset says, with what it leaves open filled in and what the caller sets in its place. The settings of its own stand among the others.
local function preset_of(o, level)
  local given = o.preset or "darts"
  if type(given) ~= "table" then
    local names = plugin.names "vega.differentiable"
    if not util.contains(names, given) then error(util.unknown("differentiable.search", "preset", given, names), level + 1) end
    given = require("vega.differentiable." .. given)
  end
  local declared = given.params and merged(PRESET, given.params) or PRESET
  util.check_options("differentiable.search: set", o.set or {}, declared, level + 1)
  local p = util.parameters("differentiable.search: preset", declared, merged(given, o.set or {}), level + 1)
  p.arch = util.parameters("differentiable.search: preset.arch", ARCH, p.arch, level + 1)
  local open = { lr = {}, weight_decay = {}, beta1 = {}, beta2 = {}, clip = {} }
  p.arch = merged(p.arch, util.parameters("differentiable.search: arch", open, o.arch or {}, level + 1))
  local wrong = p.check and p.check(p)
  if wrong then error("differentiable.search: " .. wrong, level + 1) end
  return p
end

local function check(o)
  util.check_options("differentiable.search", o, SEARCH, 3)
  for _, name in ipairs { "space", "data", "validation" } do
    if o[name] == nil then error(("differentiable.search: option '%s' is missing"):format(name), 3) end
  end
  if o.resume and not o.checkpoint then error("differentiable.search: resume wants a checkpoint", 3) end
  if o.checkpoint_steps and not o.checkpoint then error("differentiable.search: checkpoint_steps wants a checkpoint", 3) end
end

-- A stage of a search -----------------------------------------------------------------------------------------------------------------

local Found = {}
Found.__index = Found

--- Writes the report: one HTML file, which appears whole or not at all. @return path, or nil, message, "EIO"
function Found:report(path) return require("vega.report.differentiable").write(self, path) end

local Search = {}
Search.__index = Search

--- A stream of random numbers that depends on the seed, the name and the step alone: a resumed search draws what it would have drawn.
function Search:rng(what) return core.rng.new(self.seed, what, self.step) end

--- The architecture parameters, as mixed:parameters(); their tensors are made once.
function Search:parameters()
  self.params = self.params or self.net:parameters()
  return self.params
end

local function network(self, o)
  local p, options = self.p, { space = self.space, input = o.input or o.data.shape, classes = o.classes or o.data.n_classes, seed = self.seed }
  for key in pairs(mixed.options) do options[key] = p[key] end
  local weights = p.weights
  if weights then options.weights = function(net, alpha, place) return weights(net, alpha, place, p) end end
  return mixed.new(options)
end

-- Batches without end; each pass is shuffled anew. The place is a field, so that a checkpoint can tell it.
function Search:next_batch()
  local x, y, code = self.loader:next()
  if not x and not code then
    self.pass, self.taken = self.pass + 1, 0
    self.loader:seek(self.pass, 1)
    x, y, code = self.loader:next()
    if not x and not code then return nil, "differentiable.search: the validation set is empty", "EARG" end
  end
  self.taken = self.taken + 1
  return x, y, code
end

function Search:fill(phase) if self.p.fill then self.p.fill(self, phase) end end

-- Adds the gradient of the preset's term to that of the loss.
function Search:add_penalty()
  if not self.p.penalty then return end
  local tape <close> = core.tape.new()
  local term = self.p.penalty(self)
  if not term then return end
  tape:backward(term)
  self.penalties = self.penalties + term:item()
end

--- A step of the architecture on the next batch of the validation set. @return true | nil, message, code
function Search:arch_step(weights)
  local images, labels, code = self:next_batch()
  if not images then return nil, labels, code end
  local x <close>, y = images, labels
  self:fill "arch"
  self.h = self.h or hypergradient.new(self.p.hypergradient or "first", { graph = self.graph, arch = self.arch, weights = weights })
  local loss, message, why = self.h:gradient(x, y, self.x, self.y, self.net:paths())
  if not loss then return nil, message, why end
  self:add_penalty()
  loss, message, why = loss, self.arch:update()
  if not message then return nil, "architecture step: " .. tostring(why), "ENAN" end
  self.sum, self.steps = self.sum + loss, self.steps + 1
  if self.p.after_arch then self.p.after_arch(self) end
  return true
end

-- Puts the search at a step, from 1.
function Search:at(step)
  self.step, self.epoch = step, (step - 1) // self.steps_an_epoch + 1
  self.part = (step - 1) / (self.epochs * self.steps_an_epoch)
end

-- Called before each step of the weights.
function Search:before_step(x, y, weights)
  self.x, self.y = x, y
  self:at((weights:place()) + 1)
  if self.step > self.p.warmup * self.epochs * self.steps_an_epoch and self.step % self.p.every == 0 then
    local ok, message, code = self:arch_step(weights)
    if not ok then return nil, message, code end
  end
  self:fill "weights"
  return true
end

-- Judging -----------------------------------------------------------------------------------------------------------------------------

--- The dominant eigenvalue of the Hessian of the validation loss by the architecture, weight decay included, on one batch: power iteration, products
-- by differences of gradients. It costs 2 * iterations passes. @return a number | nil, message, code
function Search:lambda_max(x, y, iterations)
  local values, gradients = self.graph:arena "arch"
  local z, before, radius = core.tensor.randn({ values:count() }, core.rng.new(self.seed, "eigen")), values:copy(), 0.01
  local lambda, failure = 0.0, nil
  local function gradient(side)
    values:assign(before):blend(1, side * radius, z)
    local loss, message, code = self.arch:gradients(x, y, { group = "arch", frozen = true, settings = self.net:paths() })
    if not loss then failure = { message, code } end
    return gradients:copy()
  end
  for _ = 1, iterations do
    z:blend(1 / math.sqrt(z:dot(z)), 0, z)
    local product = gradient(1):blend(1 / (2 * radius), -1 / (2 * radius), gradient(-1))
    if failure then break end
    lambda = z:dot(product)
    if product:dot(product) == 0 then break end
    z = product
  end
  values:assign(before)
  if failure then return nil, table.unpack(failure) end
  return lambda + self.p.arch.weight_decay
end

-- Always on the same batch of the validation set.
function Search:measure_eigenvalue(entry)
  if not self.eigen or entry.epoch % self.eigen.every ~= 0 then return true end
  local images, labels, code = self.eigen_loader:seek(1, 1):next()
  if not images then return nil, labels, code end
  local x <close>, y = images, labels
  local message, why
  entry.lambda_max, message, why = self:lambda_max(x, y, self.eigen.iterations)
  if not entry.lambda_max then return nil, message, why end
  return true
end

function Search:measure_gap(entry)
  if self.o.disc_gap == false then return true end
  self.net:settle(self.found.arch)
  local score, message, code = self.net:score(self.o.validation, { batch = self.batch, normalise = self.found.normalise })
  self.net:clear()
  if not score then return nil, message, code end
  entry.disc_gap = entry.accuracy - score.accuracy
  return true
end

--- What is read out now, into the result.
function Search:read()
  local found = self.found
  found.weights = self.net:weights()
  found.arch = readout.argmax(found)
end

--- Adds to an epoch's entry what the supernet and the architecture say by now. @return true | nil, message, code
function Search:measure(entry)
  local found = self.found
  self:read()
  self:at(entry.epoch * self.steps_an_epoch)
  self:fill "measure"
  local score, message, code = train.evaluate(self.graph, self.o.validation,
    { batch = self.batch, normalise = found.normalise, slots = self.net.settings })
  if not score then return nil, message, code end
  entry.accuracy, entry.validation_loss = score.accuracy, score.loss
  local hash, before = found.space:hash(found.arch), found.history[entry.epoch - 1]
  for key, value in pairs(collapse.indicators(found.weights, found.arch)) do entry[key] = value end
  if self.steps > 0 then entry.arch_loss, entry.penalty = self.sum / self.steps, self.p.penalty and self.penalties / self.steps or nil end
  entry.hash, entry.arch, entry.weights = hash, found.arch, found.weights
  entry.stable_for = before and before.hash == hash and before.stable_for + 1 or 0
  self.sum, self.steps, self.penalties = 0.0, 0, 0.0
  found.history[entry.epoch] = entry
  local ok
  ok, message, code = self:measure_gap(entry)
  if ok then ok, message, code = self:measure_eigenvalue(entry) end
  return ok, message, code
end

-- Whether the rule or the caller ends the search after this epoch; the caller hears of the epochs of this run only.
function Search:goes_on(entry, is_restored)
  local found = self.found
  found.history[entry.epoch] = entry
  found.warnings = collapse.warnings(entry, entry.epoch / self.epochs)
  if self.rule and not found.stopped then
    local epoch = self.rule(found.history)
    if epoch then found.stopped = { rule = self.rule_name, epoch = epoch } end
  end
  local eigen = self.eigen and not self.eigen_stop and self.eigen_rule(found.history)
  if eigen then self.eigen_stop = { epoch = eigen, arch = found.history[eigen].arch } end
  local on = is_restored or not self.o.on_epoch or self.o.on_epoch(entry, found) ~= false
  found.interrupted = not on or nil
  return on and not found.stopped
end

-- Going on --------------------------------------------------------------------------------------------------------------------------

-- The architecture's optimiser goes into a file beside the checkpoint, under the step's name, so that a kill between the two leaves a pair that fits.
-- The two youngest stay: the checkpoint may fall back to the one before.
function Search:save()
  local name = ("%s.arch%d"):format(self.checkpoint, (self.weights_step and self.weights_step() or 0))
  local ok, message, code = self.arch:save(name)
  if not ok then return nil, message, code end
  if self.files[#self.files] ~= name then self.files[#self.files + 1] = name end
  while #self.files > 2 do os.remove(table.remove(self.files, 1)) end
  return { files = self.files, pass = self.pass, taken = self.taken, sum = self.sum, steps = self.steps, penalties = self.penalties }
end

function Search:load(state)
  self.files, self.pass, self.taken = state.files, state.pass, state.taken
  self.sum, self.steps, self.penalties = state.sum, state.steps, state.penalties
  self.loader:seek(self.pass, self.taken + 1)
  local ok, message, code = self.arch:load(self.files[#self.files])
  if not ok then return nil, message, code end
  return true
end

-- Running ---------------------------------------------------------------------------------------------------------------------------

local function eigen_settings(o, p, level)
  local asked = o.eigen
  if not asked and (o.stop or p.stop) == "eigen" then asked = {} end
  if type(o.stop or p.stop) == "table" and (o.stop or p.stop).rule == "eigen" then asked = asked or {} end
  if not asked then return nil end
  return util.parameters("differentiable.search: eigen", EIGEN, asked == true and {} or asked, level + 1)
end

-- The search of one stage. `p` is the preset with the stage's own in it.
local function new_search(o, p, stage, number)
  local stats, seed, batch, epochs = o.data:stats(), o.seed or 1, o.batch or 64, stage.epochs or o.epochs or 50
  local space = o.space
  if type(space) == "function" then space = space(number, p) end
  if type(space) == "string" then space = require "vega.space" (space) end
  local self = setmetatable({ o = o, p = p, seed = seed, batch = batch, epochs = epochs, stage = number, space = space,
    steps_an_epoch = (#o.data + batch - 1) // batch, pass = 1, taken = 0, sum = 0.0, steps = 0, penalties = 0.0, files = {} }, Search)
  self.net = network(self, o)
  self.graph = self.net.graph
  local normalise = { mean = stats.mean, std = stats.std }
  self.found = setmetatable({ net = self.net, space = self.net.space, preset = p, history = {}, warnings = {}, normalise = normalise }, Found)
  self.checkpoint = o.checkpoint and (number > 1 and ("%s.stage%d"):format(o.checkpoint, number) or o.checkpoint)
  self.eigen = eigen_settings(o, p, 4)
  self.eigen_rule = self.eigen and collapse.rule("eigen", 4)
  if o.stop or p.stop then self.rule, self.rule_name = collapse.rule(o.stop or p.stop, 4) end
  self.arch = core.train.new(self.graph, { group = "arch", optimiser = "adam", lr = p.arch.lr, beta1 = p.arch.beta1, beta2 = p.arch.beta2,
    weight_decay = p.arch.weight_decay, clip = p.arch.clip, total_steps = epochs * self.steps_an_epoch, seed = seed })
  return self
end

-- Runs a stage to its end. @return true | nil, message, code
local function run(self)
  local o, p, found = self.o, self.p, self.found
  local loader <close> = o.validation:loader { batch = self.batch, shuffle = true, seed = self.seed + 1, mean = found.normalise.mean,
    std = found.normalise.std }
  local in_order = { batch = self.batch, mean = found.normalise.mean, std = found.normalise.std }
  local eigen_loader <close> = self.eigen and o.validation:loader(in_order) or nil
  local _ <close> = self.arch
  self.loader, self.eigen_loader = loader, eigen_loader
  local ok, message, code = train.fit { model = self.graph, data = o.data, epochs = self.epochs, batch = self.batch, seed = self.seed,
    clip = o.clip or p.clip, precision = o.precision, normalise = found.normalise,
    optimiser = { name = "sgd", lr = p.lr, momentum = 0.9, weight_decay = p.weight_decay }, schedule = { name = "cosine", floor = p.lr_floor },
    checkpoint = self.checkpoint, checkpoint_steps = o.checkpoint_steps, resume = o.resume,
    state = self.checkpoint and { save = function() return self:save() end, load = function(state) return self:load(state) end } or nil,
    before_step = function(x, y, weights)
      self.weights_step = self.weights_step or function() return (weights:place()) end
      return self:before_step(x, y, weights)
    end,
    paths = self.net.settings and function() return self.net:paths() end or nil,
    measure = function(entry) return self:measure(entry) end,
    on_restored = function(entry) return self:goes_on(entry, true) end,
    on_epoch = function(entry) return self:goes_on(entry) end }
  self.h, self.x, self.y, self.weights_step = nil, nil, nil, nil
  if not ok then return nil, message, code end
  return true
end

-- What is taken of a finished search: what the rule points at, or what the read-out gives.
local function conclude(self)
  local found, o, p = self.found, self.o, self.p
  self:at(#found.history * self.steps_an_epoch)
  self:fill "measure"
  self:read()
  local how = o.readout or p.read or "argmax"
  if found.stopped then
    found.arch = found.history[found.stopped.epoch].arch          -- of an earlier epoch, whose supernet is gone: as it was read out then
  elseif how ~= "argmax" then
    local options = o.readout_options or p.read_options
    if how == "perturbation" then options = merged({ data = o.validation, seed = self.seed, batch = self.batch }, options or {}) end
    local arch, details, code = readout.find(how, 3)(found, options)
    if not arch then return nil, details, code end
    found.arch, found.details = arch, details
  end
  if #found.warnings > 0 then found.remedies = collapse.REMEDIES end
  found.eigen_stop = self.eigen_stop
  return found
end

--- Searches. Options: space (a name or a space whose decisions are choices of functions or cell nodes, or a function (stage) -> space), data and
-- validation (data sets: weights are trained on the one, the architecture on the other), preset = "darts", set = settings in place of the preset's,
-- input, classes, epochs = 50 (of each stage), batch = 64, seed = 1, clip, precision, arch = { lr, weight_decay, beta1, beta2, clip } in place of the
-- preset's, readout = "argmax" | "perturbation" | "threshold" | "progressive" | function, readout_options, stop = a rule ("eigen", "skips", "stable",
-- or a table: vega.supernet.collapse), eigen = true | { every = 2, iterations = 20 } to measure lambda_max, disc_gap = false to leave that out (it
-- costs a pass over `validation` each epoch), on_epoch(entry, found) -> false to stop.
-- checkpoint = path, checkpoint_steps, resume: as in vega.train.fit; a search killed at any instant goes on with the same bits (later stages write
-- PATH.stage2, ...; the architecture's optimiser goes into PATH.archSTEP beside each).
-- @return { arch, space, net, weights = net:weights(), history, warnings = texts of the last epoch, remedies = a text where it warns, stopped = {
-- rule, epoch } where a rule ended it, eigen_stop = { epoch, arch } of where RobustDARTS would have, where eigenvalues are measured, details = of the
-- read-out, stages = of each stage its result, normalise }, with a method report(path) | nil, message, code, found as it was then (ENAN: a step of
-- the weights or the architecture diverged; the last checkpoint stands)
function differentiable.search(options)
  check(options)
  local p = preset_of(options, 2)
  local stages, handed, done = p.stages and p.stages(p) or { {} }, {}, {}
  for number, stage in ipairs(stages) do
    local own = merged(p, merged(stage, handed))
    own.epochs, own.hand_on = nil, nil
    local s = new_search(options, own, stage, number)
    local ok, message, code = run(s)
    if ok then ok, message, code = conclude(s) end
    if not ok then return nil, message, code, s.found end
    done[number] = s.found
    handed = stage.hand_on and stage.hand_on(s) or {}
    if number == #stages or s.found.interrupted then break end
  end
  local found = done[#done]
  found.stages = #stages > 1 and done or nil
  return found
end

return differentiable
