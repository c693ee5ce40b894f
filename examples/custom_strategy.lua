--- A strategy of your own: a hill climber in 20 lines, searching small networks that are really trained on Fashion-MNIST.
-- Run: scripts/run examples/custom_strategy.lua            (some seconds; --trials and --images make it longer)
local vega = require "vega"
local o = vega.arguments { trials = 16, images = 512 }

--- Changes one decision of the best so far; after `patience` changes without success it starts again from a random place.
local Climber = { name = "climber", params = { patience = { 8, min = 1 } } }
Climber.__index = Climber

function Climber.new(space, params, rng) return setmetatable({ space = space, params = params, rng = rng, misses = 0 }, Climber) end

function Climber:ask()                             -- an architecture, and how it came about
  if not self.top then return self.space:random(self.rng), "random" end
  return self.space:mutate(self.top.arch, self.rng), "step"
end

function Climber:tell(trial)                       -- trial.value: larger is better; also called for the old trials on resume
  if not trial.failed and (not self.top or trial.value > self.top.value) then
    self.top, self.misses = trial, 0
    return
  end
  self.misses = self.misses + 1
  if self.misses == self.params.patience then self.top, self.misses = nil, 0 end
end

local study = vega.study {
  space      = vega.space "mobile_tiny",
  strategy   = vega.strategy.use(Climber, { patience = 6 }),
  evaluate   = vega.evaluate.train { data = assert(vega.data "fashion-mnist"), epochs = 2, limit = o.images, validation = 500, batch = 16,
                                     latency = false, optimiser = { name = "adam", lr = 0.003 } },
  objectives = { accuracy = "max" }, budget = { trials = o.trials }, seed = 1,
}
local best = assert(study:run()):best()
print(("trial %d: accuracy %.3f"):format(best.id, best.values.accuracy))
