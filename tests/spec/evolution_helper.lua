--- What the specs of evolutionary strategies share: small spaces, trials by hand, a search that is answered by hand.
local space = require "vega.space"
local strategy = require "vega.strategy"

local helper = {}

function helper.floats(n)
  return space.define { name = "floats", choices = function(s) for i = 1, n do s:float("x" .. i, 0, 1) end end }
end

function helper.edges(n)
  return space.define { name = "edges", choices = function(s) for i = 1, n do s:choice("edge_" .. i, { "a", "b", "c", "d" }) end end }
end

function helper.trial(id, value, more)
  local t = { id = id, arch = {}, value = value, costs = { 0.0 - value }, violation = 0.0, failed = false }
  for k, v in pairs(more or {}) do t[k] = v end
  return t
end

--- A search of one objective f1 (maximised) or of several f1, f2, ... (minimised).
function helper.search(descriptor, sp, objectives, seed, more)
  local list = {}
  for k = 1, objectives do list[k] = { name = "f" .. k, goal = objectives == 1 and "max" or "min" } end
  local spec = { space = sp, objectives = list, seed = seed or 1, budget = { trials = 200 } }
  for k, v in pairs(more or {}) do spec[k] = v end
  return strategy.create(descriptor, spec)
end

function helper.answer(s, t, ...)
  local values = {}
  for k, v in ipairs { ... } do values["f" .. k] = v end
  assert(s:tell(t.id, { status = "ok", values = values }))
end

return helper
