--- What a network costs: counted exactly, looked up, predicted, or measured on this CPU.
--   vega.cost.count(graph)                            -> parameters, multiply-adds by kind, activation and peak bytes; per image
--   vega.cost.count(graph, { input = { 96, 96, 3 } }) -> the same for images of another size
--   vega.cost.count(graph, { convention = "fvcore" }) -> the total that a published counter prints for it
--   vega.cost.count(graph, { prune = "dead_ends" })   -> without what the output does not depend on
--   vega.cost.conventions()                           -> { fvcore = "M + 2B + G", ... }: those counters, and how they add up
--   vega.cost.latency(graph, { batch = 1 })           -> median_ms, min_ms, mean_ms, p90_ms, iqr_ms, count, rejected; measured, random input
--   vega.cost.latency(graph, { node = 7 })            -> of that operator alone
--   vega.cost.peak(precision)                         -> flops and copy_bytes a second that this machine reaches at most
-- In files of their own, lua/vega/cost/:
--   vega.cost.lut        look-up tables: published ones, our own; measured for a space       vega.cost.published    readers of published formats
--   vega.cost.roofline   time from rates and bandwidths of a device                          vega.cost.energy       joules from operations and traffic
--   vega.cost.expected   expected cost of a mixture, with gradients; losses with a cost      vega.cost.chain        the same where blocks may be skipped
--   vega.cost.predictor  ridge, additive, forest, perceptrons, Gaussian process              vega.cost.metrics      how good predictions are
--   vega.cost.reward     accuracy and cost as one number                                     vega.cost.quota        limits that a space keeps
--   vega.cost.device     measured by an agent on another machine
local core = require "vega.core"

local cost = {}
for name, fn in pairs(core.cost) do cost[name] = fn end

return setmetatable(cost, { __index = function(self, name)
  local module = "vega.cost." .. tostring(name)
  if not package.searchpath(module, package.path) then return nil end
  local value = require(module)
  rawset(self, name, value)
  return value
end })
