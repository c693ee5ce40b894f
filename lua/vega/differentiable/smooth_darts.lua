--- SmoothDARTS: the weights are trained under perturbed mixture weights, so that the validation loss becomes flat around the architecture. Chen & Hsieh
-- 2020, arXiv:2002.05283. The box of the perturbation grows from 0.03 to 0.3 over the search. attack = "random": uniform in it, at no cost;
-- "adversarial": seven steps against the training loss from there, nine more passes a step, kept where the loss rose.
local op = require("vega.core").op

local STEPS = 7

--- The row p + noise brought back to a distribution: cut at 0 and 1, over its sum; all at the largest where nothing is left.
local function project(row)
  local sum, best = 0.0, 1
  for k, w in ipairs(row) do
    if w > row[best] then best = k end
    sum = sum + math.min(1, math.max(0, w))
  end
  local out = {}
  for k, w in ipairs(row) do out[k] = sum > 0 and math.min(1, math.max(0, w)) / sum or (k == best and 1 or 0) end
  return out
end

local function radius(s) return s.p.epsilon + (s.p.epsilon_end - s.p.epsilon) * s.part end

-- Every row of mixture weights, in the order of the parameters in their arena: its softmax p, its perturbation `by` before it is projected.
local function rows_of(s, rng, box)
  local list = {}
  for _, d in ipairs(s:parameters()) do
    local p, shift = op.softmax(d.alpha), s.net:buffer(d.name, "shift")
    for r, live in ipairs(d.live) do
      local row = { r = r, p = {}, by = {}, shift = shift }
      for k = 1, #live do row.p[k], row.by[k] = p:get(r, k), rng:uniform(-box, box) end
      list[#list + 1] = row
    end
  end
  return list
end

-- Writes the perturbed weights, scale 0: the weights as they are.
local function put(rows, scale)
  for _, row in ipairs(rows) do
    local moved = {}
    for k, p in ipairs(row.p) do moved[k] = p + scale * row.by[k] end
    for k, w in ipairs(scale == 0 and row.p or project(moved)) do row.shift:set(row.r, k, w - row.p[k]) end
  end
end

-- The loss of the weights' batch under the perturbation, running statistics left alone; its gradient stands in the parameters' gradients.
local function loss_of(s) return s.arch:gradients(s.x, s.y, { group = "arch", frozen = true, settings = s.net:paths() }) end

-- One step up. The gradient by the mixture weights less its mean is that by the parameters over p: dL/dalpha_k = p_k (g_k - sum p g). The public code
-- takes the sign of g itself; the mean has no part in rows that are divided by their sum.
local function climb(s, rows, box)
  local at, _, gradients = 0, s.graph:arena "arch"
  for _, row in ipairs(rows) do
    for k, p in ipairs(row.p) do
      at = at + 1
      local g = gradients:get(at) / math.max(p, 1e-12)
      row.by[k] = math.max(-box, math.min(box, row.by[k] + 2 * box / STEPS * (g > 0 and 1 or g < 0 and -1 or 0)))
    end
  end
end

local function attack(s, rows, box)
  put(rows, 0)
  local plain = loss_of(s)
  for _ = 1, plain and STEPS or 0 do
    put(rows, 1)
    if not loss_of(s) then break end
    climb(s, rows, box)
  end
  put(rows, 1)
  local after = plain and loss_of(s)
  if not (after and after > plain) then put(rows, 0) end
end

return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 },
  params = { epsilon = { 0.03, min = 0 }, epsilon_end = { 0.3, min = 0 }, attack = { "random", one_of = { "random", "adversarial" } } },
  check = function(p)
    if p.attack == "adversarial" and (p.edge_norm or p.activations) then
      return "smooth_darts: the adversarial attack knows mixtures alone, no edge_norm and activations"
    end
  end,
  fill = function(s, phase)
    local box = radius(s)
    local rows = rows_of(s, s:rng "smooth", box)
    put(rows, 0)
    if phase ~= "weights" or box == 0 then return end
    if s.p.attack == "adversarial" then attack(s, rows, box) else put(rows, 1) end
  end,
  parts = { project = project },
}
