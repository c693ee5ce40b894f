--- The networks that speed is judged by, as the benchmark and its peer build them.
local workloads = {}

local function basic_block(net, x, channels, stride)
  local y = net:conv_bn(x, channels, { kernel = 3, stride = stride, act = "relu" })
  y = net:conv_bn(y, channels, { kernel = 3 })
  local shortcut = stride > 1 and net:conv_bn(x, channels, { stride = stride }) or x
  return net:relu(net:add(y, shortcut))
end

--- CIFAR ResNet-20, 1x1 convolution and norm on the two striding shortcuts: 272,474 parameters. He et al. 2016, arXiv:1512.03385.
function workloads.resnet20(net)
  local y = net:conv_bn(net:input(), 16, { kernel = 3, act = "relu" })
  for stage, channels in ipairs { 16, 32, 64 } do
    for block = 1, 3 do y = basic_block(net, y, channels, stage > 1 and block == 1 and 2 or 1) end
  end
  return net:linear(net:global_avg_pool(y), net.classes)
end

local STAGES = { { 24, 1 }, { 32, 2 }, { 64, 2 }, { 96, 1 } }
--- Twelve inverted residuals, kernel 3 and expansion 6 everywhere.
function workloads.mbv2(net)
  local y = net:conv_bn(net:input(), 16, { kernel = 3, act = "relu6" })
  for _, stage in ipairs(STAGES) do
    for block = 1, 3 do y = net:inverted_residual(y, stage[1], { kernel = 3, expand = 6, stride = block == 1 and stage[2] or 1 }) end
  end
  return net:linear(net:global_avg_pool(net:conv_bn(y, 320, { act = "relu6" })), net.classes)
end

return workloads
