--- RobustDARTS: DARTS with a stronger weight decay, stopped where the dominant eigenvalue of the architecture's Hessian begins to grow; what was read
-- out before that is taken. Zela et al. 2020, arXiv:1909.09656. The paper tries weight_decay = 3e-4 times 1, 3, 9, 27, 81; the eigenvalue costs 40
-- passes over one batch every second epoch.
return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 27e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 }, stop = "eigen",
}
