--- Who becomes a parent. A selection is a function (population, rng) -> member; a comparison a function (population, i, j) -> does member i
-- come before member j. Any selection goes with any variation and replacement whose population knows what its comparison reads.
local selection = {}

--- Deb's rule on two trials of one objective: feasible first, then the smaller violation, then the value; of equals the younger, which keeps
-- the drift.
function selection.better(a, b)
  if a.violation ~= b.violation then return a.violation < b.violation end
  if a.violation == 0 and a.value ~= b.value then return a.value > b.value end
  return a.id > b.id
end

--- The comparison by Deb's rule.
function selection.fitness(population, i, j) return selection.better(population.members[i], population.members[j]) end

--- NSGA-II's: the better front, then the emptier neighbourhood, then the older. For populations by crowding.
function selection.crowding(population, i, j) return population.crowd:before(i, j) end

--- NSGA-III's: only what violates less is better.
function selection.feasibility(population, i, j) return population.members[i].violation < population.members[j].violation end

--- Every member alike.
function selection.uniform(population, rng) return population.members[rng:int(1, #population.members)] end

--- The best of `size` members drawn with replacement.
function selection.tournament(size, before)
  return function(population, rng)
    local n = #population.members
    local best = rng:int(1, n)
    for _ = 2, size do
      local rival = rng:int(1, n)
      if before(population, rival, best) then best = rival end
    end
    return population.members[best]
  end
end

--- As tournament, but the entrants take turns in a random order, so that every member competes equally often: how the NSGA papers' own programs
-- do it.
function selection.fair_tournament(size, before)
  local order, at = {}, 0
  local function entrant(population, rng)
    if at == 0 or #order ~= #population.members then
      order = {}
      for i = 1, #population.members do order[i] = i end
      rng:shuffle(order)
      at = #order
    end
    at = at - 1
    return order[at + 1]
  end
  return function(population, rng)
    local best = entrant(population, rng)
    for _ = 2, size do
      local rival = entrant(population, rng)
      if before(population, rival, best) then best = rival end
    end
    return population.members[best]
  end
end

return selection
