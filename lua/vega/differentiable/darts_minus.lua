--- DARTS-: each mixture has a second skip beside its candidates, whose weight goes from 1 to 0 over the search; it takes from the searched skip the
-- advantage of easing training. Chu et al. 2021, arXiv:2009.01027.
return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 }, extra = "skip_connect",
  params = { beta = { 1.0, min = 0 } },
  fill = function(s)
    local beta = s.p.beta * (s.epochs - s.epoch) / math.max(1, s.epochs - 1)
    for _, d in ipairs(s.net.decisions) do s.net:buffer(d.name, "extra"):fill(beta) end
  end,
}
