--- The workloads that speed is judged by, as the benchmark and its peer build them. A workload is a function (input, classes) that returns
-- { graph =, paths = nil or function(step) -> the settings that a step trains, networks = function() -> the networks a step goes through,
-- searches = true when a step is one of the architecture and one of the weights }.
local mixed = require "vega.supernet.mixed"
local sampler = require "vega.sampler"
local supernet = require "vega.supernet"
local vega = require "vega"

local workloads = {}

local function basic_block(net, x, channels, stride)
  local y = net:conv_bn(x, channels, { kernel = 3, stride = stride, act = "relu" })
  y = net:conv_bn(y, channels, { kernel = 3 })
  local shortcut = stride > 1 and net:conv_bn(x, channels, { stride = stride }) or x
  return net:relu(net:add(y, shortcut))
end

--- CIFAR ResNet-20, 1x1 convolution and norm on the two striding shortcuts: 272,474 parameters. He et al. 2016, arXiv:1512.03385.
local function resnet20(net)
  local y = net:conv_bn(net:input(), 16, { kernel = 3, act = "relu" })
  for stage, channels in ipairs { 16, 32, 64 } do
    for block = 1, 3 do y = basic_block(net, y, channels, stage > 1 and block == 1 and 2 or 1) end
  end
  return net:linear(net:global_avg_pool(y), net.classes)
end

function workloads.resnet20(input, classes)
  local graph = vega.nn.network(input, resnet20, { seed = 0, classes = classes })
  return { graph = graph, networks = function() return { graph } end }
end

-- Steps over the single-path supernet of inverted residuals; draw(space, step) gives the architectures of a step.
local function paths_of(draw)
  return function(input, classes)
    local net = supernet.new { space = "spos_mobile", input = input, classes = classes, seed = 0 }
    return { graph = net.graph, paths = function(step) return net:settings(draw(net.space, step)) end, networks = function()
      local list = {}
      for i, arch in ipairs(draw(net.space, 1)) do list[i] = net:extract(arch) end
      return list
    end }
  end
end

--- One path: kernel 3 and expansion 6 everywhere.
workloads.mbv2 = paths_of(function(space)
  local arch = {}
  for _, d in ipairs(space.decisions) do arch[d.name] = "k3_e6" end
  return { arch }
end)

--- One step of strict fairness: six paths, gradients added, one update.
workloads.fair = paths_of(function(space, step)
  local rng = vega.rng.new(0, "fair", step)
  return sampler.strict_fair.class.new(space):draw(step, rng)
end)

-- The DARTS search network: cells of four nodes over the two cells before, every edge a mixture of eight operations. Liu et al. 2019, arXiv:1806.09055.
local function factorised_reduce(net, x, channels)
  local y = net:relu(x)
  local odd = net:op("slice", y, { axis = 2, begin = 2, ["end"] = net:shape(x)[2], step = 2 })
  odd = net:op("slice", odd, { axis = 3, begin = 2, ["end"] = net:shape(x)[3], step = 2 })
  local halves = { net:conv(y, channels // 2, { stride = 2 }), net:conv(odd, channels // 2) }
  return net:batch_norm(net:concat(halves), { affine = false })
end

local function relu_conv_bn(net, x, channels) return net:batch_norm(net:conv(net:relu(x), channels), { affine = false }) end

local function separable(net, x, kernel, stride, dil)
  local y = net:conv(net:depthwise(net:relu(x), { kernel = kernel, stride = stride, dil = dil }), net:channels(x))
  return net:batch_norm(y, { affine = false })
end

local function darts_ops(net, stride_of)
  local function pool(kind)
    return function(x, i) return net:batch_norm(net:op(kind, x, { kernel = 3, stride = stride_of(i), pad = 1 }), { affine = false }) end
  end
  local function sep(kernel) return function(x, i) return separable(net, separable(net, x, kernel, stride_of(i)), kernel, 1) end end
  local function dil(kernel) return function(x, i) return separable(net, x, kernel, stride_of(i), 2) end end
  return {
    "none", { "max_pool_3x3", pool "max_pool" }, { "avg_pool_3x3", pool "avg_pool" },
    { "skip_connect", function(x, i) return stride_of(i) == 1 and x or factorised_reduce(net, x, net:channels(x)) end },
    { "sep_conv_3x3", sep(3) }, { "sep_conv_5x5", sep(5) }, { "dil_conv_3x3", dil(3) }, { "dil_conv_5x5", dil(5) },
  }
end

local function darts_network(net, channels, cells)
  local before = net:conv_bn(net:input(), 3 * channels, { kernel = 3 })
  local last, reduced = before, false
  for i = 0, cells - 1 do
    local reduces = i == cells // 3 or i == 2 * cells // 3
    if reduces then channels = 2 * channels end
    local states = { (reduced and factorised_reduce or relu_conv_bn)(net, before, channels), relu_conv_bn(net, last, channels) }
    local ops = darts_ops(net, function(from) return reduces and from <= 2 and 2 or 1 end)
    for node = 1, 4 do states[node + 2] = net:cell_node((reduces and "reduce_" or "normal_") .. node, { table.unpack(states, 1, node + 1) }, ops, 2) end
    before, last, reduced = last, net:concat { table.unpack(states, 3) }, reduces
  end
  return net:linear(net:global_avg_pool(last), net.classes)
end

-- First order: an architecture step and a weight step.
local function search(partial)
  return function(input, classes)
    local net = mixed.new { input = input, classes = classes, seed = 0, partial = partial, build = function(net) return darts_network(net, 16, 8) end }
    return { graph = net.graph, searches = true, networks = function() return { net.graph } end }
  end
end

workloads.darts = search(1)
--- A quarter of the channels through each mixture. Xu et al. 2020, arXiv:1907.05737.
workloads.pcdarts = search(4)

return workloads
