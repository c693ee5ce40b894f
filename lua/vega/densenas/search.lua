--- The search of DenseNAS: the weights of a dense supernet alone first, then architecture and weights in turn, on sampled operators.
-- Fang et al. 2020, arXiv:1906.09607.
--
-- Each epoch of the second phase is a pass over the validation part for the architecture, then one over the training part for the weights. A batch
-- for the weights draws one operator a layer, by the softmax of its alphas (uniformly in the first phase); a batch for the architecture draws two,
-- without replacement, and mixes them; all edges between blocks take part throughout. What an architecture step makes of two alphas is moved so
-- that the probability of those two together, and so that of each other operator, is what it was.
local chain = require "vega.cost.chain"
local core = require "vega.core"
local costs = require "vega.densenas.costs"
local densespace = require "vega.densenas.space"
local progress = require "vega.study.progress"
local Supernet = require "vega.densenas.supernet"
local text = require "vega.densenas.text"
local util = require "vega.util"
local weights_of = require "vega.densenas.weights"

local Search = {}
Search.__index = Search

-- Drawing -----------------------------------------------------------------------------------------------------------------------------

-- A place of `p` (probabilities that sum to `total`), other than `except`.
local function draw(p, total, rng, except)
  local u, last = rng:uniform() * total, nil
  for o, v in ipairs(p) do
    if o ~= except then
      u, last = u - v, o
      if u < 0 then return o end
    end
  end
  return last                                                 -- rounding, or all of the others are 0
end

-- The operators of a weight step and of an architecture step, by layer. A space's temperature sharpens these draws too; in the paper's code only the
-- mixtures.
local function draw_one(net, weights, rng)
  local drawn = {}
  for _, d in ipairs(net.layers) do
    if weights then drawn[d] = draw(weights[d.list][d.block][d.place], 1, rng) else drawn[d] = rng:int(1, d.n) end
  end
  return function(d) return drawn[d] end
end

local function draw_two(net, weights, rng)
  local drawn = {}
  for _, d in ipairs(net.layers) do
    if d.slots then
      local p = weights[d.list][d.block][d.place]
      local first = draw(p, 1, rng)
      local second = draw(p, 1 - p[first], rng, first)
      drawn[d] = { math.min(first, second), math.max(first, second) }
    end
  end
  return function(d) if drawn[d] then return table.unpack(drawn[d]) end end
end

-- A step of the architecture ------------------------------------------------------------------------------------------------------------

--- Adds the gradient of lambda * log(cost) / log(tau) to `grads`, in the order of graph:arena "arch". @return the term's value, the cost | nil,
-- message, code
function Search:add_cost(grads, parameters, drawn)
  local net, space, o = self.net, self.space, self.o
  local w = net:weights(parameters, drawn)
  local total, g = chain.expected(space.net, self.costs, w)
  if total <= 1 then
    return nil, ("the cost is %.3g %s: its logarithm needs one above 1; take a smaller unit"):format(total, self.costs.unit), "EARG"
  end
  local factor = o.lambda / (math.log(o.tau) * total * space.temperature)
  local function add(at, value) grads:set(at, grads:get(at) + factor * value) end
  for i = 0, space.last - 1 do
    local mean = 0.0
    for j, p in ipairs(w.beta[i]) do mean = mean + p * g.beta[i][j] end
    for j, p in ipairs(w.beta[i]) do add(net.edges[i] + j - 1, p * (g.beta[i][j] - mean)) end
  end
  for _, d in ipairs(net.layers) do
    if d.slots then
      local p, slope = w[d.list][d.block][d.place], g[d.list][d.block][d.place]
      local first, second = drawn(d)
      local mean = p[first] * slope[first] + p[second] * slope[second]
      add(d.alpha[first], p[first] * (slope[first] - mean))
      add(d.alpha[second], p[second] * (slope[second] - mean))
    end
  end
  return o.lambda * math.log(total) / math.log(o.tau), total
end

-- Moves the alphas of each layer's two operators by one number: the sum of their exponentials is again what it was.
local function rescale(self, values, parameters, drawn)
  local T = self.space.temperature
  for _, d in ipairs(self.net.layers) do
    if d.slots then
      local first, second = drawn(d)
      local row = parameters[d.list][d.block][d.place]
      local a, b = values:get(d.alpha[first]), values:get(d.alpha[second])
      local most = math.max(row[first], row[second], a, b)
      local before = math.exp((row[first] - most) / T) + math.exp((row[second] - most) / T)
      local after = math.exp((a - most) / T) + math.exp((b - most) / T)
      local shift = T * math.log(before / after)
      values:set(d.alpha[first], a + shift)
      values:set(d.alpha[second], b + shift)
    end
  end
end

--- One step of the architecture on a batch; the weights, their momenta and the norms' statistics stay. @return loss, term of the cost, cost |
-- nil, message, code
function Search:arch_step(x, y)
  local net, trainer = self.net, self.arch_trainer
  local parameters = net:parameters()
  local drawn = draw_two(net, net:weights(parameters), self.rng:seek(self.o.seed, "pairs", trainer:place()))
  local loss, message, code = trainer:gradients(x, y, { settings = { net:pairs_of(drawn) }, frozen = true })
  if not loss then return nil, message, code end
  local values, grads = net.graph:arena "arch"
  local term, cost = 0.0, nil
  if self.o.lambda > 0 then
    term, cost, code = self:add_cost(grads, parameters, drawn)
    if not term then return nil, cost, code end
  end
  local ok, why, name = trainer:update()
  if not ok then return nil, why, name end
  rescale(self, values, parameters, drawn)
  return loss, term, cost
end

--- One step of the weights; uniform: all operators are as probable. @return loss | nil, message, code
function Search:weight_step(x, y, uniform)
  local net, trainer = self.net, self.weight_trainer
  local rng = self.rng:seek(self.o.seed, "operators", trainer:place())
  local weights = not uniform and net:weights(net:parameters()) or nil
  return trainer:step(x, y, { net:singles(draw_one(net, weights, rng)) })
end

-- Epochs ------------------------------------------------------------------------------------------------------------------------------

-- step(x, y) -> number | nil, message, code, over one pass of the loader. @return mean
local function pass(loader, epoch, step)
  local sum, n = 0.0, 0
  loader:seek(epoch, 1)
  while true do
    local images, labels, code = loader:next()
    if code then return nil, labels, code end
    if not images then return n > 0 and sum / n or 0.0 end
    local x <close>, y = images, labels
    local value, message, why = step(x, y)
    if not value then return nil, message, why end
    sum, n = sum + value, n + 1
  end
end

-- The two architectures of the highest validation accuracy.
local function keep_best(self, entry)
  local best = self.found.best
  for i = #best, 1, -1 do
    if best[i].text == entry.text then
      if best[i].accuracy > entry.accuracy then return end
      table.remove(best, i)
    end
  end
  table.insert(best, { text = entry.text, accuracy = entry.accuracy, epoch = entry.epoch, derived = entry.derived })
  table.sort(best, function(a, b) return a.accuracy > b.accuracy or a.accuracy == b.accuracy and a.epoch > b.epoch end)
  best[3] = nil
end

-- What the architecture says by now: what is expected of it, and what the network that is derived costs.
local function judge(self, entry)
  local net, space, found = self.net, self.space, self.found
  local parameters = net:parameters()
  local arch, path, probability = net:derive()
  entry.cost = chain.expected(space.net, self.costs, net:weights(parameters))
  entry.derived = chain.expected(space.net, self.derived_costs, weights_of.one_hot(space, arch, path))
  entry.text, entry.path_probability = text.write(arch), math.exp(probability)
  found.arch, found.path = arch, path
  if entry.epoch < self.o.judge then return true end
  self.validation:seek(1, 1)
  local score, message, code = net:evaluate(self.validation)
  if not score then return nil, message, code end
  entry.accuracy, entry.validation_loss = score.accuracy, score.loss
  keep_best(self, entry)
  return true
end

--- @return entry | nil, message, code
function Search:epoch(epoch)
  local started, entry = core.sys.clock(), { epoch = epoch }
  local searches = epoch > self.o.warmup
  if searches then
    local terms, steps = 0.0, 0
    local loss, message, code = pass(self.validation, epoch, function(x, y)
      local value, term, why = self:arch_step(x, y)
      if not value then return nil, term, why end
      terms, steps = terms + term, steps + 1
      return value
    end)
    if not loss then return nil, "architecture step: " .. message, code end
    entry.arch_loss, entry.cost_term = loss, terms / math.max(1, steps)
  end
  local loss, message, code = pass(self.training, epoch, function(x, y) return self:weight_step(x, y, not searches) end)
  if not loss then return nil, message, code end
  entry.loss = loss
  local ok, why, name = judge(self, entry)
  if not ok then return nil, why, name end
  entry.seconds = core.sys.clock() - started
  return entry
end

-- Checkpoints -------------------------------------------------------------------------------------------------------------------------

local SAME = { "epochs", "warmup", "batch", "seed", "lambda", "tau", "judge" }

local function settings(self)
  local kept = { space = self.space:fingerprint() }
  for _, name in ipairs(SAME) do kept[name] = self.o[name] end
  return kept
end

-- Two files, the architecture's optimiser and all else: written in this order, so that a cut between them leaves the epoch before in `.prev`.
function Search:save(epoch)
  local path = self.o.checkpoint
  if not path then return true end
  self.arch_trainer:place(epoch, 0)
  self.weight_trainer:place(epoch, 0)
  local ok, message, code = self.arch_trainer:save(path .. ".arch")
  if not ok then return nil, message, code end
  return self.weight_trainer:save(path, core.json.encode { settings = settings(self), history = self.found.history, best = self.found.best })
end

-- @return the epochs that are done | nil, message, code
function Search:restore()
  local path = self.o.checkpoint
  if not (path and self.o.resume and core.train.has_checkpoint(path)) then return 0 end
  local ok, kept, code = self.weight_trainer:load(path)
  if not ok then return nil, kept, code end
  kept = core.json.decode(kept or "") or {}
  for name, mine in pairs(settings(self)) do
    local was = (kept.settings or {})[name]
    if was ~= mine then
      return nil, ("densenas.search: '%s' is of another search: %s was %s, is %s"):format(path, name, tostring(was), tostring(mine)), "EARG"
    end
  end
  local _, done = self.weight_trainer:place()
  local reached, seen = {}, false
  for _, ending in ipairs { ".arch", ".arch.prev" } do
    local loaded, message = self.arch_trainer:load(path .. ending)
    local _, epoch = self.arch_trainer:place()
    reached[#reached + 1] = loaded and ("epoch %d"):format(epoch) or message
    seen = loaded and epoch == done
    if seen then break end
  end
  if not seen then
    return nil, ("densenas.search: '%s' is at epoch %d, but '%s.arch' is not: %s"):format(path, done, path, table.concat(reached, "; ")), "EFORMAT"
  end
  ok, kept, code = self.weight_trainer:load(path)
  if not ok then return nil, kept, code end
  kept = core.json.decode(kept)
  self.found.history, self.found.best = kept.history, kept.best
  self.found.arch, self.found.path = self.net:derive()
  return done
end

-- The whole ---------------------------------------------------------------------------------------------------------------------------

local OPTIONS = {
  space = {}, data = {}, validation = {}, classes = {}, costs = {}, epochs = { 150, min = 1 }, warmup = {}, judge = {}, batch = { 352, min = 1 },
  lr = { 0.2, min = 0 }, lr_floor = { 1e-4, min = 0 }, momentum = { 0.9, min = 0 }, weight_decay = { 4e-5, min = 0 }, arch = { {} },
  lambda = { 0.15, min = 0 }, tau = {}, seed = { 1 }, precision = { "f32" }, augment = { {} }, tail_double_softmax = { false }, on_epoch = {},
  checkpoint = {}, resume = { false }, quiet = { false },
}
local ARCH = { lr = { 3e-4, min = 0 }, weight_decay = { 1e-3, min = 0 } }
local AUGMENT = { flip = {}, crop = {}, cutout = {} }

-- Raises at the line that called densenas.search: this, the function that checks, Search.new, densenas.search.
local function refuse(message, ...) error("densenas.search: " .. message:format(...), 5) end

local function check_numbers(o)
  for _, rule in ipairs { { "warmup", 0, o.epochs }, { "judge", 1, o.epochs + 1 } } do
    local name, least, most = table.unpack(rule)
    local v = o[name]
    if math.type(v) ~= "integer" or v < least or v > most then
      return ("%s must be a whole number from %d to %d, got %s"):format(name, least, most, tostring(v))
    end
  end
end

local function check_data(o)
  local side = o.space.input
  for _, name in ipairs { "data", "validation" } do
    local ok, has = pcall(function() return o[name].loader and o[name].shape end)
    if not (ok and has) then return ("%s: a data set expected, got %s"):format(name, type(o[name])) end
    if has[1] ~= side or has[2] ~= side then
      return ("%s: the space is for images of side %d, the data set has %dx%d"):format(name, side, has[1], has[2])
    end
  end
end

local function check(options)
  local o = util.parameters("densenas.search", OPTIONS, options, 4)
  for _, name in ipairs { "space", "data", "validation" } do
    if o[name] == nil then refuse("option '%s' is missing", name) end
  end
  o.space = densespace(o.space, nil, 5)
  o.arch = util.parameters("densenas.search: arch", ARCH, o.arch, 4)
  util.check_options("densenas.search: augment", o.augment, AUGMENT, 4)
  o.warmup = o.warmup or o.epochs // 3
  o.judge = o.judge or math.max(1, o.epochs * 4 // 5)
  local wrong = check_numbers(o) or check_data(o)
  if wrong then refuse("%s", wrong) end
  if o.resume and not o.checkpoint then refuse("resume wants a checkpoint") end
  if o.on_epoch ~= nil and type(o.on_epoch) ~= "function" then refuse("on_epoch must be a function, got %s", type(o.on_epoch)) end
  return o
end

-- The tables that are optimised and that tell what a derived network costs: the same, except that skips are charged only in the first.
local function open_costs(self)
  local o, shape = self.o, self.o.data.shape
  local counted = { classes = o.classes, channels = shape[3], unit = "kmacs" }
  local wrong = o.costs ~= nil and costs.misfit(self.space, o.costs)
  if wrong then refuse("costs: %s", wrong) end
  self.costs = o.costs or costs.macs(self.space, counted)
  counted.skip_share = 0.0
  self.derived_costs = o.costs or costs.macs(self.space, counted)
  if o.tau == nil then o.tau = chain.expected(self.space.net, self.costs) end
  local good = type(o.tau) == "number" and o.tau > 1
  if not good then refuse("tau must be a cost above 1 in the table's unit (%s), got %s", self.costs.unit, tostring(o.tau)) end
end

local function open_trainers(self)
  local o, graph = self.o, self.net.graph
  local total = o.epochs * self.training:batches()
  self.weight_trainer = core.train.new(graph, { optimiser = "sgd", lr = o.lr, momentum = o.momentum, weight_decay = o.weight_decay,
    schedule = "cosine", floor = o.lr_floor, total_steps = total, seed = o.seed })
  self.arch_trainer = core.train.new(graph, { group = "arch", optimiser = "adam", lr = o.arch.lr, beta1 = 0.5, beta2 = 0.999,
    weight_decay = o.arch.weight_decay, total_steps = math.max(1, (o.epochs - o.warmup) * self.validation:batches()), seed = o.seed })
end

--- A search that has not begun: its epochs are run by `run`, its steps may be called one by one. Options as of `search`.
function Search.new(options)
  local o = check(options)
  o.classes = o.classes or o.data.n_classes
  local self = setmetatable({ o = o, space = o.space, rng = core.rng.new(o.seed, "densenas", 0) }, Search)
  open_costs(self)
  self.net = Supernet.new(o.space, { classes = o.classes, channels = o.data.shape[3], seed = o.seed, tail_double_softmax = o.tail_double_softmax })
  self.net.graph:precision(o.precision)
  local stats = o.data:stats()
  local function loader(data, seed, augment)
    return data:loader { batch = o.batch, shuffle = true, seed = seed, mean = stats.mean, std = stats.std, flip = augment.flip, crop = augment.crop,
      cutout = augment.cutout }
  end
  self.training, self.validation = loader(o.data, o.seed, o.augment), loader(o.validation, o.seed + 1, {})
  self.found = { net = self.net, space = o.space, costs = self.costs, history = {}, best = {}, normalise = { mean = stats.mean, std = stats.std } }
  open_trainers(self)
  return self
end

function Search:close()
  for _, name in ipairs { "training", "validation", "weight_trainer", "arch_trainer" } do self[name]:close() end
end
Search.__close = Search.close

local function show(self, e)
  if self.o.quiet then return end
  progress.rewrite(("densenas: epoch %d of %d, loss %.3f, cost %.4g %s expected, %.4g derived"):format(e.epoch, self.o.epochs, e.loss, e.cost,
    self.costs.unit, e.derived), e.epoch == self.o.epochs)
end

--- @return found | nil, message, code, found as it was then
function Search:run()
  local done, message, code = self:restore()
  if not done then return nil, message, code end
  local found = self.found
  for epoch = done + 1, self.o.epochs do
    local entry, why, name = self:epoch(epoch)
    if not entry then return nil, why, name, found end
    found.history[epoch] = entry
    local ok, trouble, what = self:save(epoch)
    if not ok then return nil, trouble, what, found end
    show(self, entry)
    if self.o.on_epoch and self.o.on_epoch(entry, found) == false then break end
  end
  for _, b in ipairs(found.best) do b.arch = b.arch or assert(text.read(b.text)) end
  return found
end

return Search
