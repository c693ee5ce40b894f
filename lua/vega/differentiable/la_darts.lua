--- LA-DARTS: a term lambda * cost / reference joins the architecture's loss, the cost being predicted from the architecture's code. Xu et al. 2020,
-- arXiv:2001.06392 (after its abstract: code, predictor and lambda are not published in what we could read).
--    set = { cost = latency.additive(costs), lambda = 0.5 }     (vega.supernet.latency); any function of codes that gives a tensor of one number
-- By default the predictor sees the code of the architecture that would be read out now, and the gradient passes as if it had seen the mixture
-- weights (straight through), as a predictor knows whole architectures only; soft = true shows it the weights themselves. `reference` defaults to the
-- cost of even mixtures. Works with set = { partial = 4, edge_norm = true }, too: the codes are then weighed by the edges' weights.
local core = require "vega.core"
local readout = require "vega.supernet.readout"
local op = core.op

-- The mixture weights, times the edges' own where there are any.
local function soft_code(d)
  local code = op.softmax(d.alpha)
  if not d.beta then return code end
  return op.mul(code, op.reshape(op.softmax(d.beta), { rank = 2, d0 = #d.live, d1 = 1 }))
end

-- What is to be added to the soft code to make it that of `arch`.
local function to_hard(d, keeps, arch)
  local label_of, move = {}, -soft_code(d)
  if keeps then
    for i, row in ipairs(arch[d.name .. ".inputs"]) do label_of[row] = arch[("%s.op%d"):format(d.name, i)] end
  else label_of[1] = arch[d.name] end
  for row, live in ipairs(d.live) do
    for i, k in ipairs(live) do
      if d.labels[k] == label_of[row] then move:set(row, i, 1 + move:get(row, i)) end       -- an edge that is not there is all zeros
    end
  end
  return move
end

local function codes(s, moves)
  local list = {}
  for i, d in ipairs(s:parameters()) do
    local code = soft_code(d)
    list[i] = { name = d.name, labels = d.labels, live = d.live, code = moves and op.add(code, moves[i]) or code }
  end
  return list
end

local function even(s)
  local list = {}
  for i, d in ipairs(s:parameters()) do
    local code = core.tensor.full(d.alpha:shape(), 1 / (#d.live[1] * (d.beta and #d.live or 1)))
    list[i] = { name = d.name, labels = d.labels, live = d.live, code = code }
  end
  return list
end

return {
  lr = 0.025, lr_floor = 0.001, weight_decay = 3e-4,
  arch = { lr = 3e-4, weight_decay = 1e-3 }, warmup = 0.1,
  params = { cost = {}, lambda = { 0.1, min = 0 }, reference = {}, soft = { false } },
  check = function(p)
    if type(p.cost) ~= "function" then return "la_darts wants set = { cost = a function of codes }, as vega.supernet.latency makes" end
  end,
  fill = function(s, phase)
    if phase ~= "arch" then return end
    s.reference = s.reference or s.p.reference or s.p.cost(even(s)):item()
    assert(s.reference > 0, ("la_darts: the reference cost must be above 0, got %g; give one in `set`"):format(s.reference))
    if s.p.soft then return end
    s.moves = {}
    local arch = readout.argmax { space = s.net.space, weights = s.net:weights() }
    for i, d in ipairs(s:parameters()) do s.moves[i] = to_hard(d, s.net.decisions[i].keeps, arch) end
  end,
  penalty = function(s) return op.scale(s.p.cost(codes(s, s.moves)), { factor = s.p.lambda / s.reference }) end,
  parts = { codes = codes },
}
