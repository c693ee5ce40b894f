--- What the ranks of comm_spec do: the module's function takes { job = name, ... }. The spec calls the same parts in its own process, to compare.
local core = require "vega.core"
local vega = require "vega"

local jobs = {}

local SHAPE, CLASSES = { 6, 6, 2 }, 5

--- kind: "plain" (no norm), "norm" (with batch norms) or "supernet". @return graph, supernet or nil
function jobs.network(kind, seed)
  if kind ~= "supernet" then
    return vega.nn.network(SHAPE, function(net)
      local x = net:input()
      for _ = 1, 2 do
        x = kind == "norm" and net:conv_bn(x, 8, { kernel = 3, act = "relu" }) or net:relu(net:conv(x, 8, { kernel = 3, bias = true }))
      end
      return net:linear(net:global_avg_pool(x), CLASSES)
    end, { seed = seed or 3 })
  end
  local space = vega.space.define { name = "three", input = SHAPE, build = function(net)
    local x = net:conv(net:input(), 4, { kernel = 3, bias = true })
    for i = 1, 2 do
      x = net:choice("op" .. i, {
        { "skip", function(y) return y end },
        { "conv", function(y) return net:relu(net:conv(y, 4, { kernel = 3, bias = true })) end },
        { "wide", function(y) return net:relu(net:conv(y, 4, { kernel = 5, bias = true })) end },
      })(x)
    end
    return net:linear(net:global_avg_pool(x), net.classes)
  end }
  local net = vega.supernet.new { space = space, classes = CLASSES, seed = seed or 3 }
  return net.graph, net
end

local function numbers(n, seed)
  local rng, list, labels = vega.rng.new(seed, "comm"), {}, {}
  for i = 1, n do
    local image = {}
    for h = 1, SHAPE[1] do
      image[h] = {}
      for w = 1, SHAPE[2] do image[h][w] = { rng:normal(), rng:normal() } end
    end
    list[i], labels[i] = image, rng:int(0, CLASSES - 1)
  end
  return list, labels
end

--- Samples first to last of a made batch of n.
function jobs.batch(n, first, last)
  local images, labels = numbers(n, 7)
  return vega.tensor.new(table.move(images, first, last, 1, {})), vega.tensor.new(table.move(labels, first, last, 1, {}), { dtype = "i32" })
end

function jobs.data(n, seed)
  local images, labels = numbers(n, seed)
  return core.data.new("made", vega.tensor.new(images), vega.tensor.new(labels, { dtype = "i32" }), CLASSES)
end

--- Two paths of the supernet, from a stream of random numbers; nil for another network.
function jobs.paths(net, seed)
  if not net then return nil end
  local rng, list = vega.rng.new(seed, "path"), {}
  for i = 1, 2 do list[i] = net:setting(net.space:random(rng)) end
  return list
end

--- The gradients of samples first to last of o.n, as a list; with comm, of the ranks' samples together. @return list, loss
function jobs.gradients(o, first, last, comm)
  local graph, net = jobs.network(o.kind)
  local trainer = core.train.new(graph, { optimiser = "sgd", lr = 0.1, total_steps = 10, comm = comm })
  local x, y = jobs.batch(o.n, first, last)
  local loss, message, code = trainer:gradients(x, y, { settings = jobs.paths(net, o.path_seed or 1) })
  if not loss then return nil, message, code end
  local _, gradients = graph:arena "weights"
  return gradients:totable(), loss
end

--- What the weights, or the buffers, are, in 64 bits.
function jobs.hash(graph, buffers)
  local parts = {}
  local all = buffers and graph:buffers() or { weights = (graph:arena "weights") }
  for _, name in ipairs(require("vega.util").sorted_keys(all)) do
    for _, v in ipairs(all[name]:totable()) do parts[#parts + 1] = string.pack("<d", v) end
  end
  return ("%016x"):format(core.hash.fnv(table.concat(parts)))
end

--- A training of a few epochs. o: kind, epochs, checkpoint, differ (the ranks' first weights), kill = { rank, step, once = file }. @return { weights, buffers, history }
function jobs.fit(o, comm)
  local graph, net = jobs.network(o.kind, o.differ and 3 + comm.rank)
  local options = { model = not net and graph or nil, data = jobs.data(96, 8), validation = jobs.data(31, 9), epochs = o.epochs or 3,
    batch = 32, clip = 1, seed = 5, comm = comm, checkpoint = o.checkpoint, checkpoint_steps = o.checkpoint and 2, resume = o.checkpoint ~= nil,
    optimiser = { name = "sgd", lr = 0.1, momentum = 0.9, weight_decay = 1e-3 }, schedule = { name = "cosine" }, augment = { flip = true, crop = 1 } }
  options.before_step = function(_, _, trainer)
    local kill = o.kill
    if kill and comm.rank == kill.rank and trainer:place() == kill.step and not io.open(kill.once) then
      io.open(kill.once, "w"):close()
      os.execute "kill -KILL $PPID"
    end
    return true
  end
  local history, message, code
  if net then history, message, code = net:fit(options) else history, message, code = vega.train.fit(options) end
  if not history then return nil, message, code end
  local list = {}
  for i, e in ipairs(history) do list[i] = { loss = e.loss, accuracy = e.accuracy, validation_loss = e.validation_loss } end
  return { weights = jobs.hash(graph), buffers = jobs.hash(graph, true), history = list }
end

-- What a rank does -----------------------------------------------------------------------------------------------------------------

local work = {}

-- For each of o.cases the gradients and the loss; rank 0 of two has samples 1 to `cut`.
function work.gradients(comm, o)
  local results = {}
  for i, case in ipairs(o.cases) do
    if case.differ then case.path_seed = 1 + comm.rank end
    local list, loss, code = jobs.gradients(case, comm.rank == 0 and 1 or case.cut + 1, comm.rank == 0 and case.cut or case.n, comm)
    if not list then return nil, loss, code end
    results[i] = { list = list, loss = loss }
  end
  return results
end

-- Every rank's result, from rank 0.
function work.fit(comm, o)
  local mine, message, code = jobs.fit(o, comm)
  if not mine then return nil, message, code end
  local all = {}
  for r = 0, comm.size - 1 do all[r + 1] = core.json.decode(assert(comm:broadcast(core.json.encode(mine), r))) end
  return all
end

--- Sums, copies, numbers: every collective on every rank.
function work.collectives(comm)
  local n = (1 << 20) + 3                                          -- more than a bucket
  local t = vega.tensor.zeros { n }
  t:fill(0.25 * (comm.rank + 1))
  assert(comm:allreduce(t))
  local copy = vega.tensor.zeros { n }
  copy:fill(comm.rank)
  assert(comm:broadcast(copy, comm.size - 1))
  assert(comm:barrier())
  return { size = comm.size, first = t:totable()[1], last = t:totable()[n], sum = comm:allreduce(comm.rank + 1),
    least = comm:allreduce(comm.rank, "min"), most = comm:allreduce(comm.rank, "max"), copied = copy:totable()[n], text = comm:broadcast(comm.rank == 1 and "from one" or "", 1) }
end

function work.sizes(comm) return comm:allreduce(vega.tensor.zeros { 10 + comm.rank }) end

function work.order(comm)
  if comm.rank == 0 then return comm:barrier() end
  return comm:allreduce(1)
end

function work.leave(comm)
  if comm.rank == 0 then comm:close() else return comm:barrier() end
end

function work.abort(comm)
  if comm.rank == 1 then comm:abort(7) end
  return comm:barrier()
end

function work.kill(comm)
  if comm.rank == 1 then os.execute "kill -KILL $PPID" end
  return comm:barrier()
end

function work.nan(comm)
  local graph = jobs.network "plain"
  local trainer = core.train.new(graph, { optimiser = "sgd", lr = 0.1, total_steps = 10, comm = comm })
  local x, y = jobs.batch(4, 1, 4)
  if comm.rank == 1 then x:fill(0 / 0) end
  local loss, message, code = trainer:step(x, y)
  return { failed = loss == nil, message = message, code = code, step = (trainer:place()) }
end

function work.raise() error "no such thing" end
function work.sleep(comm)
  if comm.rank == 0 then return comm:barrier() end
  os.execute "sleep 60"
end
function work.threads() return { threads = core.sys.threads(), variable = os.getenv "VEGA_COMM" or "" } end

return setmetatable(jobs, { __call = function(_, comm, o) return work[o.job](comm, o) end })
