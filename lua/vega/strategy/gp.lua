--- Gaussian-process Bayesian optimisation: Matern 5/2 with one relevance a decision, maximum of log expected improvement.
-- Jones et al. 1998, doi:10.1023/A:1008306431147; Snoek et al. 2012, arXiv:1206.2944. Two objectives: expected hypervolume improvement
-- (Emmerich et al. 2011, doi:10.1109/CEC.2011.5949880); more: ParEGO (Knowles 2006, doi:10.1109/TEVC.2005.851274). Pending trials are
-- believed to answer their predicted mean. Beyond max_points trials the model sees the best half and the latest half of that number.
local core = require("vega.core").model
local history = require "vega.model.history"

local ELITE = 5
local LARGE = 150            -- trials from which on the search for the maximum is shorter

local Gp = { name = "gp", multi_objective = true, params = { initial = { 0, min = 0 }, acquisition = { "ei", one_of = { "ei", "lcb" } },
  multi = { "auto", one_of = { "auto", "ehvi", "parego" } },
  kappa = { 1.96, min = 0 }, deterministic = { false }, max_points = { 280, min = 10 }, rho = { 0.05, min = 0 } } }
Gp.__index = Gp
Gp.fidelity = "rungs"              -- under a scheduler: one model for each fidelity

function Gp.defaults(spec) return { trials = spec.budget and spec.budget.trials } end

-- Ten, or more so that a Latin hypercube shows each level of a category three times. (The usual 2 d + 2 made runs on Hartmann-6 end in a local
-- minimum more often: 39 against 33 of 100.)
local function suggested_size(space)
  local size = 10
  for _, d in ipairs(space.decisions) do
    if history.is_unordered(d) and d.domain.size then size = math.max(size, math.min(30, 3 * d.domain.size)) end
  end
  return size
end

function Gp.new(space, p, rng)
  return setmetatable({ space = space, p = p, rng = rng, history = history.new(space), models = {}, next_fit = 0, fits = 0,
    n_initial = history.initial_size(p.initial, suggested_size(space), p.trials) }, Gp)
end

function Gp:on_issued(suggestion) self.history:issued(suggestion) end
function Gp:tell(trial) self.history:tell(trial) end

local function seed(self) return self.rng:int(0, math.maxinteger - 1) end

-- Places in history.told that the model sees: all, or the best half and the latest half.
local function training_places(self, order)
  local n, most, chosen, places = #self.history.told, self.p.max_points, {}, {}
  if n > most then
    local best = math.min(most // 2, #order)
    for i = 1, best do chosen[order[i].place] = true end
    local room = most - best
    for i = n, 1, -1 do
      if room == 0 then break end
      if not chosen[i] then chosen[i], room = true, room - 1 end
    end
  end
  for i = 1, n do if n <= most or chosen[i] then places[#places + 1] = i end end
  return places
end

-- One model a target, all over the same rows; pending rows follow those with targets.
local function train(self, places, targets)
  local h, index = self.history, {}
  for i, place in ipairs(places) do index[i] = h.told[place].row end
  table.move(h:pending_rows(), 1, #h.pending, #index + 1, index)
  local fit, restart = #h.told >= self.next_fit, self.fits % 5 == 0
  local s = seed(self)
  for k, y in ipairs(targets) do
    local model = self.models[k] or core.gp(h.rows, self.p.deterministic and 0 or nil)
    self.models[k] = model
    local values = {}
    for i, place in ipairs(places) do values[i] = y[place] end
    if not model:set_data(index, values) then return false end
    if fit and not model:fit(restart, self.fits % 10 == 0 and 2 or 0, s) then return false end
  end
  if fit then self.next_fit, self.fits = #h.told + math.max(1, #h.told // 20), self.fits + 1 end
  return true
end

-- Costs of all trials moved and scaled so that each objective runs from 0 to 1, then an augmented Chebyshev sum with random weights.
local function scalarise(self, m)
  local lo, hi, weight, sum = {}, {}, {}, 0.0
  for k = 1, m do
    lo[k], hi[k], weight[k] = math.huge, -math.huge, -math.log(1.0 - self.rng:uniform())     -- uniform on the simplex
    sum = sum + weight[k]
  end
  for _, record in ipairs(self.history.told) do
    if not record.trial.failed then
      for k, c in ipairs(record.trial.costs) do lo[k], hi[k] = math.min(lo[k], c), math.max(hi[k], c) end
    end
  end
  return function(trial)
    local most, total = 0.0, 0.0
    for k, c in ipairs(trial.costs) do
      local part = weight[k] / sum * (hi[k] > lo[k] and (c - lo[k]) / (hi[k] - lo[k]) or 0.0)
      most, total = math.max(most, part), total + part
    end
    return most + self.p.rho * total
  end
end

-- The feasible front, ascending in the first cost, in units of each cost's range, and the reference a tenth of the range beyond the worst.
local function front_of(order)
  local points, worst, best = {}, { -math.huge, -math.huge }, { math.huge, math.huge }
  for _, record in ipairs(order) do
    local trial = record.trial
    for k = 1, 2 do worst[k], best[k] = math.max(worst[k], trial.costs[k]), math.min(best[k], trial.costs[k]) end
    if trial.violation == 0 then points[#points + 1] = trial.costs end
  end
  table.sort(points, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
  local front = {}
  for _, point in ipairs(points) do
    if #front == 0 or point[2] < front[#front][2] then front[#front + 1] = point end
  end
  return front, { worst[1] + 0.1 * (worst[1] - best[1]), worst[2] + 0.1 * (worst[2] - best[2]) }
end

-- Targets of the models: objectives first, then one a constraint; and what the acquisition needs beside them.
local function state_of(self)
  local h = self.history
  local _, feasible = h:counts()
  local sample = h.ordered[1].trial
  local m, constraints = #sample.costs, #(sample.slacks or {})
  local ehvi = m == 2 and self.p.multi ~= "parego"
  local value = not ehvi and (m > 1 and scalarise(self, m) or function(trial) return trial.costs[1] end) or nil
  local order = ehvi and h:by_rank() or m > 1 and h:by_value(value) or h.ordered
  local state = { order = order, targets = {}, objectives = ehvi and 2 or 1, kind = ehvi and "ehvi" or self.p.acquisition }
  for k = 1, state.objectives do state.targets[k] = h:targets(value or function(trial) return trial.costs[k] end) end
  for k = 1, constraints do table.insert(state.targets, h:targets(function(trial) return trial.slacks[k] end)) end
  if feasible == 0 then state.kind = "feasible"
  elseif ehvi then state.front, state.reference = front_of(order)
  else state.best = state.targets[1][order[1].place] end
  return state
end

local function propose(self, state)
  local h = self.history
  local large = #h.told > LARGE
  local elite = table.move(state.order, 1, large and 2 or ELITE, 1, {})
  local rows, objectives, constraints = {}, {}, {}
  for i, record in ipairs(elite) do rows[i] = record.row end
  for k, model in ipairs(self.models) do table.insert(k <= state.objectives and objectives or constraints, model) end
  local allowed = h:allowed_rows(self.rng, 200, elite, 100)
  return core.maximise(h.rows, { kind = state.kind, objectives = objectives, constraints = constraints, best = state.best, kappa = self.p.kappa,
    front = state.front, reference = state.reference, elite = rows, extra = allowed, seed = seed(self),
    random = allowed and 0 or large and 400 or 2000, local_ = 100, starts = large and 2 or 10, rounds = 10, keep = 16 })
end

function Gp:ask()
  local h = self.history
  local first = h:initial(self.n_initial, self.rng)
  if first then return first, "initial" end
  if h:counts() < 2 then return self.space:random(self.rng), "random" end
  local state = state_of(self)
  if not train(self, training_places(self, state.order), state.targets) then return self.space:random(self.rng), "random" end
  local rows = propose(self, state)
  local arch = rows and h:first_new(rows)
  if arch then return arch, "model" end
  return self.space:random(self.rng), "random"
end

return Gp
