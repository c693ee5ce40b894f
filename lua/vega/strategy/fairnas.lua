--- FairNAS's search: NSGA-II whose mutations are random, learned for the expensive objective, or drawn by the cheap ones. Chu et al. 2019,
-- arXiv:1907.01845, with the hierarchical mutation of MoreMNAS, arXiv:1901.01074.
--    objectives = { { name = "accuracy", goal = "max" }, { name = "macs", goal = "min" }, { name = "params", goal = "max" } }
--    strategy = vega.strategy.fairnas { population = 70 }        -- `expensive`: which objective the controller learns for; the first by default
-- Whole generations (70 networks may be asked for, and scored, at once): binary tournament on (rank, crowding), crossover at one boundary between
-- decisions, mutation by one of three kinds: "random" re-draws a decision; "reinforced" asks a controller, a softmax over each decision's options
-- that REINFORCE trains on the expensive objective, or with probability 1 - controller the roulette; "prior" the roulette, whose sectors follow from
-- the costs of a cheap objective among the trials so far. The probabilities are from no published code: defaults, not the paper's.
-- Departures: the controller has no LSTM, decisions are independent; the authors' roulette knows the multiply-adds of a block, this one learns them.
local evolution = require "vega.evolution"
local policy = require "vega.evolution.policy"
local replacement = require "vega.evolution.replacement"
local selection = require "vega.evolution.selection"

local PATIENCE = 20         -- children in a row that were not new before one mutation more is made

local params = evolution.genetic_params({ population = 70, crossover = 1.0, mutation = 0.8, synchronous = true }, {
  random = { 0.2, min = 0, about = "weight of random mutation" },
  reinforced = { 0.65, min = 0, about = "weight of learned mutation" },
  prior = { 0.15, min = 0, about = "weight of mutation by the cheap objectives" },
  controller = { 0.7, min = 0, max = 1, about = "probability that a learned mutation asks the controller, not the roulette" },
  expensive = { "", about = "objective that the controller learns; empty: the first" },
  rate = { 0.1, min = 0, about = "step of the controller" },
  decay = { 0.9, min = 0, max = 1, about = "what the controller's baseline keeps of itself" },
  sharpness = { 1.0, min = 0, about = "of the roulette, in deviations" },
})

local function place_of(objectives, name)
  if name == "" then return 1 end
  local names = {}
  for k, objective in ipairs(objectives) do
    if objective.name == name then return k end
    names[k] = objective.name
  end
  error(require("vega.util").unknown("strategy 'fairnas': expensive", "objective", name, names), 0)
end

-- What has been told but not yet learnt. Answers of a generation are learnt together, by their ids, so that their order does not matter.
local function learn_from(self)
  local queue = self.queue
  self.queue = {}
  table.sort(queue, function(a, b) return a.trial.id < b.trial.id end)
  for _, item in ipairs(queue) do
    local failed = item.trial.failed
    if item.entries then self.controller:learn(item.entries, not failed and -item.trial.costs[self.expensive] or nil) end
    if not failed then self.roulette:tell(self.space, item.trial) end
  end
end

local function kind_of(p, rng)
  local at = rng:uniform() * (p.random + p.reinforced + p.prior)
  if at < p.random then return "random" end
  return at < p.random + p.reinforced and "reinforced" or "prior"
end

-- A child of `arch`, and the draws of the controller that are in it (nil: it was not asked).
local function mutate(self, arch, kind, rng)
  local options, drawn, cheap = { operator = "resample", rate = 1 / #self.space.decisions }, nil, #self.cheap > 0 and rng:pick(self.cheap) or nil
  if kind == "reinforced" and (not cheap or rng:uniform() < self.p.controller) then
    drawn = {}
    options.draw = function(d, r, value)
      local new, entry = self.controller:draw(d, r, value)
      drawn[d.name] = entry
      return new
    end
  elseif kind ~= "random" and cheap then
    options.draw = function(d, r, value) return self.roulette:draw(d, r, value, cheap) end
  end
  local child, changed = self.space:mutate(arch, rng, options)
  if not drawn then return child end
  local entries = {}
  for _, name in ipairs(changed) do
    local entry = drawn[name]                      -- a repair may have changed it since
    if entry and entry.decision.domain:index(child[name]) == entry.place then entries[#entries + 1] = entry end
  end
  return child, entries
end

local FairNAS = evolution.define {
  name = "fairnas", multi_objective = true, params = params,
  parts = function(space, p, given)
    if p.random + p.reinforced + p.prior == 0 then error("strategy 'fairnas': random, reinforced and prior are all 0", 0) end
    local size = math.max(2, p.population > 0 and p.population or evolution.population_for(given.budget))
    local self = { size = size, population = replacement.crowding(size, #given.objectives), queue = {}, cheap = {},
      expensive = place_of(given.objectives, p.expensive), controller = policy.controller(p.rate, p.decay), roulette = policy.roulette(p.sharpness) }
    for k = 1, #given.objectives do if k ~= self.expensive then table.insert(self.cheap, k) end end
    local select = selection.fair_tournament(2, selection.crowding)
    function self.offspring(population, rng, refused)
      local arch, origin, entries = select(population, rng).arch, "clone", nil
      if rng:uniform() < p.crossover then
        arch, origin = space:crossover(arch, select(population, rng).arch, rng, { operator = "one_point" }), "crossover"
      end
      local times = (rng:uniform() < p.mutation and 1 or 0) + refused // PATIENCE
      for _ = 1, times do
        local kind = kind_of(p, rng)
        arch, entries = mutate(self, arch, kind, rng)
        origin = kind == "random" and "mutation" or kind                       -- "random" is the first population
      end
      return arch, origin, entries
    end
    return self
  end,
}

local on_issued, tell = FairNAS.on_issued, FairNAS.tell

--- The first population is a sample of the policy as it begins: uniform.
function FairNAS:on_issued(suggestion)
  on_issued(self, suggestion)
  if suggestion.origin ~= "random" then return end
  local entries = {}
  for _, d in ipairs(self.space.decisions) do
    local value = suggestion.config[d.name]
    if value ~= nil then table.insert(entries, (self.controller:entry(d, value))) end
  end
  self.open[suggestion.id].ticket = entries
end

function FairNAS:tell(trial)
  local mine, due = self.open[trial.id], self.generation and self.generation.due
  table.insert(self.queue, { trial = trial, entries = mine and mine.ticket })
  tell(self, trial)
  if not due or self.generation.due ~= due then learn_from(self) end
end

return FairNAS
