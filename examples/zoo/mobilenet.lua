--- MobileNets of depthwise separable convolutions and of inverted residuals, and the networks that were searched among the latter.
local IMAGENET = { 224, 224, 3 }

-- Howard et al. 2017, arXiv:1704.04861.
local function mobilenet_v1(net)
  local y = net:conv_bn(net:input(), 32, { kernel = 3, stride = 2, act = "relu6" })
  for _, layer in ipairs { { 64, 1 }, { 128, 2 }, { 128, 1 }, { 256, 2 }, { 256, 1 }, { 512, 2 }, { 512, 1 }, { 512, 1 }, { 512, 1 }, { 512, 1 },
    { 512, 1 }, { 1024, 2 }, { 1024, 1 } } do
    y = net:separable(y, layer[1], { stride = layer[2], act = "relu6" })
  end
  return net:linear(net:global_avg_pool(y), net.classes)
end

-- Stem of 32, a separable convolution to 16 whose second half is linear, inverted residuals, 1x1 to 1280.
-- Stages "channels stride: blocks", a block "k<kernel>e<expansion>", "4*k3e6" for four of them; the stride is the first block's.
local function inverted_residuals(act, ...)
  local stages = { ... }
  local function build(net)
    local y = net:conv_bn(net:input(), 32, { kernel = 3, stride = 2, act = act })
    y = net:inverted_residual(y, 16, { expand = 1, act = act })
    for _, stage in ipairs(stages) do
      local channels, stride, blocks = stage:match "^(%d+) (%d): (.+)$"
      for times, kernel, expand in blocks:gmatch "(%d*)%*?k(%d)e(%d)" do
        for _ = 1, tonumber(times) or 1 do
          y = net:inverted_residual(y, tonumber(channels), { kernel = tonumber(kernel), expand = tonumber(expand),
            stride = tonumber(stride), act = act })
          stride = 1
        end
      end
    end
    y = net:global_avg_pool(net:conv_bn(y, 1280, { act = act }))
    return net:linear(net:dropout(y, 0.2), net.classes)
  end
  return { input = IMAGENET, classes = 1000, build = build }
end

return {
  mobilenet_v1 = { input = IMAGENET, classes = 1000, build = mobilenet_v1 },
  -- Sandler et al. 2018, arXiv:1801.04381.
  mobilenet_v2 = inverted_residuals("relu6", "24 2: 2*k3e6", "32 2: 3*k3e6", "64 2: 4*k3e6", "96 1: 3*k3e6", "160 2: 3*k3e6", "320 1: k3e6"),
  -- MnasNet-B1: Tan et al. 2019, arXiv:1807.11626.
  mnasnet1_0 = inverted_residuals("relu", "24 2: 3*k3e3", "40 2: 3*k5e3", "80 2: 3*k5e6", "96 1: 2*k3e6", "192 2: 4*k5e6", "320 1: k3e6"),
  -- ProxylessNAS (mobile): Cai et al. 2019, arXiv:1812.00332.
  proxyless_mobile = inverted_residuals("relu6", "32 2: k5e3 k3e3", "40 2: k7e3 k3e3 2*k5e3", "80 2: k7e6 3*k5e3", "96 1: k5e6 3*k5e3",
    "192 2: 2*k7e6 2*k7e3", "320 1: k7e6"),
  -- FairNAS: Chu et al. 2021, arXiv:1907.01845.
  fairnas_a = inverted_residuals("relu6", "32 2: k7e3 k3e3", "40 2: k7e3 k3e6 k7e6 k3e3", "80 2: k3e3 2*k7e6 k5e3", "96 1: k3e6 2*k5e3 k3e6",
    "192 2: k3e6 k7e6 k3e6 k7e6", "320 1: k5e6"),
  fairnas_b = inverted_residuals("relu6", "32 2: k5e3 k3e3", "40 2: k5e3 k3e3 k3e6 k5e3", "80 2: k7e3 k3e3 k3e6 k5e3", "96 1: k3e3 k3e6 k7e3 k3e3",
    "192 2: k7e6 k5e6 k7e6 k3e6", "320 1: k5e6"),
  fairnas_c = inverted_residuals("relu6", "32 2: k5e3 k3e3", "40 2: k7e3 3*k3e3", "80 2: 3*k3e3 k3e6", "96 1: 4*k3e3", "192 2: 2*k7e6 2*k3e6",
    "320 1: k5e6"),
}
