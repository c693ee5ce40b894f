--- Stabilized-DARTS: the implicit gradient with the Hessian in the place of its inverse (the amended estimate), six passes a step. Bi et al. 2019,
-- arXiv:1910.11831. The estimate is close to the true one where H is well conditioned, and may point away from it where it is not: see
-- vega.hypergradient, whose h:cosine tells. set = { hypergradient = { name = "amended", eta = 0.1 } } or { name = "neumann", terms = 5 } for another.
-- Cells of a kind share their parameters; the paper's larger space, where each cell has its own, is left out.
return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 }, hypergradient = "amended",
}
