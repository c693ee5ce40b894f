--- What a model-based strategy knows: the rows of all suggestions, which of them are pending, what was told, as targets for a model.
--    local h = history.new(space);  h:issued(suggestion);  h:tell(trial);  local y = h:targets(1)
-- A row is space:encode's list of numbers, one a decision (src/model/columns.h).
local core = require("vega.core").model
local pareto = require("vega.core").pareto

local UNORDERED = { bool = true, choice = true, const = true, subset = true, sequence = true, permutation = true }

local history = {}
local History = {}
History.__index = History

--- Has a decision levels without an order?
function history.is_unordered(decision) return UNORDERED[decision.domain.kind] or false end

local GUARD = { ["and"] = 1, ["or"] = 2, ["not"] = 3 }          -- vg_guard_op; 0 is a comparison

-- An interval of places (or of values of a continuous decision) in the units of its column.
local function in_units(domain, low, high)
  if domain.size then return (low - 1) / domain.size, high / domain.size end
  return low == -math.huge and 0.0 or domain:unit(low), high == math.huge and 1.0 or domain:unit(high)
end

-- A condition as a postfix program, appended to the flat lists.
local function emit(node, guards, intervals)
  if node.a then
    emit(node.a, guards, intervals)
    if node.b then emit(node.b, guards, intervals) end
    table.move({ GUARD[node.op], 0, 0, 0 }, 1, 4, #guards + 1, guards)
    return
  end
  table.move({ 0, node.decision.place, #intervals // 2, #node.intervals }, 1, 4, #guards + 1, guards)
  for _, piece in ipairs(node.intervals) do
    local low, high = in_units(node.decision.domain, piece[1], piece[2])
    table.move({ low, high }, 1, 2, #intervals + 1, intervals)
  end
end

local function new_rows(space)
  local columns, guards, intervals, groups, n_groups = {}, {}, {}, {}, 0
  for i, d in ipairs(space.decisions) do
    local size = d.domain.size
    local column = { levels = size and size < 1 << 53 and size or 0, category = history.is_unordered(d), group = 0 }
    if d.guard then
      local text = space:describe_guard(d)
      if not groups[text] then n_groups, groups[text] = n_groups + 1, n_groups + 1 end
      column.group, column.guard = groups[text], #guards // 4
      emit(d.guard, guards, intervals)
      column.guard_length = #guards // 4 - column.guard
    end
    columns[i] = column
  end
  return core.rows(columns, guards, intervals)
end


function history.new(space)
  return setmetatable({ space = space, rows = new_rows(space), row_of = {}, pending = {}, told = {}, ordered = {}, failures = 0,
    infeasible = 0 }, History)
end

local function add(self, arch)
  return assert(self.rows:add((self.space:encode(arch))))
end

--- A suggestion has left the strategy.
function History:issued(suggestion)
  self.row_of[suggestion.id] = add(self, suggestion.config)
  table.insert(self.pending, suggestion.id)
end

-- Complete feasible trials, then stopped ones, then infeasible ones by violation; of one objective by its cost; of equals the older.
local function class_of(trial) return trial.violation > 0 and 2 or trial.status == "stopped" and 1 or 0 end
local function before(a, b)
  a, b = a.trial, b.trial
  local ca, cb = class_of(a), class_of(b)
  if ca ~= cb then return ca < cb end
  if ca == 2 and a.violation ~= b.violation then return a.violation < b.violation end
  if ca < 2 and a.costs[1] ~= b.costs[1] then return a.costs[1] < b.costs[1] end
  return a.id < b.id
end

local function insert_ordered(list, record)
  local lo, hi = 1, #list + 1
  while lo < hi do
    local middle = (lo + hi) // 2
    if before(list[middle], record) then lo = middle + 1 else hi = middle end
  end
  table.insert(list, lo, record)
end

--- An answer, of a suggestion or of something observed elsewhere. `told` has all answers in their order, `ordered` those with a result, the
-- best (by the first objective) first; both hold records { row =, trial =, place = its place in told }.
function History:tell(trial)
  local row = self.row_of[trial.id]
  if row then
    for i, id in ipairs(self.pending) do if id == trial.id then table.remove(self.pending, i) break end end
  else
    row = add(self, trial.arch)
  end
  local record = { row = row, trial = trial, place = #self.told + 1 }
  self.told[record.place] = record
  if trial.failed then
    self.failures = self.failures + 1
    return
  end
  if trial.violation > 0 then self.infeasible = self.infeasible + 1 end
  insert_ordered(self.ordered, record)
end

--- Numbers of trials with a result, and of those that meet all constraints.
function History:counts()
  local answered = #self.told - self.failures
  return answered, answered - self.infeasible
end

--- The rows of pending suggestions, the oldest first.
function History:pending_rows()
  local rows = {}
  for i, id in ipairs(self.pending) do rows[i] = self.row_of[id] end
  return rows
end

--- value(trial) of everything told, in order; a failed trial counts as the worst value seen plus one standard deviation (never as infinity).
function History:targets(value)
  local y, n, sum, squares, worst = {}, 0, 0.0, 0.0, -math.huge
  for i, record in ipairs(self.told) do
    if not record.trial.failed then
      local v = value(record.trial)
      y[i], n, sum, squares, worst = v, n + 1, sum + v, squares + v * v, math.max(worst, v)
    end
  end
  if n == #self.told then return y end
  local mean = sum / n
  local imputed = worst + math.sqrt(math.max(0.0, squares / n - mean * mean))
  for i = 1, #self.told do y[i] = y[i] or imputed end
  return y
end

--- The records with a result by several objectives: feasible ones by non-dominated rank, then infeasible ones by violation.
function History:by_rank()
  local points, violations, key, list = {}, {}, {}, table.move(self.ordered, 1, #self.ordered, 1, {})
  for i, record in ipairs(list) do points[i], violations[i] = record.trial.costs, record.trial.violation end
  for i, rank in ipairs(pareto.rank(points, violations)) do key[list[i]] = rank end
  table.sort(list, function(a, b) return key[a] < key[b] or key[a] == key[b] and a.place < b.place end)
  return list
end

--- The records with a result by a value of one's own, feasible ones first.
function History:by_value(value)
  local key, list = {}, table.move(self.ordered, 1, #self.ordered, 1, {})
  for _, record in ipairs(list) do key[record] = value(record.trial) end
  table.sort(list, function(a, b)
    local va, vb = a.trial.violation, b.trial.violation
    if va ~= vb then return va < vb end
    return key[a] < key[b] or key[a] == key[b] and a.place < b.place
  end)
  return list
end

--- The first of `rows` that decodes to an allowed architecture which has not been suggested yet.
function History:first_new(rows)
  for _, row in ipairs(rows) do
    if not self.rows:has(row) then
      local arch = self.space:decode(row)
      if arch then return arch end
    end
  end
end

--- Rows that the clauses of the space allow, for a search that knows nothing of them; nil where there are no clauses.
function History:allowed_rows(rng, random, elite, mutants)
  if #self.space.clauses == 0 then return nil end
  local rows = {}
  for i = 1, random do rows[i] = self.space:encode(self.space:random(rng)) end
  for i = 1, #elite > 0 and mutants or 0 do
    local trial = elite[(i - 1) % #elite + 1].trial
    table.insert(rows, (self.space:encode((self.space:mutate(trial.arch, rng)))))
  end
  return rows
end

--- The next architecture of a Latin hypercube of n rows over the space, until n suggestions have been made; then nil.
function History:initial(n, rng)
  if #self.rows >= n then return nil end
  self.design = self.design or self.rows:latin(n, rng:int(0, math.maxinteger - 1))
  return self:first_new { self.design[#self.rows + 1] } or self.space:random(rng)
end

--- How many suggestions the initial design has: `given`, or when that is 0 `suggested`, at most a quarter of the budget (but 2).
function history.initial_size(given, suggested, trials)
  if given > 0 then return given end
  return math.max(2, math.min(suggested, trials and trials // 4 or suggested))
end

return history
