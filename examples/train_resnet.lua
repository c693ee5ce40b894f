--- Trains a CIFAR ResNet from the zoo. Every epoch ends with a checkpoint; with --resume a run that was stopped goes on from the last one.
-- Run: scripts/run examples/train_resnet.lua --data cifar10 --path ~/cifar-10-batches-bin
--      scripts/run examples/train_resnet.lua --data folder --path ~/pictures        (train/CLASS/*.png and test/CLASS/*.png, resized to --size)
--      scripts/run examples/train_resnet.lua --data fashion-mnist --epochs 10
local vega = require "vega"

local o = vega.arguments { data = "cifar10", path = "", size = 32, network = "resnet20_cifar", epochs = 100, batch = 128, rate = 0.1, limit = 0,
  seed = 1, precision = "auto", checkpoint = "runs/train_resnet.ckpt.safetensors", resume = false }

local function load_data()
  local path = o.path ~= "" and o.path or nil
  local data = assert(vega.data(o.data == "folder" and { kind = "folder", path = path, size = { o.size, o.size } } or { name = o.data, path = path }))
  local train, test = data.train, data.test
  if o.limit > 0 then
    train = train:subset { n = math.min(o.limit, #train), seed = o.seed }
    test = test:subset { n = math.min(o.limit, #test), seed = o.seed }
  end
  return train, test
end

local train, test = load_data()
local model = vega.zoo(o.network, { input = train.shape, classes = train.n_classes }):materialise(o.seed)
print(("%s: %d parameters; %d training images, %d test images of %s"):format(o.network, model:n_params(), #train, #test,
  table.concat(train.shape, "x")))

local is_terminal, steps = vega.sys.isatty(2), math.ceil(#train / o.batch)
assert(vega.sys.make_dirs(o.checkpoint:match "^(.+)/" or "."))
local history = assert(vega.train.fit {
  model = model, data = train, validation = test, epochs = o.epochs, batch = o.batch, seed = o.seed, precision = o.precision,
  optimiser = { name = "sgd", lr = o.rate, momentum = 0.9, nesterov = true, weight_decay = 5e-4 },
  schedule = { name = "cosine", warmup = steps },
  augment = { flip = true, crop = 4 },
  checkpoint = o.checkpoint, checkpoint_steps = 200, resume = o.resume,
  on_step = function(s)
    if is_terminal then io.stderr:write(("\r\27[Kepoch %d/%d, step %d/%d, loss %.3f"):format(s.epoch, o.epochs, s.batch, steps, s.loss)) end
  end,
  on_epoch = function(e)
    if is_terminal then io.stderr:write "\r\27[K" end
    print(("epoch %3d  loss %.4f  test loss %.4f  test accuracy %.2f %%  %.1f s"):format(e.epoch, e.loss, e.validation_loss,
      100 * e.accuracy, e.seconds))
  end,
})
print(("test accuracy %.2f %% after %d epochs"):format(100 * history[#history].accuracy, #history))
