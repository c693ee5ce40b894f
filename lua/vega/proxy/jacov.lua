--- Jacobian covariance: how different the derivatives by the input are for different images. -sum of log(v + k) + 1 / (v + k) over the eigenvalues v
-- of the correlations between them, k = 1e-5. Mellor et al. 2020, arXiv:2006.04647 (version 1). Batch statistics. Repeated images make v = 0.
local core = require "vega.core"
local walk = require "vega.walk"

local Jacov = { name = "jacov", params = {}, needs = { "batch" } }

local K = 1e-5

--- The score of Jacobian rows [N, ...]; -math.huge where a row is constant, as in a network without a path from input to output.
function Jacov.of(jacobian)
  local correlation = core.linalg.correlation(jacobian)
  if not correlation then return -math.huge end
  local score = 0
  for _, v in ipairs(core.linalg.eigenvalues(correlation)) do
    v = math.max(v, 0)                             -- correlations have none below; rounding may
    score = score - math.log(v + K) - 1 / (v + K)
  end
  return score
end

function Jacov.score(graph, o)
  local net, x = walk.open(graph), o.batch:to("f32"):param()
  local tape <close> = core.tape.new()
  local y = net:run(x, function(node, inputs) return walk.apply(node, inputs, true) end)
  tape:backward(core.op.sum(y))
  return Jacov.of(x.grad)
end

return Jacov
