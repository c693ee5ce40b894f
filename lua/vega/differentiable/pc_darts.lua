--- PC-DARTS: a quarter of the channels goes through each mixture, edges have weights of their own, and the architecture rests for the first 30 % of
-- the epochs. Xu et al. 2020, arXiv:1907.05737.
return {
  lr = 0.1, lr_floor = 0.0, weight_decay = 3e-4,
  arch = { lr = 6e-4, weight_decay = 1e-3 }, warmup = 0.3, partial = 4, edge_norm = true,
}
