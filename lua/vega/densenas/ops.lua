--- The operators of dense spaces: functions that add an operator to a network, known by the names of the paper's code.
--    ops.get "mbconv_k5_t3" (net, x, channels, stride, norm) -> node
-- `norm` are the options of each batch norm (affine, eps, momentum).
--    mbconv_kK_tT   1x1 to T times the channels (none for T = 1), KxK depthwise, 1x1: Sandler et al. 2018, arXiv:1801.04381. The last norm of one
--                   with T = 1 always has gamma and beta, as in the paper's code
--    basic_block    two 3x3;  bottle_neck  1x1, 3x3, 1x1 to four times the channels: He et al. 2015, arXiv:1512.03385
--    skip_connect   nothing
local ops = {}

local function conv_bn(net, x, channels, norm, o)
  return net:batch_norm(net:conv(x, channels, { kernel = o.kernel, stride = o.stride, groups = o.groups }),
    { act = o.act, affine = norm.affine, eps = norm.eps, momentum = norm.momentum })
end
ops.conv_bn = conv_bn

local function is_like(net, a, b)
  local s, t = net:shape(a), net:shape(b)
  return s[2] == t[2] and s[3] == t[3] and s[4] == t[4]
end

local function mbconv(kernel, expand)
  return function(net, x, channels, stride, norm)
    local mid, y = expand * net:channels(x), x
    if expand > 1 then y = conv_bn(net, y, mid, norm, { act = "relu6" }) end
    y = conv_bn(net, y, mid, norm, { kernel = kernel, stride = stride, groups = mid, act = "relu6" })
    y = conv_bn(net, y, channels, expand > 1 and norm or { eps = norm.eps, momentum = norm.momentum }, {})
    return is_like(net, x, y) and net:add(y, x) or y
  end
end

-- The rest of a residual block: the shortcut, by a 1x1 convolution where the shapes differ, and the ReLU after the sum.
local function close(net, x, y, stride, norm)
  local shortcut = x
  if not is_like(net, x, y) then shortcut = conv_bn(net, x, net:channels(y), norm, { stride = stride }) end
  return net:relu(net:add(y, shortcut))
end

local OPS = {
  basic_block = function(net, x, channels, stride, norm)
    local y = conv_bn(net, x, channels, norm, { kernel = 3, stride = stride, act = "relu" })
    return close(net, x, conv_bn(net, y, channels, norm, { kernel = 3 }), stride, norm)
  end,
  bottle_neck = function(net, x, channels, stride, norm)
    local y = conv_bn(net, x, channels, norm, { act = "relu" })
    y = conv_bn(net, y, channels, norm, { kernel = 3, stride = stride, act = "relu" })
    return close(net, x, conv_bn(net, y, 4 * channels, norm, {}), stride, norm)
  end,
  skip_connect = function(_, x) return x end,
}

--- The operator of that name, or nil and what is wrong.
function ops.get(name)
  if OPS[name] then return OPS[name] end
  local kernel, expand = tostring(name):match "^mbconv_k(%d+)_t(%d+)$"
  kernel, expand = math.tointeger(tonumber(kernel)), math.tointeger(tonumber(expand))
  if kernel and kernel % 2 == 1 and kernel < 32 and expand and expand >= 1 and expand < 100 then return mbconv(kernel, expand) end
  return nil, ("unknown operator '%s' (known: mbconv_kK_tT with an odd K, basic_block, bottle_neck, skip_connect)"):format(tostring(name))
end

--- How many times a block's width its output has.
function ops.expansion(name) return name == "bottle_neck" and 4 or 1 end

return ops
