--- DenseNet-121: every layer reads all before it in its block, and adds 32 channels. Huang et al. 2017, arXiv:1608.06993.
local GROWTH = 32

local function norm_conv(net, x, channels, kernel)                 -- normalised first, as in the paper
  return net:conv(net:batch_norm(x, { act = "relu" }), channels, { kernel = kernel })
end

local function build(net)
  local y = net:conv_bn(net:input(), 64, { kernel = 7, stride = 2, act = "relu" })
  y = net:max_pool(y, { kernel = 3, stride = 2, pad = 1 })
  for block, layers in ipairs { 6, 12, 24, 16 } do
    if block > 1 then y = net:avg_pool(norm_conv(net, y, net:channels(y) // 2, 1), { kernel = 2 }) end
    for _ = 1, layers do y = net:concat { y, norm_conv(net, norm_conv(net, y, 4 * GROWTH, 1), GROWTH, 3) } end
  end
  return net:linear(net:global_avg_pool(net:batch_norm(y, { act = "relu" })), net.classes)
end

return { densenet121 = { input = { 224, 224, 3 }, classes = 1000, build = build } }
