--- Percentile stopping: a trial stops when its best value so far is worse than the p-th percentile of what the completed trials had at the same
-- step; p = 50 is the median pruner of Optuna (Akiba et al. 2019, arXiv:1907.10902). As only completed trials are compared with, it becomes ever
-- stricter.
local curves = require "vega.fidelity.curves"

local Percentile = { name = "percentile",
  params = curves.params { percentile = { 50.0, min = 0, max = 100, about = "the share in percent, counted from the best, that may go on" } } }
Percentile.__index = Percentile

function Percentile.new(p) return setmetatable(curves.scheduler(p), Percentile) end

Percentile.next, Percentile.started, Percentile.tell = curves.next, curves.started, curves.tell

function Percentile:report(id, step, cost)
  local curve = curves.add(self, id, step, cost)
  if not curves.due(self, step) then return "continue" end
  local values = curves.reference(self, step, "values")
  return values and curve.best > curves.percentile(values, self.p.percentile) and "stop" or curves.unless_nan(curve)
end

return Percentile
