--- Second order: the weights are where their next step on the training batch takes them, w'(a) = w - xi (mu b + dL_train/dw + lambda w), momentum and
-- decay as the optimiser has them, clipping left out. g = d - xi M v, with d and v = dL_val/dw at w', M at w. Liu et al. 2019, arXiv:1806.09055.
local Unrolled = { needs_training_batch = true, params = { r = { 0.01, min = 1e-8, about = "length of the difference's step" },
  rate = { type = "number", min = 0, about = "xi; default the learning rate of the weights' next step" } } }

function Unrolled.estimate(h, p)
  local rate = p.rate or h.weights:rate()
  if rate == 0 then return h:validate() end
  h:train()
  local gain = h.weights:virtual_step(rate)
  local loss, v = h:validate(true)
  return loss, gain, h:product("arch", v, p.r)
end

return Unrolled
