--- The unit cube over the decisions of a space that leave a choice: where strategies that compute with vectors live.
local Cube = {}
Cube.__index = Cube

local TRIES = 100

--- cube.new(space); cube.n numbers make a point (at least 1, so that a space of one member is no special case).
function Cube.new(space)
  local self = setmetatable({ space = space, places = {} }, Cube)
  for i, d in ipairs(space.decisions) do if d.domain.size ~= 1 then table.insert(self.places, i) end end
  self.n = math.max(1, #self.places)
  return self
end

--- The architecture at a point, or nil when a clause forbids it.
function Cube:decode(x)
  local full = {}
  for i = 1, #self.space.decisions do full[i] = 0.5 end
  for k, i in ipairs(self.places) do full[i] = x[k] end
  return (self.space:decode(full))
end

--- The point of an architecture; inactive decisions stand in the middle.
function Cube:encode(arch)
  local full, active = self.space:encode(arch)
  local x = {}
  for k = 1, self.n do x[k] = 0.5 end
  for k, i in ipairs(self.places) do if active[i] then x[k] = full[i] end end
  return x
end

--- A random architecture and its point.
function Cube:random(rng)
  for _ = 1, TRIES do
    local x = {}
    for k = 1, self.n do x[k] = rng:uniform() end
    local arch = self:decode(x)
    if arch then return arch, x end
  end
  local arch = self.space:random(rng)               -- the clauses leave little: the space knows how to find it
  return arch, self:encode(arch)
end

return Cube
