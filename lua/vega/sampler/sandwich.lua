--- The sandwich rule for elastic sizes: the largest network, the smallest, and `random` between. Yu & Huang 2019, arXiv:1903.05134.
-- Largest and smallest take the last and first option of ordered decisions (width, kernel, depth, int); others are drawn.
local Sandwich = { name = "sandwich", params = { random = { 2, min = 0 } } }
Sandwich.__index = Sandwich

local ORDERED = { ordinal = true, int = true }

function Sandwich.new(space, p) return setmetatable({ space = space, random = p.random }, Sandwich) end

local function extreme(self, rng, last)
  local arch = self.space:random(rng)
  for _, d in ipairs(self.space.decisions) do
    if ORDERED[d.domain.kind] and arch[d.name] ~= nil then
      local a, b = d.domain:at(1), d.domain:at(d.domain.size)
      arch[d.name] = (last and math.max or math.min)(a, b)
    end
  end
  return arch
end

function Sandwich:draw(_, rng)
  local archs = { extreme(self, rng, true), extreme(self, rng, false) }
  for _ = 1, self.random do archs[#archs + 1] = self.space:random(rng) end
  return archs
end

return Sandwich
