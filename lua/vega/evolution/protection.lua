--- Survival that protects what a plain non-dominated sorting would lose: pNSGA-III of CARS (Yang et al. 2020, arXiv:1909.04977).
-- Under shared weights that are half trained small networks are ahead of large ones, which a sorting by accuracy and size then deletes for good.
--
--     local survivors = protection.select(members, 16, { protect = "size" })
--
-- A member is { error =, costs = { ... } }, with "speed" also { speed = }: the error and all costs are minimised, the speed is how much accuracy grew
-- an epoch. For each cost the members are sorted twice:
--     protect   R           Q
--     "size"    error, cost     error, -cost        what the authors' program does: of networks of one accuracy the large ones count too
--     "speed"   error, cost     -speed, cost        what the article says; the speed's definition is ours
--     "none"    one sorting by error and all costs: plain NSGA-II
-- Stage k takes the members of all k-th fronts that are not taken yet. The stage for which there is no room is filled with those of the largest
-- crowding distance in (error, costs), the lowest error first among equals; or, with fill = "random", by draws from `rng` (the authors' program).
local pareto = require("vega.core").pareto
local util = require "vega.util"

local protection = { modes = { "none", "size", "speed" }, fills = { "crowding", "random" } }

local function points_of(members, point)
  local points = {}
  for i, member in ipairs(members) do points[i] = point(member) end
  return points
end

local function all_objectives(member) return { member.error, table.unpack(member.costs) } end

-- Lists of ranks, one list a sorting.
local SORTINGS = {}

function SORTINGS.none(members) return { pareto.rank(points_of(members, all_objectives)) } end

local function twice(members, second)
  local ranks = {}
  for k = 1, #members[1].costs do
    ranks[#ranks + 1] = pareto.rank(points_of(members, function(m) return { m.error, m.costs[k] } end))
    ranks[#ranks + 1] = pareto.rank(points_of(members, function(m) return second(m, m.costs[k]) end))
  end
  return ranks
end

function SORTINGS.size(members) return twice(members, function(m, cost) return { m.error, -cost } end) end
function SORTINGS.speed(members) return twice(members, function(m, cost) return { -m.speed, cost } end) end

-- Fills --------------------------------------------------------------------------------------------------------------------------------

local FILL = {}

function FILL.crowding(members, stage, room)
  local points, same_front = {}, {}
  for i, place in ipairs(stage) do points[i], same_front[i] = all_objectives(members[place]), 1 end
  local distance, at = pareto.crowding(points, same_front), {}
  for i, place in ipairs(stage) do at[place] = distance[i] end
  table.sort(stage, function(a, b)
    if at[a] ~= at[b] then return at[a] > at[b] end
    if members[a].error ~= members[b].error then return members[a].error < members[b].error end
    return a < b
  end)
  return table.move(stage, 1, room, 1, {})
end

function FILL.random(_, stage, room, rng)
  rng:shuffle(stage)
  return table.move(stage, 1, room, 1, {})
end

-- Selection ----------------------------------------------------------------------------------------------------------------------------

local OPTIONS = { protect = { "size", one_of = protection.modes }, fill = { "crowding", one_of = protection.fills }, rng = {} }

local function check(members, capacity, options)
  local o = util.parameters("protection", OPTIONS, options or {}, 3)
  if math.type(capacity) ~= "integer" or capacity < 1 then error(("protection: capacity must be >= 1, got %s"):format(tostring(capacity)), 3) end
  if o.fill == "random" and o.rng == nil then error("protection: fill = 'random' wants rng, a generator", 3) end
  for i, m in ipairs(members) do
    if o.protect ~= "none" and #m.costs == 0 then error(("protection: protect = '%s' wants a cost, member %d has none"):format(o.protect, i), 3) end
    if o.protect == "speed" and type(m.speed) ~= "number" then error(("protection: member %d has no speed"):format(i), 3) end
  end
  return o
end

-- The members of all k-th fronts that are not taken yet, ascending.
local function stage_of(ranks, k, taken, n)
  local stage = {}
  for i = 1, n do
    local is_in = false
    for _, rank in ipairs(ranks) do is_in = is_in or rank[i] == k end
    if is_in and not taken[i] then stage[#stage + 1] = i end
  end
  return stage
end

--- The places of the members that survive, `capacity` of them (all, when there are not more), ascending.
-- @param options protect = "size" | "speed" | "none", fill = "crowding" | "random", rng (for "random")
function protection.select(members, capacity, options)
  local o = check(members, capacity, options)
  local survivors, taken, k = {}, {}, 0
  local ranks = #members > 0 and SORTINGS[o.protect](members) or {}
  while #survivors < math.min(capacity, #members) do
    k = k + 1
    local stage = stage_of(ranks, k, taken, #members)
    local room = capacity - #survivors
    if #stage > room then stage = FILL[o.fill](members, stage, room, o.rng) end
    for _, i in ipairs(stage) do survivors[#survivors + 1], taken[i] = i, true end
  end
  table.sort(survivors)
  return survivors
end

return protection
