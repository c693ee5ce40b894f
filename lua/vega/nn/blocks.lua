--- Compositions of layers. Each is a method of the builder in init.lua and only adds nodes.
return function(Net, check)
  local SE = { gate = 1, act = 1, name = 1 }
  --- Squeeze and excite: channels scaled by a gate of two 1x1 layers. Hu et al. 2018, arXiv:1709.01507.
  function Net:squeeze_excite(x, reduced, opts)
    local o = check(opts, SE, "squeeze_excite")
    local function layer(y, channels, part) return self:conv(y, channels, { bias = true, name = o.name and o.name .. part }) end
    local s = self:act(layer(self:adaptive_avg_pool(x, 1), reduced, ".fc1"), o.act or "relu")
    return self:op("mul", { x, self:act(layer(s, self:channels(x), ".fc2"), o.gate or "sigmoid") })
  end

  local SEPARABLE = { kernel = 1, stride = 1, act = 1 }
  --- Depthwise separable convolution: depthwise, then 1x1, both with batch norm and activation. Howard et al. 2017, arXiv:1704.04861.
  function Net:separable(x, channels, opts)
    local o = check(opts, SEPARABLE, "separable")
    local y = self:batch_norm(self:depthwise(x, { kernel = o.kernel, stride = o.stride }), { act = o.act })
    return self:conv_bn(y, channels, { act = o.act })
  end

  local IR = { kernel = 1, stride = 1, expand = 1, mid = 1, act = 1, se = 1, se_act = 1, se_gate = 1, eps = 1, drop_path = 1 }
  --- Inverted residual: 1x1 up to `expand` times the channels (or to `mid`), depthwise, squeeze and excite to `se` channels, 1x1 down; shortcut
  -- where the shapes agree. Sandler et al. 2018, arXiv:1801.04381.
  function Net:inverted_residual(x, channels, opts)
    local o = check(opts, IR, "inverted_residual")
    local c_in, stride, act = self:channels(x), o.stride or 1, o.act or "relu6"
    local mid, y = o.mid or c_in * (o.expand or 6), x
    if mid ~= c_in then y = self:conv_bn(y, mid, { act = act, eps = o.eps }) end
    y = self:batch_norm(self:depthwise(y, { kernel = o.kernel, stride = stride }), { act = act, eps = o.eps })
    if o.se then y = self:squeeze_excite(y, o.se, { act = o.se_act, gate = o.se_gate }) end
    y = self:conv_bn(y, channels, { eps = o.eps })
    if stride ~= 1 or c_in ~= channels then return y end
    if o.drop_path then y = self:op("drop_path", y, { p = o.drop_path }) end
    return self:add(x, y)
  end
end
