--- NSGA-II: tournament on (rank, crowding), crossover, mutation, survival by fronts. Deb et al. 2002, doi:10.1109/4235.996017.
-- Steady state by default: once the population stands, every tell may be followed by a child. `synchronous` gives whole generations.
local pareto = require("vega.core").pareto

local Nsga2 = { name = "nsga2", multi_objective = true,
  params = { population = { 0, min = 0 }, crossover = { 0.9, min = 0, max = 1 }, synchronous = { false } } }   -- population 0: by the budget
Nsga2.__index = Nsga2

local function population_for(budget)
  local trials = budget and budget.trials or math.huge
  return trials <= 500 and 20 or trials <= 1000 and 50 or 100
end

function Nsga2.defaults(spec) return { suggested = population_for(spec.budget) } end

function Nsga2.new(space, p, rng)
  local size = p.population > 0 and math.max(2, p.population) or p.suggested
  return setmetatable({ space = space, p = p, size = size, rng = rng, alive = {}, children = {}, issued = 0, answered = 0 }, Nsga2)
end

-- Ranks and crowding of the members, written into them.
local function appraise(members)
  local points, violations = {}, {}
  for i, m in ipairs(members) do points[i], violations[i] = m.costs, m.violation end
  local ranks = pareto.rank(points, violations)
  local crowding = pareto.crowding(points, ranks)
  for i, m in ipairs(members) do m.rank, m.crowding = ranks[i], crowding[i] end
end

local function beats(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  if a.crowding ~= b.crowding then return a.crowding > b.crowding end
  return a.id < b.id
end

local function tournament(self)
  local a, b = self.rng:pick(self.alive), self.rng:pick(self.alive)
  return beats(a, b) and a or b
end

local function child(self)
  local a, b = tournament(self), tournament(self)
  local arch = a.arch
  if self.rng:uniform() < self.p.crossover then arch = self.space:crossover(a.arch, b.arch, self.rng) end
  return (self.space:mutate(arch, self.rng, { rate = 1 / math.max(1, #self.space.decisions) })), "crossover"
end

function Nsga2:ask()
  local standing = #self.alive >= self.size or self.generations
  if self.p.synchronous and self.issued >= (self.answered // self.size + 1) * self.size then return nil, "wait" end
  if not standing or #self.alive < 2 then return self.space:random(self.rng), "random" end
  return child(self)
end

--- Called once for each suggestion that leaves the strategy (ask itself is repeated for duplicates).
function Nsga2:on_issued() self.issued = self.issued + 1 end

local function survive(self, keep)
  appraise(self.alive)
  if #self.alive <= keep then return end
  table.sort(self.alive, beats)
  for i = #self.alive, keep + 1, -1 do self.alive[i] = nil end
end

-- A whole generation is asked and answered before the next one begins; failed children are missing from it.
local function tell_synchronous(self, trial)
  if not trial.failed then table.insert(self.children, trial) end
  if self.answered % self.size ~= 0 then return end
  table.move(self.children, 1, #self.children, #self.alive + 1, self.alive)
  self.children, self.generations = {}, true
  if #self.alive > 0 then survive(self, self.size) end
end

function Nsga2:tell(trial)
  self.answered = self.answered + 1
  if self.p.synchronous then return tell_synchronous(self, trial) end
  if trial.failed then return end
  table.insert(self.alive, trial)
  if #self.alive >= self.size then survive(self, self.size) end
end

return Nsga2
