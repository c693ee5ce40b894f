--- Random search: independent draws, each active decision uniform. The yardstick of all others.
local Random = { name = "random", params = {}, multi_objective = true }
Random.__index = Random

function Random.new(space, _, rng) return setmetatable({ space = space, rng = rng }, Random) end
function Random:ask() return self.space:random(self.rng), "random" end
function Random.tell() end

return Random
