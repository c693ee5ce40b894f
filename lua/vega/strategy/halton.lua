--- Halton's sequence: radical inverses in the first primes, shifted at random. Halton 1960, doi:10.1007/BF01386213; Cranley & Patterson 1976.
-- For up to some ten decisions: later primes are large, and their coordinates run in parallel for a long time.
--    vega.strategy.halton { scramble = "shift" }    or "none" (the same points for every seed)
local design = require "vega.design"
local quasi = require("vega.core").quasi

return design.define {
  name = "halton", params = { scramble = { "shift", one_of = { "none", "shift" }, about = "how a seed makes its own points" } },
  new = function(self) self.seed = self.rng:int(0, math.maxinteger - 1) end,
  point = function(self, k) return quasi.halton(k, self.cube.n, self.p.scramble, self.seed) end,
}
