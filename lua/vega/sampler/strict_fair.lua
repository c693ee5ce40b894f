--- Strict fairness: a step takes as many paths as the largest decision has options, and each decision goes through a permutation of its options,
-- independent of the others: every option is trained equally often after every step. Chu et al. 2019, arXiv:1907.01845, algorithm 1.
-- A decision with fewer options repeats them, the extra draws rotating: counts never differ by more than one, and are equal whenever
-- lcm(most, n) / most steps are over.
-- Gradients are added, as published: the stem and tail get those of all paths; with shared_reduce = "mean" their mean.
local StrictFair = { name = "strict_fair",
  params = { shared_reduce = { "sum", one_of = { "sum", "mean" }, about = "gradients of what all paths read, the stem and tail" } } }
StrictFair.__index = StrictFair

function StrictFair.new(space, p)
  local most = 1
  for _, d in ipairs(space.decisions) do
    if not d.domain.size then error(("sampler 'strict_fair': decision '%s' of space '%s' is continuous"):format(d.name, space.name), 3) end
    if d.parent then error(("sampler 'strict_fair': decision '%s' of space '%s' is not always active"):format(d.name, space.name), 3) end
    most = math.max(most, d.domain.size)
  end
  if #space.clauses > 0 then
    error(("sampler 'strict_fair': space '%s' has clauses, so its options cannot be equally frequent"):format(space.name), 3)
  end
  return setmetatable({ space = space, most = most, average = p.shared_reduce == "mean" and "shared" or nil }, StrictFair)
end

-- `most` places of options 1 to n, in random order. The options follow each other around a circle that goes on from step to step.
local function deal(n, most, step, rng)
  local begin, places = (step - 1) * most % n, {}
  for i = 1, most do places[i] = (begin + i - 1) % n + 1 end
  rng:shuffle(places)
  return places
end

function StrictFair:draw(step, rng)
  local archs = {}
  for i = 1, self.most do archs[i] = {} end
  for _, d in ipairs(self.space.decisions) do
    local places = deal(d.domain.size, self.most, step, rng)
    for i, place in ipairs(places) do archs[i][d.name] = d.domain:at(place) end
  end
  return archs
end

return StrictFair
