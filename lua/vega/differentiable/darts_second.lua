--- DARTS, second order: the architecture's gradient is that of the validation loss after one more step of the weights, four passes for one.
-- Liu et al. 2019, arXiv:1806.09055. set = { hypergradient = { name = "unrolled", r = 0.01, rate = xi } } for its settings.
return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 }, hypergradient = "unrolled",
}
