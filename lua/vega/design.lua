--- Space-filling designs as strategies: the k-th ask is the k-th point of a sequence in the unit cube, so what is told changes nothing.
--    return design.define { name = "mine", params = {}, new = function(self) ... end, point = function(self, index) return x end }
-- A description may have new(self), called once (self has cube, p, rng and given), and point(self, k), k = 1, 2, ..., the k-th point.
local Cube = require "vega.evolution.cube"

local design = {}

local SKIPS = 1000          -- points that clauses forbid in a row before the design gives way to random members

--- The strategy class of a description.
function design.define(description)
  local class = { name = description.name, params = description.params, multi_objective = true }
  class.__index = class

  function class.new(space, p, rng, given)
    local self = setmetatable({ space = space, cube = Cube.new(space), p = p, rng = rng, given = given, next = 1 }, class)
    if description.new then description.new(self) end
    return self
  end

  function class:ask()
    for _ = 1, SKIPS do
      local arch = self.cube:decode(description.point(self, self.next))
      self.next = self.next + 1
      if arch then return arch, description.name end
    end
    return self.space:random(self.rng), "random"
  end

  function class.tell() end
  return class
end

return design
