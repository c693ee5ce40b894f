--- MobileNetV3: searched inverted residuals with squeeze and excite and hard swish. Howard et al. 2019, arXiv:1905.02244.
local nn = require "vega.nn"

-- A block: kernel, width inside, width out, squeeze and excite, activation (RE: relu, HS: hard swish), stride; tables 1 and 2 of the paper.
local LARGE = [[3 16 16 - RE 1, 3 64 24 - RE 2, 3 72 24 - RE 1, 5 72 40 SE RE 2, 5 120 40 SE RE 1, 5 120 40 SE RE 1, 3 240 80 - HS 2,
  3 200 80 - HS 1, 3 184 80 - HS 1, 3 184 80 - HS 1, 3 480 112 SE HS 1, 3 672 112 SE HS 1, 5 672 160 SE HS 2, 5 960 160 SE HS 1, 5 960 160 SE HS 1]]
local SMALL = [[3 16 16 SE RE 2, 3 72 24 - RE 2, 3 88 24 - RE 1, 5 96 40 SE HS 2, 5 240 40 SE HS 1, 5 240 40 SE HS 1, 5 120 48 SE HS 1,
  5 144 48 SE HS 1, 5 288 96 SE HS 2, 5 576 96 SE HS 1, 5 576 96 SE HS 1]]
local ACT = { RE = "relu", HS = "hswish" }
local EPS = 1e-3

local function mobilenet_v3(blocks, last, features)
  local function build(net)
    local y = net:conv_bn(net:input(), 16, { kernel = 3, stride = 2, act = "hswish", eps = EPS })
    for kernel, mid, out, se, act, stride in blocks:gmatch "(%d) (%d+) (%d+) (%S+) (%u+) (%d)" do
      mid = math.tointeger(mid)
      y = net:inverted_residual(y, math.tointeger(out), { kernel = math.tointeger(kernel), mid = mid, stride = math.tointeger(stride), act = ACT[act],
        se = se == "SE" and nn.round_channels(mid / 4) or nil, se_gate = "hsigmoid", eps = EPS })
    end
    y = net:global_avg_pool(net:conv_bn(y, last, { act = "hswish", eps = EPS }))
    y = net:act(net:linear(y, features), "hswish")
    return net:linear(net:dropout(y, 0.2), net.classes)
  end
  return { input = { 224, 224, 3 }, classes = 1000, build = build }
end

return { mobilenet_v3_large = mobilenet_v3(LARGE, 960, 1280), mobilenet_v3_small = mobilenet_v3(SMALL, 576, 1024) }
