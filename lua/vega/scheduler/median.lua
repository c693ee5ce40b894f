--- Median stopping: a trial stops when its best value so far is worse than the median of the running averages of the completed trials at the same
-- step. Golovin et al. 2017 (Google Vizier), doi:10.1145/3097983.3098043. Trials that were stopped are no reference.
local curves = require "vega.fidelity.curves"

local Median = { name = "median", params = curves.params() }
Median.__index = Median

function Median.new(p)
  return setmetatable(curves.scheduler(p), Median)
end

Median.next, Median.started, Median.tell = curves.next, curves.started, curves.tell

function Median:report(id, step, cost)
  local curve = curves.add(self, id, step, cost)
  if not curves.due(self, step) then return "continue" end
  local means = curves.reference(self, step, "means")
  return means and curve.best > curves.percentile(means, 50) and "stop" or curves.unless_nan(curve)
end

return Median
