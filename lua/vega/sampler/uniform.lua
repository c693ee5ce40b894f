--- One path a step, each decision uniform: single-path one-shot. Guo et al. 2019, arXiv:1904.00420. `paths` > 1: so many, gradients added.
local Uniform = { name = "uniform", params = { paths = { 1, min = 1 } } }
Uniform.__index = Uniform

function Uniform.new(space, p) return setmetatable({ space = space, paths = p.paths }, Uniform) end

function Uniform:draw(_, rng)
  local archs = {}
  for i = 1, self.paths do archs[i] = self.space:random(rng) end
  return archs
end

return Uniform
