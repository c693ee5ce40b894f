--- MOEA/D: one member for each weight vector; a child is made from a neighbourhood of weights and replaces neighbours it is better for.
-- Zhang & Li 2007, doi:10.1109/TEVC.2007.892759; parents from outside and the limit on replacements: Li & Zhang 2009, doi:10.1109/TEVC.2008.925798.
--    vega.strategy.moead { neighbours = 15 }
-- Objectives are scaled by the running ideal and nadir points, or unequal units would decide. Up to two objectives are scalarised by Tchebycheff's
-- function, more by penalty boundary intersection.
local directions = require "vega.evolution.directions"
local evolution = require "vega.evolution"
local variation = require "vega.evolution.variation"

local PENALTY = 5.0

local scalar = {}

--- The worst weighted distance from the ideal point z.
function scalar.tchebycheff(f, w, z, range)
  local worst = -math.huge
  for k, v in ipairs(f) do worst = math.max(worst, math.max(w[k], 1e-6) * math.abs(v - z[k]) / range[k]) end
  return worst
end

--- The distance along the weight's direction plus PENALTY times the distance from it.
function scalar.intersection(f, w, z, range)
  local norm, along, square = 0.0, 0.0, 0.0
  for _, v in ipairs(w) do norm = norm + v * v end
  norm = math.sqrt(norm)
  for k, v in ipairs(f) do
    local d = (v - z[k]) / range[k]
    along, square = along + d * w[k] / norm, square + d * d
  end
  return along + PENALTY * math.sqrt(math.max(0, square - along * along))
end

local Population = {}
Population.__index = Population

-- For each weight the places of its nearest ones, itself first.
local function neighbourhoods(weights, count)
  local result = {}
  for i, w in ipairs(weights) do
    local list = {}
    for j, v in ipairs(weights) do
      local square = 0.0
      for k = 1, #w do square = square + (w[k] - v[k]) ^ 2 end
      list[j] = { j = j, square = square }
    end
    table.sort(list, function(a, b) if a.square ~= b.square then return a.square < b.square end return a.j < b.j end)
    result[i] = {}
    for k = 1, math.min(count, #list) do result[i][k] = list[k].j end
  end
  return result
end

local function new_population(weights, p)
  local m = #weights[1]
  local self = setmetatable({ members = {}, weights = weights, near = neighbourhoods(weights, p.neighbours), everyone = {}, p = p,
    ideal = {}, nadir = {}, range = {}, turn = {}, value = m > 2 and scalar.intersection or scalar.tchebycheff }, Population)
  for i = 1, #weights do self.everyone[i] = i end
  for k = 1, m do self.ideal[k], self.nadir[k], self.range[k] = math.huge, -math.huge, 1.0 end
  return self
end

-- The nadir is the worst among the current members that violate nothing.
local function rescale(self, trial)
  if trial.violation > 0 then return end
  for k, v in ipairs(trial.costs) do self.ideal[k] = math.min(self.ideal[k], v) end
  for k = 1, #self.ideal do
    local worst = trial.costs[k]
    for _, m in ipairs(self.members) do if m.violation == 0 then worst = math.max(worst, m.costs[k]) end end
    self.nadir[k] = worst
    self.range[k] = worst > self.ideal[k] and worst - self.ideal[k] or 1.0
  end
end

-- Deb's rule, then the scalar value for weight i; an equal child is taken.
local function improves(self, i, trial)
  local own = self.members[i]
  if own.violation ~= trial.violation then return trial.violation < own.violation end
  if trial.violation > 0 then return true end
  local w = self.weights[i]
  return self.value(trial.costs, w, self.ideal, self.range) <= self.value(own.costs, w, self.ideal, self.range)
end

function Population:insert(trial, ticket, rng)
  rescale(self, trial)
  if #self.members < #self.weights then
    self.members[#self.members + 1] = trial
    return
  end
  local scope, left = table.move(ticket or self.everyone, 1, #(ticket or self.everyone), 1, {}), self.p.replaced
  for _, i in ipairs(rng:shuffle(scope)) do
    if left > 0 and improves(self, i, trial) then self.members[i], left = trial, left - 1 end
  end
end

-- Every weight has its turn, in an order drawn anew each round.
local function next_weight(self, rng)
  if #self.turn == 0 then self.turn = rng:shuffle(table.move(self.everyone, 1, #self.everyone, 1, {})) end
  return table.remove(self.turn)
end

local Moead = evolution.define {
  name = "moead", multi_objective = true,
  params = evolution.genetic_params({ divisions = 0, crossover = 1.0, crossover_eta = 20, mutation_eta = 20 }, {
    neighbours = { 20, min = 2, about = "weights in a neighbourhood" },
    inside = { 0.9, min = 0, max = 1, about = "probability that the parents come from the neighbourhood" },
    replaced = { 2, min = 1, about = "members that one child may replace" },
  }),
  defaults = function(spec) return { suggested = evolution.population_for(spec.budget) } end,
  parts = function(space, p, given)
    local size = p.population > 0 and math.max(2, p.population) or p.suggested
    local population = new_population(directions(#given.objectives, p.divisions, size), p)
    local scope
    local vary = variation.genetic(space, function(self, rng) return self.members[rng:pick(scope)] end, p)
    local function offspring(self, rng)
      local i = next_weight(self, rng)
      scope = rng:uniform() < p.inside and self.near[i] or self.everyone
      local arch, origin = vary(self, rng)
      return arch, origin, scope
    end
    return { size = #population.weights, population = population, offspring = offspring }
  end,
}

Moead.scalar = scalar
return Moead
