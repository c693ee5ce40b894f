--- Zero-cost proxies: each against a plain reference and PyTorch, the network left as it was, wrong use.
local core = require "vega.core"
local nn = require "vega.nn"
local proxy = require "vega.proxy"
local walk = require "vega.walk"
local op, tensor = core.op, core.tensor

local function near(expected, got, tolerance)
  local is_near = math.abs(expected - got) <= tolerance * math.max(1, math.abs(expected))          -- NaN is not
  if not is_near then
    error(("expected %.10g, got %.10g"):format(expected, got), 2)
  end
end

local function each(t, f)
  local flat, list = t:reshape { -1 }, {}
  for j = 1, t:count() do list[j] = f(j - 1) end
  flat:assign(tensor.new(list))
end

-- The small network that PyTorch 2.13 (in f64) was asked about; parameter k holds base + size * sin(0.7 j + k) at place j:
--     y = relu(bn(conv3x3(x)));  y = relu(y + bn(conv3x3(y)));  y = relu6(conv1x1(max_pool(y)) + bias);  linear(mean(y))
-- snip: autograd.grad of the cross entropy; grasp: grad of sum(g * g.detach()); jacov: numpy's corrcoef and eigvalsh; naswot: slogdet of
-- C C' + (1 - C)(1 - C)'; synflow: the same without norms and with relu for relu6, on absolute parameters.
local GOLDEN = { snip = 4.329809745287276, grasp = -9.970106316356297, jacov = -5.71005216189825, naswot = 29.319500349820387,
  synflow = 1848.2248516295035 }

local function golden()
  local graph = nn.network({ 8, 8, 2 }, function(net)
    local y = net:conv_bn(net:input(), 4, { kernel = 3, act = "relu", name = "a" })
    y = net:relu(net:add(y, net:conv_bn(y, 4, { kernel = 3, act = "none", name = "b" })))
    y = net:op("relu6", net:conv(net:max_pool(y, { kernel = 2, stride = 2 }), 6, { bias = true, name = "c" }))
    return net:linear(net:global_avg_pool(y), 3, { name = "d" })
  end)
  local params, k = graph:params(), 0
  for _, node in ipairs(graph:nodes()) do
    if node.kind == "param" then
      k = k + 1
      local is_norm, is_gamma = node.name:find "bn", node.name:find "bn.*weight"
      local size, base = (is_norm or node.name == "c.bias" or node.name == "d.bias") and 0.1 or 0.5, is_gamma and 1 or 0
      local number = k
      each(params[node.name], function(j) return base + size * math.sin(0.7 * j + number) end)
    end
  end
  local x = tensor.zeros { 5, 8, 8, 2 }
  each(x, function(j) return math.sin(0.37 * j + 0.01 * j * j) end)
  return graph, { batch = x, labels = tensor.new({ 0, 1, 2, 1, 0 }, { dtype = "i32" }) }
end

local function linear_net(weights)
  local graph = nn.network({ #weights[1][1] }, function(net)
    local y = net:input()
    for i, w in ipairs(weights) do y = net:linear(y, #w, { bias = false, name = "l" .. i }) end
    return y
  end)
  for i, w in ipairs(weights) do graph:params()[("l%d.weight"):format(i)]:assign(tensor.new(w)) end
  return graph
end

-- log |det| by elimination, in plain Lua.
local function naive_log_det(a)
  local n, sum = #a, 0
  for i = 1, n do
    local p = i
    for r = i + 1, n do if math.abs(a[r][i]) > math.abs(a[p][i]) then p = r end end
    a[i], a[p] = a[p], a[i]
    if a[i][i] == 0 then return -math.huge end
    sum = sum + math.log(math.abs(a[i][i]))
    for r = i + 1, n do
      local f = a[r][i] / a[i][i]
      for c = i, n do a[r][c] = a[r][c] - f * a[i][c] end
    end
  end
  return sum
end

describe("zero-cost proxies", function()
  it("say what PyTorch says of a small network", function()
    local graph, o = golden()
    near(-0.7284185026806476, graph:run(o.batch, { train = true }):get(1, 1), 1e-5)
    for name, value in pairs(GOLDEN) do
      o.step = name == "grasp" and 1e-3 or nil
      near(value, proxy[name](graph, o), name == "grasp" and 1e-2 or 1e-4)
    end
  end)

  it("leave the network as it was, to the bit", function()
    local graph, o = golden()
    local held = {}
    for _, set in ipairs { graph:params(), graph:buffers() } do for name, t in pairs(set) do held[name] = t:copy() end end
    local _ <close> = core.tape.new()
    for _, name in ipairs(proxy.names()) do
      local first = proxy[name](graph, o)
      assert.equal(first, proxy[name](graph, o), name)                         -- and they have no state of their own
    end
    for _, set in ipairs { graph:params(), graph:buffers() } do
      for name, t in pairs(set) do
        assert.same(held[name]:totable(), t:totable(), name)
        assert.is_nil(t.grad)
      end
    end
  end)

  it("give the same for a bf16 network as for its f32 values", function()
    local graph, o = golden()
    local before = {}
    for _, name in ipairs(proxy.names()) do before[name] = proxy[name](graph, o) end
    graph:precision "bf16"
    for _, name in ipairs(proxy.names()) do assert.equal(before[name], proxy[name](graph, o)) end
  end)

  it("count parameters and multiply-adds", function()
    local graph = golden()
    assert.equal(72 + 8 + 144 + 8 + 24 + 6 + 18 + 3, proxy.params(graph))
    assert.equal(64 * (72 + 144) + 16 * 24 + 18, proxy.macs(graph))
  end)

  it("take a supernet's extract, and refuse the supernet", function()
    local net = require("vega.supernet").new { space = require "vega.space" "nb201", input = { 8, 8, 3 }, classes = 4 }
    local arch = net.space:random(core.rng.new(3, "x"))
    local graph = net:extract(arch)
    local batch, labels = tensor.randn({ 4, 8, 8, 3 }, core.rng.new(1, "b")), tensor.new({ 0, 1, 2, 3 }, { dtype = "i32" })
    for _, name in ipairs(proxy.names()) do assert.is_number(proxy[name](graph, { batch = batch, labels = labels }), name) end
    assert.error_matches(function() proxy.synflow(net.graph) end, "settle the supernet first")
  end)
end)

describe("a walk", function()
  it("computes what a run computes, in inference and in training", function()
    local graph, o = golden()
    assert.same(graph:run(o.batch):totable(), walk.open(graph):run(o.batch):totable())
    local y = walk.open(graph):run(o.batch, function(node, inputs) return walk.apply(node, inputs, true) end)
    assert.same(graph:run(o.batch, { train = true }):totable(), y:totable())
  end)

  it("knows the options of every operator of the zoo", function()
    for _, name in ipairs { "mobilenet_v3_small", "shufflenet_v2_x0_5" } do
      local graph = require "vega.zoo"(name):materialise(1)
      local shape = graph:shape(1)
      shape[1] = 1
      local x = tensor.randn(shape, core.rng.new(1, "z"))
      assert.same(graph:run(x):totable(), walk.open(graph):run(x):totable(), name)
    end
  end)
end)

describe("synflow", function()
  it("of a linear network is its flow, once a layer", function()
    assert.equal(20, proxy.synflow(linear_net { { { 1, -2 }, { -3, 4 } }, { { 1, -1 } } }))
  end)

  it("is the flow times the number of layers, whatever the size: deep networks do not overflow", function()
    local layers = {}
    for i = 1, 300 do layers[i] = { { 8, 8 }, { 8, 8 } } end                   -- 16^300 * 2 = 2^1201: beyond doubles
    assert.equal(math.huge, proxy.synflow(linear_net(layers)))
    local some = table.move(layers, 1, 200, 1, {})
    assert.equal(200 * 2.0 ^ 801, proxy.synflow(linear_net(some)))
    for i = 1, 300 do layers[i] = { { 1 / 64, 1 / 64 }, { 1 / 64, 1 / 64 } } end      -- and far below f32
    assert.equal(100 * 2.0 ^ -499, proxy.synflow(linear_net(table.move(layers, 1, 100, 1, {}))))
  end)

  it("agrees with the gradient of a flow that needs no exponents, through gates, biases and branches of different depth", function()
    local graph = nn.network({ 6, 6, 2 }, function(net)
      local y = net:conv(net:input(), 4, { kernel = 3, bias = true })
      local z = net:op("hswish", net:conv(net:conv(y, 4), 4, { kernel = 3, bias = true }))
      y = net:squeeze_excite(net:concat { y, z }, 2)
      return net:linear(net:global_avg_pool(net:op("swish", y)), 3)
    end, { seed = 5 })
    for _, p in pairs(graph:params()) do p:assign(op.scale(op.abs(p), { factor = 0.3, bias = 0.01 })) end
    local net, flow = walk.open(graph), 0
    net:want_grads(net.weights)
    local tape <close> = core.tape.new()
    tape:backward(op.sum(net:run(net:ones(1))))
    for _, w in ipairs(net.weights) do flow = flow + op.sum(op.mul(w, w.grad)):item() end
    -- hswish and swish differ from x * gate(x) in the gate's own derivative, which synflow has too.
    near(flow, proxy.synflow(graph), 1e-5)
  end)

  it("is 0 where nothing flows", function()
    local graph = nn.network({ 4, 4, 1 }, function(net)
      local y = net:conv(net:input(), 2)
      return net:linear(net:global_avg_pool(net:sum({}, y)), 2, { bias = false })
    end)
    assert.equal(0, proxy.synflow(graph))
  end)
end)

describe("snip and grasp", function()
  it("follow from differences of the loss", function()
    local graph, o = golden()
    local params = graph:params()
    local function loss() return op.cross_entropy(graph:run(o.batch, { train = true }), o.labels):item() end
    local sum, step = 0, 2e-3
    local w = params["d.weight"]:reshape { -1 }
    for i = 1, w:count() do
      local value = w:get(i)
      local up = w:set(i, value + step) and loss()
      local down = w:set(i, value - step) and loss()
      w:set(i, value)
      sum = sum + math.abs(value * (up - down) / (2 * step))
    end
    local net = walk.open(graph)
    net:want_grads { net.weights[4] }
    local tape <close> = core.tape.new()
    local y = net:run(o.batch, function(node, inputs) return walk.apply(node, inputs, true) end)
    tape:backward(op.cross_entropy(y, o.labels))
    near(op.sum(op.abs(op.mul(net.weights[4]:copy(), net.weights[4].grad))):item(), sum, 1e-2)
  end)

  it("grasp is exact for a quadratic-like loss: a linear classifier's Hessian by hand", function()
    -- One weight w of class 1 against class 0, one image x = 1, label 0: loss = log(1 + e^(w1 - w0)), s = sigmoid(w1 - w0).
    -- g = (-s, s), H = s (1 - s) (1 -1; -1 1), H g = 2 s^2 (1 - s) (-1, 1), score = -(w1 - w0) 2 s^2 (1 - s).
    local graph = linear_net { { { 0.2 }, { 0.9 } } }
    local s = 1 / (1 + math.exp(-0.7))
    local o = { batch = tensor.ones { 1, 1 }, labels = tensor.new({ 0 }, { dtype = "i32" }) }
    near(-0.7 * 2 * s * s * (1 - s), proxy.grasp(graph, o), 1e-3)
    near(s * (0.2 + 0.9), proxy.snip(graph, o), 1e-5)
  end)
end)

describe("jacov", function()
  local of = proxy.jacov.class.of

  it("of three rows known by hand", function()
    near(-3.66309, of(tensor.new { { 1, 0, 2, 1 }, { 0, 1, 1, 3 }, { 2, 1, 0, 1 } }), 1e-5)
  end)

  it("falls by 1 / k for a repeated image, and is least for a constant row", function()
    local graph, o = golden()
    local twice = op.concat({ o.batch, o.batch:rows(1, 1) }, { axis = 1 })
    assert.is_true(proxy.jacov(graph, { batch = twice }) < -5e4)
    assert.equal(-math.huge, of(tensor.new { { 1, 1 }, { 1, 2 } }))
  end)
end)

describe("naswot", function()
  local class = proxy.naswot.class

  it("of three codes known by hand", function()
    local kernel = class.kernel { tensor.new { { 1, -1, 5, 0.1 }, { 1, 2, 0, 3 }, { -1, 0, 1e-20, -3 } } }
    assert.same({ 4, 2, 2, 2, 4, 0, 2, 0, 4 }, kernel)
    near(math.log(32), class.of(kernel), 1e-12)
    assert.equal(-math.huge, class.of(class.kernel { tensor.new { { 1, 2 }, { 3, 4 } } }))
    assert.equal(-math.huge, class.of {})
  end)

  it("counts rectifiers one by one, fused ones and all kinds of them", function()
    for _, act in ipairs { "relu", "relu6", "leaky", "hswish", "swish" } do
      local graph = nn.network({ 5, 5, 2 }, function(net)
        local y = net:conv_bn(net:input(), 6, { kernel = 3, act = act })
        return net:linear(net:global_avg_pool(net:op("sigmoid", y)), 3)
      end, { seed = 2 })
      local x = tensor.randn({ 7, 5, 5, 2 }, core.rng.new(4, "x"))
      local codes, kernel = {}, {}
      walk.open(graph):run(x, function(node, inputs)
        local y = walk.apply(node, inputs, true)
        if node.op == "batch_norm" then codes = y:reshape { 7, -1 }:totable() end
        return y
      end)
      for i = 1, 7 do
        kernel[i] = {}
        for j = 1, 7 do
          kernel[i][j] = 0
          for k = 1, #codes[1] do if (codes[i][k] > 0) == (codes[j][k] > 0) then kernel[i][j] = kernel[i][j] + 1 end end
        end
      end
      near(naive_log_det(kernel), proxy.naswot(graph, { batch = x }), 1e-9)
    end
  end)
end)

describe("zen", function()
  local function net_of(build) return nn.network({ 6, 6, 2 }, build, { seed = 3 }) end
  local function two_layers(net)
    local y = net:conv_bn(net:input(), 5, { kernel = 3, act = "relu", name = "a" })
    y = net:conv_bn(y, 4, { act = "relu", name = "b" })
    return net:linear(net:global_avg_pool(y), 3)
  end

  -- The same by eager operators, from the same stream: weights, image, disturbance.
  local function plain(repeats, images, gamma, seed)
    local rng, sum = core.rng.new(seed, "zen"), 0
    for _ = 1, repeats do
      local w1, w2 = tensor.randn({ 5, 3, 3, 2 }, rng), tensor.randn({ 4, 1, 1, 5 }, rng)
      tensor.randn({ 3, 4 }, rng)                  -- the classifier's, behind the feature map
      local x = tensor.randn({ images, 6, 6, 2 }, rng)
      local moved, logs = op.add(x, op.scale(tensor.randn({ images, 6, 6, 2 }, rng), { factor = gamma })), 0
      local function norm(y, count)
        local mean, channels = op.mean(y:reshape { -1, y:shape()[4] }, { axis = 1 }), y:shape()[4]
        local centred = op.sub(y, mean:reshape { 1, 1, 1, channels })
        local variance = op.mean(op.square(centred):reshape { -1, channels }, { axis = 1 })
        local n = y:count() / channels
        if count then logs = logs + 0.5 * math.log(op.mean(variance):item() * n / (n - 1)) end
        return op.relu(op.div(centred, op.sqrt(op.scale(variance, { factor = 1, bias = 1e-5 })):reshape { 1, 1, 1, channels }))
      end
      local function features(image, count) return norm(op.conv2d(norm(op.conv2d(image, w1, { pad = 1 }), count), w2), count) end
      sum = sum + math.log(op.sum(op.abs(op.sub(features(x, true), features(moved)))):item() / images) + logs
    end
    return sum / repeats
  end

  it("is what its formula says", function()
    near(plain(3, 4, 0.01, 9), proxy.zen(net_of(two_layers), { seed = 9, repeats = 3, images = 4 }), 1e-3)
  end)

  it("gives back what a norm takes away: a weight scaled before it adds the log of the scale", function()
    local graph = net_of(two_layers)
    local before = proxy.zen(graph, { redraw = false, repeats = 2 })
    local w = graph:params()["a.weight"] or graph:params()["a.conv.weight"]
    w:assign(op.scale(w, { factor = 8 }))
    near(before + math.log(8), proxy.zen(graph, { redraw = false, repeats = 2 }), 1e-4)
  end)

  it("is least for a network that is cut in two", function()
    assert.equal(-math.huge, proxy.zen(net_of(function(net)
      return net:linear(net:global_avg_pool(net:sum({}, net:conv_bn(net:input(), 4))), 3)
    end)))
  end)
end)

describe("a proxy used wrongly", function()
  local line = debug.getinfo(1, "l").currentline

  it("says so at the user's line", function()
    local graph, o = golden()
    local function fails(pattern, f)
      local ok, message = pcall(f)
      assert.is_false(ok)
      assert.matches(pattern, tostring(message))
      assert.matches("proxy_spec%.lua:%d+: ", tostring(message))
      assert.is_true(tonumber(tostring(message):match "proxy_spec%.lua:(%d+)") > line)
    end
    fails("proxy 'synflo' is not found; did you mean 'synflow'", function() return proxy.synflo end)
    fails("proxy 'snip': option 'labels' is missing", function() proxy.snip(graph, { batch = o.batch }) end)
    fails("proxy 'snip': unknown option 'batches'; did you mean", function() proxy.snip(graph, { batch = o.batch, batches = 1 }) end)
    fails("proxy 'jacov': batch: %[N, 8, 8, 2%] expected, got %[2, 8%]", function() proxy.jacov(graph, { batch = tensor.ones { 2, 8 } }) end)
    fails("labels: i32, one for each image", function() proxy.snip(graph, { batch = o.batch, labels = tensor.ones { 5 } }) end)
    fails("zen': images must be >= 2, got 1", function() proxy.zen(graph, { images = 1 }) end)
    fails("a network expected, got table", function() proxy.params {} end)
    fails("no values yet", function() proxy.synflow(nn.describe({ 2 }, function(net) return net:linear(net:input(), 2) end)) end)
  end)

  it("takes one of the user's own", function()
    local mine = { name = "depth", params = { of = { "conv2d" } }, score = function(graph, options)
      local n = 0
      for _, node in ipairs(graph:nodes()) do if node.op == options.of then n = n + 1 end end
      return n
    end }
    assert.equal(3, proxy.use(mine)((golden())))
    assert.equal(1, proxy.use(mine)((golden()), { of = "linear" }))
  end)
end)

describe("a tape that is open meanwhile", function()
  it("is current again afterwards", function()
    local graph, o = golden()
    local w = tensor.ones({ 2 }):param()
    local tape <close> = core.tape.new()
    proxy.snip(graph, o)
    tape:backward(op.sum(op.square(w)))
    assert.same({ 2, 2 }, w.grad:totable())
  end)
end)
