--- What the specs of supernets share.
local vega = require "vega"
local assert = require "luassert"

local helper = {}

--- A random batch of n images of a shape, and labels of `classes` (10) classes.
function helper.batch(shape, n, seed, classes)
  local rng, labels = vega.rng.new(seed or 1, "batch"), {}
  for i = 1, n do labels[i] = rng:int(0, (classes or 10) - 1) end
  return vega.tensor.randn({ n, table.unpack(shape) }, rng), vega.tensor.new(labels, { dtype = "i32" })
end

--- Whether two tensors of one shape have the same numbers.
function helper.equal(a, b)
  assert.same(a:shape(), b:shape())
  return (a - b):abs():sum():item() == 0
end

--- A copy of every parameter, by its name.
function helper.copies(graph)
  local all = {}
  for name, t in pairs(graph:params()) do all[name] = t:copy() end
  return all
end

return helper
