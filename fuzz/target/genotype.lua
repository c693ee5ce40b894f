--- Genotypes of the DARTS family: what is read is written as the canonical line, which reads and writes the same.
local genotype = require "vega.genotype"

return function(text)
  local g, message, code = genotype.parse(text)
  if not g then
    assert(code == "EFORMAT" and message:find "^genotype: line %d+, column %d+: ", message)
    return
  end
  local line = genotype.text(g)
  assert(genotype.text(assert(genotype.parse(line))) == line, "written and read again it is another genotype")
end
