--- What the specs of schedulers share: CURVES asked in the order 0, 1, 2, ..., and a driver run by one worker that reports each step.
local problem = require "vega.problem"
local strategy = require "vega.strategy"

local helper = {}

--- A strategy that asks for config = 0, 1, 2, ... (or the architectures of a list), whatever it is told.
function helper.sequence(list)
  local Sequence = { name = "sequence" }
  Sequence.__index = Sequence
  function Sequence.new(space) return setmetatable({ n = 0, space = space }, Sequence) end
  function Sequence:ask()
    if list then return list[self.n + 1] end
    if self.n < self.space.size then return { config = self.n } end
  end
  function Sequence:on_issued() self.n = self.n + 1 end
  function Sequence.tell() end
  return Sequence
end

--- One step of a loop: trains a suggestion from where it stands, reporting each step. value(arch, step) -> number.
function helper.train(driver, suggestion, value)
  local step = suggestion.fidelity.from
  while step < suggestion.fidelity.max do
    step = step + 1
    if driver:report(suggestion.id, step, { loss = value(suggestion.config, step) }) ~= "continue" then break end
  end
  return { status = "ok", values = { loss = value(suggestion.config, step) } }
end

--- Runs at most `jobs` suggestions; returns what was asked, "config:to" each, and the last status.
function helper.run(driver, jobs, value)
  local log, status = {}, nil
  for _ = 1, jobs or 10000 do
    local list
    list, status = driver:ask(1)
    if not list[1] then break end
    log[#log + 1] = ("%s:%d"):format(list[1].config.config, list[1].fidelity.to)
    assert(driver:tell(list[1].id, helper.train(driver, list[1], value)))
  end
  return log, status
end

--- CURVES with n configurations: a driver of the sequence under a scheduler, and the value of a configuration at a step.
function helper.curves(n, scheduler, more)
  local p = problem.curves(n)
  local spec = { space = p.space, objectives = p.objectives, seed = 1, scheduler = scheduler }
  for key, v in pairs(more or {}) do spec[key] = v end
  local function value(arch, step) return p.values(arch, nil, step).loss end
  return strategy.create(spec.strategy or helper.sequence(), (function() spec.strategy = nil return spec end)()), value
end

return helper
