--- Mutation, crossover and neighbours. Each ends in the gate; each also returns the names it changed.
local fail = require "vega.space.fail"
local gate = require "vega.space.gate"
local util = require "vega.util"

local vary = { methods = {} }
local methods = vary.methods

local function copy_decisions(space, arch)
  local new = {}
  for _, d in ipairs(space.decisions) do new[d.name] = arch[d.name] end
  return new
end

local function complete(space, config, rng) return gate.complete(space, config, function(domain) return domain:random(rng) end) end

--- Names whose value differs, in the order of the decisions.
local function differences(space, a, b)
  local names = {}
  for _, d in ipairs(space.decisions) do
    local x, y = a[d.name], b[d.name]
    if (x == nil) ~= (y == nil) or x ~= nil and not d.domain:equal(x, y) then names[#names + 1] = d.name end
  end
  return names
end

-- Mutation of single decisions --------------------------------------------------------------------------------------------------------

-- What an operator needs of a domain, and how it moves a value; `resample` and the default suit all.
local STEPS = {
  default = function(domain, rng, value) return domain:other(rng, value) end,
  resample = function(domain, rng, value)
    if domain.size then
      local i, skip = rng:int(1, domain.size - 1), domain:index(value)
      return domain:at(i < skip and i or i + 1)
    end
    return domain:random(rng)
  end,
  gaussian = function(domain, rng, value, o) return domain:gaussian(rng, value, o.sd) end,
  polynomial = function(domain, rng, value, o) return domain:polynomial(rng, value, o.eta) end,
  geometric = function(domain, rng, value, o) return domain:geometric(rng, value, o.p) end,
  exchange = function(domain, rng, value) return domain:exchange(rng, value) end,
  swap = function(domain, rng, value) return domain:swap(rng, value) end,
  insert = function(domain, rng, value) return domain:insert(rng, value) end,
  invert = function(domain, rng, value) return domain:invert(rng, value) end,
}

-- The active decisions an operator can change.
local function eligible(space, arch, operator)
  local list = {}
  for _, d in ipairs(space.decisions) do
    local suits = operator == "default" or operator == "resample" or d.domain[operator]
    if arch[d.name] ~= nil and d.domain.size ~= 1 and suits then list[#list + 1] = d end
  end
  return list
end

local function pick(list, rng, weights)
  if not weights then return list[rng:int(1, #list)] end
  local total, last = 0.0, list[#list]
  for _, d in ipairs(list) do total = total + (weights[d.name] or 1) end
  local at = rng:uniform() * total
  for _, d in ipairs(list) do
    at = at - (weights[d.name] or 1)
    if at < 0 then return d end
  end
  return last
end

local function chosen(space, list, rng, options)
  if options.at then
    for _, d in ipairs(list) do if d.name == options.at then return { d } end end
    fail("space '%s': mutate: '%s' is no active decision that can change", space.name, tostring(options.at))
  end
  local picked = {}
  if options.rate then for _, d in ipairs(list) do if rng:uniform() < options.rate then picked[#picked + 1] = d end end end
  if #picked == 0 and not (options.rate and options.force == false) then picked[1] = pick(list, rng, options.weights) end
  return picked
end

local function mutate_decisions(space, arch, rng, operator, options)
  local list, step, own = eligible(space, arch, operator), STEPS[operator], options.draw
  if #list == 0 then return nil end
  local changed
  local function draw()
    local new = copy_decisions(space, arch)
    changed = {}
    for i, d in ipairs(chosen(space, list, rng, options)) do
      local value
      if own then value = own(d, rng, arch[d.name]) end
      if value == nil then value = step(d.domain, rng, arch[d.name], options) end
      new[d.name] = value
      changed[i] = d.name
    end
    return complete(space, new, rng)
  end
  local result, altered = gate.produce(space, rng, draw)
  return result, altered and differences(space, arch, result) or changed
end

-- Mutation of repeated parts ----------------------------------------------------------------------------------------------------------

-- The values of copy `from` under the names of copy `to`: written into `into`.
local function move_copy(space, arch, repeated, from, to, into)
  local old, new = ("%s[%d]"):format(repeated, from), ("%s[%d]"):format(repeated, to)
  for _, d in ipairs(space.decisions) do
    local rest = d.name:sub(#old + 1)
    if d.name:sub(1, #old) == old and (rest == "" or rest:find "^[%.%[]") then into[new .. rest] = arch[d.name] end
  end
end

-- Which old copy each new one takes its values from; false for one that is drawn anew.
local SOURCES = {
  add = function(depth, rng)
    local at = rng:int(1, depth + 1)
    return depth + 1, function(i) if i == at then return false end return i < at and i or i - 1 end
  end,
  duplicate = function(depth, rng)
    local at = rng:int(1, depth)
    return depth + 1, function(i) return i <= at and i or i - 1 end
  end,
  remove = function(depth, rng)
    local at = rng:int(1, depth)
    return depth - 1, function(i) return i < at and i or i + 1 end
  end,
}

local function can_become(space, arch, each, operator)
  local depth = arch[each.name]
  if not depth or (operator ~= "add" and depth == 0) then return false end
  return space.by_name[each.name].domain:index(operator == "remove" and depth - 1 or depth + 1) ~= nil
end

local function mutate_repeats(space, arch, rng, operator)
  local list = {}
  for _, each in ipairs(space.repeats) do if can_become(space, arch, each, operator) then list[#list + 1] = each end end
  if #list == 0 then return nil end
  local result = gate.produce(space, rng, function()
    local each, new = rng:pick(list), copy_decisions(space, arch)
    local depth, source = SOURCES[operator](arch[each.name], rng)
    for i = 1, each.most do move_copy(space, {}, each.name, i, i, new) end            -- forgets all copies
    for i = 1, depth do if source(i) then move_copy(space, arch, each.name, source(i), i, new) end end
    new[each.name] = depth
    return complete(space, new, rng)
  end)
  return result, differences(space, arch, result)
end

local OPTIONS = { operator = true, rate = true, force = true, at = true, weights = true, sd = true, eta = true, p = true, draw = true }

--- A mutated copy and the list of changed names. One active decision changes ("point"), or with { rate = p } each with probability p and at
-- least one (unless force = false); decisions that then become active are drawn, those that no longer are, dropped.
-- @param options at = a name; weights = { [name] = w } for the pick; operator = "resample", "gaussian" (sd 0.1), "polynomial" (eta 20),
-- "geometric" (p 0.5), "exchange" (subsets), "swap", "insert", "invert" (permutations), "add", "remove", "duplicate" (repeated parts);
-- draw = f(decision, rng, value) -> the new value, or nil for the operator's; without operator each domain moves in its own way.
-- Where an operator finds nothing to change, the copy is equal and the list empty.
function methods:mutate(arch, rng, options)
  options = options or {}
  for key in pairs(options) do if not OPTIONS[key] then util.check_options("space:mutate", options, OPTIONS, 2) end end
  local operator, result, changed = options.operator or "default", nil, nil
  if SOURCES[operator] then result, changed = mutate_repeats(self, arch, rng, operator)
  elseif STEPS[operator] then result, changed = mutate_decisions(self, arch, rng, operator, options)
  else
    local known = util.sorted_keys(STEPS)
    table.move(util.sorted_keys(SOURCES), 1, 3, #known + 1, known)
    fail("%s", util.unknown("space:mutate", "operator", operator, known))
  end
  if not result then return gate.tie(self, copy_decisions(self, arch)), {} end
  return result, changed
end

-- Crossover ---------------------------------------------------------------------------------------------------------------------------

-- What is inherited as a whole in a space of cells: the node ("node2") that a decision belongs to, in all cells together, as cells are named alike
-- ("normal.node2.op1", "reduce.node2.inputs"); any other decision by itself.
local function node_of(space, name)
  local node = name:match "^(.+)%.inputs$" or name:match "^(.+)%.op%d+$" or name:match "^(.+)%.combine$"
  return node and space.by_name[node .. ".inputs"] and node:match "[^.]+$" or name
end

-- True for the second parent, drawn once for each unit.
local function by_unit(rng, unit_of)
  local from = {}
  return function(d)
    local unit = unit_of(d)
    if from[unit] == nil then from[unit] = rng:uniform() >= 0.5 end
    return from[unit]
  end
end

-- Who gives each decision: functions of (decision, its place) -> true for the second parent.
local MASKS = {
  uniform = function(_, rng) return function() return rng:uniform() >= 0.5 end end,
  one_point = function(space, rng)
    local cut = rng:int(1, math.max(1, #space.decisions - 1))
    return function(_, place) return place > cut end
  end,
  two_point = function(space, rng)
    local n = math.max(1, #space.decisions)
    local from, to = rng:int(1, n), rng:int(1, n)
    if from > to then from, to = to, from end
    return function(_, place) return place >= from and place <= to end
  end,
  stage = function(_, rng) return by_unit(rng, function(d) return d.stage or d.name end) end,      -- copies of repeated parts stay whole
  node = function(space, rng) return by_unit(rng, function(d) return node_of(space, d.name) end) end,
}

local function mixed(d, va, vb, second, rng, operator, eta)
  if va == nil then return vb elseif vb == nil then return va end
  if va == vb or d.domain:equal(va, vb) then return va end
  if operator == "uniform" and d.domain.blend then return second and d.domain:blend(rng, va, vb, eta) or va end
  if operator == "uniform" and d.domain.cross then return d.domain:cross(rng, va, vb) end
  if second then return vb end
  return va
end

--- A child of two architectures and the names in which it differs from the first.
-- @param options operator = "uniform" (default: each decision from one of the two; where it is the second's turn, numbers are blended by simulated
-- binary crossover with eta 15; permutations by order crossover, subsets by what both have), "one_point", "two_point" (over the order of the
-- decisions), "stage" (each copy of a repeated part as a whole), "node" (each node of the cells as a whole, inputs and ops, in all cells together).
-- Where the parents differ in an option, what is below it comes from the parent that has it.
function methods:crossover(a, b, rng, options)
  local operator, eta = options and options.operator or "uniform", options and options.eta
  local mask = MASKS[operator]
  if not mask then fail("%s", util.unknown("space:crossover", "operator", operator, util.sorted_keys(MASKS))) end
  local changed
  local child, altered = gate.produce(self, rng, function()
    local from_second, new = mask(self, rng), {}
    changed = {}
    for _, d in ipairs(self.decisions) do
      local name, own = d.name, a[d.name]
      local value
      if not d.active or d.active(new) then
        value = mixed(d, own, b[name], from_second(d, d.place), rng, operator, eta)
        if value == nil then value = d.domain:random(rng) end
        new[name] = value
      end
      if value ~= own and (value == nil or own == nil or not d.domain:equal(value, own)) then changed[#changed + 1] = name end
    end
    return new
  end)
  return child, altered and differences(self, a, child) or changed
end

-- Neighbours --------------------------------------------------------------------------------------------------------------------------

--- All allowed architectures one decision away. Numeric ranges of more than ten values give four Gaussian draws (s.d. 0.2 of the range) with a
-- generator and the two adjacent values without one. What becomes active is drawn, or without a generator set to its middle.
function methods:neighbours(arch, rng)
  local result = {}
  local function fill(domain) return rng and domain:random(rng) or domain:default() end
  for _, d in ipairs(eligible(self, arch, "default")) do
    for _, value in ipairs(d.domain:near(arch[d.name], rng)) do
      local new = copy_decisions(self, arch)
      new[d.name] = value
      local good = self:check(gate.complete(self, new, fill))
      if good then result[#result + 1] = good end
    end
  end
  return result
end

return vary
