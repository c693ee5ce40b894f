--- The networks of pycls's table of complexities (Radosavovic et al. 2020, arXiv:2003.13678), by the names of its configurations.
--    local network = require("spec.pycls_networks") "dds_baselines/regnety/RegNetY-1.6GF_dds_8gpu.yaml"       -- { input =, classes =, build = }
local nn = require "vega.nn"

-- ResNet, ResNeXt and their like for CIFAR -----------------------------------------------------------------------------------------------

-- Bottlenecks: depths, width of the groups, number of the groups.
local function resnext(depths, groups, width)
  return { input = { 224, 224, 3 }, classes = 1000, build = function(net)
    local y = net:conv_bn(net:input(), 64, { kernel = 7, stride = 2, act = "relu" })
    y = net:max_pool(y, { kernel = 3, stride = 2, pad = 1 })
    for stage, depth in ipairs(depths) do
      for i = 1, depth do
        local stride, out, mid = i == 1 and stage > 1 and 2 or 1, 256 << stage - 1, groups * width << stage - 1
        local own = net:conv_bn(y, mid, { act = "relu" })
        own = net:conv_bn(net:conv_bn(own, mid, { kernel = 3, stride = stride, groups = groups, act = "relu" }), out)
        y = net:relu(net:add(own, i == 1 and net:conv_bn(y, out, { stride = stride }) or y))
      end
    end
    return net:linear(net:global_avg_pool(y), net.classes)
  end }
end

local function cifar(depth, residual)
  return { input = { 32, 32, 3 }, classes = 10, build = function(net)
    local y = net:conv_bn(net:input(), 16, { kernel = 3, act = "relu" })
    for stage = 1, 3 do
      for i = 1, (depth - 2) // 6 do
        local stride, out = i == 1 and stage > 1 and 2 or 1, 16 << stage - 1
        local own = net:conv_bn(net:conv_bn(y, out, { kernel = 3, stride = stride, act = "relu" }), out, { kernel = 3 })
        local shortcut = residual and stride == 2 and net:conv_bn(y, out, { stride = 2 }) or y
        y = net:relu(residual and net:add(own, shortcut) or own)
      end
    end
    return net:linear(net:global_avg_pool(y), net.classes)
  end }
end

-- RegNet ---------------------------------------------------------------------------------------------------------------------------------

-- depth, first width, slope, quantiser, width of a group: table of the paper's appendix, as pycls sets them
local X = { ["200MF"] = { 13, 24, 36.44, 2.49, 8 }, ["400MF"] = { 22, 24, 24.48, 2.54, 16 }, ["600MF"] = { 16, 48, 36.97, 2.24, 24 },
  ["800MF"] = { 16, 56, 35.73, 2.28, 16 }, ["1.6GF"] = { 18, 80, 34.01, 2.25, 24 }, ["3.2GF"] = { 25, 88, 26.31, 2.25, 48 },
  ["4.0GF"] = { 23, 96, 38.65, 2.43, 40 }, ["6.4GF"] = { 17, 184, 60.83, 2.07, 56 }, ["8.0GF"] = { 23, 80, 49.56, 2.88, 120 },
  ["12GF"] = { 19, 168, 73.36, 2.37, 112 }, ["16GF"] = { 22, 216, 55.59, 2.1, 128 }, ["32GF"] = { 23, 320, 69.86, 2.0, 168 } }
local Y = { ["200MF"] = { 13, 24, 36.44, 2.49, 8 }, ["400MF"] = { 16, 48, 27.89, 2.09, 8 }, ["600MF"] = { 15, 48, 32.54, 2.32, 16 },
  ["800MF"] = { 14, 56, 38.84, 2.4, 16 }, ["1.6GF"] = { 27, 48, 20.71, 2.65, 24 }, ["3.2GF"] = { 21, 80, 42.63, 2.66, 24 },
  ["4.0GF"] = { 22, 96, 31.41, 2.24, 64 }, ["6.4GF"] = { 25, 112, 33.22, 2.27, 72 }, ["8.0GF"] = { 17, 192, 76.82, 2.19, 56 },
  ["12GF"] = { 19, 168, 73.36, 2.37, 112 }, ["16GF"] = { 18, 200, 106.23, 2.48, 112 }, ["32GF"] = { 20, 232, 115.89, 2.53, 232 } }

local function round(v) return math.tointeger(v // 1 + (v % 1 > 0.5 and 1 or v % 1 == 0.5 and v // 1 % 2 or 0)) end     -- half to even, as numpy

-- The paper's equations 2 to 4: a width for each block, quantised to powers, made multiples of 8, then of the group.
local function widths(depth, first, slope, power)
  local list = {}
  for j = 0, depth - 1 do
    local step = round(math.log((first + slope * j) / first) / math.log(power))
    list[j + 1] = round(first * power ^ step / 8) * 8
  end
  return list
end

local function regnet(p, se)
  local depth, first, slope, power, group = table.unpack(p)
  return { input = { 224, 224, 3 }, classes = 1000, build = function(net)
    local y, before = net:conv_bn(net:input(), 32, { kernel = 3, stride = 2, act = "relu" }), nil
    for _, w in ipairs(widths(depth, first, slope, power)) do
      local g = math.min(group, w)
      local out, stride, c_in = round(w / g) * g, w ~= before and 2 or 1, net:channels(y)
      local own = net:conv_bn(y, out, { act = "relu" })
      own = net:conv_bn(own, out, { kernel = 3, stride = stride, groups = out // g, act = "relu" })
      if se then own = net:squeeze_excite(own, round(c_in * 0.25)) end
      own = net:conv_bn(own, out)
      y = net:relu(net:add(own, (stride == 2 or c_in ~= out) and net:conv_bn(y, out, { stride = stride }) or y))
      before = w
    end
    return net:linear(net:global_avg_pool(y), net.classes)
  end }
end

-- EfficientNet ---------------------------------------------------------------------------------------------------------------------------

local SCALES = { B0 = { 1.0, 1.0, 224 }, B1 = { 1.0, 1.1, 240 }, B2 = { 1.1, 1.2, 260 }, B3 = { 1.2, 1.4, 300 }, B4 = { 1.4, 1.8, 380 },
  B5 = { 1.6, 2.2, 456 } }
local STAGES = { { 3, 1, 16, 1, 1 }, { 3, 6, 24, 2, 2 }, { 5, 6, 40, 2, 2 }, { 3, 6, 80, 3, 2 }, { 5, 6, 112, 3, 1 }, { 5, 6, 192, 4, 2 },
  { 3, 6, 320, 1, 1 } }

local function efficientnet(scale)
  local width, depth, side = table.unpack(scale)
  local function wide(n) return nn.round_channels(n * width) end
  return { input = { side, side, 3 }, classes = 1000, build = function(net)
    local y = net:conv_bn(net:input(), wide(32), { kernel = 3, stride = 2, act = "swish" })
    for _, stage in ipairs(STAGES) do
      local kernel, expand, channels, blocks, stride = table.unpack(stage)
      for i = 1, math.ceil(blocks * depth) do
        y = net:inverted_residual(y, wide(channels), { kernel = kernel, expand = expand, stride = i == 1 and stride or 1, act = "swish",
          se = round(net:channels(y) * 0.25), se_act = "swish" })
      end
    end
    return net:linear(net:global_avg_pool(net:conv_bn(y, wide(1280), { act = "swish" })), net.classes)
  end }
end

local DEPTHS = { ["50"] = { 3, 4, 6, 3 }, ["101"] = { 3, 4, 23, 3 }, ["152"] = { 3, 8, 36, 3 } }

--- The network of a configuration, or nil when its family is not known here.
return function(config)
  local family, name = config:match "/(%w+)/([^/]+)$"
  local kind, size = name:match "RegNet([XY])%-([%d.]+[MG]F)"
  if kind then return regnet((kind == "X" and X or Y)[size], kind == "Y") end
  if family == "effnet" then return efficientnet(SCALES[name:match "EN%-(B%d)"]) end
  if config:find "/cifar/" then return cifar(tonumber(name:match "^%u%-(%d+)"), name:sub(1, 1) == "R") end
  local depth, groups, width = name:match "^[RX]%-(%d+)%-(%d+)x(%d+)d"
  return depth and resnext(DEPTHS[depth], tonumber(groups), tonumber(width))
end
