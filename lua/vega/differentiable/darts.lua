--- DARTS, first order: the architecture's gradient takes the weights as they are. Liu et al. 2019, arXiv:1806.09055.
return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 }, hypergradient = "first",
}
