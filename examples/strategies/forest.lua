--- A random forest as the model (SMAC): categories and whole numbers, here with a limit on the size that only evaluation reveals.
-- Run: vega-lua examples/strategies/forest.lua
local vega = require "vega"
local space = vega.space

local net = space.define { name = "net", choices = { width = space.int(8, 256, { step = 8 }), depth = space.int(2, 20),
  kernel = space.choice { 3, 5, 7 }, activation = space.choice { "relu", "swish", "tanh" } } }

local BONUS = { relu = 0.00, swish = 0.01, tanh = -0.03 }
local function evaluate(arch)
  local params = arch.depth * arch.width ^ 2 * arch.kernel ^ 2 / 1e6
  return { accuracy = 0.96 - 0.3 / math.log(arch.width * arch.depth) - 0.005 * (arch.kernel - 5) ^ 2 + BONUS[arch.activation], params_m = params }
end

local front = vega.study { space = net, evaluate = evaluate, objectives = { accuracy = "max" }, constraints = { params_m = { le = 2 } }, quiet = true,
  strategy = vega.strategy.forest {}, budget = { trials = 150 }, store = ":memory:", seed = 1 }:run()
local best = front:best()
local arch, values = best.arch, best.values
print(("accuracy %.4f with %.2f million parameters: width %d, depth %d, kernel %d, %s"):format(values.accuracy, values.params_m, arch.width,
  arch.depth, arch.kernel, arch.activation))
