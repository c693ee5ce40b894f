--- Successive halving: n trials start, after each rung the best 1/eta of them train eta times longer. Jamieson & Talwalkar 2016, arXiv:1502.07943.
local bracket = require "vega.fidelity.bracket"
local rungs = require "vega.fidelity.rungs"

local SuccessiveHalving = { name = "successive_halving", rungs = true,
  params = rungs.params { n = { 27, min = 1, about = "trials that start" } } }
SuccessiveHalving.__index = SuccessiveHalving

function SuccessiveHalving.new(p)
  local self = rungs.scheduler(SuccessiveHalving, p)
  self.bracket = bracket.new(p.n, rungs.up(p.min, p.max, p.eta), p.eta, self.given_up)
  return self
end

function SuccessiveHalving:next(can_start) return self.bracket:next(can_start) end
function SuccessiveHalving:started(job) self.bracket:started(job) end
function SuccessiveHalving:tell(trial) self.bracket:tell(trial) end
function SuccessiveHalving:exhaust() self.bracket:exhaust() end
SuccessiveHalving.retired = rungs.retired

return SuccessiveHalving
