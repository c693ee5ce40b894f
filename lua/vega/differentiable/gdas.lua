--- GDAS: of each mixture one candidate, drawn with Gumbel noise, is computed; the gradient is that of the noisy softmax, tau falling from 10 to 0.1.
-- Dong & Yang 2019, arXiv:1910.04465. Only the drawn candidates run: a step costs what one of the networks costs.
-- Two departures from the public code: the architecture's step comes before the weights', each with a draw of its own, as in the other presets; and
-- the zeros that the code adds for the other candidates, h_i = q_i - stop(q_i) for i not drawn, are left out: the gradient is <dL/dy, o_k(x)>
-- dq_k/dalpha, as in the paper, without the further term -<dL/dy, 1> dq_k/dalpha that they add.
local core = require "vega.core"
local relax = require "vega.supernet.relax"
local op = core.op

local function temperature(s) return s.p.tau + (s.p.tau_end - s.p.tau) * s.part end

return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 }, paths = 1,
  params = { tau = { 10.0, min = 1e-6 }, tau_end = { 0.1, min = 1e-6 } },
  weights = function(net, alpha, place)
    local shape = net:shape(alpha)
    local logits = net:op("add", { net:op("log_softmax", alpha), net:noise(place, "gumbel", shape) })
    local q = net:op("softmax", net:op("mul", { logits, net:noise(place, "coldness", { 1 }, 1) }))
    return net:op("add", { q, net:noise(place, "hard", shape) })
  end,
  fill = function(s, phase)
    local rng, tau = s:rng("gumbel " .. phase), temperature(s)
    for _, d in ipairs(s:parameters()) do
      local noise, coldness, chosen = s.net:buffer(d.name, "gumbel"), s.net:buffer(d.name, "coldness"), {}
      if phase == "measure" then noise:fill(0) else relax.gumbel(noise, rng) end       -- judged is the likeliest network
      coldness:fill(1 / tau)
      local q = op.softmax(op.mul(op.add(relax.log_softmax(d.alpha), noise), coldness))
      for row = 1, #d.live do
        chosen[row] = relax.largest(q, row)
        s.net:take(d.name, row, chosen[row])
      end
      relax.set_hard(s.net:buffer(d.name, "hard"), q, chosen)
    end
    s.last_tau = tau
  end,
  parts = { temperature = temperature },
}
