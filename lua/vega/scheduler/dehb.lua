--- DEHB: the brackets of Hyperband, filled by differential evolution with one population a rung, whose mutants come from the best of the rung below.
-- Awad, Mallik & Hutter 2021, arXiv:2105.09821. The strategy is asked for the individuals that fill the populations; what follows is evolved here.
-- In the first round of brackets trials are promoted as in Hyperband; from then on each evaluation is a child trained from the beginning.
local cube = require "vega.evolution.cube"
local hyperband = require "vega.scheduler.hyperband"
local rungs = require "vega.fidelity.rungs"

local Dehb = { name = "dehb", rungs = true, params = rungs.params { restart = false,
  rounds = { 0, min = 0, about = "how often all brackets are run; 0: until the budget is spent" },
  factor = { 0.5, min = 0, max = 2, about = "F: how much of a difference is added" },
  crossover = { 0.5, min = 0, max = 1, about = "CR: the share of coordinates taken from the mutant" },
} }
Dehb.__index = Dehb

local TRIES = 100

-- One bracket: how many of each rung have left and been answered; a rung begins when the one below it is answered.
local function make_bracket(row, eta, first_round)
  local self = { steps = row.steps, sizes = {}, rung = 1, left = 0, answered = 0, first_round = first_round }
  for k = 1, #row.steps do self.sizes[k] = math.max(1, row.n // (eta ^ (k - 1) // 1 | 0)) end
  return self
end

function Dehb.new(p, context)
  local self = setmetatable({ p = p, min = p.min, max = p.max, resource = p.resource, rng = context.rng, space = context.space,
    cube = cube.new(context.space), endless = p.rounds == 0,
    plan = hyperband.table { min = p.min, max = p.max, eta = p.eta, sizes = "floor" }, begun = 0, active = {}, populations = {}, order = {},
    paused = {}, given_up = {} }, Dehb)
  for _, row in ipairs(self.plan) do
    for k, fidelity in ipairs(row.steps) do
      local n = math.max(1, row.n // (p.eta ^ (k - 1) // 1 | 0))
      if not self.populations[fidelity] then
        self.populations[fidelity] = { size = 0, members = {}, target = 1 }
        table.insert(self.order, fidelity)
      end
      self.populations[fidelity].size = math.max(self.populations[fidelity].size, n)
    end
  end
  table.sort(self.order)
  return self
end

-- Vectors ----------------------------------------------------------------------------------------------------------------------------------

--- rand/1: a + F (b - c); a coordinate that leaves [0, 1] is drawn anew.
function Dehb:mutant(a, b, c)
  local v = {}
  for i = 1, #a do
    v[i] = a[i] + self.p.factor * (b[i] - c[i])
    if v[i] < 0 or v[i] > 1 then v[i] = self.rng:uniform() end
  end
  return v
end

--- bin: each coordinate from the mutant with probability CR, one of them always.
function Dehb:cross(target, mutant)
  local x, certain = {}, self.rng:int(1, #target)
  for i = 1, #target do x[i] = (i == certain or self.rng:uniform() < self.p.crossover) and mutant[i] or target[i] end
  return x
end

local function sorted_members(population)
  local list = {}
  for slot = 1, population.size do list[#list + 1] = population.members[slot] end
  table.sort(list, rungs.before)
  return list
end

-- The best n of the next lower rung (of the lowest: of itself); where fewer than three are good, all populations together.
local function parents(self, fidelity, n)
  local below = fidelity
  for _, f in ipairs(self.order) do if f < fidelity then below = f end end
  local list = sorted_members(self.populations[below])
  list = table.move(list, 1, math.min(n, #list), 1, {})
  if #list >= 3 then return list end
  list = {}
  for _, f in ipairs(self.order) do table.move(sorted_members(self.populations[f]), 1, self.populations[f].size, #list + 1, list) end
  return #list >= 3 and list or nil
end

local function three_of(list, rng)
  local pool = table.move(list, 1, #list, 1, {})
  for i = 1, 3 do
    local j = rng:int(i, #pool)
    pool[i], pool[j] = pool[j], pool[i]
  end
  return pool[1].x, pool[2].x, pool[3].x
end

-- A child for the member at `slot`, or nil when there is nobody yet to descend from.
local function child(self, fidelity, slot, n)
  local target, list = self.populations[fidelity].members[slot], parents(self, fidelity, n)
  if not (target and list) then return nil end
  for _ = 1, TRIES do
    local arch = self.cube:decode(self:cross(target.x, self:mutant(three_of(list, self.rng))))
    if arch then return arch end
  end
  return self.space:random(self.rng)
end

-- What a bracket wants done ----------------------------------------------------------------------------------------------------------------

-- The best of the rung below that has not been trained as far.
local function promotion(self, bracket, fidelity)
  for _, member in ipairs(sorted_members(self.populations[bracket.steps[bracket.rung - 1]])) do
    local at = self.paused[member.id]
    if at and at < fidelity and not member.failed then return member end
  end
end

local function job_of(self, bracket, can_start)
  local fidelity, n = bracket.steps[bracket.rung], bracket.sizes[bracket.rung]
  if bracket.left >= n then return nil, "wait" end
  local population = self.populations[fidelity]
  local slot = population.target
  local member = bracket.first_round and bracket.rung > 1 and promotion(self, bracket, fidelity)
  if member then return { kind = "resume", id = member.id, to = fidelity, slot = slot, bracket = bracket } end
  local arch = child(self, fidelity, slot, n)
  if not arch and not can_start then return nil, "dry" end
  return { kind = "new", arch = arch or nil, to = fidelity, slot = slot, bracket = bracket }
end

local function another(self)
  if self.dry or self.p.rounds > 0 and self.begun >= self.p.rounds * #self.plan then return nil end
  return make_bracket(self.plan[self.begun % #self.plan + 1], self.p.eta, self.begun < #self.plan)
end

function Dehb:next(can_start)
  local waits, dry
  for _, bracket in ipairs(self.active) do
    local job, status = job_of(self, bracket, can_start)
    if job then return job end
    waits, dry = waits or status == "wait", dry or status == "dry"
  end
  local bracket = another(self)
  if bracket then
    local job = job_of(self, bracket, can_start)
    if job then return job end
    dry = true
  end
  return nil, waits and "wait" or dry and "dry" or "finished"
end

function Dehb:started(job, suggestion)
  local bracket, known = job.bracket, false
  for _, each in ipairs(self.active) do known = known or each == bracket end
  if not known then
    table.insert(self.active, bracket)
    self.begun = self.begun + 1
  end
  bracket.left = bracket.left + 1
  local population = self.populations[job.to]
  population.target = population.target % population.size + 1
  job.x = self.cube:encode(suggestion.config)
  self.paused[suggestion.id] = nil
end

-- A bracket whose rung is answered goes one up, or ends.
local function climb(self, bracket)
  if bracket.answered < bracket.sizes[bracket.rung] then return end
  bracket.rung, bracket.left, bracket.answered = bracket.rung + 1, 0, 0
  if bracket.rung <= #bracket.steps then return end
  for i, each in ipairs(self.active) do
    if each == bracket then
      table.remove(self.active, i)
      return
    end
  end
end

-- After the first round nothing is promoted any more: what is paused will not go on.
local function give_up(self)
  if self.begun < #self.plan then return end
  for _, bracket in ipairs(self.active) do if bracket.first_round then return end end
  local ids = {}
  for id in pairs(self.paused) do ids[#ids + 1] = id end
  table.sort(ids)
  table.move(ids, 1, #ids, #self.given_up + 1, self.given_up)
  self.paused = {}
end

local function no_worse(a, b)
  if a.failed ~= b.failed then return b.failed end
  if a.failed then return true end
  if a.violation ~= b.violation then return a.violation < b.violation end
  return a.cost <= b.cost
end

function Dehb:tell(trial)
  local job, bracket = trial.task, trial.task.bracket
  local members = self.populations[job.to].members
  local one = { id = trial.id, x = job.x, cost = trial.cost, violation = trial.violation, failed = trial.failed }
  if not members[job.slot] or no_worse(one, members[job.slot]) then members[job.slot] = one end
  if trial.paused then self.paused[trial.id] = trial.fidelity end
  bracket.answered = bracket.answered + 1
  climb(self, bracket)
  give_up(self)
end

--- There are no new individuals any more: brackets that would need one end, the others go on.
function Dehb:exhaust()
  self.dry = true
  for i = #self.active, 1, -1 do
    local bracket = self.active[i]
    if bracket.rung == 1 then
      bracket.sizes[1] = math.max(1, bracket.left)
      climb(self, bracket)
    end
  end
end

Dehb.retired = rungs.retired

return Dehb
