--- Rungs: the fidelities at which trials are compared, and the order of results on one.
-- Counted in whole numbers only: floor(log(243) / log(3)) is 4 in floating point, and a bracket would be missing.
local rungs = {}

--- The largest k with min * eta^k <= max.
function rungs.steps(min, max, eta)
  local k, r = 0, min
  while r * eta <= max do k, r = k + 1, r * eta end
  return k
end

--- min, min*eta, min*eta^2, ... and last max itself.
function rungs.up(min, max, eta)
  local list = {}
  for k = 0, rungs.steps(min, max, eta) do list[#list + 1] = min * eta ^ k // 1 | 0 end
  if list[#list] ~= max then list[#list + 1] = max end
  return list
end

--- max/eta^k, ..., max/eta, max: rounded; rungs that become equal are one.
function rungs.down(max, eta, k)
  local list = {}
  for i = k, 0, -1 do
    local divisor = eta ^ i // 1 | 0
    local r = math.max(1, (2 * max + divisor) // (2 * divisor))
    if r ~= list[#list] then list[#list + 1] = r end
  end
  return list
end

--- Does result a come before b? Those without a value last, then Deb's rule, then the older trial.
function rungs.before(a, b)
  if a.failed ~= b.failed then return b.failed end
  if not a.failed then
    if a.violation ~= b.violation then return a.violation < b.violation end
    if a.cost ~= b.cost then return a.cost < b.cost end
  end
  return a.id < b.id
end

--- Puts an item into a list sorted by `before`; returns its place.
function rungs.insert(list, item, before)
  local lo, hi = 1, #list + 1
  while lo < hi do
    local mid = (lo + hi) // 2
    if before(list[mid], item) then lo = mid + 1 else hi = mid end
  end
  table.insert(list, lo, item)
  return lo
end

--- The parameters that schedulers with rungs share.
function rungs.params(more)
  local params = {
    resource = { "epochs", about = "what a step is called" },
    metric = { "", about = "the objective that decides; may be left out when there is one" },
    min = { 1, min = 1, about = "steps of the lowest rung" },
    max = { 27, min = 1, about = "steps of a whole training" },
    eta = { 3, min = 2, about = "one in eta goes on to the next rung, which has eta times the steps" },
    restart = { false, about = "train from the beginning on each rung, for what cannot be resumed" },
  }
  for name, rule in pairs(more or {}) do params[name] = rule or nil end
  return params
end

--- Raises when min > max; the fields that the driver reads, in a new object of `class`.
function rungs.scheduler(class, p)
  if p.min > p.max then error(("scheduler '%s': min must be <= max, got %d and %d"):format(class.name, p.min, p.max), 0) end
  return setmetatable({ p = p, min = p.min, max = p.max, resource = p.resource, restart = p.restart, given_up = {} }, class)
end

--- Ids given up since the last call; for a class whose objects collect them in `given_up`. Brackets hold that list, so it is emptied, not replaced.
function rungs.retired(self)
  local list = table.move(self.given_up, 1, #self.given_up, 1, {})
  for i = #list, 1, -1 do self.given_up[i] = nil end
  return list
end

return rungs
