--- NAS-Bench-Macro: eight layers, each an identity or one of two inverted residuals: 6,561 networks. Su et al. 2021, arXiv:2103.11922.
--
-- The benchmark writes a network as eight digits, one a layer: 0 identity, 1 kernel 3 expansion 3, 2 kernel 5 expansion 6.
--     local nb_macro = vega.space "nb_macro"
--     local arch = assert(nb_macro.parse "02012100")
-- The same layers in a smaller network, for supernets: nb_macro.with { stem = 8, head = 128 }.
local space = require "vega.space"
local util = require "vega.util"

local OPS = { "identity", "mb3_k3", "mb6_k5" }
local BLOCK = { mb3_k3 = { expand = 3, kernel = 3 }, mb6_k5 = { expand = 6, kernel = 5 } }
local STAGES = { 2, 3, 3 }
local NETWORK = { stem = { 32, min = 1, about = "channels of the stem; the stages have 2, 4 and 8 times as many" },
  head = { 1280, min = 1, about = "channels of the head" } }

local function layer_name(i) return "layer" .. i end

local function apply(op)
  local block = BLOCK[op]
  return function(net, x, channels, stride)
    if block then return net:inverted_residual(x, channels, { expand = block.expand, kernel = block.kernel, stride = stride }) end
    return stride == 1 and x or net:conv_bn(x, channels, { stride = stride })
  end
end

local CANDIDATES = {}
for i, op in ipairs(OPS) do CANDIDATES[i] = { op, apply(op) } end

local nb_macro = {}

--- The space over networks of another size: stem = 32 channels, head = 1280.
function nb_macro.with(options)
  local p = util.parameters("nb_macro", NETWORK, options or {}, 2)
  local self = space.define {
    name = "nb_macro",
    build = function(net)
      local y, i = net:conv_bn(net:input(), p.stem, { kernel = 3, act = "relu6" }), 0
      for stage, depth in ipairs(STAGES) do
        for k = 1, depth do
          i = i + 1
          y = net:choice(layer_name(i), CANDIDATES)(net, y, p.stem << stage, k == 1 and 2 or 1)
        end
      end
      return net:linear(net:global_avg_pool(net:conv_bn(y, p.head, { act = "relu6" })), net.classes)
    end,
  }
  for name, method in pairs(nb_macro) do self[name] = method end
  return self
end

--- The benchmark's digits of an architecture.
function nb_macro.text(arch)
  local digits, place = {}, {}
  for i, op in ipairs(OPS) do place[op] = i - 1 end
  for i = 1, 8 do digits[i] = place[arch[layer_name(i)]] end
  return table.concat(digits)
end

--- Reads the digits. @return arch, or nil, message, "EFORMAT"
function nb_macro.parse(text)
  if not text:find "^[012][012][012][012][012][012][012][012]$" then
    return nil, ("nb_macro: eight digits 0 to 2 expected, got '%s'"):format(text), "EFORMAT"
  end
  local arch = {}
  for i = 1, 8 do arch[layer_name(i)] = OPS[tonumber(text:sub(i, i)) + 1] end
  return arch
end

return nb_macro.with {}
