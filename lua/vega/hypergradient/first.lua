--- First order: the weights do not follow the architecture. Liu et al. 2019, arXiv:1806.09055, with xi = 0.
return { params = {}, needs_training_batch = false, estimate = function(h) return h:validate() end }
