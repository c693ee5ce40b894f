--- Residual networks. He et al. 2016, arXiv:1512.03385; the stride of a bottleneck sits on its 3x3 (version 1.5).
-- Layers carry PyTorch's names (layer1.0.conv1), so that weights trained there can be loaded by name.

local function conv_bn(net, x, channels, name, opts)
  local conv, bn = name:gsub("#", "conv"), name:gsub("#", "bn")
  local y = net:conv(x, channels, { kernel = opts.kernel, stride = opts.stride, name = conv })
  return net:batch_norm(y, { act = opts.act, name = bn })
end

-- A block's own path and its channels, without the shortcut.
local function basic(net, x, width, stride, name)
  local y = conv_bn(net, x, width, name .. ".#1", { kernel = 3, stride = stride, act = "relu" })
  return conv_bn(net, y, width, name .. ".#2", { kernel = 3 })
end

local function bottleneck(net, x, width, stride, name)
  local y = conv_bn(net, x, width, name .. ".#1", { kernel = 1, act = "relu" })
  y = conv_bn(net, y, width, name .. ".#2", { kernel = 3, stride = stride, act = "relu" })
  return conv_bn(net, y, 4 * width, name .. ".#3", { kernel = 1 })
end

-- Shortcuts where the shape changes: a 1x1 convolution (option B of the paper), or every second pixel with channels of zeros around (option A).
local function projection(net, x, channels, stride, name)
  local y = net:conv(x, channels, { stride = stride, name = name .. ".downsample.0" })
  return net:batch_norm(y, { name = name .. ".downsample.1" })
end

local function padded(net, x, channels, stride)
  local s = net:shape(x)
  for axis = 2, 3 do x = net:op("slice", x, { axis = axis, ["end"] = s[axis], step = stride }) end
  local missing = channels - s[4]
  return net:op("pad", x, { channels_begin = missing // 2, channels_end = missing - missing // 2 })
end

local function stages(net, y, widths, depths, block, shortcut)
  for stage, depth in ipairs(depths) do
    for i = 1, depth do
      local name, stride = ("layer%d.%d"):format(stage, i - 1), i == 1 and stage > 1 and 2 or 1
      local own = block(net, y, widths[stage], stride, name)
      local same = stride == 1 and net:channels(own) == net:channels(y)
      y = net:relu(net:add(own, same and y or shortcut(net, y, net:channels(own), stride, name)))
    end
  end
  return net:global_avg_pool(y)
end

local function imagenet(depths, block)
  local function build(net)
    local y = conv_bn(net, net:input(), 64, "#1", { kernel = 7, stride = 2, act = "relu" })
    y = net:max_pool(y, { kernel = 3, stride = 2, pad = 1 })
    return net:linear(stages(net, y, { 64, 128, 256, 512 }, depths, block, projection), net.classes, { name = "fc" })
  end
  return { input = { 224, 224, 3 }, classes = 1000, build = build }
end

-- Depth 6n + 2, for images of 32 pixels: section 4.2 of the paper.
local function cifar(depth)
  local n = (depth - 2) // 6
  local function build(net)
    local y = conv_bn(net, net:input(), 16, "#1", { kernel = 3, act = "relu" })
    return net:linear(stages(net, y, { 16, 32, 64 }, { n, n, n }, basic, padded), net.classes, { name = "linear" })
  end
  return { input = { 32, 32, 3 }, classes = 10, build = build }
end

local zoo = {
  resnet18 = imagenet({ 2, 2, 2, 2 }, basic),
  resnet34 = imagenet({ 3, 4, 6, 3 }, basic),
  resnet50 = imagenet({ 3, 4, 6, 3 }, bottleneck),
}
for _, depth in ipairs { 20, 32, 44, 56, 110 } do zoo["resnet" .. depth .. "_cifar"] = cifar(depth) end
return zoo
