--- Expectation fairness: m uniform paths a batch, an update after each, so that every option is trained equally often in the mean. The baseline that
-- strict fairness is held against (Chu et al. 2019, arXiv:1907.01845, section 3): the same number of forward and backward passes a batch, but
-- n updates of m options leave counts of variance n (1/m) (1 - 1/m). m is the number of options of the largest decision, or `updates`.
local ExpectationFair = { name = "expectation_fair",
  params = { updates = { 0, min = 0, about = "steps on each batch; 0: the options of the largest decision" } } }
ExpectationFair.__index = ExpectationFair

function ExpectationFair.new(space, p)
  local most = 1
  for _, d in ipairs(space.decisions) do most = math.max(most, d.domain.size or 1) end
  return setmetatable({ space = space, updates = p.updates > 0 and p.updates or most }, ExpectationFair)
end

function ExpectationFair:draw(_, rng) return { self.space:random(rng) } end

return ExpectationFair
