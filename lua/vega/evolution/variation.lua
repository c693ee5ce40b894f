--- How children come about. A variation is made for a space and a selection, and is a function (population, rng, refused) -> arch, origin [, ticket].
local variation = {}

local PATIENCE = 20         -- children in a row that were not new before one step more is taken

--- One changed decision; more, one after the other, where all that is near is known already (refused: children in a row that were not new).
function variation.step(space, arch, rng, refused)
  for _ = 0, (refused or 0) // PATIENCE do arch = space:mutate(arch, rng) end
  return arch
end

--- One changed decision of one parent.
function variation.mutation(space, select)
  return function(population, rng, refused) return variation.step(space, select(population, rng).arch, rng, refused), "mutation" end
end

--- Crossover of two parents with probability `crossover` (0.9), then mutation of the child with probability `mutation` (0.9): each decision with
-- probability `rate` (1 / decisions). A child of one parent has at least one mutation. Real numbers: simulated binary crossover of index
-- `crossover_eta` (15), polynomial mutation of index `mutation_eta` (20); Deb & Agrawal 1995.
function variation.genetic(space, select, options)
  local o = options or {}
  local crossover, mutation = o.crossover or 0.9, o.mutation or 0.9
  local cross = { eta = o.crossover_eta or 15 }
  local rate, eta = o.rate or 1 / math.max(1, #space.decisions), o.mutation_eta or 20
  local crossed, cloned = { rate = rate, eta = eta, force = false }, { rate = rate, eta = eta }
  return function(population, rng)
    local arch = select(population, rng).arch
    if rng:uniform() >= crossover then return (space:mutate(arch, rng, cloned)), "mutation" end
    arch = space:crossover(arch, select(population, rng).arch, rng, cross)
    if rng:uniform() < mutation then arch = space:mutate(arch, rng, crossed) end
    return arch, "crossover"
  end
end

-- A number outside [0, 1] comes back in by reflection at the bound, so that no value piles up there.
local function reflect(u)
  u = math.abs(u) % 2
  return u > 1 and 2 - u or u
end
variation.reflect = reflect

--- Differential evolution, rand/1/bin: a + F (b - c) of three random members, mixed number by number with the member that the child may
-- replace (Storn & Price 1997). Members live in the cube: population.slots[i] = { x =, trial = }. F is drawn from [factor, 1] for each child.
function variation.differential(cube, factor, rate)
  return function(population, rng)
    local slots = population.slots
    local n, target = #slots, population:next_slot()
    local function other(...)
      while true do
        local i, taken = rng:int(1, n), false
        for _, used in ipairs { ... } do taken = taken or i == used end
        if not taken then return i end
      end
    end
    local a = other(target)
    local b = other(target, a)
    local c = other(target, a, b)
    local xa, xb, xc, x = slots[a].x, slots[b].x, slots[c].x, {}
    local scale, forced = rng:uniform(factor, 1), rng:int(1, #xa)
    for k, own in ipairs(slots[target].x) do
      x[k] = (k == forced or rng:uniform() < rate) and reflect(xa[k] + scale * (xb[k] - xc[k])) or own
    end
    local arch = cube:decode(x)
    if not arch then arch, x = cube:random(rng) end
    return arch, "difference", { slot = target, x = x }
  end
end

return variation
