--- Learning curves of running and completed trials: what the rules that stop a trial compare. Costs, minimised; a NaN is infinite.
local rungs = require "vega.fidelity.rungs"

local curves = {}

--- The parameters of rules that stop trials.
function curves.params(more)
  local params = rungs.params { min = false, eta = false, restart = false,
    warmup = { 0, min = 0, about = "the first step at which to decide" },
    interval = { 1, min = 1, about = "decide at every so many steps" },
    grace = { 5, min = 1, about = "completed trials before the first decision" } }
  for name, rule in pairs(more or {}) do params[name] = rule or nil end
  return params
end

--- The fields of a rule: a new trial is always started, and trained to the end unless it is stopped.
function curves.scheduler(p)
  return { p = p, max = p.max, resource = p.resource, endless = true, running = {}, at = {}, completed = 0 }
end

function curves:next(can_start)
  if not can_start then return nil, "dry" end
  return { kind = "new", to = self.max }
end

function curves:started(_, suggestion) self.running[suggestion.id] = { steps = {}, values = {}, best = math.huge, sum = 0.0 } end

--- Adds a point to a running trial's curve: { steps, values, best, sum }.
function curves:add(id, step, cost)
  local curve = self.running[id]
  local n = #curve.steps + 1
  curve.steps[n], curve.values[n] = step, cost
  curve.best, curve.sum = math.min(curve.best, cost), curve.sum + cost
  return curve
end

--- Is a decision due at this step?
function curves:due(step)
  local p = self.p
  return self.completed >= p.grace and step >= p.warmup and (step - p.warmup) % p.interval == 0
end

local function ascending(a, b) return a < b end

-- The curve of a completed trial joins the reference: at each step its value and its mean so far.
local function complete(self, curve)
  local sum = 0.0
  for i, step in ipairs(curve.steps) do
    sum = sum + curve.values[i]
    local at = self.at[step] or { values = {}, means = {} }
    self.at[step] = at
    rungs.insert(at.values, curve.values[i], ascending)
    rungs.insert(at.means, sum / i, ascending)
  end
  self.completed = self.completed + 1
end

function curves:tell(trial)
  local curve = self.running[trial.id]
  self.running[trial.id] = nil
  if not trial.failed and trial.status ~= "stopped" then complete(self, curve) end
end

--- The sorted "values" or "means" of the completed trials that have this step, or nil.
function curves:reference(step, what)
  local at = self.at[step]
  return at and at[what]
end

--- The p-th percentile of a sorted list, between neighbours by linear interpolation.
function curves.percentile(sorted, p)
  local at = (#sorted - 1) * p / 100
  local below = math.floor(at)
  local a, b = sorted[below + 1], sorted[math.min(below + 2, #sorted)]
  if at == below or a == b then return a end                    -- an infinite neighbour must not become NaN
  return a + (at - below) * (b - a)
end

--- "stop" for a curve without a single number, else "continue".
function curves.unless_nan(curve) return curve.best == math.huge and "stop" or "continue" end

return curves
