--- Foreign weights: a CIFAR ResNet trained elsewhere, loaded by the names of its layers, and its accuracy on test images.
-- Run: scripts/run examples/pretrained.lua --weights resnet20_cifar10.json --images test10k.cjpk
-- The weights are one file of f32 numbers beside a JSON that tells each tensor's name, shape and place in it; convolutions are [out, in, h, w].
local vega = require "vega"
local read_images = dofile((arg[0]:match "^(.*)/[^/]*$" or ".") .. "/../scripts/cifar_jpeg.lua")

local o = vega.arguments { network = "resnet20_cifar", weights = "", images = "", limit = 0 }

local function read(path, mode)
  local file = assert(io.open(path, mode or "rb"))
  local text = file:read "a"
  file:close()
  return text
end

--- `count` little-endian f32 numbers of `bytes` from `offset` (from 0).
local function floats(bytes, offset, count)
  local list = {}
  for i = 1, count do list[i] = string.unpack("<f", bytes, offset + 4 * (i - 1) + 1) end
  return list
end

local function load_weights(model, path)
  local layout, bytes = assert(vega.json.decode(read(path))), read((path:gsub("%.json$", ".bin")))
  local own = model:params()
  for name, tensor in pairs(model:buffers()) do own[name] = tensor end
  for _, entry in ipairs(layout.tensors) do
    local tensor = vega.tensor.new(floats(bytes, entry.offset, entry.count), entry.shape)
    if #entry.shape == 4 then tensor = tensor:transpose({ axis_a = 2, axis_b = 4 }):transpose { axis_a = 2, axis_b = 3 } end   -- -> [out, h, w, in]
    assert(own[entry.name], "the network has no tensor " .. entry.name):assign(tensor)
    own[entry.name] = nil
  end
  assert(not next(own), "no weights for " .. tostring(next(own)))
end

local model = vega.zoo(o.network):materialise(1)
load_weights(model, o.weights)
local score = assert(vega.train.evaluate(model, read_images(o.images, o.limit), {
  normalise = { mean = { 0.485, 0.456, 0.406 }, std = { 0.229, 0.224, 0.225 } },
}))
print(("accuracy %.2f %% of %d images"):format(100 * score.accuracy, score.n))
return model
