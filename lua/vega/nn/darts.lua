--- Networks of DARTS cells: their operations and how cells follow each other. Liu et al. 2019, arXiv:1806.09055.
-- The space searchspaces/darts.lua and the networks of published genotypes (vega.genotype) are made of these.
local cells = {}

-- Operations --------------------------------------------------------------------------------------------------------------------------

--- The layers of one network, functions (net, x, stride) by their names: `search` leaves batch norms in cells without weight and bias, and puts one
-- behind each pooling. "none" gives false.
function cells.layers(search)
  local norm, layer = { affine = not search }, {}

  function layer.relu_conv_bn(net, x, channels) return net:batch_norm(net:conv(net:relu(x), channels), norm) end

  -- Half the resolution: two 1x1 convolutions of stride 2, one a pixel further down and right. Odd sizes get a line of zeros at their ends.
  function layer.factorized_reduce(net, x, channels)
    local y = net:relu(x)
    local shape = net:shape(y)
    local height, width = shape[2] + shape[2] % 2, shape[3] + shape[3] % 2
    if height > shape[2] or width > shape[3] then y = net:op("pad", y, { bottom = height - shape[2], right = width - shape[3] }) end
    local shifted = net:op("slice", net:op("slice", y, { axis = 2, begin = 2, ["end"] = height }), { axis = 3, begin = 2, ["end"] = width })
    local half = channels // 2
    return net:batch_norm(net:concat { net:conv(y, half, { stride = 2 }), net:conv(shifted, channels - half, { stride = 2 }) }, norm)
  end

  -- Depthwise and 1x1, without anything between them; x is behind a ReLU. `act` of the norm saves a map of its own for the ReLU that follows.
  local function separated(net, x, kernel, stride, dil, act)
    local y = net:depthwise(x, { kernel = kernel, stride = stride, dil = dil })
    return net:batch_norm(net:conv(y, net:channels(x)), { affine = norm.affine, act = act })
  end
  local function pooled(net, y) return search and net:batch_norm(y, norm) or y end

  function layer.none() return false end
  function layer.max_pool_3x3(net, x, stride) return pooled(net, net:max_pool(x, { kernel = 3, stride = stride, pad = 1 })) end
  function layer.avg_pool_3x3(net, x, stride) return pooled(net, net:avg_pool(x, { kernel = 3, stride = stride, pad = 1 })) end
  function layer.skip_connect(net, x, stride) return stride == 1 and x or layer.factorized_reduce(net, x, net:channels(x)) end
  for _, k in ipairs { 3, 5, 7 } do
    layer[("sep_conv_%dx%d"):format(k, k)] = function(net, x, stride)
      return separated(net, separated(net, net:relu(x), k, stride, 1, "relu"), k, 1)
    end
    layer[("dil_conv_%dx%d"):format(k, k)] = function(net, x, stride) return separated(net, net:relu(x), k, stride, 2) end
  end
  function layer.conv_7x1_1x7(net, x, stride)
    local channels, y = net:channels(x), net:relu(x)
    for _, o in ipairs { { shape = { 1, 7 }, stride = 1, stride_w = stride, pad = 0, pad_w = 3 },
      { shape = { 7, 1 }, stride = stride, stride_w = 1, pad = 3, pad_w = 0 } } do
      local name = net:label "conv"
      local w = net.graph:param(name .. ".weight", { channels, o.shape[1], o.shape[2], channels }, "kaiming_normal", 7 * channels, true)
      y = net:op("conv2d", { y, w }, { stride = o.stride, stride_w = o.stride_w, pad = o.pad, pad_w = o.pad_w }, name)
    end
    return net:batch_norm(y, norm)
  end
  return layer
end

-- The network -------------------------------------------------------------------------------------------------------------------------

local POOL, LEFT = 5, 2                     -- the auxiliary head's pool, and the side of the image that it must leave

-- The auxiliary head on node x: nil and a message where the image's size does not fit.
local function auxiliary_head(net, x, imagenet)
  local shape, stride = net:shape(x), imagenet and 2 or 3
  local least = POOL + (LEFT - 1) * stride
  for axis = 2, 3 do
    if shape[axis] < least or shape[axis] >= least + stride then
      return nil, ("the auxiliary head reads images of %d to %d pixels a side, where it stands they are %dx%d"):format(least, least + stride - 1,
        shape[2], shape[3])
    end
  end
  local y = net:conv_bn(net:avg_pool(net:relu(x), { kernel = POOL, stride = stride }), 128, { act = "relu" })
  y = net:conv(y, 768, { kernel = LEFT })
  y = imagenet and net:relu(y) or net:batch_norm(y, { act = "relu" })
  return net:linear(net:flatten(y), net.classes)
end

--- A network of cells: a stem, `n` cells of which those in `reduces` (set of numbers) double the channels and halve the resolution, the head.
-- make(kind, s0, s1, stride) builds a cell of kind "normal" or "reduce" from its two states, already of its channels, and returns its outputs, which
-- are concatenated. @param o n, reduces, channels, stem = 3 times the channels; imagenet: two stems of stride 2 in place of one; auxiliary: a second
-- head on the cell at two thirds. It comes last, so that the first values of the network's parameters are those without it.
-- @return the output's node, that of the auxiliary one; or nil and a message where the image's size is none for the auxiliary head
function cells.network(net, layer, o, make)
  local s0, s1, tap
  if o.imagenet then
    s0 = net:conv_bn(net:input(), o.channels // 2, { kernel = 3, stride = 2, act = "relu" })
    s0 = net:conv_bn(s0, o.channels, { kernel = 3, stride = 2 })
    s1 = net:conv_bn(net:relu(s0), o.channels, { kernel = 3, stride = 2 })
  else
    s0 = net:conv_bn(net:input(), (o.stem or 3) * o.channels, { kernel = 3 })
    s1 = s0
  end
  local channels, after_reduction = o.channels, o.imagenet
  for i = 1, o.n do
    if o.reduces[i] then channels = 2 * channels end
    local preprocess = after_reduction and layer.factorized_reduce or layer.relu_conv_bn
    local in0, in1 = preprocess(net, s0, channels), layer.relu_conv_bn(net, s1, channels)
    s0, s1 = s1, net:concat(make(o.reduces[i] and "reduce" or "normal", in0, in1, o.reduces[i] and 2 or 1))
    after_reduction = o.reduces[i]
    if i == 2 * o.n // 3 + 1 then tap = s1 end
  end
  local output = net:linear(net:global_avg_pool(s1), net.classes)
  if not o.auxiliary then return output end
  local auxiliary, message = auxiliary_head(net, tap, o.imagenet)
  if not auxiliary then return nil, message end
  return output, auxiliary
end

--- The cells that reduce where nothing else is said: those at one and two thirds.
function cells.reductions(n) return { n // 3 + 1, 2 * n // 3 + 1 } end

return cells
