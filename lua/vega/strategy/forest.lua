--- Sequential model-based optimisation with a random forest, as in SMAC (Hutter, Hoos & Leyton-Brown 2011, doi:10.1007/978-3-642-25566-3_40;
-- defaults of SMAC3, arXiv:2109.09831): expected improvement found by local search from the best trials, random suggestions in between.
-- Departures, for an ask under a millisecond: fewer random candidates than SMAC's 10,000, and beyond GROW_ALL trials not all trees are grown
-- anew at each ask but a share of them in turn that falls with the square of the number of trials. Pending trials are believed to answer
-- their predicted mean.
local core = require("vega.core").model
local history = require "vega.model.history"

local ELITE = 3
local GROW_ALL = 150

local Forest = { name = "forest", params = { initial = { 0, min = 0 }, trees = { 10, min = 1 }, random = { 0.2, min = 0, max = 1 },
  candidates = { 200, min = 1 }, min_leaf = { 1, min = 1 } } }
Forest.__index = Forest
Forest.fidelity = "rungs"              -- under a scheduler: one model for each fidelity

function Forest.defaults(spec) return { trials = spec.budget and spec.budget.trials } end

function Forest.new(space, p, rng)
  return setmetatable({ space = space, p = p, rng = rng, history = history.new(space), models = {}, due = 0.0,
    n_initial = history.initial_size(p.initial, math.min(10 * #space.decisions, 50), p.trials) }, Forest)
end

function Forest:on_issued(suggestion) self.history:issued(suggestion) end
function Forest:tell(trial) self.history:tell(trial) end

local function seed(self) return self.rng:int(0, math.maxinteger - 1) end
local function cost_of(trial) return trial.costs[1] end

-- Logarithms of the costs where they are positive and span more than a decade.
local function objective_targets(h)
  local y, lo, hi = h:targets(cost_of), math.huge, -math.huge
  for _, v in ipairs(y) do lo, hi = math.min(lo, v), math.max(hi, v) end
  if lo <= 0 or hi < 10 * lo then return y, "ei" end
  for i, v in ipairs(y) do y[i] = math.log(v) end
  return y, "log_ei"
end

-- Grows `count` trees of each model: the first is of the objective, then one of each constraint.
local function train(self, count)
  local h, index, targets = self.history, {}, {}
  local kind
  targets[1], kind = objective_targets(h)
  if kind ~= self.kind then count = self.p.trees end                 -- trees of another scale would not mix with the new ones
  self.kind = kind
  for k = 1, #(h.ordered[1].trial.slacks or {}) do targets[k + 1] = h:targets(function(trial) return trial.slacks[k] end) end
  for i, record in ipairs(h.told) do index[i] = record.row end
  table.move(h:pending_rows(), 1, #h.pending, #index + 1, index)
  for k, y in ipairs(targets) do
    self.models[k] = self.models[k] or core.forest(h.rows, { trees = self.p.trees, min_leaf = self.p.min_leaf })
    self.models[k]:grow(count, index, y, seed(self))
  end
end

local function keep_trained(self)
  local n = #self.history.told
  self.due = self.due + self.p.trees * math.min(1.0, GROW_ALL / n) ^ 2
  local count = math.floor(self.due)
  self.due = self.due - count
  if count > 0 or not self.kind then train(self, count) end
end

local function propose(self)
  local h, elite, rows = self.history, table.move(self.history.ordered, 1, ELITE, 1, {}), {}
  local _, feasible = h:counts()
  local best = h.ordered[1].trial.costs[1]
  for i, record in ipairs(elite) do rows[i] = record.row end
  local allowed = h:allowed_rows(self.rng, self.p.candidates // 2, elite, 50)
  return core.maximise(h.rows, { kind = feasible > 0 and self.kind or "feasible", objectives = { self.models[1] },
    constraints = table.move(self.models, 2, #self.models, 1, {}), best = self.kind == "log_ei" and math.log(best) or best, elite = rows,
    extra = allowed, random = allowed and 0 or self.p.candidates, local_ = 50, step = 0.2, starts = 3, rounds = 10, keep = 16, seed = seed(self) })
end

-- Nothing to learn from: all results are equal.
local function is_flat(h)
  local first = h.ordered[1].trial.costs[1]
  for i = #h.ordered, 2, -1 do if h.ordered[i].trial.costs[1] ~= first then return false end end
  return true
end

function Forest:ask()
  local h = self.history
  local first = h:initial(self.n_initial, self.rng)
  if first then return first, "initial" end
  if self.rng:uniform() < self.p.random or h:counts() < 2 then return self.space:random(self.rng), "random" end
  if is_flat(h) then return self.space:random(self.rng), "random" end
  keep_trained(self)
  local arch = h:first_new(propose(self))
  if arch then return arch, "model" end
  return self.space:random(self.rng), "random"
end

return Forest
