--- What all finite domains share: everything follows from size, at(i) and index(value). Numbers of a range that are given a step are finite too.
local Finite = {}
Finite.__index = Finite

function Finite:accept(value)
  local i = self:index(value)
  if i then return self:at(i) end
end

function Finite:random(rng) return self:at(rng:int(1, self.size)) end

--- Another value, each as likely as any other.
function Finite:other(rng, value)
  local i, skip = rng:int(1, self.size - 1), self:index(value)
  return self:at(i < skip and i or i + 1)
end

--- All other values: what local search tries.
function Finite:near(value)
  local list, own = {}, self:index(value)
  for i = 1, self.size do if i ~= own then list[#list + 1] = self:at(i) end end
  return list
end

function Finite:unit(value) return (self:index(value) - 0.5) / self.size end
function Finite:from_unit(u)
  if u >= 1 then return self:at(self.size) end
  return self:at(u > 0 and math.floor(u * self.size) + 1 or 1)
end

function Finite:default() return self:from_unit(0.5) end
function Finite.equal(_, a, b) return a == b end
function Finite:describe() return self.text end
--- Plain data from which domain.load makes the same domain.
function Finite:save() return { kind = self.kind, arguments = self.arguments } end

return Finite
