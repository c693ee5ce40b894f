--- Twelve inverted residuals for 32x32 images, each of six kinds: kernel 3, 5 or 7, expansion 3 or 6; widths and strides are fixed: 6^12 networks.
-- The single-path space of FairNAS (Chu et al. 2019, arXiv:1907.01845) at the size of CIFAR.
local space = require "vega.space"

local STAGES = { { 24, 1 }, { 32, 2 }, { 64, 2 }, { 96, 1 } }                    -- width and first stride of three layers each
local BLOCKS = 3

local KINDS = {}
for _, kernel in ipairs { 3, 5, 7 } do
  for _, expand in ipairs { 3, 6 } do
    table.insert(KINDS, { ("k%d_e%d"):format(kernel, expand), function(net, x, channels, stride)
      return net:inverted_residual(x, channels, { kernel = kernel, expand = expand, stride = stride })
    end })
  end
end

return space.define {
  name = "spos_mobile", input = { 32, 32, 3 },
  build = function(net)
    local y, layer = net:conv_bn(net:input(), 16, { kernel = 3, act = "relu6" }), 0
    for _, stage in ipairs(STAGES) do
      for block = 1, BLOCKS do
        layer = layer + 1
        y = net:choice(("layer%02d"):format(layer), KINDS)(net, y, stage[1], block == 1 and stage[2] or 1)
      end
    end
    return net:linear(net:global_avg_pool(net:conv_bn(y, 320, { act = "relu6" })), net.classes)
  end,
}
