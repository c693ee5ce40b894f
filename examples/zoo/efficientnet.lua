--- EfficientNet-B0: inverted residuals with squeeze and excite, swish and stochastic depth. Tan & Le 2019, arXiv:1905.11946.
local STAGES = {                       -- kernel, expansion, channels, blocks, stride: table 1 of the paper
  { 3, 1, 16, 1, 1 }, { 3, 6, 24, 2, 2 }, { 5, 6, 40, 2, 2 }, { 3, 6, 80, 3, 2 }, { 5, 6, 112, 3, 1 }, { 5, 6, 192, 4, 2 }, { 3, 6, 320, 1, 1 },
}
local BLOCKS, DROP_PATH, EPS = 16, 0.2, 1e-3

local function build(net)
  local y, done = net:conv_bn(net:input(), 32, { kernel = 3, stride = 2, act = "swish", eps = EPS }), 0
  for _, stage in ipairs(STAGES) do
    local kernel, expand, channels, blocks, stride = table.unpack(stage)
    for i = 1, blocks do
      y = net:inverted_residual(y, channels, { kernel = kernel, expand = expand, stride = i == 1 and stride or 1, act = "swish",
        se = net:channels(y) // 4, se_act = "swish", drop_path = DROP_PATH * done / BLOCKS, eps = EPS })
      done = done + 1
    end
  end
  y = net:global_avg_pool(net:conv_bn(y, 1280, { act = "swish", eps = EPS }))
  return net:linear(net:dropout(y, 0.2), net.classes)
end

return { efficientnet_b0 = { input = { 224, 224, 3 }, classes = 1000, build = build } }
