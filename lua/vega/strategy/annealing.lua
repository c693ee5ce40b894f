--- Simulated annealing: one decision of the current architecture changes; a worse result is accepted with probability exp(-loss / T), and T
-- falls with every result. Kirkpatrick et al. 1983, doi:10.1126/science.220.4598.671; schedule and defaults of PaddleSlim's architecture search.
--    vega.strategy.annealing { temperature = 0.1, cooling = 0.95 }
-- The temperature is in units of the objective (of the violation while nothing is feasible): near the size of a typical loss it explores.
local variation = require "vega.evolution.variation"

local Annealing = { name = "annealing", params = {
  temperature = { 10.0, min = 0, about = "the first T, in units of the objective" },
  cooling = { 0.85, min = 0, max = 1, about = "factor of T for each result" },
} }
Annealing.__index = Annealing

function Annealing.new(space, p, rng)
  return setmetatable({ space = space, rng = rng, cooling = p.cooling, temperature = p.temperature, refused = 0 }, Annealing)
end

function Annealing:ask()
  if not self.current then return self.space:random(self.rng), "random" end
  self.refused = self.refused + 1
  return variation.step(self.space, self.current.arch, self.rng, self.refused - 1), "mutation"
end

function Annealing:on_issued() self.refused = 0 end

-- Deb's rule: by violation while there is one, then by value.
local function loss(trial, current)
  if trial.violation ~= current.violation and (trial.violation == 0 or current.violation == 0) then
    return trial.violation == 0 and -math.huge or math.huge
  end
  if trial.violation > 0 then return trial.violation - current.violation end
  return current.value - trial.value
end

function Annealing:tell(trial)
  if trial.failed then return end
  local worse = self.current and loss(trial, self.current) or -math.huge
  if worse <= 0 or self.rng:uniform() < math.exp(-worse / self.temperature) then self.current = trial end
  self.temperature = self.temperature * self.cooling
end

return Annealing
