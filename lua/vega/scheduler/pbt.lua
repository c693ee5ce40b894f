--- Population-based training: members train in pieces; after each piece a bad one is replaced by a copy of a good one, weights and hyper-parameters,
-- which are then changed a little. Jaderberg et al. 2017, arXiv:1711.09846.
-- The paper exchanges weights inside a running trial. Here a member pauses after each piece and the replacement is a suggestion of kind "clone",
-- which begins with its parent's checkpoint: one way for one process and for many.
--    driver.scheduler:lineage(id)      -- the schedule of hyper-parameters that led to a member: { { from, to, config }, ... }
local rungs = require "vega.fidelity.rungs"

local Pbt = { name = "pbt", clones = true, params = rungs.params { min = false, eta = false, restart = false,
  population = { 8, min = 1, about = "members" },
  interval = { 1, min = 1, about = "steps of a piece" },
  quantile = { 0.25, min = 0, max = 0.5, about = "share that is replaced, and share that is copied" },
  resample = { 0.25, min = 0, max = 1, about = "probability that a hyper-parameter is drawn anew instead of changed" },
  factor = { 1.2, min = 1, about = "numbers are multiplied by it, or by two minus it" },
  synchronous = { false, about = "compare members at the same step only" },
} }
Pbt.__index = Pbt

local TRIES = 100

function Pbt.new(p, context)
  return setmetatable({ p = p, max = p.max, min = math.min(p.interval, p.max), resource = p.resource, rng = context.rng, space = context.space,
    size = p.population, slots = {}, queue = {}, family = {}, given_up = {} }, Pbt)
end

-- Changing hyper-parameters ----------------------------------------------------------------------------------------------------------------

local ORDERED = { int = true, ordinal = true }

local function neighbour(domain, value, rng)
  local i = domain:index(value) + (rng:uniform() < 0.5 and -1 or 1)
  if i < 1 or i > domain.size then i = 2 * domain:index(value) - i end          -- at an end there is only the other side
  return domain.size > 1 and domain:at(math.max(1, math.min(domain.size, i))) or value
end

local function perturb(self, domain, value)
  local rng = self.rng
  if domain.kind == "float" and not domain.size or domain.kind == "normal" then
    local moved = value * (rng:uniform() < 0.5 and self.p.factor or 2 - self.p.factor)
    if domain.lo then moved = math.max(domain.lo, math.min(domain.hi, moved)) end
    return domain:accept(moved)
  end
  if ORDERED[domain.kind] or domain.kind == "float" then return neighbour(domain, value, rng) end
  return domain:random(rng)
end

--- What a clone is trained with, from what its parent was (and what the member it replaces was, which this one does not look at); a class derived
-- from this one may do otherwise.
function Pbt:explore(arch, _)
  for _ = 1, TRIES do
    local new = {}
    for _, d in ipairs(self.space.decisions) do
      if not d.parent or new[d.parent.decision.name] == d.parent.option then
        local old = arch[d.name]
        if old == nil or self.rng:uniform() < self.p.resample then new[d.name] = d.domain:random(self.rng)
        else new[d.name] = perturb(self, d.domain, old) end
      end
    end
    local good = self.space:check(new)
    if good then return good end
  end
  return arch                                                                 -- the clauses leave nothing near
end

-- Deciding ---------------------------------------------------------------------------------------------------------------------------------

local function known(self)
  local list = {}
  for _, slot in ipairs(self.slots) do if slot.cost then list[#list + 1] = slot end end
  table.sort(list, rungs.before)
  return list
end

-- A good member that is not training now (its checkpoint would move) and has steps left to give.
local function donor_among(self, list)
  local idle = {}
  for _, slot in ipairs(list) do if slot.state ~= "running" and slot.step < self.max then idle[#idle + 1] = slot end end
  return #idle > 0 and self.rng:pick(idle) or nil
end

local function clone(self, slot, donor)
  return { kind = "clone", parent = donor.id, arch = self:explore(donor.arch, slot.arch), from = donor.step,
    to = math.min(self.max, donor.step + self.p.interval), slot = slot }
end

local function is_better(a, b)
  return a.violation < b.violation or a.violation == b.violation and a.cost < b.cost
end

-- The member that a bad one is to be replaced by, or nil: one of the best quantile that is strictly better.
local function better_one(self, slot, list)
  local n = math.max(1, math.floor(#list * self.p.quantile))
  for i = self.p.quantile > 0 and #list - n + 1 or #list + 1, #list do
    local donor = list[i] == slot and donor_among(self, table.move(list, 1, n, 1, {}))
    if donor and is_better(donor, slot) then return donor end
  end
end

-- The next piece of a member that has answered: its own, or that of a better one; nil for a failed one that nobody can replace.
local function decide(self, slot)
  local list = known(self)
  if not slot.cost then
    local donor = donor_among(self, { list[1] })
    return donor and clone(self, slot, donor)
  end
  local donor = better_one(self, slot, list)
  if donor then return clone(self, slot, donor) end
  return { kind = "resume", id = slot.id, to = math.min(self.max, slot.step + self.p.interval), slot = slot }
end

local function count(self, state)
  local n = 0
  for _, slot in ipairs(self.slots) do if slot.state == state then n = n + 1 end end
  return n
end

-- The members that wait for their next piece, those that are behind first.
local function waiting(self)
  local list = {}
  for i, slot in ipairs(self.slots) do
    if slot.state == "waiting" then list[#list + 1] = { slot = slot, at = i } end
  end
  table.sort(list, function(a, b)
    if a.slot.step ~= b.slot.step then return a.slot.step < b.slot.step end
    return a.at < b.at
  end)
  return list
end

-- All members stand at the same step: what each does next is decided on what all of them are now. Clones leave first: their parents must not
-- have gone on.
local function plan(self)
  local clones, resumed = {}, {}
  for _, each in ipairs(waiting(self)) do
    local job = decide(self, each.slot)
    if job then table.insert(job.kind == "clone" and clones or resumed, job) end
  end
  self.queue = table.move(resumed, 1, #resumed, #clones + 1, clones)
end

local function at_barrier(self) return self.p.synchronous and #self.slots == self.size and count(self, "running") == 0 end

-- A scheduler's functions ------------------------------------------------------------------------------------------------------------------

function Pbt:next(can_start)
  if #self.slots < self.size then
    if can_start then return { kind = "new", to = self.min } end
    if #self.slots == 0 then return nil, "dry" end
  end
  if self.queue[1] then return self.queue[1] end
  for _, each in ipairs(self.p.synchronous and {} or waiting(self)) do
    local job = decide(self, each.slot)
    if job then return job end
  end
  if count(self, "running") > 0 then return nil, "wait" end
  return nil, #self.slots < self.size and "dry" or "finished"
end

function Pbt:started(job, suggestion)
  local slot = job.slot
  if job.kind == "new" then
    slot = { step = 0 }
    job.slot = slot
    table.insert(self.slots, slot)
  elseif job == self.queue[1] then
    table.remove(self.queue, 1)
  end
  if job.kind == "clone" and slot.cost then table.insert(self.given_up, slot.id) end
  if job.kind ~= "resume" then
    self.family[suggestion.id] = { parent = job.parent, from = job.from or 0, config = suggestion.config, reached = job.from or 0 }
    slot.id, slot.arch, slot.cost = suggestion.id, suggestion.config, nil
  end
  slot.state = "running"
end

function Pbt:tell(trial)
  local slot = trial.task.slot
  slot.step, slot.cost, slot.violation, slot.failed = trial.fidelity, trial.cost, trial.violation, false
  slot.state = not trial.failed and slot.step >= self.max and "done" or "waiting"
  if not trial.failed then self.family[trial.id].reached = trial.fidelity end
  if at_barrier(self) then plan(self) end
end

function Pbt:exhaust()
  self.size = #self.slots
  if at_barrier(self) then plan(self) end
end

Pbt.retired = rungs.retired

--- The hyper-parameters along a member's ancestry, from step 0: a list of { from, to, config }, which can be replayed on a fresh model.
function Pbt:lineage(id)
  local list, to = {}, nil
  while id do
    local member = self.family[id]
    if not member then error(("scheduler 'pbt': trial %s is no member"):format(tostring(id)), 2) end
    table.insert(list, 1, { from = member.from, to = to or member.reached, config = member.config, id = id })
    id, to = member.parent, member.from
  end
  return list
end

return Pbt
