--- A search, whole: accuracy against measured latency over small mobile networks, really trained on Fashion-MNIST.
-- Run: scripts/run                       (a few minutes; Ctrl-C is safe, run it again to continue)
--      scripts/run examples/quickstart.lua --trials 12 --store mem:
local vega = require "vega"

local trials, store = 48, "runs/quickstart.db"
for i = 1, #arg, 2 do
  if arg[i] == "--trials" then trials = math.tointeger(arg[i + 1])
  elseif arg[i] == "--store" then store = arg[i + 1]
  else error("quickstart: unknown option " .. arg[i] .. "; known are --trials N, --store PLACE", 0) end
end

local study = vega.study {
  name       = "quickstart",
  space      = vega.space "mobile_tiny",                       -- searchspaces/mobile_tiny.lua
  strategy   = vega.strategy.nsga2 { population = 16 },
  evaluate   = vega.evaluate.train { data = assert(vega.data "fashion-mnist"), epochs = 1, limit = 8000 },
  objectives = { { name = "accuracy", goal = "max" }, { name = "latency_ms", goal = "min" } },
  budget     = { trials = trials },
  store      = store, seed = 1,
}
local front = assert(study:run())
print(front)
print("report: " .. assert(front:report "runs/quickstart.html"))
