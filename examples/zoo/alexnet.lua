--- AlexNet, one column, as in Krizhevsky 2014, arXiv:1404.5997.
local function build(net)
  local y = net:input()
  local function layer(channels, kernel, stride, pad)
    y = net:relu(net:conv(y, channels, { kernel = kernel, stride = stride, pad = pad, bias = true }))
  end
  local function pool() y = net:max_pool(y, { kernel = 3, stride = 2 }) end
  layer(64, 11, 4, 2)
  pool()
  layer(192, 5)
  pool()
  layer(384, 3)
  layer(256, 3)
  layer(256, 3)
  pool()
  y = net:flatten(net:adaptive_avg_pool(y, 6))
  for _ = 1, 2 do y = net:relu(net:linear(net:dropout(y, 0.5), 4096)) end
  return net:linear(y, net.classes)
end

return { alexnet = { input = { 224, 224, 3 }, classes = 1000, build = build } }
