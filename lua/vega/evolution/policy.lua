--- Mutations that learn: what a decision becomes, drawn from weights that the results of earlier trials have formed. For decisions of at most 64
-- options; of others `draw` returns nil. Draws exclude the present value, so that a mutation changes something.
local policy = {}

local MOST = 64

-- A place drawn in proportion to weight(i), i from 1 to n, without `except`.
local function spin(n, except, rng, weight)
  local w, total, last = {}, 0.0, nil
  for i = 1, n do
    w[i] = i ~= except and weight(i) or 0
    total = total + w[i]
    if i ~= except then last = i end
  end
  local at = rng:uniform() * total
  for i = 1, n do
    at = at - w[i]
    if at < 0 then return i end
  end
  return last
end

local function enumerable(d) return d.domain.size and d.domain.size <= MOST and d.domain.size > 1 end

-- Controller ------------------------------------------------------------------------------------------------------------------------------

local Controller = {}
Controller.__index = Controller

--- A softmax over the options of each decision, trained by REINFORCE (Williams 1992): a preference grows by `rate` times the advantage of the reward
-- over its moving average (`decay` is what that keeps of itself), in units of the moving deviation.
function policy.controller(rate, decay)
  return setmetatable({ rate = rate, decay = decay, preference = {} }, Controller)
end

local function preferences(self, d)
  local list = self.preference[d.name]
  if not list then
    list = {}
    for i = 1, d.domain.size do list[i] = 0.0 end
    self.preference[d.name] = list
  end
  return list
end

-- exp(preference - the largest but that of `except`), so that nothing overflows.
local function weight_of(list, except)
  local largest = -math.huge
  for i, preference in ipairs(list) do if i ~= except then largest = math.max(largest, preference) end end
  return function(i) return i ~= except and math.exp(list[i] - largest) or 0 end
end

--- A value for decision d other than `value` (nil: any); the second result is what learn() takes.
function Controller:draw(d, rng, value)
  if not enumerable(d) then return nil end
  local except = value ~= nil and d.domain:index(value) or nil
  local i = spin(d.domain.size, except, rng, weight_of(preferences(self, d), except))
  return d.domain:at(i), { decision = d, place = i, except = except }
end

--- The entry of a value that was drawn uniformly, as the first population is; nil for a decision that has no policy.
function Controller:entry(d, value) return enumerable(d) and { decision = d, place = d.domain:index(value) } or nil end

--- The probability of each option of d.
function Controller:probabilities(d)
  local list, p, total = preferences(self, d), {}, 0.0
  local weight = weight_of(list)
  for i = 1, #list do
    p[i] = weight(i)
    total = total + p[i]
  end
  for i = 1, #list do p[i] = p[i] / total end
  return p
end

local function reinforce(self, entry, advantage)
  local list, total = preferences(self, entry.decision), 0.0
  local weight, p = weight_of(list, entry.except), {}
  for i = 1, #list do
    p[i] = weight(i)
    total = total + p[i]
  end
  for i = 1, #list do list[i] = list[i] + self.rate * advantage * ((i == entry.place and 1 or 0) - p[i] / total) end
end

--- A trial that these draws led to had this reward (larger is better; nil: it failed, which counts as the worst seen).
function Controller:learn(entries, reward)
  reward = reward or self.worst
  if not reward then return end
  self.worst = math.min(self.worst or reward, reward)
  self.mean = self.mean or reward
  local off = reward - self.mean
  self.square = self.square and self.decay * self.square + (1 - self.decay) * off * off or off * off
  if self.square > 0 then for _, entry in ipairs(entries) do reinforce(self, entry, off / math.sqrt(self.square)) end end
  self.mean = self.mean + (1 - self.decay) * off
end

-- Roulette --------------------------------------------------------------------------------------------------------------------------------

local Roulette = {}
Roulette.__index = Roulette

--- A wheel over the options of a decision for costs that are known to go with them: the sector of an option is exp(-sharpness z), z being how far the
-- mean cost of the trials that had it lies above that of all, in deviations. An option that no trial had is taken as average.
function policy.roulette(sharpness) return setmetatable({ sharpness = sharpness, n = 0, mean = {}, m2 = {}, options = {} }, Roulette) end

--- Counts a trial's costs for the options of its architecture.
function Roulette:tell(space, trial)
  self.n = self.n + 1
  for k, cost in ipairs(trial.costs) do
    local off = cost - (self.mean[k] or 0)
    self.mean[k] = (self.mean[k] or 0) + off / self.n
    self.m2[k] = (self.m2[k] or 0) + off * (cost - self.mean[k])
  end
  for _, d in ipairs(space.decisions) do
    local value = trial.arch[d.name]
    if value ~= nil and enumerable(d) then
      local seen = self.options[d.name] or {}
      self.options[d.name] = seen
      local i = d.domain:index(value)
      seen[i] = seen[i] or { n = 0, sum = {} }
      seen[i].n = seen[i].n + 1
      for k, cost in ipairs(trial.costs) do seen[i].sum[k] = (seen[i].sum[k] or 0) + cost end
    end
  end
end

--- A value for decision d other than `value`, by the cost of number k.
function Roulette:draw(d, rng, value, k)
  if not enumerable(d) then return nil end
  local seen, sd = self.options[d.name] or {}, self.n > 1 and math.sqrt(self.m2[k] / (self.n - 1)) or 0
  return d.domain:at(spin(d.domain.size, d.domain:index(value), rng, function(i)
    if not seen[i] or sd == 0 then return 1 end
    return math.exp(-self.sharpness * (seen[i].sum[k] / seen[i].n - self.mean[k]) / sd)
  end))
end

return policy
