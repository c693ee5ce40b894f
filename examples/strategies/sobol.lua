--- Sobol's sequence: an even cover of the space. Scrambling keeps it even and makes each seed another design.
-- Run: vega-lua examples/strategies/sobol.lua
local vega = require "vega"

local space = vega.space.define { name = "design", choices = {
  lr = vega.space.float(1e-4, 1, { log = true }), depth = vega.space.int(1, 8), optimiser = vega.space.choice { "sgd", "adam" } } }

local search = vega.strategy.create(vega.strategy.sobol { scramble = "owen" }, { space = space, objectives = { loss = "min" }, seed = 1 })
local count = {}
for _, trial in ipairs(search:ask(16)) do             -- best in powers of two
  local a = trial.config
  local key = ("%s, depth %d to %d"):format(a.optimiser, (a.depth - 1) // 4 * 4 + 1, (a.depth - 1) // 4 * 4 + 4)
  count[key] = (count[key] or 0) + 1
  print(("%2d  lr %.5f  depth %d  %s"):format(trial.id, a.lr, a.depth, a.optimiser))
end
for _, key in ipairs(vega.util.sorted_keys(count)) do print(key, count[key]) end
