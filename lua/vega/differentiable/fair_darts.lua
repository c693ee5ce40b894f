--- FairDARTS: each candidate has a weight of its own between 0 and 1 (a sigmoid) and competes with none; a zero-one loss drives weights away from one
-- half. Read out by threshold: what reaches 0.85 stays, at most two edges a node. Chu et al. 2020, arXiv:1911.12126. The space should have no `none`.
local op = require("vega.core").op

return {
  lr = 0.005, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-3, weight_decay = 1e-3 }, init = "zeros", read = "threshold",
  params = { zero_one = { 10.0, min = 0 } },
  weights = function(net, alpha) return net:op("sigmoid", alpha) end,
  strength = op.sigmoid,
  -- -zero_one * mean((sigmoid(alpha) - 1/2)^2) over all parameters
  penalty = function(s)
    local sum, n = nil, 0
    for _, d in ipairs(s:parameters()) do
      local square = op.sum(op.square(op.scale(op.sigmoid(d.alpha), { factor = 1, bias = -0.5 })))
      sum, n = sum and op.add(sum, square) or square, n + d.alpha:count()
    end
    return op.scale(sum, { factor = -s.p.zero_one / n })
  end,
}
