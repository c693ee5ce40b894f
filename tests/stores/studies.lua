--- The studies that the stores of this folder hold, for make_schema.lua and the spec that goes on with them.
local vega = require "vega"
local studies = {}

local function space()
  return vega.space.define { name = "kept", choices = function(s)
    s:choice("op", { "conv", "pool", "skip" })
    s:int("width", 1, 40)
    s:float("rate", 1e-3, 1)
  end }
end

local function value(arch) return math.abs(arch.width - 17) + arch.rate + (arch.op == "conv" and 0 or 3) end

function studies.plain(path, trials)
  return { name = "plain", space = space(), strategy = vega.strategy.aging { population = 4, tournament = 2 }, objectives = { loss = "min" },
    budget = { trials = trials }, seed = 5, quiet = true, store = path, evaluate = function(arch)
      if arch.width > 36 then error("too wide", 0) end
      if arch.op == "skip" and arch.width < 9 then return { loss = 0 / 0 } end
      return { loss = value(arch), params = arch.width * 10, macs = 7 }
    end }
end

function studies.halving(path, trials)
  return { name = "halving", space = space(), strategy = vega.strategy.random {}, objectives = { loss = "min" }, budget = { trials = trials },
    seed = 6, quiet = true, store = path, scheduler = vega.scheduler.asha { max = 9 }, evaluate = function(arch, trial)
      for step = trial.fidelity.from + 1, trial.fidelity.to do trial:report(step, { loss = value(arch) + 1 / step, speed = step }) end
      return { loss = value(arch) + 1 / trial.fidelity.to }
    end }
end

return studies
