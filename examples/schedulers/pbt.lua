--- Population-based training: members train in pieces of 5 steps, bad ones continue from a good one's checkpoint with changed hyper-parameters.
-- The toy of the paper: theta climbs 1.2 - h0 t0^2 - h1 t1^2 and is judged by 1.2 - t0^2 - t1^2, which no h with a zero reaches alone.
local vega = require "vega"

local function evaluate(h, trial)
  local step, t0, t1 = 0, 0.9, 0.9
  local file = io.open(trial.checkpoint, "r")                 -- there is one when the trial was paused, interrupted or cloned
  if file then
    step, t0, t1 = file:read("n", "n", "n")
    file:close()
  end
  for _ = step + 1, trial.fidelity.to do t0, t1 = t0 - 0.04 * h.h0 * t0, t1 - 0.04 * h.h1 * t1 end
  assert(vega.sys.write_file(trial.checkpoint, ("%d %.17g %.17g"):format(trial.fidelity.to, t0, t1)))
  return { q = 1.2 - t0 ^ 2 - t1 ^ 2 }
end

local study = vega.study {
  space = vega.space { h0 = vega.space.ordinal { 0, 0.25, 0.5, 1 }, h1 = vega.space.ordinal { 0, 0.25, 0.5, 1 } },
  objectives = { q = "max" }, evaluate = evaluate, strategy = vega.strategy.random {},
  scheduler = vega.scheduler.pbt { resource = "step", population = 6, interval = 5, max = 100 }, seed = 4, quiet = true,
}
local best = assert(study:run()):best()
print(("q %.4f of 1.2; the schedule of its ancestors:"):format(best.values.q))
for _, piece in ipairs(study.driver.scheduler:lineage(best.id)) do
  print(("  steps %3d to %3d: h0 %g, h1 %g"):format(piece.from + 1, piece.to, piece.config.h0, piece.config.h1))
end
