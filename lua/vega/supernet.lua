--- A supernet: all networks of a search space in one graph, sharing weights. Built from the same `build` as the stand-alone network.
--    local net = vega.supernet.new { space = vega.space "nb201", input = { 32, 32, 3 }, classes = 10, seed = 1 }
--    net:fit { data = train_set, sampler = vega.sampler.strict_fair {}, epochs = 10 }
--    local scores = net:evaluate(archs, validation_set)             -- { { accuracy, loss }, ... }, with the shared weights
--    local graph = net:extract(archs[1])                            -- a stand-alone network with a copy of its weights
local builder = require "vega.supernet.builder"
local core = require "vega.core"
local plugin = require "vega.plugin"
local score = require "vega.supernet.score"
local train = require "vega.train"
local util = require "vega.util"

local Supernet = {}
Supernet.__index = Supernet

local supernet, sampler = { Supernet = Supernet }, nil

local NEW = { space = true, input = true, classes = true, seed = true }
--- @param options space, input (the shape of one sample; default the space's), classes, seed = 1
function supernet.new(options)
  util.check_options("supernet", options, NEW, 2)
  local space = options.space
  if type(space) == "string" then space = require "vega.space" (space) end
  if not (space and space.build) then error("supernet: option 'space' must be a search space with a build function", 2) end
  local input = options.input or space.input
  if not input then error("supernet: option 'input' is missing, and the space states none", 2) end
  local net = builder(input)
  net.classes = options.classes
  local output = space.build(net)
  return setmetatable({ space = space, graph = net.graph:output(output):materialise(options.seed or 1), reads = net.reads, counts = {} }, Supernet)
end

-- `arch` has passed the space's check.
local function slots_of(self, arch)
  local slots = {}
  for i, read in ipairs(self.reads) do slots[i] = read(arch) end
  return slots
end

--- The numbers that settle the graph for an architecture. Raises, with what is wrong, when it is not of the space.
function Supernet:setting(arch)
  local good, message = self.space:check(arch)
  if not good then error(message, 2) end
  return slots_of(self, good)
end

function Supernet:settings(archs)
  local list = {}
  for i, arch in ipairs(archs) do list[i] = self:setting(arch) end
  return list
end

--- The output for a batch of the network of `arch`, with the shared weights. Options as graph:run's.
function Supernet:run(x, arch, options)
  local o = util.copy(options or {})
  o.slots = self:setting(arch)
  return self.graph:run(x, o)
end

--- The stand-alone network of `arch` with a copy of the shared weights. @return graph
function Supernet:extract(arch) return self.graph:extract(self:setting(arch)) end

-- What was drawn: counts[decision][value], for values that are no tables.
local function count(self, archs)
  for _, arch in ipairs(archs) do
    for _, d in ipairs(self.space.decisions) do
      local value = arch[d.name]
      if value ~= nil and type(value) ~= "table" then
        local counts = self.counts[d.name] or {}
        counts[value] = (counts[value] or 0) + 1
        self.counts[d.name] = counts
      end
    end
  end
end

--- Trains the shared weights. Options are those of vega.train.fit without `model`, and `sampler` (vega.sampler.NAME { ... }, default uniform):
-- which paths a step trains; it may also say how many steps a batch is for (`updates`) and how a step's gradients are joined (`average`), unless the
-- caller does. A sampler is a pure function of (seed, step), so a resumed training draws what an undisturbed one would have drawn, and the ranks of a
-- communicator (`comm`) train the same paths.
-- @return history | nil, message, code
function Supernet:fit(options)
  local o = {}
  for key, value in pairs(options) do o[key] = value end
  local descriptor = sampler.resolve(o.sampler or "uniform", 2)
  local rng = core.rng.new(o.seed or 1, "paths", 0)
  local draws = descriptor.class.new(self.space, descriptor.params, rng)
  o.sampler, o.model, o.updates = nil, self.graph, o.updates or draws.updates
  if o.average == nil then o.average = draws.average end
  o.paths = function(step)
    local archs = draws:draw(step, rng:seek(o.seed or 1, "paths", step))
    count(self, archs)
    return self:settings(archs)
  end
  return train.fit(o)
end

-- Batch-norm statistics of one path over the first batches of a loader: their plain mean, the k-th batch weighing 1/k.
local function recalibrate(self, slots, loader, batches)
  for k = 1, batches do
    local images, labels, code = loader:next()
    if code then return nil, labels, code end
    if not images then return k > 1 or nil, "recalibrate: the data set is empty", "EARG" end
    local x <close> = images
    local _ <close> = self.graph:run(x, { train = true, slots = slots, momentum = 1 / k })
  end
  return true
end

--- Sets the running statistics of the path of `arch` to those of its activations over `batches` batches of `data` (Guo et al. 2019,
-- arXiv:1904.00420). @return true | nil, message, code
function Supernet:recalibrate(arch, data, options)
  local o = options or {}
  util.check_options("supernet:recalibrate", o, { batches = true, batch = true, normalise = true }, 2)
  local loader = train.loader(data, { batch = o.batch or 128, normalise = o.normalise })
  return recalibrate(self, self:setting(arch), loader, o.batches or 20)
end

-- The slots of each architecture. Raises at the caller's caller, naming its place, when one is not of the space.
local function checked_settings(self, archs)
  local list = {}
  if type(archs) ~= "table" or #archs == 0 and next(archs) ~= nil then
    error(("supernet:evaluate: a list of architectures expected, got %s"):format(type(archs) == "table" and "one table" or type(archs)), 3)
  end
  if #archs == 0 then error("supernet:evaluate: the list of architectures is empty", 3) end
  for i = 1, #archs do
    local good, message = self.space:check(archs[i])
    if not good then error(("supernet:evaluate: architecture %d of %d: %s"):format(i, #archs, message), 3) end
    list[i] = slots_of(self, good)
  end
  return list
end

local function shape_text(shape) return table.concat(shape, "x") end

local function check_data(self, data, what)
  if type(data) ~= "userdata" and not (type(data) == "table" and (data.loader or data.next)) then
    local parts = type(data) == "table" and data.train and " of two data sets; take one of them" or ""
    error(("supernet:evaluate: %sa data set or a loader expected, got %s%s"):format(what, type(data), parts), 3)
  end
  local has, want = data.shape, { table.unpack(self.graph:shape(1), 2) }
  if type(has) == "table" and shape_text(has) ~= shape_text(want) then
    error(("supernet:evaluate: %sthe supernet takes images of %s, the data set has %s"):format(what, shape_text(want), shape_text(has)), 3)
  end
end

-- What makes two supernets' numbers fit each other: names and shapes of all parameters and statistics, in their order.
local function layout(self)
  local lines = {}
  for _, node in ipairs(self.graph:nodes()) do
    if node.kind ~= "op" then lines[#lines + 1] = ("%s %s %s"):format(node.kind, node.name, table.concat(node.shape, "x")) end
  end
  return ("%016x"):format(util.fnv(table.concat(lines, "\n")))
end

local VALUES, STATISTIC = "values", "statistic."

--- Writes the shared weights and the batch-norm statistics to a .safetensors, replaced atomically: all parameters as one tensor, so that whoever loads
-- it can use the file as it is. metadata: texts of your own. @return path | nil, message, code
function Supernet:save(path, metadata)
  local weights, meta = {}, util.copy(metadata or {})
  for name, t in pairs(self.graph:buffers()) do weights[STATISTIC .. name] = t end
  weights[VALUES] = self.graph:values()
  meta.supernet, meta.space = layout(self), self.space.name
  return core.io.save(path, weights, { metadata = meta })
end

--- Takes the weights and statistics that `save` wrote. The file is mapped, not read: several processes that load it share its memory, and it stays as it
-- is whatever becomes of the supernet. Before training. @return the metadata | nil, message, code
function Supernet:load(path)
  local tensors, meta, code = core.io.load(path, { map = true })
  if not tensors then return nil, meta, code end
  if meta.supernet ~= layout(self) or not tensors[VALUES] then
    return nil, ("%s: the weights of another supernet (of space '%s')"):format(path, meta.space or "unknown"), "EFORMAT"
  end
  for name, t in pairs(self.graph:buffers()) do
    if not tensors[STATISTIC .. name] then return nil, ("%s: statistic '%s' is missing"):format(path, name), "EFORMAT" end
    t:assign(tensors[STATISTIC .. name])
  end
  self.graph:adopt(tensors[VALUES])
  return meta
end

local EVALUATE = { batch = true, normalise = true, memory = true, fold = true, recalibrate = true }
--- Accuracy and loss of each architecture with the shared weights, in evaluation mode; what architectures have in common is computed once.
-- An architecture's result is the same, to the bit, whatever others are in the list and however much memory there is.
-- @param options batch (default: one whose activations stay in the cache), normalise as in vega.train.evaluate;
--   memory = MB of activations kept for other architectures beyond what one needs (default: no bound, about the activations of one architecture);
--   fold = true: batch norms are made part of the convolutions before them; with false the result is, to the bit, that of vega.train.evaluate with
--   the same batch;
--   recalibrate = { data =, batches = 20, batch = 128 }: the batch-norm statistics of each are found anew first, as by `recalibrate` above, but those
--   of the supernet stay as they are; nothing is folded then
-- @return list of { accuracy, loss, correct, n } | nil, message, code
function Supernet:evaluate(archs, data, options)
  local o = options or {}
  util.check_options("supernet:evaluate", o, EVALUATE, 2)
  if o.memory ~= nil and not (type(o.memory) == "number" and o.memory > 0) then
    error(("supernet:evaluate: memory must be a number of MB above 0, got %s"):format(tostring(o.memory)), 2)
  end
  if o.batch ~= nil and (math.type(o.batch) ~= "integer" or o.batch < 1) then
    error(("supernet:evaluate: batch must be an integer >= 1, got %s"):format(tostring(o.batch)), 2)
  end
  local settings = checked_settings(self, archs)
  check_data(self, data, "")
  if o.recalibrate ~= nil then
    util.check_options("supernet:evaluate: recalibrate", o.recalibrate, { data = true, batches = true, batch = true }, 2)
    check_data(self, o.recalibrate.data, "recalibrate: ")
  end
  return score.run(self.graph, settings, data, { batch = o.batch, normalise = o.normalise, memory = o.memory, fold = o.fold ~= false,
    recalibrate = o.recalibrate })
end

function Supernet:__tostring()
  return ("supernet of space '%s': %d shared parameters, %d slots"):format(self.space.name, self.graph:n_params(), #self.reads)
end

sampler = plugin.family("sampler", { "new", "draw" })
supernet.sampler = sampler

return supernet
