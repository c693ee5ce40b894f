--- Tree-structured Parzen estimator: draws from a mixture over the good trials, keeps the draw that is least likely among the others.
-- Bergstra et al. 2011 (NeurIPS 24); several objectives: good are whole non-dominated ranks, the last one cut by hypervolume (Ozaki et al.
-- 2020, doi:10.1145/3377930.3389817). Pending trials count as bad (constant liar), which keeps parallel workers apart.
-- Departures: the first trials are a Latin hypercube, and 96 candidates are drawn instead of 24, which cost a fifth of a millisecond here.
local core = require("vega.core").model
local history = require "vega.model.history"
local pareto = require("vega.core").pareto

local MOST_GOOD, KEEP, TRIES = 25, 4, 4

local Tpe = { name = "tpe", multi_objective = true, params = { initial = { 10, min = 1 }, candidates = { 96, min = 1 },
  gamma = { 0.1, min = 0, max = 1 }, prior_weight = { 1.0, min = 1e-3 }, multivariate = { true }, liar = { true } } }
Tpe.__index = Tpe
Tpe.fidelity = "rungs"              -- under a scheduler: one model for each fidelity

function Tpe.new(space, p, rng)
  return setmetatable({ space = space, p = p, rng = rng, history = history.new(space) }, Tpe)
end

function Tpe:on_issued(suggestion) self.history:issued(suggestion) end

function Tpe:tell(trial) self.history:tell(trial) end

-- The member of `rest` that adds most hypervolume to `chosen`, again and again until n are chosen.
local function fill_by_volume(chosen, rest, n, reference)
  local points = {}
  for i, record in ipairs(chosen) do points[i] = record.trial.costs end
  while #chosen < n do
    local most, pick = -math.huge, nil
    for i, record in ipairs(rest) do
      points[#chosen + 1] = record.trial.costs
      local volume = pareto.hypervolume(points, reference)
      if volume > most then most, pick = volume, i end
    end
    points[#chosen + 1] = rest[pick].trial.costs
    table.insert(chosen, table.remove(rest, pick))
  end
end

local function reference_of(records, m)
  local reference = {}
  for k = 1, m do
    local worst = -math.huge
    for _, record in ipairs(records) do worst = math.max(worst, record.trial.costs[k]) end
    reference[k] = math.max(1.1 * worst, 0.9 * worst)
    if reference[k] == worst then reference[k] = worst + 1e-9 end
  end
  return reference
end

-- The good of several objectives, among feasible trials.
local function good_of_several(records, n)
  local points = {}
  for i, record in ipairs(records) do points[i] = record.trial.costs end
  local ranks, by_rank, chosen = pareto.rank(points), {}, {}
  for i, rank in ipairs(ranks) do
    by_rank[rank] = by_rank[rank] or {}
    table.insert(by_rank[rank], records[i])
  end
  for _, members in ipairs(by_rank) do
    if #chosen == n then break end
    if #chosen + #members <= n then table.move(members, 1, #members, #chosen + 1, chosen)
    elseif #points[1] > 3 then table.move(members, 1, n - #chosen, #chosen + 1, chosen)      -- the hypervolume is exact up to three objectives
    else fill_by_volume(chosen, members, n, reference_of(records, #points[1])) end
  end
  return chosen
end

local function good_records(self, n)
  local list, feasible = self.history.ordered, {}
  if #list == 0 or #list[1].trial.costs == 1 then return table.move(list, 1, n, 1, {}) end
  for _, record in ipairs(list) do if record.trial.violation == 0 then feasible[#feasible + 1] = record end end
  local chosen = #feasible > 0 and good_of_several(feasible, math.min(n, #feasible)) or {}
  for i = #feasible + 1, n do chosen[#chosen + 1] = list[i] end                                  -- infeasible ones follow the feasible
  return chosen
end

-- Row numbers of the good and of the others, each in the order of age.
local function split(self)
  local h, is_good, good, bad = self.history, {}, {}, {}
  local n = math.min(math.ceil(self.p.gamma * #self.history.ordered), MOST_GOOD)
  for _, record in ipairs(good_records(self, n)) do is_good[record] = true end
  for _, record in ipairs(h.told) do
    local side = is_good[record] and good or bad
    side[#side + 1] = record.row
  end
  if self.p.liar then table.move(h:pending_rows(), 1, #h.pending, #bad + 1, bad) end
  return good, bad
end

function Tpe:ask()
  local h = self.history
  local first = h:initial(self.p.initial, self.rng)
  if first then return first, "initial" end
  if #self.history.ordered == 0 then return self.space:random(self.rng), "random" end
  local good, bad = split(self)
  for _ = 1, TRIES do
    local rows = core.tpe(h.rows, good, bad, { candidates = self.p.candidates, prior_weight = self.p.prior_weight,
      multivariate = self.p.multivariate, keep = math.min(KEEP, self.p.candidates), seed = self.rng:int(0, math.maxinteger - 1) })
    local arch = h:first_new(rows)
    if arch then return arch, "model" end
  end
  return self.space:random(self.rng), "random"
end

return Tpe
