--- Hyperband: brackets of successive halving, from many short trials to few long ones. Li et al. 2018, arXiv:1603.06560.
-- A bracket waits for its own rung only: what is idle meanwhile begins the next bracket.
local bracket = require "vega.fidelity.bracket"
local rungs = require "vega.fidelity.rungs"

local Hyperband = { name = "hyperband", rungs = true, params = rungs.params {
  rounds = { 0, min = 0, about = "how often all brackets are run; 0: until the budget is spent" },
  sizes = { "paper", one_of = { "paper", "floor" },
    about = "paper: ceil((s+1) eta^k / (k+1)) trials start in bracket k; floor: floor((s+1) / (k+1)) eta^k" },
} }
Hyperband.__index = Hyperband

--- The brackets of one round, as { n =, steps = }: s_max + 1 of them.
function Hyperband.table(p)
  local most, list = rungs.steps(p.min, p.max, p.eta), {}
  for s = most, 0, -1 do
    local power = p.eta ^ s // 1 | 0
    local n = p.sizes == "floor" and (most + 1) // (s + 1) * power or ((most + 1) * power + s) // (s + 1)
    list[#list + 1] = { n = n, steps = rungs.down(p.max, p.eta, s) }
  end
  return list
end

function Hyperband.new(p)
  local self = rungs.scheduler(Hyperband, p)
  self.plan, self.begun, self.active, self.endless = Hyperband.table(p), 0, {}, p.rounds == 0
  return self
end

-- The bracket that would be begun next, or nil.
local function open(self)
  if self.dry or self.p.rounds > 0 and self.begun >= self.p.rounds * #self.plan then return nil end
  local row = self.plan[self.begun % #self.plan + 1]
  return bracket.new(row.n, row.steps, self.p.eta, self.given_up)
end

function Hyperband:next(can_start)
  local waits, dry
  for _, each in ipairs(self.active) do
    local job, status = each:next(can_start)
    if job then return job end
    waits, dry = waits or status == "wait", dry or status == "dry"
  end
  local another = open(self)
  if another and can_start then return another:next(true) end
  return nil, waits and "wait" or (dry or another) and "dry" or "finished"
end

function Hyperband:started(job)
  local known = false
  for _, each in ipairs(self.active) do known = known or each == job.bracket end
  if not known then
    table.insert(self.active, job.bracket)
    self.begun = self.begun + 1
  end
  job.bracket:started(job)
end

local function drop_finished(self)
  for i = #self.active, 1, -1 do if self.active[i].finished then table.remove(self.active, i) end end
end

function Hyperband:tell(trial)
  trial.task.bracket:tell(trial)
  drop_finished(self)
end

function Hyperband:exhaust()
  self.dry = true
  for _, each in ipairs(self.active) do each:exhaust() end
  drop_finished(self)
end

Hyperband.retired = rungs.retired

return Hyperband
