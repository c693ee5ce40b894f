--- ProxylessNAS, by gradient: the weights are trained on one path drawn from softmax(alpha); every fifth step the architecture is trained on two
-- drawn candidates of each mixture, of which one is computed with weight 1 and the other with 0, the gradient being that of their softmax; then both
-- are shifted so that the probabilities of the other candidates stay. Cai et al. 2019, arXiv:1812.00332. Only drawn candidates run, one or two a
-- mixture.
local relax = require "vega.supernet.relax"
local op = require("vega.core").op

local FAR = -1e9          -- added to the parameters of candidates that are not drawn: their softmax is 0

-- The pairs of the last architecture step, with the logarithm of their mass before it: d.name -> row -> { places, log }.
local function log_mass(alpha, row, places)
  local top, sum = -math.huge, 0.0
  for _, k in ipairs(places) do top = math.max(top, alpha:get(row, k)) end
  for _, k in ipairs(places) do sum = sum + math.exp(alpha:get(row, k) - top) end
  return top + math.log(sum)
end

local function draw(row, p, rng, phase)
  if phase == "measure" then return { relax.largest(p, row) } end
  local first = relax.sample(p, row, rng)
  return { first, phase == "arch" and relax.sample(p, row, rng, { [first] = true }) or nil }
end

return {
  lr = 0.025, lr_floor = 0.0, weight_decay = 4e-5,
  arch = { lr = 1e-3, weight_decay = 0.0, beta1 = 0.0 }, paths = 2, warmup = 0.25, every = 5,
  weights = function(net, alpha, place)
    local shape = net:shape(alpha)
    local q = net:op("softmax", net:op("add", { alpha, net:noise(place, "drawn", shape) }))
    return net:op("add", { q, net:noise(place, "hard", shape) })
  end,
  fill = function(s, phase)
    local rng = s:rng("paths " .. phase)
    s.pairs = {}
    for _, d in ipairs(s:parameters()) do
      local p, drawn, active = op.softmax(d.alpha), s.net:buffer(d.name, "drawn"):fill(FAR), {}
      s.pairs[d.name] = {}
      for row = 1, #d.live do
        local places = draw(row, p, rng, phase)
        for path = 1, 2 do s.net:set_path(d.name, row, path, places[path]) end
        for _, k in ipairs(places) do drawn:set(row, k, 0) end
        active[row], s.pairs[d.name][row] = places[1], { places = places, log = log_mass(d.alpha, row, places) }
      end
      relax.set_hard(s.net:buffer(d.name, "hard"), op.softmax(op.add(d.alpha, drawn)), active)
    end
  end,
  after_arch = function(s)
    for _, d in ipairs(s:parameters()) do
      for row, pair in ipairs(s.pairs[d.name]) do
        local shift = pair.log - log_mass(d.alpha, row, pair.places)
        for _, k in ipairs(pair.places) do d.alpha:set(row, k, d.alpha:get(row, k) + shift) end
      end
    end
  end,
}
