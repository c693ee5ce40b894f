--- Sequential model-based optimisation with a random forest, as in SMAC (Hutter, Hoos & Leyton-Brown 2011, doi:10.1007/978-3-642-25566-3_40;
-- defaults of SMAC3, arXiv:2109.09831): expected improvement found by local search from the best trials, random suggestions in between.
-- Departures, for an ask under a millisecond: fewer random candidates than SMAC's 10,000, and beyond some dozens of trials not all trees
-- are grown anew at each ask but some of them in turn. Pending trials are believed to answer their predicted mean.
local core = require("vega.core").model
local history = require "vega.model.history"

local ELITE = 10
local SAMPLES = 1500         -- trees times trials that one ask may grow

local Forest = { name = "forest", params = { initial = { 0, min = 0 }, trees = { 10, min = 1 }, random = { 0.2, min = 0, max = 1 },
  candidates = { 500, min = 1 }, min_leaf = { 1, min = 1 } } }
Forest.__index = Forest
Forest.fidelity = "rungs"              -- under a scheduler: one model for each fidelity

function Forest.defaults(spec) return { trials = spec.budget and spec.budget.trials } end

function Forest.new(space, p, rng)
  return setmetatable({ space = space, p = p, rng = rng, history = history.new(space), models = {},
    n_initial = history.initial_size(p.initial, math.min(10 * #space.decisions, 50), p.trials) }, Forest)
end

function Forest:on_issued(suggestion) self.history:issued(suggestion) end
function Forest:tell(trial) self.history:tell(trial) end

local function seed(self) return self.rng:int(0, math.maxinteger - 1) end
local function cost_of(trial) return trial.costs[1] end

local function range_of(y)
  local lo, hi = math.huge, -math.huge
  for _, v in ipairs(y) do lo, hi = math.min(lo, v), math.max(hi, v) end
  return lo, hi
end

-- The k-th model on everything told: grown at once the first time, then some trees an ask.
local function train(self, k, y)
  local h, index = self.history, {}
  for i, record in ipairs(h.told) do index[i] = record.row end
  table.move(h:pending_rows(), 1, #h.pending, #index + 1, index)
  local fresh = not self.models[k]
  self.models[k] = self.models[k] or core.forest(h.rows, { trees = self.p.trees, min_leaf = self.p.min_leaf })
  self.models[k]:grow(fresh and self.p.trees or math.max(1, math.min(self.p.trees, SAMPLES // #index)), index, y, seed(self))
  return self.models[k]
end

-- Logarithms of the costs where they are positive and span more than a decade.
local function objective_targets(h)
  local y = h:targets(cost_of)
  local lo, hi = range_of(y)
  if lo <= 0 or hi < 10 * lo then return y, "ei" end
  local logs = {}
  for i, v in ipairs(y) do logs[i] = math.log(v) end
  return logs, "log_ei"
end

local function propose(self)
  local h = self.history
  local _, feasible = h:counts()
  local y, kind = objective_targets(h)
  local objective, constraints = train(self, 1, y), {}
  for k = 1, #(h.ordered[1].trial.slacks or {}) do
    constraints[k] = train(self, k + 1, h:targets(function(trial) return trial.slacks[k] end))
  end
  local elite, rows = table.move(h.ordered, 1, ELITE, 1, {}), {}
  for i, record in ipairs(elite) do rows[i] = record.row end
  local allowed = h:allowed_rows(self.rng, self.p.candidates // 2, elite, 50)
  return core.maximise(h.rows, { kind = feasible > 0 and kind or "feasible", objectives = { objective }, constraints = constraints,
    best = y[h.ordered[1].place], elite = rows, extra = allowed, random = allowed and 0 or self.p.candidates, local_ = 50, step = 0.2, starts = 5,
    rounds = 10, keep = 16, seed = seed(self) })
end

function Forest:ask()
  local h = self.history
  local first = h:initial(self.n_initial, self.rng)
  if first then return first, "initial" end
  if self.rng:uniform() < self.p.random or h:counts() < 2 then return self.space:random(self.rng), "random" end
  local lo, hi = range_of(h:targets(cost_of))
  if lo == hi then return self.space:random(self.rng), "random" end
  local arch = h:first_new(propose(self))
  if arch then return arch, "model" end
  return self.space:random(self.rng), "random"
end

return Forest
