--- Local search: all neighbours of the incumbent in random order, a move to the best of them, a new start when none is better. A strong baseline
-- on small spaces: White et al. 2021, arXiv:2005.02960.
--    vega.strategy.local_search {}
-- What was told before is looked up, not asked for again. While the last neighbours are being evaluated, idle workers try random members; the
-- newest of them that no climb has used yet begins the next one.
local selection = require "vega.evolution.selection"

local LocalSearch = { name = "local_search", params = {} }
LocalSearch.__index = LocalSearch

-- known: hash -> trial, or false for a failed one. climb: { top = trial, best = trial, queue = neighbours to ask
-- for, waiting = hashes of those not told, count = their number }. top: where the last climb ended.
function LocalSearch.new(space, _, rng) return setmetatable({ space = space, rng = rng, known = {}, starts = {} }, LocalSearch) end

-- Without the rule for ties, or a plateau would be walked for ever.
local function is_better(a, b) return (a.violation ~= b.violation or a.violation == 0 and a.value ~= b.value) and selection.better(a, b) end

local function compete(climb, trial)
  if trial and is_better(trial, climb.best) then climb.best = trial end
end

local function surround(self, top)
  local climb = { top = top, best = top, queue = {}, waiting = {}, count = 0 }
  for _, arch in ipairs(self.space:neighbours(top.arch, self.rng)) do
    local hash = self.space:hash(arch)
    if self.known[hash] ~= nil then compete(climb, self.known[hash])
    elseif not climb.waiting[hash] then
      climb.waiting[hash], climb.count = true, climb.count + 1
      table.insert(climb.queue, arch)
    end
  end
  self.rng:shuffle(climb.queue)
  return climb
end

-- While the neighbourhood is known: moves, until one is at a top or something must be asked.
local function advance(self)
  local climb = self.climb
  while climb and climb.count == 0 do
    if climb.best == climb.top then self.top, climb = climb.top, nil
    else climb = surround(self, climb.best) end
  end
  self.climb = climb
end

function LocalSearch:ask()
  while not self.climb and #self.starts > 0 do
    self.climb = surround(self, table.remove(self.starts))
    advance(self)
  end
  local neighbour = self.climb and table.remove(self.climb.queue)
  if neighbour then return neighbour, "neighbour" end
  return self.space:random(self.rng), "random"
end

function LocalSearch:tell(trial)
  local result, climb = not trial.failed and trial, self.climb
  self.known[trial.hash] = result
  if climb and climb.waiting[trial.hash] then
    climb.waiting[trial.hash], climb.count = nil, climb.count - 1
    compete(climb, result)
    advance(self)
  elseif result then
    table.insert(self.starts, result)
  end
end

return LocalSearch
