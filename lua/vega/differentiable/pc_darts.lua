--- PC-DARTS: a quarter of the channels goes through each mixture, edges have weights of their own, and the architecture rests for the first 30 % of
-- the epochs. Xu et al. 2020, arXiv:1907.05737. Which quarter: channels = "first", as the public code, its channels shuffled between mixtures;
-- "random", as the paper says, drawn anew for each step.
local function shuffled(n, rng)
  local list = {}
  for i = 1, n do list[i] = i end
  return rng:shuffle(list)
end

return {
  lr = 0.1, lr_floor = 0.0, weight_decay = 3e-4,
  arch = { lr = 6e-4, weight_decay = 1e-3 }, warmup = 0.3, partial = 4, edge_norm = true, channels = "first",
  fill = function(s, phase)
    local rng = #s.net.orders > 0 and s:rng("channels " .. phase)
    for _, order in ipairs(s.net.orders) do s.net:set_order(order, shuffled(order.channels, rng)) end
  end,
}
