--- VGG: stages of 3x3 convolutions, each ended by a pool. Simonyan & Zisserman 2015, arXiv:1409.1556.
local function vgg(depths)
  local function build(net)
    local y = net:input()
    for stage, depth in ipairs(depths) do
      local channels = math.min(512, 32 << stage)
      for _ = 1, depth do y = net:relu(net:conv(y, channels, { kernel = 3, bias = true })) end
      y = net:max_pool(y, { kernel = 2 })
    end
    y = net:flatten(net:adaptive_avg_pool(y, 7))
    for _ = 1, 2 do y = net:dropout(net:relu(net:linear(y, 4096)), 0.5) end
    return net:linear(y, net.classes)
  end
  return { input = { 224, 224, 3 }, classes = 1000, build = build }
end

return { vgg16 = vgg { 2, 2, 3, 3, 3 } }
