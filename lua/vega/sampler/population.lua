--- Paths of a population that the caller keeps: `paths` different members of pool.members, or, while that is empty, one path drawn as by `uniform`.
-- CARS trains so, its pool being empty during the warm-up (Yang et al. 2020, arXiv:1909.04977).
--
--     local pool = { members = {} }                             -- architectures; may be exchanged at any time
--     net:fit { data = train_set, sampler = vega.sampler.population { pool = pool, paths = 2 }, average = true, on_epoch = function() ... end }
--
-- What is drawn is a function of (seed, step, members), so who changes the members must bring them back to resume a training.
local Population = { name = "population", params = { paths = { 1, min = 1, about = "members a step" }, pool = {} } }
Population.__index = Population

function Population.new(space, p)
  if type(p.pool) ~= "table" or type(p.pool.members) ~= "table" then
    error("sampler 'population': pool = { members = a list of architectures } expected, got " .. type(p.pool), 3)
  end
  for i, arch in ipairs(p.pool.members) do
    local good, message = space:check(arch)
    if not good then error(("sampler 'population': member %d: %s"):format(i, message), 3) end
  end
  return setmetatable({ space = space, pool = p.pool, paths = p.paths }, Population)
end

-- Without replacement, where the code of the authors draws with it: all members at once then give the exact mean gradient of the population.
function Population:draw(_, rng)
  local members, archs = self.pool.members, {}
  if #members == 0 then return { self.space:random(rng) } end
  local order = {}
  for i = 1, #members do order[i] = i end
  for i = 1, math.min(self.paths, #order) do
    local k = rng:int(i, #order)
    order[i], order[k] = order[k], order[i]
    archs[i] = members[order[i]]
  end
  return archs
end

return Population
