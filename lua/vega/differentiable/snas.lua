--- SNAS: the weights of a mixture are a sample, soft at first and ever closer to one-hot, of the concrete distribution of the parameters:
-- softmax((log softmax(alpha) + Gumbel noise) / tau), drawn anew for each step, tau falling from 1 to 0.03. Xie et al. 2019, arXiv:1812.09926. The
-- paper trains weights and architecture on one set; here the architecture has the validation set, as everywhere.
local relax = require "vega.supernet.relax"

local function temperature(s) return s.p.tau * (s.p.tau_end / s.p.tau) ^ s.part end

return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 },
  params = { tau = { 1.0, min = 1e-6 }, tau_end = { 0.03, min = 1e-6 } },
  weights = function(net, alpha, place)
    local logits = net:op("add", { net:op("log_softmax", alpha), net:noise(place, "gumbel", net:shape(alpha)) })
    return net:op("softmax", net:op("mul", { logits, net:noise(place, "coldness", { 1 }, 1) }))
  end,
  fill = function(s, phase)
    local rng = s:rng("gumbel " .. phase)
    for _, d in ipairs(s.net.decisions) do
      local noise, is_judged = s.net:buffer(d.name, "gumbel"), phase == "measure"
      if is_judged then noise:fill(0) else relax.gumbel(noise, rng) end
      s.net:buffer(d.name, "coldness"):fill(is_judged and 1 or 1 / temperature(s))     -- judged by its mean weights, roughly: softmax(alpha)
    end
  end,
  parts = { temperature = temperature },
}
