--- CMA-ES: a normal distribution learns scale and direction of a landscape of numbers; here under a constraint, in two coordinates.
-- Run: vega-lua examples/strategies/cmaes.lua
local vega = require "vega"

local space = vega.space { lr = vega.space.float(1e-5, 1, { log = true }), momentum = vega.space.float(0, 0.999) }

-- A loss whose valley runs askew: a large rate wants a small momentum. Beyond lr / (1 - momentum) = 1 training would diverge.
local function evaluate(arch)
  local step = arch.lr / (1 - arch.momentum)
  return { loss = (math.log(step, 10) + 0.5) ^ 2 + 0.05 * (arch.momentum - 0.9) ^ 2, step = step }
end

local front = vega.study {
  space = space, evaluate = evaluate, objectives = { loss = "min" }, constraints = { step = { le = 1 } }, quiet = true,
  strategy = vega.strategy.cmaes { sigma = 0.3 }, budget = { trials = 400 }, store = ":memory:", seed = 1,
}:run()
local best = front:best()
print(("loss %.2e with lr %.4f and momentum %.4f: a step of %.3f"):format(best.values.loss, best.arch.lr, best.arch.momentum, best.values.step))
