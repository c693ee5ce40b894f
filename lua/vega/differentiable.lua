--- Differentiable architecture search: the weights of a mixture supernet and its architecture parameters are trained in turn, then an architecture is
-- read out. First order: the architecture's gradient takes the weights as they are.
--    local found = assert(vega.differentiable.search { space = "nb201", preset = "darts", data = train, validation = held_out, epochs = 20 })
--    print(found.space.text(found.arch), found.history[#found.history].skip_mass)
--
-- A preset is a file of lua/vega/differentiable/, a table: weights, partial, edge_norm (see vega.supernet.mixed), the learning rates, and `warmup`,
-- the share of the epochs in which the architecture rests. A table of one's own may stand in its place.
--
-- Every epoch is judged for collapse into skips and pools; history[i] holds, beside loss and accuracy (of the mixture, on `validation`):
--    arch_loss    mean loss of the architecture steps                 entropy     of the mixtures, over the largest possible: 1 is undecided
--    skip_mass    mean weight of skip_connect                         none_top    share of the mixtures where none is the largest
--    free_share   share of the operations read out without weights    stable_for  epochs since what is read out has changed
--    skips        of each kind of cell, how many of those read out are skips
local core = require "vega.core"
local mixed = require "vega.supernet.mixed"
local plugin = require "vega.plugin"
local readout = require "vega.supernet.readout"
local train = require "vega.train"
local util = require "vega.util"

local differentiable = {}

local SKIP, FREE = "skip_connect", { skip_connect = true, none = true, max_pool_3x3 = true, avg_pool_3x3 = true }

-- Collapse ----------------------------------------------------------------------------------------------------------------------------

local function mean_over_rows(weights, measure)
  local sum, n = 0.0, 0
  for _, d in ipairs(weights) do
    for _, row in ipairs(d.rows) do
      local value = measure(row, d.labels)
      if value then sum, n = sum + value, n + 1 end
    end
  end
  return n > 0 and sum / n or 0.0
end

local function entropy(row)
  if #row < 2 then return nil end
  local sum = 0.0
  for _, w in ipairs(row) do if w > 0 then sum = sum - w * math.log(w) end end
  return sum / math.log(#row)
end

local function weight_of(label)
  return function(row, labels)
    for k, l in ipairs(labels) do if l == label then return row[k] end end
  end
end

local function none_is_top(row, labels)
  local w = weight_of "none"(row, labels)
  return w and (w >= math.max(table.unpack(row)) and 1 or 0)
end

-- What is read out: the share without weights, and the skips of each kind of cell.
local function derived(arch)
  local n, free, skips = 0, 0, {}
  for name, value in pairs(arch) do
    if type(value) == "string" then
      local kind = name:match "^([%a_]+)%." or "cell"
      n, skips[kind] = n + 1, (skips[kind] or 0) + (value == SKIP and 1 or 0)
      if FREE[value] then free = free + 1 end
    end
  end
  return free / n, skips
end

--- What tells of collapse (see above) from mixed:weights() and what is read out of them, without stable_for.
function differentiable.indicators(weights, arch)
  local free, skips = derived(arch)
  return { entropy = mean_over_rows(weights, entropy), skip_mass = mean_over_rows(weights, weight_of(SKIP)),
    none_top = mean_over_rows(weights, none_is_top), free_share = free, skips = skips }
end

--- What an epoch's indicators warn of: a list of texts. `part` is the share of the search that is over.
function differentiable.warnings(entry, part)
  local list = {}
  local function warn(fires, text, ...) if fires then list[#list + 1] = text:format(...) end end
  for _, kind in ipairs(util.sorted_keys(entry.skips)) do
    warn(entry.skips[kind] >= 4, "%d skips in the %s cell", entry.skips[kind], kind)
  end
  warn(entry.free_share >= 0.75, "%.0f %% of the operations read out have no weights", 100 * entry.free_share)
  warn(entry.none_top >= 0.5, "none leads %.0f %% of the mixtures: second-best weights decide", 100 * entry.none_top)
  warn(entry.skip_mass > 0.4, "skips hold %.2f of the weight", entry.skip_mass)
  warn(entry.entropy < 0.2 and part < 0.5, "the mixtures are decided (entropy %.2f) before half of the search", entry.entropy)
  return list
end

-- The search --------------------------------------------------------------------------------------------------------------------------

local SEARCH = { space = true, preset = true, data = true, validation = true, input = true, classes = true, epochs = true, batch = true, seed = true,
  clip = true, on_epoch = true, precision = true, arch = true }
local PRESET = { lr = { 0.025, min = 0 }, lr_floor = { 0.001, min = 0 }, weight_decay = { 3e-4, min = 0 }, warmup = { 0.0, min = 0, max = 1 },
  arch = { {} }, weights = {}, partial = {}, edge_norm = {} }
local ARCH = { lr = { 3e-4, min = 0 }, weight_decay = { 1e-3, min = 0 } }

local function check(options)
  util.check_options("differentiable.search", options, SEARCH, 3)
  for _, name in ipairs { "space", "data", "validation" } do
    if options[name] == nil then error(("differentiable.search: option '%s' is missing"):format(name), 3) end
  end
end

-- What a preset says, with what it leaves open filled in; `own` are the caller's rates of the architecture.
local function preset_of(given, own)
  if type(given) ~= "table" then
    local names = plugin.names "vega.differentiable"
    if not util.contains(names, given) then error(util.unknown("differentiable.search", "preset", given, names), 3) end
    given = require("vega.differentiable." .. given)
  end
  local p = util.parameters("differentiable.search: preset", PRESET, given, 3)
  p.arch = util.parameters("differentiable.search: preset.arch", ARCH, p.arch, 3)
  for key, value in pairs(util.parameters("differentiable.search: arch", { lr = {}, weight_decay = {} }, own or {}, 3)) do p.arch[key] = value end
  return p
end

-- Batches without end; each pass is shuffled anew.
local function endless(loader)
  local pass = 0
  return function()
    local x, y, code = loader:next()
    if not x and not code then
      pass = pass + 1
      loader:seek(pass + 1, 1)
      x, y, code = loader:next()
    end
    return x, y, code
  end
end

local Search = {}
Search.__index = Search

--- A step of the architecture on the next batch of the validation set.
function Search:step()
  local images, labels, code = self.next_batch()
  if not images then
    self.failure = { labels or "differentiable.search: the validation set is empty", code or "EARG" }
    return
  end
  local x <close>, y = images, labels
  local loss, message, why = self.trainer:step(x, y)
  if not loss then
    self.failure = { "architecture step: " .. message, why }
    return
  end
  self.sum, self.steps = self.sum + loss, self.steps + 1
end

--- Adds to an epoch's entry what the architecture says by now.
function Search:judge(entry, epochs)
  local found = self.found
  found.weights = found.net:weights()
  found.arch = readout.argmax(found.space, found.weights)
  local hash, before = found.space:hash(found.arch), found.history[entry.epoch - 1]
  for key, value in pairs(differentiable.indicators(found.weights, found.arch)) do entry[key] = value end
  entry.arch_loss, entry.hash = self.steps > 0 and self.sum / self.steps or nil, hash
  entry.stable_for = before and before.hash == hash and before.stable_for + 1 or 0
  self.sum, self.steps = 0.0, 0
  found.history[entry.epoch], found.warnings = entry, differentiable.warnings(entry, entry.epoch / epochs)
end

--- Searches. Options: space (a name or a space whose decisions are choices of functions or cell nodes), data and validation (data sets: weights are
-- trained on the one, the architecture on the other), preset = "darts", input, classes, epochs = 50, batch = 64, seed = 1, clip = 5, precision,
-- arch = { lr, weight_decay } in place of the preset's, on_epoch(entry, found) -> false to stop.
-- @return { arch, space, net, weights = net:weights(), history, warnings = texts of the last epoch } | nil, message, code (ENAN: training diverged)
function differentiable.search(options)
  check(options)
  local o, p = options, preset_of(options.preset or "darts", options.arch)
  local epochs, batch, seed = o.epochs or 50, o.batch or 64, o.seed or 1
  local net = mixed.new { space = o.space, input = o.input or o.data.shape, classes = o.classes or o.data.n_classes, seed = seed,
    weights = p.weights, partial = p.partial, edge_norm = p.edge_norm }
  local stats, steps_an_epoch = o.data:stats(), (#o.data + batch - 1) // batch
  local loader <close> = o.validation:loader { batch = batch, shuffle = true, seed = seed + 1, mean = stats.mean, std = stats.std }
  local trainer <close> = core.train.new(net.graph, { group = "arch", optimiser = "adam", lr = p.arch.lr, beta1 = 0.5, beta2 = 0.999,
    weight_decay = p.arch.weight_decay, total_steps = epochs * steps_an_epoch, seed = seed })
  local self = setmetatable({ found = { net = net, space = net.space, history = {}, warnings = {} }, trainer = trainer, next_batch = endless(loader),
    sum = 0.0, steps = 0 }, Search)
  local ok, message, code = train.fit { model = net.graph, data = o.data, validation = o.validation, epochs = epochs, batch = batch, seed = seed,
    clip = o.clip or 5, precision = o.precision, normalise = { mean = stats.mean, std = stats.std },
    optimiser = { name = "sgd", lr = p.lr, momentum = 0.9, weight_decay = p.weight_decay }, schedule = { name = "cosine", floor = p.lr_floor },
    paths = function(step)                                             -- called before each step of the weights
      if step > p.warmup * epochs * steps_an_epoch then self:step() end
    end,
    on_step = function() return self.failure == nil end,
    on_epoch = function(entry)
      self:judge(entry, epochs)
      return not o.on_epoch or o.on_epoch(entry, self.found)
    end }
  if self.failure then return nil, table.unpack(self.failure) end
  if not ok then return nil, message, code end
  return self.found
end

return differentiable
