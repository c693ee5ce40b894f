--- Who survives. A population has `members` (trials) and insert(trial, ticket, rng); merge(trials) for whole generations, claim(ticket) when a
-- suggestion leaves and bury(trial, ticket, rng) for a failed one are optional. Everything follows Deb's rule: feasible before infeasible.
local pareto = require("vega.core").pareto
local selection = require "vega.evolution.selection"

local replacement = {}

local function class(methods)
  methods.__index = methods
  return methods
end

-- One objective ---------------------------------------------------------------------------------------------------------------------------

local Oldest = class {}

--- The oldest dies, whatever its value (Real et al. 2019).
function replacement.oldest(capacity) return setmetatable({ members = {}, capacity = capacity }, Oldest) end

function Oldest:insert(trial)
  table.insert(self.members, trial)
  if #self.members > self.capacity then table.remove(self.members, 1) end
end

local Worst = class {}

--- The worst dies; of equals the older.
function replacement.worst(capacity) return setmetatable({ members = {}, capacity = capacity }, Worst) end

function Worst:insert(trial)
  table.insert(self.members, trial)
  if #self.members <= self.capacity then return end
  local worst = 1
  for i = 2, #self.members do if selection.fitness(self, worst, i) then worst = i end end
  table.remove(self.members, worst)
end

function Worst:merge(trials) for _, trial in ipairs(trials) do self:insert(trial) end end

-- Several objectives ----------------------------------------------------------------------------------------------------------------------

-- The costs and violations stand in lists of their own, as the engine takes them.
local function fronts(methods, capacity, more)
  local self = more or {}
  self.members, self.points, self.violations, self.capacity = {}, {}, {}, capacity
  return setmetatable(self, methods)
end

local function append(self, trial)
  local n = #self.members + 1
  self.members[n], self.points[n], self.violations[n] = trial, trial.costs, trial.violation
end

local function remove(self, place)
  table.remove(self.members, place)
  table.remove(self.points, place)
  table.remove(self.violations, place)
end

-- `places` ascending.
local function keep(self, places)
  local members = self.members
  self.members, self.points, self.violations = {}, {}, {}
  for _, i in ipairs(places) do append(self, members[i]) end
end

local Crowding = class {}

--- NSGA-II's: whole fronts, the last one by descending crowding distance. `crowd` has the members in the same order, and knows who comes before
-- whom.
function replacement.crowding(capacity, objectives)
  return setmetatable({ members = {}, capacity = capacity, crowd = pareto.crowd(objectives, 2 * capacity + 1) }, Crowding)
end

local function add_to_crowd(self, trial)
  table.insert(self.members, trial)
  self.crowd:add(trial.costs, trial.violation)
end

local function cut_crowd(self) for _, place in ipairs(self.crowd:cut(self.capacity)) do table.remove(self.members, place) end end

function Crowding:insert(trial)
  add_to_crowd(self, trial)
  if #self.members >= self.capacity then cut_crowd(self) end
end

--- Whole generations; more trials than the population has members are taken in portions.
function Crowding:merge(trials)
  for _, trial in ipairs(trials) do
    if #self.members > 2 * self.capacity then cut_crowd(self) end
    add_to_crowd(self, trial)
  end
  cut_crowd(self)
end

local Niching = class {}

--- NSGA-III's: whole fronts, the last one from the emptiest niches around the directions (a list of points).
function replacement.niching(capacity, directions) return fronts(Niching, capacity, { niches = pareto.niches(directions) }) end

local function drop_crammed(self, rng)
  local places = self.niches:select(self.points, self.violations, self.capacity, rng:int(0, math.maxinteger - 1))
  if #places < #self.members then keep(self, places) end
end

function Niching:insert(trial, _, rng)
  append(self, trial)
  drop_crammed(self, rng)
end

function Niching:merge(trials, rng)
  for _, trial in ipairs(trials) do append(self, trial) end
  drop_crammed(self, rng)
end

local Hypervolume = class {}

--- SMS-EMOA's: of the last front, who adds least to the hypervolume dies.
function replacement.hypervolume(capacity) return fronts(Hypervolume, capacity) end

-- The points in units of their own spread, the reference one spread beyond the worst, so that the ends of the front are kept.
local function contributions(points)
  local m, scaled, ref = #points[1], {}, {}
  for i = 1, #points do scaled[i] = {} end
  for k = 1, m do
    local low, high = math.huge, -math.huge
    for _, p in ipairs(points) do low, high = math.min(low, p[k]), math.max(high, p[k]) end
    local spread = high > low and high - low or 1.0
    for i, p in ipairs(points) do scaled[i][k] = (p[k] - low) / spread end
    ref[k] = 2.0
  end
  return pareto.contributions(scaled, ref)
end

function Hypervolume:insert(trial)
  append(self, trial)
  if #self.members <= self.capacity then return end
  local rank, last, places, points = pareto.rank(self.points, self.violations), 1, {}, {}
  for _, r in ipairs(rank) do last = math.max(last, r) end
  for i, r in ipairs(rank) do
    if r == last then places[#places + 1], points[#points + 1] = i, self.points[i] end
  end
  local least = 1
  if #places > 1 then
    local added = contributions(points)
    for i = 2, #added do if added[i] <= added[least] then least = i end end        -- of equals the younger: nothing is gained by a swap
  end
  remove(self, places[least])
end

-- Tournaments of two ----------------------------------------------------------------------------------------------------------------------

local Duels = class {}

--- Real et al. 2017: the loser of a pair makes room for the winner's child the moment that child is issued. The ticket of a child is { loser = }.
-- A failed child is a member that loses every duel.
function replacement.duels(capacity) return setmetatable({ members = {}, capacity = capacity, unborn = 0 }, Duels) end

--- Does member a survive a duel with member b? Of equals the younger does.
function Duels.wins(a, b)
  if a.failed ~= b.failed then return b.failed end
  if a.failed then return a.id > b.id end
  return selection.better(a, b)
end

function Duels:claim(ticket)
  self.unborn = self.unborn + 1
  for i, member in ipairs(self.members) do
    if member == ticket.loser then return table.remove(self.members, i) end
  end
end

function Duels:insert(trial, ticket, rng)
  if ticket then self.unborn = self.unborn - 1 end
  table.insert(self.members, trial)
  while #self.members + self.unborn > self.capacity and #self.members > 1 do       -- more first members were told than there is room for
    local i = rng:int(1, #self.members)
    local j = (i + rng:int(1, #self.members - 1) - 1) % #self.members + 1
    table.remove(self.members, self.wins(self.members[i], self.members[j]) and j or i)
  end
end

--- Among the first members a failed one is not kept: another random one is asked for.
function Duels:bury(trial, ticket, rng) if ticket then self:insert(trial, ticket, rng) end end

-- Vectors ---------------------------------------------------------------------------------------------------------------------------------

local Slots = class {}

--- Differential evolution's: a child replaces the member of its slot unless it is worse. slots[i] = { x = point of the cube, trial = }.
function replacement.slots(capacity, cube)
  return setmetatable({ members = {}, slots = {}, capacity = capacity, cube = cube, next = 0 }, Slots)
end

--- The slot that the next child competes for, in turn.
function Slots:next_slot()
  return self.next % self.capacity + 1
end

function Slots:claim() self.next = self.next + 1 end

local function settle(self, slot, x, trial) self.slots[slot], self.members[slot] = { x = x, trial = trial }, trial end

function Slots:insert(trial, ticket)
  if not ticket and #self.slots < self.capacity then return settle(self, #self.slots + 1, self.cube:encode(trial.arch), trial) end
  local slot = ticket and ticket.slot
  if not slot then                                  -- told without having been asked for: the worst makes room
    slot = 1
    for i = 2, #self.members do if selection.fitness(self, slot, i) then slot = i end end
  end
  if not selection.better(self.members[slot], trial) then settle(self, slot, ticket and ticket.x or self.cube:encode(trial.arch), trial) end
end

return replacement
