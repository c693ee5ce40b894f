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

-- The DARTS search network, every edge a mixture of eight operations; first order: an architecture step and a weight step. Liu et al. 2019,
-- arXiv:1806.09055.
local function search(partial)
  return function(input, classes)
    local darts = vega.space "darts"
    local net = mixed.new { space = darts.new { ops = darts.operations }, input = input, classes = classes, seed = 0, partial = partial }
    return { graph = net.graph, searches = true, networks = function() return { net.graph } end }
  end
end

workloads.darts = search(1)
--- A quarter of the channels through each mixture. Xu et al. 2020, arXiv:1907.05737.
workloads.pcdarts = search(4)

return workloads
