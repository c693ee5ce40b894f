--- Evolution, put together from parts: a population that says who survives, and an `offspring` that makes a new architecture from it.
--    return evolution.define {
--      name = "mine", params = { population = { 20, min = 2 } },
--      parts = function(space, p)
--        return { size = p.population, population = replacement.worst(p.population),
--          offspring = variation.genetic(space, selection.tournament(2, selection.fitness)) }
--      end,
--    }
-- size: how many random members are asked for before the first offspring. population: see vega.evolution.replacement.
-- offspring(population, rng, refused) -> arch, origin [, ticket]; refused: how many in a row were not new. The ticket of a suggestion that was
-- issued comes back with its result.
local core_rng = require("vega.core").rng

local evolution = {}

local Evolution = {}

function Evolution:ask()
  local population, ticket = self.population, nil
  if self.generation and self.issued >= self.generation.due then return nil, "wait" end
  local arch, origin
  if #population.members >= self.size then self.standing = true end
  if self.standing and #population.members > 0 then arch, origin, ticket = self.offspring(population, self.rng, self.refused)
  else arch, origin = self.space:random(self.rng), "random" end
  self.ticket, self.origin, self.refused = ticket, origin, self.refused + 1
  return arch, origin
end

-- The driver may issue something else than was last asked for: an unseen member of a small space, a scheduler's clone.
local OURS = { duplicate = true }

--- Called once for each suggestion that leaves the strategy: ask itself is repeated for duplicates.
function Evolution:on_issued(suggestion)
  local origin, ticket = suggestion.origin, nil
  if origin == nil or origin == self.origin or OURS[origin] then ticket = self.ticket end
  self.issued, self.refused = self.issued + 1, 0
  self.open[suggestion.id] = { ticket = ticket }
  if ticket and self.population.claim then self.population:claim(ticket) end
  self.ticket = nil
end

-- A whole generation is asked for and answered before the next one begins; failed children are missing from it.
local function tell_generation(self, trial, mine)
  local generation = self.generation
  if not trial.failed then table.insert(generation.children, trial) end
  if not mine then return end
  generation.answered = generation.answered + 1
  if generation.answered < generation.due then return end
  table.sort(generation.children, function(a, b) return a.id < b.id end)      -- neither ties nor draws depend on the order of the answers
  self.population:merge(generation.children, core_rng.new(self.seed, "generation", generation.due))
  self.standing = true
  self.generation = { children = {}, answered = generation.answered, due = generation.due + self.size }
end

function Evolution:tell(trial)
  local mine = self.open[trial.id]
  self.open[trial.id] = nil
  if self.generation then return tell_generation(self, trial, mine) end
  local ticket = mine and mine.ticket
  if not trial.failed then self.population:insert(trial, ticket, self.rng)
  elseif self.population.bury then self.population:bury(trial, ticket, self.rng) end
end

--- The strategy class of a description { name, params, multi_objective, parts = function(space, p, given) }; given.objectives and given.budget
-- are those of the search. A description with the parameter `synchronous` also has the textbook form by whole generations.
function evolution.define(description)
  local class = { name = description.name, params = description.params, multi_objective = description.multi_objective,
    ask = Evolution.ask, tell = Evolution.tell, on_issued = Evolution.on_issued, defaults = description.defaults }
  class.__index = class
  function class.new(space, p, rng, given)
    local self = setmetatable(description.parts(space, p, given, rng), class)
    self.space, self.p, self.rng, self.seed, self.open, self.issued, self.refused = space, p, rng, given.seed, {}, 0, 0
    if p.synchronous then self.generation = { children = {}, answered = 0, due = self.size } end
    return self
  end
  return class
end

-- The parameters that strategies with crossover share.
local GENETIC = {
  population = { 0, min = 0, about = "members; 0: 20, 50 or 100 by the budget" },
  divisions = { min = 0, max = 1000, about = "of the simplex of directions; 0: as many as the population has room for" },
  crossover = { min = 0, max = 1, about = "probability that a child has two parents" },
  mutation = { 0.9, min = 0, max = 1, about = "probability that a child of two parents mutates" },
  crossover_eta = { min = 0, about = "index of simulated binary crossover: larger keeps children nearer to their parents" },
  mutation_eta = { min = 0, about = "index of polynomial mutation: larger takes smaller steps" },
  synchronous = { about = "whole generations instead of a child for every answer" },
}

--- Declarations of the shared parameters named in `chosen`, with those defaults, and of `more`; population and mutation are always among them.
function evolution.genetic_params(chosen, more)
  local params = {}
  for name, rule in pairs(GENETIC) do
    if chosen[name] ~= nil or rule[1] ~= nil then
      params[name] = {}
      for key, value in pairs(rule) do params[name][key] = value end
      if chosen[name] ~= nil then params[name][1] = chosen[name] end
    end
  end
  for name, rule in pairs(more or {}) do params[name] = rule end
  return params
end

--- The number of members for a budget when the user names none: 20 up to 500 trials, 50 up to 1000, else 100.
function evolution.population_for(budget)
  local trials = budget and budget.trials or math.huge
  return trials <= 500 and 20 or trials <= 1000 and 50 or 100
end

return evolution
