--- Aging evolution: mutate the best of a random sample, drop the oldest. Real et al. 2019, arXiv:1802.01548.
local Aging = { name = "aging", params = { population = { 100, min = 1 }, tournament = { 25, min = 1 } } }
Aging.__index = Aging

function Aging.new(space, p, rng)
  return setmetatable({ space = space, p = p, rng = rng, alive = {}, first = 1, last = 0 }, Aging)
end

-- Deb's rule; of equals the younger, which keeps the drift.
local function beats(a, b)
  if a.violation ~= b.violation then return a.violation < b.violation end
  if a.violation == 0 and a.value ~= b.value then return a.value > b.value end
  return a.id > b.id
end

function Aging:ask()
  if self.last - self.first + 1 < self.p.population then return self.space:random(self.rng), "random" end
  local best
  for _ = 1, self.p.tournament do                             -- drawn with replacement, as in the paper
    local rival = self.alive[self.rng:int(self.first, self.last)]
    if not best or beats(rival, best) then best = rival end
  end
  return (self.space:mutate(best.arch, self.rng)), "mutation"
end

function Aging:tell(trial)
  if trial.failed then return end
  self.last = self.last + 1
  self.alive[self.last] = trial
  if self.last - self.first + 1 > self.p.population then
    self.alive[self.first] = nil
    self.first = self.first + 1
  end
end

return Aging
