--- Grid search: every member of a finite space once, continuous decisions at `points` values from end to end; the last decision runs fastest.
--    vega.strategy.grid { points = 5, shuffle = true }      shuffled, a part of the grid is a fair sample of it
-- Inactive decisions do not multiply the grid, and what a clause forbids is left out. The state is one number, the next place.
local log = require "vega.log"
local space_module = require "vega.space"

local Grid = { name = "grid", multi_objective = true, params = {
  points = { 5, min = 1, about = "values of a continuous decision, both ends included" },
  shuffle = { false, about = "a random order, another one for each seed" },
} }
Grid.__index = Grid

-- Evenly spaced in the unit interval, so geometric on a log scale. A normal distribution without bounds has no ends: the middles of strata.
local function values_of(domain, points)
  local ends = domain.lo > -math.huge and domain.hi < math.huge and points > 1
  local list, last = {}, nil
  for i = 1, points do
    local v = domain:from_unit(ends and (i - 1) / (points - 1) or (i - 0.5) / points)
    if v ~= last then list[#list + 1], last = v, v end
  end
  return list
end

-- The space with its continuous decisions replaced; clauses and tied values stay behind, the original space judges them.
local function discretised(space, points)
  local saved = space:signature()
  for i, d in ipairs(space.decisions) do
    if d.domain.bits == math.huge then saved.decisions[i].domain = { kind = "choice", arguments = { values_of(d.domain, points) } } end
  end
  saved.clauses, saved.tied, saved.cells, saved.build = {}, {}, {}, nil
  return space_module.load(saved)
end

function Grid.new(space, p, rng, given)
  local key = p.shuffle and rng:int(0, math.maxinteger - 1)
  local self = setmetatable({ space = space, grid = discretised(space, p.points), next = 1, key = key }, Grid)
  local size, trials = self.grid.size, given.budget and given.budget.trials
  if not size then
    error(("strategy 'grid': the grid over space '%s' has about 2^%.0f members; use fewer points or another strategy"):format(space.name,
      self.grid.bits), 0)
  end
  if trials and size > trials then
    log.warn("strategy 'grid': the grid has %d members, the budget %d trials: %s", size, trials,
      p.shuffle and "a random part is tried" or "the last ones are not tried")
  end
  return self
end

function Grid:ask()
  while self.next <= self.grid.size do
    local place = self.key and self.grid:shuffled(self.next, self.key) or self.next
    self.next = self.next + 1
    local arch = self.space:check(self.grid:unrank(place))
    if arch then return arch, "grid" end
  end
  return nil, "exhausted"
end

function Grid.tell() end

return Grid
