--- The amended gradient of Stabilized-DARTS: in the implicit gradient d - M H^-1 v the Hessian stands in place of its inverse, d - eta M H v, all at
-- the weights as they are; H is of the loss without weight decay. Bi et al. 2019, arXiv:1910.11831, as public code has it: no official code could be
-- read.
local Amended = { needs_training_batch = true, params = { eta = { 0.1, min = 0, about = "weight of the correction" },
  r = { 0.01, min = 1e-8, about = "length of the differences' steps" } } }

function Amended.estimate(h, p)
  if p.eta == 0 then return h:validate() end
  local loss, v = h:validate(true)
  local u = h:product("weights", v, p.r)
  return loss, p.eta, u and h:product("arch", u, p.r)
end

return Amended
