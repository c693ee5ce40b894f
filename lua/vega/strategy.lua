--- Strategies: ask / tell objects that are a pure function of (space, options, seed, the ordered list of asks and tells).
--    local s = vega.strategy.create(vega.strategy.aging { population = 20 }, { space = space, objectives = { acc = "max" }, seed = 1 })
--    local list, status = s:ask(1);   s:tell(list[1].id, { status = "ok", values = { acc = 0.9 } })
-- A method is a plain class with new(space, params, rng), ask() -> arch or nil, and tell(trial); everything else (ids, seeds, duplicates,
-- lost trials, constraints, best, front, save and load) is done once, here. In tell, trial.value is larger-is-better, trial.costs are all
-- minimised, trial.values is what the user returned, trial.failed is true for a trial without a result.
local core_rng = require("vega.core").rng
local objective = require "vega.objective"
local pareto = require("vega.core").pareto
local util = require "vega.util"

local RETRIES = 100           -- asks of the method before a duplicate is replaced
local ENUMERABLE = 1000000

-- The generator a method holds: its stream is exchanged before every ask, so what one ask draws never shifts another.
local Stream = {}
Stream.__index = Stream
for _, name in ipairs { "uniform", "int", "normal", "pick", "shuffle", "state" } do
  Stream[name] = function(self, ...)
    local inner = self.inner
    return inner[name](inner, ...)
  end
end

local Driver = {}
Driver.__index = Driver

local function check_class(class, name)
  for _, field in ipairs { "new", "ask", "tell" } do
    if type(class[field]) ~= "function" then error(("strategy '%s': function '%s' is missing"):format(name, field), 4) end
  end
  return class
end

local function new_driver(descriptor, spec)
  local class, name = descriptor.class, descriptor.name
  local objectives = objective.parse(spec.objectives)
  if #objectives > 1 and not class.multi_objective then
    error(("strategy '%s' takes one objective, got %d; nsga2 and random take several"):format(name, #objectives), 4)
  end
  local params = util.copy(descriptor.params)
  if class.defaults then
    for key, value in pairs(class.defaults(spec)) do if params[key] == nil then params[key] = value end end
  end
  local self = setmetatable({ name = name, params = params, space = spec.space, objectives = objectives, seed = spec.seed or 0,
    constraints = objective.parse_constraints(spec.constraints), dedup = spec.dedup or class.dedup or "retry", spec = spec,
    max_retries = spec.max_retries or 2, next_id = 1, open = {}, open_count = 0, reissue = {}, seen = {}, n_seen = 0, told = {}, events = {},
    counters = { asked = 0, told = 0, failed = 0, duplicates = 0, lost = 0 } }, Driver)
  self.stream = setmetatable({ inner = core_rng.new(self.seed, "new", 0) }, Stream)
  self.method = class.new(self.space, params, self.stream)
  return self
end

-- When random retries no longer find anything new, the space is walked from a random place.
local function unseen_member(self)
  local size = self.space.size
  if not size or size > ENUMERABLE then return nil, "unknown" end
  local start = self.stream:int(0, size - 1)
  for i = 0, size - 1 do
    local arch = self.space:check(self.space:unrank((start + i) % size + 1))
    if arch then
      local hash = self.space:hash(arch)
      if not self.seen[hash] then return arch, hash end
    end
  end
  return nil, "exhausted"
end

local function propose(self)
  local arch, status, hash
  for _ = 1, self.dedup == "retry" and RETRIES or 1 do
    arch, status = self.method:ask()
    if not arch then return nil, status or "exhausted" end
    local good, message = self.space:check(arch)
    if not good then error(("strategy '%s' asked for an architecture that is not allowed: %s"):format(self.name, message), 0) end
    arch, hash = good, self.space:hash(good)
    if self.dedup ~= "retry" or not self.seen[hash] then return arch, hash, status end
    self.counters.duplicates = self.counters.duplicates + 1
    if self.space.size and self.n_seen * 100 >= self.space.size * 99 then break end
  end
  local other, found = unseen_member(self)
  if other then return other, found, "enumeration" end
  if found == "exhausted" then return nil, "exhausted" end
  return arch, hash, "duplicate"
end

local function ask_one(self)
  local again = table.remove(self.reissue, 1)
  if again then return again end
  local id = self.next_id
  self.stream.inner = core_rng.new(self.seed, "ask", id)
  local arch, hash, origin = propose(self)
  if not arch then return nil, hash end
  self.next_id = id + 1
  self.counters.asked = self.counters.asked + 1
  if not self.seen[hash] then self.seen[hash], self.n_seen = id, self.n_seen + 1 end
  local suggestion = { id = id, kind = "new", config = arch, arch = arch, hash = hash,
    seed = core_rng.new(self.seed, "trial", id):int(0, math.maxinteger - 1), origin = origin or self.name }
  self.open[id] = { suggestion = suggestion, losses = 0 }
  self.open_count = self.open_count + 1
  if self.method.on_issued then self.method:on_issued(suggestion) end
  return suggestion
end

--- Up to n suggestions, and "ok", "wait" (tell first), or "exhausted".
function Driver:ask(n)
  local list = {}
  for _ = 1, n or 1 do
    local suggestion, status = ask_one(self)
    if not suggestion then
      if #list > 0 then break end
      return list, status
    end
    list[#list + 1] = suggestion
    self.events[#self.events + 1] = { "ask", suggestion.id }
  end
  return list, "ok"
end

local function lose(self, entry)
  entry.losses = entry.losses + 1
  self.counters.lost = self.counters.lost + 1
  if entry.losses > self.max_retries then return false end
  table.insert(self.reissue, entry.suggestion)
  return true
end

-- The record a method learns from.
local function to_trial(self, suggestion, outcome)
  local trial = { id = suggestion.id, arch = suggestion.config, hash = suggestion.hash, values = outcome.values or {}, violation = 0.0,
    status = outcome.status, reason = outcome.reason }
  if outcome.status == "ok" or outcome.status == "stopped" then
    local message, reason
    trial.costs, message, reason = objective.costs(self.objectives, trial.values)
    local measured = setmetatable({}, { __index = function(_, k) return outcome.constraints and outcome.constraints[k] or trial.values[k] end })
    if trial.costs then trial.violation, message, reason = objective.violation(self.constraints, measured) end
    if message then trial.status, trial.reason, trial.message = "failed", reason, message end
  elseif outcome.status ~= "infeasible" then
    trial.status = "failed"
  end
  trial.failed = trial.status == "failed" or trial.status == "infeasible"
  if trial.failed then trial.costs, trial.violation = nil, 0.0 end
  if not trial.failed and #self.objectives == 1 then trial.value = 0.0 - trial.costs[1] end
  return trial
end

local function learn(self, trial)
  self.told[#self.told + 1] = trial
  self.counters.told = self.counters.told + 1
  if trial.failed then self.counters.failed = self.counters.failed + 1 end
  self.stream.inner = core_rng.new(self.seed, "tell", trial.id)
  self.method:tell(trial)
end

--- The outcome of a trial: { status = "ok" | "failed" | "infeasible" | "stopped" | "lost", values =, constraints =, reason = }.
-- Returns true, or nil, "unknown id". A lost trial is issued again, max_retries times, then counts as failed.
function Driver:tell(id, outcome)
  local entry = self.open[id]
  if not entry then return nil, "unknown id" end
  self.events[#self.events + 1] = { "tell", id, outcome }
  if outcome.status == "lost" and lose(self, entry) then return true end
  for i, waiting in ipairs(self.reissue) do if waiting.id == id then table.remove(self.reissue, i) break end end
  self.open[id] = nil
  self.open_count = self.open_count - 1
  learn(self, to_trial(self, entry.suggestion, outcome))
  return true
end

--- What was measured elsewhere. Returns true, or nil and a message when config is not of this space.
function Driver:observe(config, outcome)
  local arch, message = self.space:check(config)
  if not arch then return nil, message end
  local id, hash = self.next_id, self.space:hash(arch)
  self.next_id = id + 1
  if not self.seen[hash] then self.seen[hash], self.n_seen = id, self.n_seen + 1 end
  self.events[#self.events + 1] = { "observe", config, outcome }
  learn(self, to_trial(self, { id = id, config = arch, hash = hash }, outcome))
  return true
end

--- Ids asked and not yet told, ascending.
function Driver:pending()
  local ids = {}
  for id in pairs(self.open) do ids[#ids + 1] = id end
  table.sort(ids)
  return ids
end

local function finished(self)
  local list = {}
  for _, trial in ipairs(self.told) do if not trial.failed then list[#list + 1] = trial end end
  return list
end

--- The best trial by an objective (name, default the first); nil and the least violating trial when none is feasible.
function Driver:best(name)
  local k = 1
  for i, o in ipairs(self.objectives) do if o.name == name then k = i end end
  local best
  for _, trial in ipairs(finished(self)) do if not best or objective.before(trial, best, k) then best = trial end end
  if best and best.violation > 0 then return nil, best end
  return best
end

--- All feasible trials that none dominates, sorted by the first objective.
function Driver:front()
  local points, trials = {}, {}
  for _, trial in ipairs(finished(self)) do
    if trial.violation == 0 then points[#points + 1], trials[#trials + 1] = trial.costs, trial end
  end
  local front = {}
  for i, rank in ipairs(pareto.rank(points)) do if rank == 1 then front[#front + 1] = trials[i] end end
  table.sort(front, function(a, b) return objective.before(a, b, 1) end)
  return front
end

--- Does trial a come before b? Deb's rule on the first objective.
function Driver.better(a, b) return objective.before(a, b, 1) end

--- Counters: asked, told, failed, duplicates, lost, pending.
function Driver:stats()
  local stats = util.copy(self.counters)
  stats.pending = self.open_count
  return stats
end

--- Plain data from which load rebuilds the same object: the list of events, since the state is a pure function of it.
function Driver:save() return { version = 1, strategy = self.name, seed = self.seed, events = util.copy(self.events) } end

local strategy = { Driver = Driver }
local Descriptor = {}

--- A descriptor of a class of one's own: vega.strategy.use(MyClass, { option = 1 }).
function strategy.use(class, options)
  local name = class.name or "custom"
  check_class(class, name)
  local params = options or {}
  if class.params then params = util.parameters(("strategy '%s'"):format(name), class.params, params, 2) end
  return setmetatable({ class = class, name = name, params = params }, Descriptor)
end

Descriptor.__call = function(self, options)
  local params = util.parameters(("strategy '%s'"):format(self.name), self.class.params or {}, options or {}, 2)
  return setmetatable({ class = self.class, name = self.name, params = params }, Descriptor)
end

--- The ask / tell object of a descriptor (or of a plain class) for { space, objectives, constraints, seed, budget, dedup, max_retries }.
function strategy.create(descriptor, spec)
  if type(descriptor) == "string" then descriptor = strategy[descriptor] end
  if getmetatable(descriptor) ~= Descriptor then
    if type(descriptor) ~= "table" then error("strategy: vega.strategy.NAME { ... } or a table with new, ask, tell expected, got " .. type(descriptor), 2) end
    descriptor = strategy.use(descriptor)
  end
  return new_driver(descriptor, spec)
end

--- The object that save() described: replays its events. Raises when the replay asks for something else.
function strategy.load(descriptor, spec, saved)
  local self = strategy.create(descriptor, spec)
  for _, event in ipairs(saved.events) do
    if event[1] == "ask" then
      local list = self:ask(1)
      if not list[1] or list[1].id ~= event[2] then error(("strategy '%s': replay does not ask for trial %s"):format(self.name, event[2]), 2) end
    elseif event[1] == "tell" then self:tell(event[2], event[3])
    else self:observe(event[2], event[3]) end
  end
  return self
end

return setmetatable(strategy, { __index = function(_, name)
  local path = "vega.strategy." .. tostring(name)
  local source, looked = package.searchpath(path, package.path)
  if not source and not package.preload[path] then
    error(("%s (known: aging, nsga2, random)%s"):format(("strategy '%s' is not found"):format(tostring(name)), looked or ""), 2)
  end
  local descriptor = strategy.use((require(path)))
  rawset(strategy, name, descriptor)
  return descriptor
end })
