--- The sandwich rule for elastic sizes: the largest network, the smallest, and `random` between. Yu & Huang 2019, arXiv:1903.05134.
-- Largest and smallest take the last and first option of ordered decisions (width, kernel, depth, int); others are drawn. Where a clause of the
-- space, such as a limit on costs, forbids one of the two, the extreme of a few draws that keep it stands for it.
local Sandwich = { name = "sandwich", params = { random = { 2, min = 0 } } }
Sandwich.__index = Sandwich

local ORDERED = { ordinal = true, int = true }
local DRAWS = 8

function Sandwich.new(space, p) return setmetatable({ space = space, random = p.random }, Sandwich) end

-- The sum of the places that an architecture takes in its ordered decisions.
local function size_of(self, arch)
  local sum = 0.0
  for _, d in ipairs(self.space.decisions) do
    if ORDERED[d.domain.kind] and arch[d.name] ~= nil and d.domain.index then sum = sum + d.domain:index(arch[d.name]) / d.domain.size end
  end
  return sum
end

local function extreme_of_draws(self, rng, last)
  local best, best_size
  for _ = 1, DRAWS do
    local arch = self.space:random(rng)
    local size = size_of(self, arch) * (last and 1 or -1)
    if not best or size > best_size then best, best_size = arch, size end
  end
  return best
end

local function extreme(self, rng, last)
  local arch = self.space:random(rng)
  for _, d in ipairs(self.space.decisions) do
    if ORDERED[d.domain.kind] and arch[d.name] ~= nil then
      local a, b = d.domain:at(1), d.domain:at(d.domain.size)
      arch[d.name] = (last and math.max or math.min)(a, b)
    end
  end
  if #self.space.clauses > 0 and not self.space:check(arch) then return extreme_of_draws(self, rng, last) end
  return arch
end

function Sandwich:draw(_, rng)
  local archs = { extreme(self, rng, true), extreme(self, rng, false) }
  for _ = 1, self.random do archs[#archs + 1] = self.space:random(rng) end
  return archs
end

return Sandwich
