--- The multiply-adds of one image, as vega.cost.count counts them: the other baseline.
local cost = require("vega.core").cost

return { name = "macs", params = {}, score = function(graph) return cost.count(graph).macs end }
