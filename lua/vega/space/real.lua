--- Operators on a real number in the unit interval: simulated binary crossover and polynomial mutation, in the forms that know the bounds, so that
-- nothing has to be cut off. Deb & Agrawal 1995; bounds as in Deb 2001, Multi-objective optimization using evolutionary algorithms.
local real = {}

--- How far apart the children of two parents are, in units of the parents' distance, for a uniform u. alpha = 2: no bound; less: a bound is near.
function real.spread(u, index, alpha)
  local power = 1 / (index + 1)
  if u <= 1 / alpha then return (alpha * u) ^ power end
  return (1 / (2 - alpha * u)) ^ power
end

--- The step of polynomial mutation for a uniform u, in (-below, above); both 1: as far from the bounds as their distance.
function real.step(u, index, below, above)
  local power = index + 1
  if u < 0.5 then return (2 * u + (1 - 2 * u) * (1 - below) ^ power) ^ (1 / power) - 1 end
  return 1 - (2 * (1 - u) + (2 * u - 1) * (1 - above) ^ power) ^ (1 / power)
end

--- One of the two children of a and b, each in [0, 1].
function real.cross(rng, a, b, index)
  local low, high = math.min(a, b), math.max(a, b)
  local distance, upper, u = high - low, rng:uniform() < 0.5, rng:uniform()
  if distance < 1e-14 then return a end
  local room = upper and 1 - high or low
  local half = 0.5 * distance * real.spread(u, index, 2 - (1 + 2 * room / distance) ^ -(index + 1))
  return 0.5 * (low + high) + (upper and half or -half)
end

--- A value near a.
function real.mutate(rng, a, index) return a + real.step(rng:uniform(), index, a, 1 - a) end

return real
