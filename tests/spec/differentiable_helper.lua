--- What the specs of differentiable search share.
local differentiable = require "vega.differentiable"
local vega = require "vega"

local helper = {}

--- Pictures of two classes that a mean tells apart.
function helper.data(n, seed)
  local rng, labels = vega.rng.new(seed, "pictures"), {}
  local images = vega.tensor.randn({ n, 8, 8, 3 }, rng)
  for i = 1, n do
    labels[i] = i % 2
    images:rows(i, i):assign(images:rows(i, i) + (i % 2 == 1 and 1.0 or -1.0))
  end
  return vega.data.from_tensors("two", images, vega.tensor.new(labels, { dtype = "i32" }), 2)
end

--- A cell space small enough for a search in a fraction of a second; options as of the space.
function helper.cells(options)
  local o = { cells = 1, reductions = {}, channels = 4, nodes = 2, ops = { "none", "skip_connect", "sep_conv_3x3" } }
  for key, value in pairs(options or {}) do o[key] = value end
  return vega.space "darts".new(o)
end

helper.nb201 = vega.space "nb201".with { cells = 1, channels = 4 }

local train, held_out = helper.data(48, 1), helper.data(32, 2)

--- A search of two epochs over the small space.
function helper.search(more)
  local o = { space = helper.cells(), data = train, validation = held_out, epochs = 2, batch = 16, seed = 3, arch = { lr = 0.02 } }
  for key, value in pairs(more or {}) do o[key] = value end
  return differentiable.search(o)
end

--- A preset of one's own: one of the files with something else in it.
function helper.preset(name, more)
  local p = {}
  for key, value in pairs(require("vega.differentiable." .. name)) do p[key] = value end
  for key, value in pairs(more or {}) do p[key] = value end
  return p
end

--- The values of all parameters and buffers of a supernet, by name.
function helper.values(net)
  local all = {}
  for name, t in pairs(net.graph:params()) do all[name] = t:totable() end
  for name, t in pairs(net.graph:buffers()) do all[name] = t:totable() end
  return all
end

--- Whether two numbers differ by no more than `tolerance`.
function helper.near(a, b, tolerance) return math.abs(a - b) <= tolerance end

return helper
