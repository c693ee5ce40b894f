--- Latin hypercube: in each block of `samples` points every decision has one point in each of as many strata. McKay et al. 1979,
-- doi:10.1080/00401706.1979.10489755.
--    vega.strategy.latin_hypercube { samples = 40 }         0, the default: the budget's trials, or 100
local design = require "vega.design"

-- One block: for each dimension the strata in random order, and a random place within each.
local function draw_block(n, dimensions, rng)
  local points = {}
  for i = 1, n do points[i] = {} end
  for k = 1, dimensions do
    local strata = {}
    for i = 1, n do strata[i] = i - 1 end
    for i, stratum in ipairs(rng:shuffle(strata)) do points[i][k] = (stratum + rng:uniform()) / n end
  end
  return points
end

return design.define {
  name = "latin_hypercube", params = { samples = { 0, min = 0, about = "points of a block; 0: the budget's trials, or 100" } },
  new = function(self)
    local trials = self.given.budget and self.given.budget.trials or 100
    self.samples = self.p.samples > 0 and self.p.samples or math.max(1, trials)
  end,
  point = function(self, k)
    local place = (k - 1) % self.samples + 1
    if place == 1 then self.block = draw_block(self.samples, self.cube.n, self.rng) end
    return self.block[place]
  end,
}
