--- Data-parallel training: two processes train one network on Fashion-MNIST together, each on its half of every batch; then a rank dies.
-- Run: scripts/run examples/data_parallel.lua            (some seconds; --ranks 4, --backend mpi where Open MPI is installed)
-- The file is its own ranks: vega.comm.gang starts it again, as often as there are ranks, with the words of `arguments`.
local vega = require "vega"
local o = vega.arguments { ranks = 2, backend = "shm", images = 4000, epochs = 2, checkpoint = "", kill = 0 }

local function train(world)
  local data = assert(vega.data "fashion-mnist")
  local set = data.train:subset { n = o.images, seed = 1 }
  local model = vega.nn.network(set.shape, function(net)
    local y = net:conv_bn(net:input(), 8, { kernel = 3, stride = 2, act = "relu" })
    for _, channels in ipairs { 16, 32 } do y = net:conv_bn(y, channels, { kernel = 3, stride = 2, act = "relu" }) end
    return net:linear(net:global_avg_pool(y), net.classes)
  end, { classes = set.n_classes, seed = 1 })
  assert(vega.train.fit { comm = world, model = model, data = set, validation = data.test:subset { n = 1000, seed = 1 }, epochs = o.epochs,
    batch = 64, optimiser = { name = "sgd", lr = 0.1, momentum = 0.9 }, schedule = { name = "cosine" },
    checkpoint = o.checkpoint, checkpoint_steps = 10, resume = true,
    before_step = function(_, _, trainer)                          -- every rank calls it; it stands for the machine that fails
      if world.rank == 1 and o.kill > 0 and trainer:place() == o.kill then os.execute "kill -KILL $PPID" end
      return true
    end,
    on_epoch = function(e) print(("epoch %d  loss %.6f  test accuracy %.1f %%"):format(e.epoch, e.loss, 100 * e.accuracy)) end })
end

--- Starts the ranks; a gang that has lost one is started again and goes on from the checkpoint.
local function start(checkpoint, kill)
  repeat
    local ok, message, code = vega.comm.gang { script = arg[0], ranks = o.ranks, backend = o.backend,
      arguments = { "--checkpoint", checkpoint, "--kill", kill, "--images", tostring(o.images), "--epochs", tostring(o.epochs) } }
    if not ok then print(message) end
    kill = "0"
  until code ~= "ELOST"
end

if o.checkpoint ~= "" then
  train(assert(vega.comm.world()))
else
  for _, kill in ipairs { "0", "25" } do
    print(kill == "0" and "undisturbed:" or "rank 1 dies before step 26:")
    local checkpoint = os.tmpname()
    os.remove(checkpoint)
    start(checkpoint, kill)
    os.remove(checkpoint)
  end
end
