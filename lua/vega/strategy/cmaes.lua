--- CMA-ES in the unit cube over the decisions: samples of a normal distribution whose mean, step size and covariance learn from the better half,
-- and unlearn from the worse. Hansen 2016, arXiv:1604.00772; restarts with a doubled population: Auger & Hansen 2005, doi:10.1109/CEC.2005.1554902.
--    vega.strategy.cmaes { population = 10, sigma = 0.3 }        population 0, the default: 4 + 3 ln(dimensions)
-- For spaces of numbers; a decision among labels is a staircase to it. A sample outside the cube is mirrored back for its evaluation, while
-- the distribution learns from where it fell. Any result counts towards the next update, whichever generation asked for it.
local core = require("vega.core").cmaes
local Cube = require "vega.evolution.cube"
local selection = require "vega.evolution.selection"
local variation = require "vega.evolution.variation"

local NARROW, ROUND = 1e-9, 1e14           -- a restart is due when the widest axis is below NARROW or the condition number above ROUND
local SAME = 50                            -- or when this many samples in a row were not new
local DOUBLINGS = 9                        -- then the population is small again
local OWN = { sample = true, duplicate = true }

local Cmaes = { name = "cmaes", params = {
  population = { 0, min = 0, about = "samples of a generation; 0: 4 + 3 ln(dimensions)" },
  sigma = { 0.3, min = 1e-6, max = 10, about = "the first standard deviation, in units of the cube" },
} }
Cmaes.__index = Cmaes

function Cmaes.new(space, p, rng)
  local self = setmetatable({ space = space, p = p, rng = rng, cube = Cube.new(space), open = {}, restarts = 0 }, Cmaes)
  self.first = p.population > 0 and math.max(2, p.population) or 4 + math.floor(3 * math.log(self.cube.n))
  self.lambda = self.first
  local mean = {}
  for k = 1, self.cube.n do mean[k] = 0.5 end
  self:begin(mean)
  return self
end

--- A new distribution around `mean`.
function Cmaes:begin(mean)
  self.core = core.new(mean, self.p.sigma, self.lambda)
  self.generation, self.best, self.fruitless, self.stale = {}, nil, 0, 0
end

local function restart(self)
  self.restarts = self.restarts + 1
  self.lambda = self.first << self.restarts % (DOUBLINGS + 1)
  local _, x = self.cube:random(self.rng)
  self:begin(x)
end

function Cmaes:ask()
  self.stale = self.stale + 1
  if self.stale > SAME then restart(self) end
  local x, inside = self.core:sample(self.rng:int(0, math.maxinteger - 1)), {}
  for k, v in ipairs(x) do inside[k] = variation.reflect(v) end
  local arch = self.cube:decode(inside)
  if not arch then arch, x = self.cube:random(self.rng) end
  self.x = x
  return arch, "sample"
end

function Cmaes:on_issued(suggestion)
  self.stale = 0
  if suggestion.origin == nil or OWN[suggestion.origin] then self.open[suggestion.id] = { x = self.x, core = self.core } end
end

-- No progress for as long as the tutorial's stopping rule allows (its TolFun).
local function is_stuck(self, best)
  local before = self.best
  local equal = before and best.violation == before.violation and best.value == before.value
  if not before or not equal and selection.better(best, before) then self.best, self.fruitless = best, 0 else self.fruitless = self.fruitless + 1 end
  return self.fruitless > 10 + 30 * self.cube.n / self.lambda
end

local function update(self)
  local points = {}
  table.sort(self.generation, function(a, b) return selection.better(a.trial, b.trial) end)
  for i, member in ipairs(self.generation) do points[i] = member.x end
  local best = self.generation[1].trial
  self.generation = {}
  local good = self.core:update(points)
  local _, widest, condition = self.core:spread()
  if not good or widest < NARROW or condition > ROUND or is_stuck(self, best) then restart(self) end
end

--- A result from elsewhere, or of a distribution that was given up, counts only while it is better than all this distribution has seen.
function Cmaes:tell(trial)
  local mine = self.open[trial.id]
  self.open[trial.id] = nil
  if trial.failed then return end
  if not (mine and mine.core == self.core) and self.best and not selection.better(trial, self.best) then return end
  table.insert(self.generation, { x = mine and mine.x or self.cube:encode(trial.arch), trial = trial })
  if #self.generation == self.lambda then update(self) end
end

return Cmaes
