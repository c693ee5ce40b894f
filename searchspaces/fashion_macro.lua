--- Five layers for 28x28 images, each a plain layer or one of two inverted residuals: 3^5 = 243 networks, small enough that all of them were trained:
-- vega.table.fashion_macro(), made by scripts/tabulate.lua. In the manner of NAS-Bench-Macro (Su et al. 2021, arXiv:2103.11922).
--
-- A network's text form is five digits, one a layer: 0 plain, 1 kernel 3 expansion 2, 2 kernel 5 expansion 4.
local space = require "vega.space"

local OPS = { "plain", "k3_e2", "k5_e4" }
local BLOCK = { k3_e2 = { kernel = 3, expand = 2 }, k5_e4 = { kernel = 5, expand = 4 } }
local LAYERS = { { 8, 1 }, { 16, 2 }, { 16, 1 }, { 32, 2 }, { 32, 1 } }           -- width and stride
local STEM, HEAD = 8, 64

local function layer_name(i) return "layer" .. i end

-- Plain is nothing where that is possible, else the smallest layer that changes the shape.
local function apply(op)
  local block = BLOCK[op]
  return function(net, x, channels, stride)
    if block then return net:inverted_residual(x, channels, { kernel = block.kernel, expand = block.expand, stride = stride }) end
    return stride == 1 and net:channels(x) == channels and x or net:conv_bn(x, channels, { stride = stride })
  end
end

local CANDIDATES = {}
for i, op in ipairs(OPS) do CANDIDATES[i] = { op, apply(op) } end

local fashion_macro = space.define {
  name = "fashion_macro", input = { 28, 28, 1 },
  build = function(net)
    local y = net:conv_bn(net:input(), STEM, { kernel = 3, stride = 2, act = "relu6" })
    for i, layer in ipairs(LAYERS) do y = net:choice(layer_name(i), CANDIDATES)(net, y, layer[1], layer[2]) end
    return net:linear(net:global_avg_pool(net:conv_bn(y, HEAD, { act = "relu6" })), net.classes)
  end,
}

--- The five digits of an architecture.
function fashion_macro.text(arch)
  local digits, place = {}, {}
  for i, op in ipairs(OPS) do place[op] = i - 1 end
  for i = 1, #LAYERS do digits[i] = place[arch[layer_name(i)]] end
  return table.concat(digits)
end

--- Reads the digits. @return arch, or nil, message, "EFORMAT"
function fashion_macro.parse(text)
  if not text:find "^[012][012][012][012][012]$" then
    return nil, ("fashion_macro: five digits 0 to 2 expected, got '%s'"):format(text), "EFORMAT"
  end
  local arch = {}
  for i = 1, #LAYERS do arch[layer_name(i)] = OPS[tonumber(text:sub(i, i)) + 1] end
  return arch
end

return fashion_macro
