--- Grid search: all combinations once. Decisions that do not apply do not multiply the grid, and clauses thin it out.
-- Run: vega-lua examples/strategies/grid.lua
local vega = require "vega"
local space = vega.space

local s = space.define { name = "training", choices = {
  optimiser = space.choice { adam = {}, sgd = { momentum = space.float(0, 0.9) } },
  lr = space.float(1e-3, 1, { log = true }), width = space.choice { 16, 32 } },
  forbid = { { optimiser = "adam", lr = 1.0 } } }

local search = vega.strategy.create(vega.strategy.grid { points = 4 }, { space = s, objectives = { loss = "min" } })
local n = 0
while true do
  local trial = search:ask(1)[1]
  if not trial then break end                        -- "exhausted": everything has been tried
  n = n + 1
  local a = trial.config
  local loss = (math.log(a.lr, 10) + 2) ^ 2 + (a.optimiser == "sgd" and (a["optimiser.sgd.momentum"] - 0.6) ^ 2 or 0.05) + 1 / a.width
  search:tell(trial.id, { status = "ok", values = { loss = loss } })
end
print(("%d members: 2 x (4 x 4 + 4) less 2 forbidden"):format(n))
local best = search:best()
print(("best loss %.4f: %s, lr %g, width %d"):format(best.values.loss, best.arch.optimiser, best.arch.lr, best.arch.width))
