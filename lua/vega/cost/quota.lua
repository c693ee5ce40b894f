--- Limits on what a network may cost, known before it is trained: a space that keeps them, so that every strategy and sampler does.
--    local quota = vega.cost.quota.new { space = space, input = { 28, 28, 1 }, classes = 10,
--      limits = { params = { le = 1e5 }, macs = { le = 2e6 }, latency_ms = { le = 0.2 } },
--      costs = { latency_ms = function(graph) return cpu_table:latency(graph).ms end } }
--    vega.study { space = quota:space(), ... }                    -- nothing beyond the limits is ever asked
--    vega.supernet.new { space = quota:space() }                  -- or drawn (uniform, sandwich; strict fairness refuses a space with clauses)
--    quota:check(arch)                                            --> false, "macs is 3.1e+06, at most 2e+06 allowed", values
--    evaluate = quota:guard(evaluate)                             -- fails before training what came from elsewhere
-- What can only be measured after training is a constraint of the study: constraints = { latency_ms = { le = 0.2 } }.
local core = require "vega.core"
local nn = require "vega.nn"
local util = require "vega.util"

local quota, Quota = {}, {}
Quota.__index = Quota

local REMEMBERED = 20000                   -- architectures whose costs are kept
local SAMPLED, RARE = 200, 4               -- as few of so many random architectures keep limits that are tight
local STEPS = 400                          -- changes in which an architecture is brought within tight limits

local COUNTED = {}
for _, name in ipairs { "params", "macs", "flops", "acts", "activation_bytes", "peak_bytes", "engine_peak_bytes" } do COUNTED[name] = true end

local function check_limits(limits, costs)
  if type(limits) ~= "table" or next(limits) == nil then error("quota: limits such as { macs = { le = 2e6 } } expected", 3) end
  for _, name in ipairs(util.sorted_keys(limits)) do
    local l = limits[name]
    util.check_options(("quota: limit '%s'"):format(name), l, { le = true, ge = true }, 3)
    for _, key in ipairs { "le", "ge" } do
      if l[key] ~= nil and (type(l[key]) ~= "number" or l[key] ~= l[key]) then error(("quota: %s of '%s' must be a number"):format(key, name), 3) end
    end
    if not (l.le or l.ge) then error(("quota: limit '%s': le or ge is needed"):format(name), 3) end
    if l.le and l.ge and l.le < l.ge then error(("quota: '%s' cannot be at most %g and at least %g"):format(name, l.le, l.ge), 3) end
    if not COUNTED[name] and not costs[name] then
      local known = util.sorted_keys(COUNTED)
      table.move(util.sorted_keys(costs), 1, #util.sorted_keys(costs), #known + 1, known)
      error(util.unknown("quota", "cost", name, known) .. "; a cost of your own goes into costs = { name = function(graph, arch) ... end }", 3)
    end
  end
end

local NEW = { space = true, input = true, classes = true, limits = true, costs = true }
--- @param options space; input and classes of its networks (default: as the space says); limits = { name = { le =, ge = } } of what vega.cost.count
-- counts, or of costs = { name = function(graph, arch) -> number }, for which the network is described anew, without weights
function quota.new(options)
  util.check_options("quota", options, NEW, 2)
  local space = options.space
  if type(space) == "string" then space = require("vega.space")(space) end
  if type(space) ~= "table" or not space.construct then error("quota: option 'space' must be a search space with a build function", 2) end
  local input = options.input or space.input
  if not input then error("quota: option 'input' is missing, and the space states none", 2) end
  check_limits(options.limits, options.costs or {})
  return setmetatable({ full = space, input = input, classes = options.classes, limits = options.limits, costs = options.costs or {}, known = {},
    n_known = 0 }, Quota)
end

local function measure(self, arch)
  local values = {}
  local graph <close> = nn.describe(self.input, function(net) return self.full:construct(net, arch) end, { classes = self.classes })
  local counts = core.cost.count(graph)
  for _, name in ipairs(util.sorted_keys(self.limits)) do
    local own = self.costs[name]
    values[name] = own and own(graph, arch) or counts[name]
    if type(values[name]) ~= "number" or values[name] ~= values[name] then
      error(("quota: the cost '%s' is %s; a number expected"):format(name, tostring(values[name])), 0)
    end
  end
  return values
end

--- What the limits are of, for an architecture of the space. Raises when it is not of the space.
function Quota:values(arch)
  local key = self.full:canonical(arch)
  local values = self.known[key]
  if not values then
    if self.n_known >= REMEMBERED then self.known, self.n_known = {}, 0 end
    values = measure(self, arch)
    self.known[key], self.n_known = values, self.n_known + 1
  end
  return values
end

--- Whether an architecture keeps the limits. @return boolean, the first limit it breaks (nil), values
function Quota:check(arch)
  local values = self:values(arch)
  for _, name in ipairs(util.sorted_keys(self.limits)) do
    local l, v = self.limits[name], values[name]
    if l.le and v > l.le then return false, ("%s is %g, at most %g allowed"):format(name, v, l.le), values end
    if l.ge and v < l.ge then return false, ("%s is %g, at least %g wanted"):format(name, v, l.ge), values end
  end
  return true, nil, values
end

local function describe_limits(limits)
  local parts = {}
  for i, name in ipairs(util.sorted_keys(limits)) do
    local l = limits[name]
    parts[i] = name .. (l.le and (" <= %g"):format(l.le) or "") .. (l.ge and (" >= %g"):format(l.ge) or "")
  end
  return table.concat(parts, ", ")
end

-- Tight limits ------------------------------------------------------------------------------------------------------------------------------

-- By how much the limits are broken, relative to them, summed.
local function excess(self, arch)
  local values, sum = self:values(arch), 0.0
  for _, name in ipairs(util.sorted_keys(self.limits)) do
    local l, v = self.limits[name], values[name]
    for _, over in ipairs { l.le and (v - l.le) / math.max(math.abs(l.le), 1e-12) or 0, l.ge and (l.ge - v) / math.max(math.abs(l.ge), 1e-12) or 0 } do
      sum = sum + math.max(0, over)
    end
  end
  return sum
end

-- The architecture changed, a decision at a time, until it keeps the limits; the same changes for the same architecture. @return it, or the nearest
-- that was found; whether it keeps them
local function mend(self, arch)
  local rng, over = core.rng.new(util.fnv(self.full:canonical(arch)), "quota"), excess(self, arch)
  for _ = 1, STEPS do
    if over == 0 then return arch, true end
    local other = self.full:mutate(arch, rng)
    local by = excess(self, other)
    if by <= over then arch, over = other, by end
  end
  return arch, over == 0
end

-- Whether the limits are tight. @return boolean | nil, the architecture nearest to the limits when none was found that keeps them
local function are_tight(self)
  local rng, good, nearest, least = core.rng.new(1, "quota"), 0, nil, math.huge
  for _ = 1, SAMPLED do
    local arch = self.full:random(rng)
    local over = excess(self, arch)
    if over == 0 then good = good + 1 end
    if over < least then nearest, least = arch, over end
  end
  if good > RARE then return false end
  local mended, keeps = mend(self, nearest)
  if keeps then return true end
  return nil, mended
end

--- The space with the limits as a clause: the given one stays as it is. Draws are those of the space that keep the limits; where fewer than one in
-- fifty does, one that breaks them is changed, a decision at a time, until it keeps them. Raises when no architecture is found that does.
function Quota:space()
  if self.limited then return self.limited end
  local tight, nearest = are_tight(self)
  if tight == nil then
    local _, why = self:check(nearest)
    error(("quota: no architecture of '%s' was found within %s; of the nearest, %s"):format(self.full.name, describe_limits(self.limits), why), 2)
  end
  local copy = {}
  for key, value in pairs(self.full) do copy[key] = value end
  copy.clauses = table.move(self.full.clauses, 1, #self.full.clauses, 1, {})
  copy.stated = table.move(self.full.stated, 1, #self.full.stated, 1, {})
  setmetatable(copy, getmetatable(self.full))
  copy:require(function(arch)
    if (self:check(arch)) then return true end
    local mended, keeps = nil, false
    if tight then mended, keeps = mend(self, arch) end
    return keeps and mended
  end, { name = "quota: " .. describe_limits(self.limits) })
  self.limited = copy
  return copy
end

--- An evaluation for vega.study that refuses, before anything is trained, what breaks the limits.
function Quota:guard(evaluate)
  return function(arch, ...)
    local good, why = self:check(arch)
    if not good then return nil, "quota: " .. why, "EQUOTA" end
    return evaluate(arch, ...)
  end
end

return quota
