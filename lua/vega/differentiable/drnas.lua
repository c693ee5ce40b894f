--- DrNAS: the weights of each mixture are a sample of a Dirichlet distribution with concentration elu(alpha) + 1, drawn anew for each step; the
-- gradient goes through the sample (pathwise). Chen et al. 2021, arXiv:2006.10355. The space should have no `none`. Read out, as in the public code,
-- by softmax(alpha); the mean of the distribution would rank operations alike and edges perhaps otherwise. The regulariser is the weight decay of the
-- parameters (that code's default). Its two stages, of which the second widens the network by copying channels, are left out: set = { partial = 4 }
-- gives the channels of one.
local dirichlet = require "vega.supernet.dirichlet"

local function concentration(alpha) return alpha > 0 and alpha + 1 or math.exp(alpha) end
local function slope(alpha) return alpha > 0 and 1 or math.exp(alpha) end

return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 6e-4, weight_decay = 1e-3 }, warmup = 0.4,
  -- g = draw + slope * (alpha - at): `at` is alpha, so that the value is the draw and the derivative its own. theta = g / sum(g).
  weights = function(net, alpha, place)
    local shape = net:shape(alpha)
    local moved = net:op("sub", { alpha, net:noise(place, "at", shape) })
    local g = net:op("add", { net:op("mul", { moved, net:noise(place, "slope", shape) }), net:noise(place, "draw", shape, 1) })
    return net:op("div", { g, net:op("sum", g, { axis = 2, keep = 1 }) })
  end,
  fill = function(s, phase)
    local rng = s:rng("dirichlet " .. phase)
    for _, d in ipairs(s:parameters()) do
      local draw, by, n = s.net:buffer(d.name, "draw"), s.net:buffer(d.name, "slope"):fill(0), #d.live[1]
      s.net:buffer(d.name, "at"):assign(d.alpha)
      for r = 1, #d.live do
        for k = 1, n do
          local alpha = d.alpha:get(r, k)
          local c = concentration(alpha)
          local g = phase == "measure" and c or dirichlet.gamma(c, rng)                  -- judged by the mean
          draw:set(r, k, g)
          if phase == "arch" then by:set(r, k, dirichlet.derivative(g, c) * slope(alpha)) end
        end
      end
    end
  end,
}
