--- Inverted residuals for small images (28 to 32 pixels): three stages, each with a width and a depth, each block with a kernel and an expansion.
-- The blocks are those of MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381).
local space = require "vega.space"

local WIDTHS = { { 8, 12, 16, 24 }, { 16, 24, 32, 40 }, { 32, 48, 64, 80 } }
local STRIDES = { 1, 2, 2 }

return space.define {
  name = "mobile_tiny",
  build = function(net)
    local y = net:conv_bn(net:input(), net:width("stem", { 8, 12, 16 }), { kernel = 3, stride = 2, act = "relu6" })
    for stage, widths in ipairs(WIDTHS) do
      local prefix = ("stage%d."):format(stage)
      local channels = net:width(prefix .. "width", widths)
      y = net:depth(prefix .. "depth", { 1, 2, 3 }, y, function(x, block)
        local at = ("%sblock%d."):format(prefix, block)
        return net:inverted_residual(x, channels, { kernel = net:kernel(at .. "kernel", { 3, 5 }), expand = net:choice(at .. "expand", { 2, 3, 4, 6 }),
          stride = block == 1 and STRIDES[stage] or 1 })
      end)
    end
    y = net:conv_bn(y, net:width("head", { 64, 96, 128 }), { act = "relu6" })
    return net:linear(net:global_avg_pool(y), net.classes)
  end,
}
