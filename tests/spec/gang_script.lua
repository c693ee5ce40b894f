--- A script for the tests of gangs as trials: each is the training of two ranks, of which one is killed once (--kill FILE, there after it).
package.path = arg[0]:match "^(.*)/[^/]*$" .. "/../?.lua;" .. package.path        -- spec.comm_jobs
local vega = require "vega"

local o = vega.arguments { store = "x.db", kill = "", backend = "shm" }

local study = vega.study {
  name = "gang", space = vega.space.define { name = "g", choices = function(s) s:choice("kind", { "plain", "norm" }) end },
  strategy = vega.strategy.grid {}, objectives = { loss = "min" }, store = o.store, seed = 1, quiet = true, budget = { trials = 2 },
  evaluate = function(arch, trial)
    local kill = o.kill ~= "" and arch.kind == "norm" and { rank = 1, step = 5, once = o.kill } or nil
    local ranks, message, code = vega.comm.gang { module = "spec.comm_jobs", ranks = 2, backend = o.backend, threads = 1,
      argument = { job = "fit", kind = arch.kind, checkpoint = trial.checkpoint, kill = kill } }
    if not ranks then return nil, message, code end
    return { loss = ranks[1].history[3].validation_loss }
  end,
}
local front = assert(study:run())
local told = {}
for i, t in ipairs(study:trials()) do told[i] = ("%d %s %s %.17g %d"):format(t.id, t.arch.kind, t.state, t.values.loss, t.attempts) end
print(table.concat(told, "\n"))
print(#front)
