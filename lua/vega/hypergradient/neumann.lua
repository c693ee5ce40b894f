--- The implicit gradient d - M H^-1 v by the series H^-1 = gamma * sum over j of (I - gamma H)^j, cut after `terms` powers. With
-- none it is gamma M v. It converges for gamma below 2 / the largest eigenvalue of H; h.remainder, the length of the last term over that of v, tells:
-- above 1 it does not. Zhang et al. 2021 (iDARTS), arXiv:2106.10784.
local Neumann = { needs_training_batch = true, params = { terms = { 5, min = 0, about = "powers beside the first term, 1" },
  gamma = { type = "number", min = 0, about = "step of the series; default the learning rate of the weights' next step" },
  r = { 0.01, min = 1e-8, about = "length of the differences' steps" } } }

local function norm(t) return math.sqrt(t:dot(t)) end

function Neumann.estimate(h, p)
  local gamma = p.gamma or h.weights:rate()
  if gamma == 0 then return h:validate() end
  local loss, term = h:validate(true)
  local sum, first = term:copy(), norm(term)
  for _ = 1, p.terms do
    local turned = h:product("weights", term, p.r)
    if not turned then break end                                     -- a term of zeros ends the series
    term:blend(1, -gamma, turned)
    sum:blend(1, 1, term)
  end
  h.remainder = norm(term) / first
  return loss, gamma, h:product("arch", sum, p.r)
end

return Neumann
