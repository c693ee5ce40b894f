--- SqueezeNet 1.0 and 1.1: fire modules, 1x1 down, 1x1 and 3x3 up side by side. Iandola et al. 2016, arXiv:1602.07360.
local POOL = { kernel = 3, stride = 2, ceil = true }

local function layer(net, x, channels, kernel, stride, pad)
  return net:relu(net:conv(x, channels, { kernel = kernel, stride = stride, pad = pad, bias = true }))
end

local function fire(net, x, squeeze, expand)
  local y = layer(net, x, squeeze, 1)
  return net:concat { layer(net, y, expand, 1), layer(net, y, expand, 3) }
end

-- first: channels and kernel of the first layer; pools: after which fire modules the image shrinks, 0 being the first layer.
local function squeezenet(first, pools)
  local function build(net)
    local y = layer(net, net:input(), first.channels, first.kernel, 2, 0)
    for i = 0, 8 do
      if i > 0 then
        local squeeze = 16 * ((i + 1) // 2)
        y = fire(net, y, squeeze, 4 * squeeze)
      end
      if pools[i] then y = net:max_pool(y, POOL) end
    end
    return net:global_avg_pool(layer(net, net:dropout(y, 0.5), net.classes, 1))
  end
  return { input = { 224, 224, 3 }, classes = 1000, build = build }
end

return {
  squeezenet1_0 = squeezenet({ channels = 96, kernel = 7 }, { [0] = true, [3] = true, [7] = true }),
  squeezenet1_1 = squeezenet({ channels = 64, kernel = 3 }, { [0] = true, [2] = true, [4] = true }),
}
