--- The domains of single decisions, and what every domain offers:
--   kind                  "const", "bool", "int", "float", "normal", "choice", "ordinal", "subset", "sequence", "permutation"
--   size, bits            the number of values: exact (nil from 2^63 on, and where continuous) and as log2 (inf where continuous)
--   at(i), index(v)       finite domains: the i-th value, the place of a value (nil for a foreign one, or where size is nil)
--   accept(v)             the value in its proper number type, or nil
--   random(rng)           a value; other(rng, v): a different one; near(v, rng): those a local search tries
--   unit(v), from_unit(u) to and from [0, 1]; from_unit(unit(v)) is v for a finite domain of fewer than 2^53 values
--   default()             the value in the middle
--   equal(a, b), describe(), save()
-- Numeric domains also have gaussian, polynomial, geometric (with a step) and blend; list-valued ones cross; permutations swap, insert, invert.
local listed = require "vega.space.listed"
local numeric = require "vega.space.numeric"
local fail = require "vega.space.fail"

local domain = {
  const = listed.const, bool = listed.bool, choice = listed.choice, ordinal = listed.ordinal,
  int = numeric.int, float = numeric.float, normal = numeric.normal,
  subset = require "vega.space.subset", sequence = require "vega.space.sequence", permutation = require "vega.space.permutation",
}

--- The names of all kinds, sorted.
domain.kinds = { "bool", "choice", "const", "float", "int", "normal", "ordinal", "permutation", "sequence", "subset" }

--- The domain that saved() described.
function domain.load(saved)
  local make = type(saved) == "table" and domain[saved.kind]
  if type(make) ~= "function" or saved.kind == "load" then fail("space.load: '%s' is no kind of decision", tostring(saved and saved.kind)) end
  return make(table.unpack(saved.arguments, 1, 3))
end

return domain
