--- CARS, continuous evolution for efficient architecture search: one supernet, one population, trained and evolved in turn, whose members are spread
-- over the sizes of the space. Yang et al. 2020, arXiv:1909.04977.
--
--     local result = assert(vega.cars.search { space = vega.space "darts", data = vega.data("cifar10").train, epochs = 50, population = 16 })
--     print(result)                                         -- the front: accuracy with shared weights against the costs
--     for _, m in ipairs(result.exported) do print(m.accuracy, m.values.params, result.supernet.space.text(m.arch)) end
--
-- Each batch trains the weights of a random path during the warm-up, of random members of the population afterwards (sampler/population.lua). Every
-- `interval` epochs the population gets children, all are evaluated on the validation part with the shared weights, and survivors are chosen so
-- that large networks are not lost while small ones are ahead (evolution/protection.lua). What is costed is the network that was evaluated.
local core = require "vega.core"
local Result = require "vega.cars.result"
local Snapshot = require "vega.cars.snapshot"
local check_options = require "vega.cars.options"
local progress = require "vega.study.progress"
local protection = require "vega.evolution.protection"
local supernet = require "vega.supernet"
local util = require "vega.util"

local PASSED = { "epochs", "batch", "clip", "seed", "smoothing", "augment", "precision", "checkpoint", "checkpoint_steps", "resume", "on_step" }

local cars = {}

-- Members -----------------------------------------------------------------------------------------------------------------------------

local PATIENCE = 200        -- draws in a row that were known already: then what is left of a small space is taken
local SMALL = 100000

--- Draws architectures that differ from all in `known` (a set of hashes, which grows) and from each other.
-- @param draw function() -> arch, origin @return n members, fewer where the space has no more
local function draw_new(space, known, n, draw, rng, epoch)
  local members, refused = {}, 0
  local function add(arch, origin)
    local key = space:hash(arch)
    refused = refused + 1
    if known[key] then return end
    known[key], refused = true, 0
    members[#members + 1] = { arch = arch, origin = origin, born = epoch }
  end
  while #members < n and refused < PATIENCE do add(draw()) end
  if #members == n or not space.size or space.size > SMALL then return members end
  for _, arch in space:members { shuffle = rng:int(0, math.maxinteger - 1) } do
    add(arch, "rest")
    if #members == n then break end
  end
  return members
end

local NODES = { operator = "node" }

--- Children of a generation: a quarter mutants (nodes of a parent exchanged, each with probability 1/2, for those of a random architecture), a
-- quarter crosses of two members, half random. No child is like a member or another child.
-- @param members list of { arch = } @return n, fewer where the space has no more, of { arch =, origin =, born = epoch }
function cars.offspring(space, members, n, rng, epoch)
  local known = {}
  for _, m in ipairs(members) do known[space:hash(m.arch)] = true end
  return draw_new(space, known, n, function()
    local u, i = rng:uniform(), rng:int(1, #members)
    if u < 0.25 then return space:crossover(members[i].arch, space:random(rng), rng, NODES), "mutation" end
    if u < 0.5 and #members > 1 then
      local j = rng:int(1, #members - 1)
      return space:crossover(members[i].arch, members[j < i and j or j + 1].arch, rng, NODES), "crossover"
    end
    return space:random(rng), "random"
  end, rng, epoch)
end

-- The first population: `initial` architectures, then random ones.
local function first_population(o)
  local known, members = {}, {}
  for i, arch in ipairs(o.initial or {}) do
    local good, message = o.space:check(arch)
    if not good then error(("cars.search: initial: architecture %d: %s"):format(i, message), 3) end
    local key = o.space:hash(good)
    if known[key] then error(("cars.search: initial: architecture %d is there twice"):format(i), 3) end
    known[key] = true
    members[i] = { arch = good, origin = "given", born = 0 }
  end
  if #members > o.population then error(("cars.search: initial: at most population = %d, got %d"):format(o.population, #members), 3) end
  local rng = core.rng.new(o.seed, "population", 0)
  local rest = draw_new(o.space, known, o.population - #members, function() return o.space:random(rng), "random" end, rng, 0)
  table.move(rest, 1, #rest, #members + 1, members)
  if #members < o.population then
    error(("cars.search: population must be at most the %d architectures of space '%s', got %d"):format(#members, o.space.name, o.population), 3)
  end
  return members
end

-- The search --------------------------------------------------------------------------------------------------------------------------

local Search = {}
Search.__index = Search

-- Costs of the network that is evaluated: what a path with `none` leaves without a reader is not in it.
local function count_costs(self, member)
  local path <close> = self.net:extract(member.arch)
  local graph <close> = path:extract()
  local count = core.cost.count(graph)
  member.values, member.costs = {}, {}
  for k, cost in ipairs(self.o.costs) do
    local value = cost.of and cost.of(graph, member.arch) or count[cost.name]
    if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then
      error(("cars.search: cost '%s' must be a finite number, got %s"):format(cost.name, tostring(value)), 0)
    end
    member.values[cost.name], member.costs[k] = value, value
  end
end

local function evaluate(self, members)
  local o, archs = self.o, {}
  for i, m in ipairs(members) do archs[i] = m.arch end
  local recalibrate = o.recalibrate > 0 and { data = o.data, batches = o.recalibrate, batch = o.batch } or nil
  return self.net:evaluate(archs, o.validation, { batch = 256, normalise = self.normalise, recalibrate = recalibrate })
end

-- How much accuracy each grew an epoch, from the weights of the snapshot to these.
local function measure_speeds(self, members, epoch)
  local scores, message, code = self.previous:with(self.net.graph, function() return evaluate(self, members) end)
  if not scores then return nil, message, code end
  for i, m in ipairs(members) do m.speed = (m.accuracy - scores[i].accuracy) / math.max(1, epoch - self.previous.epoch) end
  return true
end

local function take_snapshot(self, epoch)
  local snapshot, message, code = Snapshot.take(self.net.graph, epoch, self.previous, self.o.checkpoint)
  if not snapshot then return nil, message, code end
  self.previous = snapshot
  return true
end

-- Evolution ---------------------------------------------------------------------------------------------------------------------------

--- Accuracy and costs of members with the present weights. @return true | nil, message, code
function Search:score(members, epoch)
  local scores, message, code = evaluate(self, members)
  if not scores then return nil, message, code end
  for i, m in ipairs(members) do
    m.accuracy, m.loss, m.error = scores[i].accuracy, scores[i].loss, 1 - scores[i].accuracy
    if not m.costs then count_costs(self, m) end
  end
  if self.previous then return measure_speeds(self, members, epoch) end          -- there is none when a search is stopped in its warm-up
  return true
end

local function note_generation(self, epoch, n_children)
  local g = { epoch = epoch, children = n_children, survived = 0, accuracy = 0, least = math.huge, most = -math.huge }
  for _, m in ipairs(self.members) do
    g.accuracy, g.least, g.most = math.max(g.accuracy, m.accuracy), math.min(g.least, m.costs[1]), math.max(g.most, m.costs[1])
    if m.born == epoch then g.survived = g.survived + 1 end
  end
  table.insert(self.generations, g)
end

local function evolve_once(self, epoch, rng)
  local o = self.o
  local children = cars.offspring(o.space, self.members, math.floor(o.expand * o.population + 0.5), rng, epoch)
  local all = table.move(children, 1, #children, #self.members + 1, { table.unpack(self.members) })
  local ok, message, code = self:score(all, epoch)
  if not ok then return nil, message, code end
  local survivors = {}
  for i, place in ipairs(protection.select(all, o.population, { protect = o.protect, fill = o.fill, rng = rng })) do survivors[i] = all[place] end
  self.members = survivors
  note_generation(self, epoch, #children)
  return true
end

function Search:evolve(epoch)
  for g = 1, self.o.generations do
    local rng = core.rng.new(self.o.seed, "evolution", epoch * self.o.generations + g)
    local ok, message, code = evolve_once(self, epoch, rng)
    if not ok then return nil, message, code end
  end
  self.evolved = epoch
  self:open_pool()
  if self.o.protect == "speed" then return take_snapshot(self, epoch) end
  return true
end

function Search:open_pool()
  self.pool.members = {}
  for i, m in ipairs(self.members) do self.pool.members[i] = m.arch end
end

-- Between epochs: the end of the warm-up, evolution. Also called for each epoch that a checkpoint brings back: what had not been done when it was
-- written is done now, with the same weights and the same generator.
function Search:after(epoch)
  local o = self.o
  if epoch < o.warmup then return true end
  if #self.pool.members == 0 then self:open_pool() end
  if o.protect == "speed" and not self.previous then
    local ok, message, code = take_snapshot(self, epoch)
    if not ok then return nil, message, code end
  end
  if epoch > o.warmup and (epoch - o.warmup) % o.interval == 0 and self.evolved < epoch then return self:evolve(epoch) end
  return true
end

-- Checkpoints -------------------------------------------------------------------------------------------------------------------------

local SAME = { "population", "paths", "warmup", "interval", "generations", "expand", "protect", "fill", "gradients", "recalibrate" }

local function settings(self)
  local kept = { space = self.o.space.name }
  for _, name in ipairs(SAME) do kept[name] = self.o[name] end
  return kept
end

function Search:save()
  return { settings = settings(self), members = self.members, generations = self.generations, evolved = self.evolved,
    previous = self.previous and self.previous:reference() }
end

function Search:load(state)
  local mine = settings(self)
  for _, name in ipairs(util.sorted_keys(mine)) do
    local was = state.settings[name]
    if was ~= mine[name] then
      return nil, ("cars.search: the checkpoint is of another search: %s was %s, is %s"):format(name, tostring(was), mine[name]), "EARG"
    end
  end
  for i, m in ipairs(state.members) do
    local good, message = self.o.space:check(m.arch)
    if not good then return nil, ("cars.search: checkpoint: member %d: %s"):format(i, message), "EFORMAT" end
    m.arch = good
  end
  self.members, self.generations, self.evolved = state.members, state.generations, state.evolved
  if self.o.warmup == 0 or self.evolved > 0 then self:open_pool() end
  if not state.previous then return true end
  local snapshot, message, code = Snapshot.load(state.previous, self.o.checkpoint)
  if not snapshot then return nil, message, code end
  self.previous = snapshot
  return true
end

-- Progress ----------------------------------------------------------------------------------------------------------------------------

local function show(self, entry)
  if self.o.quiet then return end
  local g = self.generations[#self.generations]
  local text = g and (", best accuracy %.3f, %s %d to %d"):format(g.accuracy, self.o.costs[1].name, g.least // 1, g.most // 1) or ""
  progress.rewrite(("cars: epoch %d of %d, loss %.3f%s"):format(entry.epoch, self.o.epochs, entry.loss, text), entry.epoch == self.o.epochs)
end

-- One epoch is over, now or in an earlier run. @return false to stop
function Search:told(entry, is_new)
  local ok, message, code = self:after(entry.epoch)
  if not ok then
    self.failure = { message, code }
    return false
  end
  self.epoch = entry.epoch
  if not is_new then return true end
  show(self, entry)
  return not (self.o.on_epoch and self.o.on_epoch(entry, self.members) == false)
end

-- The whole ---------------------------------------------------------------------------------------------------------------------------

local function fit_options(self)
  local o, fit = self.o, {}
  for _, name in ipairs(PASSED) do fit[name] = o[name] end
  fit.data, fit.normalise, fit.average = o.data, self.normalise, o.gradients == "mean"
  fit.optimiser = o.optimiser or { name = "sgd", lr = 0.025, momentum = 0.9, weight_decay = 3e-4 }
  fit.schedule = o.schedule or { name = "cosine", floor = 0.001 }
  fit.sampler = supernet.sampler.population { pool = self.pool, paths = o.paths }
  fit.state = { save = function() return self:save() end, load = function(state) return self:load(state) end }
  fit.on_epoch = function(entry) return self:told(entry, true) end
  fit.on_restored = function(entry) return self:told(entry, false) end
  return fit
end

local function normalisation(o)
  if o.normalise ~= nil then return o.normalise end
  local stats = o.data:stats()
  return { mean = stats.mean, std = stats.std }
end

--- Searches. Options, beside those of vega.train.fit of the same names (optimiser: SGD 0.025, momentum 0.9, decay 3e-4; schedule: cosine to 0.001):
--   space, or supernet = one made before (its weights go on); data; validation (by default a half of data); initial = architectures to begin with
--   epochs 50, warmup (a tenth), interval (a fiftieth, at least 1): epochs; population 16; paths 1: members a batch trains; gradients "mean" or "sum"
--   expand 1: children over members; generations 1 each time; protect "size", "speed" or "none", fill "crowding" or "random": see protection.lua
--   costs { "params" }: also "macs", { name, function(graph, arch) -> number }; recalibrate 0: batches for statistics of each path's own
--   select "uniform" or "first", models 4: what is exported; on_epoch(entry, members): false stops; checkpoint, resume: as in vega.train.fit
-- @return { population, front, exported: lists of { arch, accuracy, loss, values = { params = }, origin, born }; history, generations, supernet },
--   with report(path) | nil, message, code
function cars.search(options)
  local o = check_options(options)
  local self = setmetatable({ o = o, net = o.supernet, normalise = normalisation(o), members = first_population(o), pool = { members = {} },
    generations = {}, evolved = 0, epoch = 0 }, Search)
  local resumes = o.resume and o.checkpoint and core.train.has_checkpoint(o.checkpoint)
  if not resumes then
    local ok, message, code = self:after(0)                                   -- without a warm-up the population trains from the first batch
    if not ok then return nil, message, code end
  end
  local history, message, code = self.net:fit(fit_options(self))
  if not history then return nil, message, code end
  if self.failure then return nil, table.unpack(self.failure) end
  if self.evolved < self.epoch or self.epoch == 0 then                        -- trained since it was evaluated
    local ok, why, name = self:score(self.members, self.epoch)
    if not ok then return nil, why, name end
  end
  local names = {}
  for k, cost in ipairs(o.costs) do names[k] = cost.name end
  return Result.new { population = self.members, history = history, generations = self.generations, supernet = self.net, costs = names,
    select = o.select, models = o.models }
end

return cars
