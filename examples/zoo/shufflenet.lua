--- ShuffleNetV2: half of the channels pass each unit unchanged, a shuffle mixes the halves. Ma et al. 2018, arXiv:1807.11164.
local function separable(net, x, channels, stride)                 -- linear after the depthwise convolution
  local y = net:batch_norm(net:depthwise(x, { kernel = 3, stride = stride }))
  return net:conv_bn(y, channels, { act = "relu" })
end

local function unit(net, x, channels, stride)
  local half, right, left = channels // 2, x
  if stride == 2 then left = separable(net, x, half, stride)
  else left, right = net:slice_channels(x, 1, half), net:slice_channels(x, half + 1, channels) end
  right = separable(net, net:conv_bn(right, half, { act = "relu" }), half, stride)
  return net:op("channel_shuffle", net:concat { left, right }, { groups = 2 })
end

local function shufflenet_v2(widths)
  local function build(net)
    local y = net:conv_bn(net:input(), 24, { kernel = 3, stride = 2, act = "relu" })
    y = net:max_pool(y, { kernel = 3, stride = 2, pad = 1 })
    for stage, units in ipairs { 4, 8, 4 } do
      for i = 1, units do y = unit(net, y, widths[stage], i == 1 and 2 or 1) end
    end
    return net:linear(net:global_avg_pool(net:conv_bn(y, 1024, { act = "relu" })), net.classes)
  end
  return { input = { 224, 224, 3 }, classes = 1000, build = build }
end

return { shufflenet_v2_x0_5 = shufflenet_v2 { 48, 96, 192 }, shufflenet_v2_x1_0 = shufflenet_v2 { 116, 232, 464 } }
