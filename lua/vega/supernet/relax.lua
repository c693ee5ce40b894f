--- What presets that sample candidates share: Gumbel noise and straight-through weights, the random numbers drawn in Lua into buffers of the graph.
-- A mixture's weights are then h = q + hard: q, a softmax of the parameters, carries the gradient; hard = one-hot - q, a buffer, makes the value of h
-- the sampled candidate alone (up to a rounding of 1e-7).
local core = require "vega.core"
local op = core.op

local relax = {}

--- Fills a tensor [rows, K] with -log(Exp(1)).
function relax.gumbel(tensor, rng)
  local shape = tensor:shape()
  for r = 1, shape[1] do
    for k = 1, shape[2] do
      tensor:set(r, k, -math.log(-math.log(1 - rng:uniform() * (1 - 1e-12))))    -- the argument is in (0, 1]; 1 alone would give no number
    end
  end
end

--- The place of the largest of row r of a tensor [rows, K]; of equals the first.
function relax.largest(tensor, r)
  local best, n = 1, tensor:shape()[2]
  for k = 2, n do if tensor:get(r, k) > tensor:get(r, best) then best = k end end
  return best
end

--- hard = one-hot(chosen[r]) - q.
function relax.set_hard(hard, q, chosen)
  hard:assign(-q)
  for r, k in ipairs(chosen) do hard:set(r, k, 1 - q:get(r, k)) end
end

--- A candidate of row r of the probabilities [rows, K], other than those in `without`.
function relax.sample(probabilities, r, rng, without)
  local n, total = probabilities:shape()[2], 0.0
  local function weight(k) return without and without[k] and 0 or probabilities:get(r, k) end
  for k = 1, n do total = total + weight(k) end
  local u, last = rng:uniform() * total, nil
  for k = 1, n do
    local w = weight(k)
    if w > 0 then
      u, last = u - w, k
      if u < 0 then return k end
    end
  end
  return last
end

--- log(softmax) of a tensor's rows.
relax.log_softmax = op.log_softmax

return relax
