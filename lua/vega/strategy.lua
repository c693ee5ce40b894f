--- Strategies: ask / tell objects that are a pure function of (space, options, seed, the ordered list of asks and tells).
--    local s = vega.strategy.create(vega.strategy.aging { population = 20 }, { space = space, objectives = { acc = "max" }, seed = 1 })
--    local list, status = s:ask(1);   s:tell(list[1].id, { status = "ok", values = { acc = 0.9 } })
-- A method is a plain class with new(space, params, rng, spec), ask() -> arch or nil, and tell(trial); everything else (ids, seeds, duplicates,
-- lost trials, constraints, best, front, save and load) is done once, in vega.driver. In tell, trial.value is larger-is-better, trial.costs are all
-- minimised, trial.values is what the user returned, trial.failed is true for a trial without a result.
-- Under a scheduler a class says by `fidelity` what it is told: nothing: each trial once, when it first stops or pauses; "all": every result, with
-- trial.fidelity; "rungs": one instance of the class for each fidelity, the highest that knows enough is asked.
local Driver = require "vega.driver"
local plugin = require "vega.plugin"
local scheduler = require "vega.scheduler"

local strategy = plugin.family("strategy", { "new", "ask", "tell" })
strategy.Driver = Driver

--- The ask / tell object of a descriptor (or of a plain class) for { space, objectives, constraints, seed, budget, max_retries, scheduler,
-- dedup = "retry" | "reuse" | "allow", ordered, window }. With ordered = true the k-th suggestion knows the first k - window
-- answers in the order of asking.
function strategy.create(descriptor, spec)
  local options = {}
  for key, value in pairs(spec) do options[key] = value end
  if spec.scheduler then options.scheduler = scheduler.resolve(spec.scheduler, 2) end
  return Driver.new(strategy.resolve(descriptor, 2), options, 2)
end

--- The object that save() described: replays its events. Raises when the replay asks for something else.
function strategy.load(descriptor, spec, saved) return strategy.create(descriptor, spec):replay(saved.events) end

return strategy
