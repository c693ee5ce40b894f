--- Sobol's sequence: points that fill the cube evenly, best taken in powers of two. Sobol 1967; directions of Joe & Kuo 2008, doi:10.1137/070709359;
-- nested scrambling: Owen 1995.
--    vega.strategy.sobol { scramble = "owen" }      or "shift" (a digital shift), "none" (the same points for every seed, from the origin on)
local design = require "vega.design"
local quasi = require("vega.core").quasi

return design.define {
  name = "sobol", params = { scramble = { "owen", one_of = { "none", "shift", "owen" }, about = "how a seed makes its own points" } },
  new = function(self)
    if self.cube.n > quasi.sobol_dimensions then
      error(("strategy 'sobol': directions are known for %d decisions, space '%s' has %d that leave a choice; use halton or latin_hypercube"):format(
        quasi.sobol_dimensions, self.space.name, self.cube.n), 0)
    end
    self.seed = self.rng:int(0, math.maxinteger - 1)
  end,
  point = function(self, k) return quasi.sobol(k - 1, self.cube.n, self.p.scramble, self.seed) end,
}
