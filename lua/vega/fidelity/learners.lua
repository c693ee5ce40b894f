--- What a strategy learns from trials of several fidelities: once a trial, everything, or one instance for each rung.
local learners = {}

-- Once a trial: every configuration counts once, with what it had reached when it first paused or ended; all of one rung, so comparable.
local Once = {}
Once.__index = Once

function Once:ask() return self.method:ask() end
function Once:tell(trial)
  if self.known[trial.id] then return end
  self.known[trial.id] = true
  self.method:tell(trial)
end

-- One instance for each rung. The highest rung with enough results is asked (Falkner et al. 2018, arXiv:1807.01774); before there is one, the
-- lowest, whose first design is the strategy's own. With probability `random` a uniform architecture is drawn instead.
local PerRung = {}
PerRung.__index = PerRung

local function instance(self, fidelity)
  local rung = self.rungs[fidelity]
  if not rung then
    rung = { method = self.make(), results = 0, fidelity = fidelity }
    self.rungs[fidelity] = rung
    table.insert(self.order, rung)
    table.sort(self.order, function(a, b) return a.fidelity > b.fidelity end)
  end
  return rung
end

local function wisest(self)
  for _, rung in ipairs(self.order) do if rung.results >= self.points then return rung.method end end
end

function PerRung:ask()
  local random = self.random
  if random >= 1 or random > 0 and self.rng:uniform() < random then return self.space:random(self.rng), "random" end
  return (wisest(self) or instance(self, self.lowest).method):ask()
end

-- Pending is a matter of the instance that will be told, whichever was asked.
function PerRung:on_issued(suggestion)
  local method = instance(self, suggestion.fidelity.to).method
  if method.on_issued then method:on_issued(suggestion) end
end

function PerRung:tell(trial)
  local rung = instance(self, trial.fidelity)
  rung.results = rung.results + 1
  rung.method:tell(trial)
end

--- The object that asks and learns in the driver's place, for a strategy's class under a scheduler.
function learners.choose(class, make, scheduler, space, rng)
  local policy = scheduler.per_rung
  if policy or class.fidelity == "rungs" and scheduler.rungs then
    policy = policy or {}
    return setmetatable({ make = make, space = space, rng = rng, random = policy.random or 0, points = policy.points or #space.decisions + 2,
      rungs = {}, order = {}, lowest = scheduler.min or 0 }, PerRung)
  end
  local method = make()
  if class.fidelity == "all" then return method end
  local once = setmetatable({ method = method, known = {} }, Once)
  if method.on_issued then once.on_issued = function(_, suggestion) method:on_issued(suggestion) end end
  return once
end

return learners
