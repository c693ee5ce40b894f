--- Draws: one or many architectures by either measure, encoded rows, all members in order or shuffled.
-- "per_decision": each decision drawn where it becomes active, by weights and scales (what most tools do).
-- "uniform": every architecture of a finite space as likely as any other.
-- The draw of all decisions is one call into C; see src/base/sample.h.
local core = require("vega.core").space
local count = require "vega.space.count"
local fail = require "vega.space.fail"
local gate = require "vega.space.gate"
local util = require "vega.util"

local sample = { methods = {} }
local methods = sample.methods

-- The sampler -------------------------------------------------------------------------------------------------------------------------

local GUARD = { ["and"] = 1, ["or"] = 2, ["not"] = 3 }
local GUARD_DEPTH = 64        -- VG_GUARD_DEPTH of sample.h
local WIDEST = 1 << 53        -- an index is a double there

-- A condition as a postfix program; returns how many values it holds at once.
local function emit_guard(flat, node)
  if node.a then
    local depth = emit_guard(flat, node.a)
    if node.b then depth = math.max(depth, 1 + emit_guard(flat, node.b)) end
    table.move({ GUARD[node.op], 0, 0, 0 }, 1, 4, #flat.guards + 1, flat.guards)
    return depth
  end
  local from_zero = node.decision.domain.size and 1 or 0     -- places count from 1 here, from 0 in C
  table.move({ 0, node.decision.place, #flat.intervals // 2, #node.intervals }, 1, 4, #flat.guards + 1, flat.guards)
  for _, piece in ipairs(node.intervals) do
    table.insert(flat.intervals, piece[1] - from_zero)
    table.insert(flat.intervals, piece[2] - from_zero)
  end
  return 1
end

local function add_cumulative(flat, domain)
  local at, sum = #flat.cumulative, 0.0
  for _, w in ipairs(domain.weights or domain.cumulative) do
    sum = domain.weights and sum + w or w
    table.insert(flat.cumulative, sum)
  end
  return at
end

-- How each kind of domain is drawn.
local DRAW = {}
function DRAW.listed(domain, flat)
  if domain.weights then return { kind = "weighted", n = domain.size, cumulative = add_cumulative(flat, domain) } end
  return { kind = "index", n = domain.size }
end
DRAW.const, DRAW.bool, DRAW.choice, DRAW.ordinal = DRAW.listed, DRAW.listed, DRAW.listed, DRAW.listed

function DRAW.int(domain)
  return { kind = domain.log and "log_step" or "index", n = domain.size, lo = domain.lo, step = domain.step, base = domain.lo,
    integer_step = domain.step }
end

function DRAW.float(domain)
  if domain.size then return { kind = domain.log and "log_step" or "index", n = domain.size, lo = domain.lo, step = domain.step } end
  return { kind = domain.log and "log_float" or "float", lo = domain.lo, hi = domain.hi }
end

function DRAW.normal(domain)
  return { kind = domain.log and "log_normal" or "normal", mean = domain.mean, sd = domain.sd, lo = domain.low, hi = domain.high }
end

function DRAW.subset(domain, flat)
  return { kind = "subset", n = domain.n, low = domain.min, high = domain.max, cumulative = add_cumulative(flat, domain) }
end
function DRAW.sequence(domain) return { kind = "sequence", n = domain.n, high = domain.k } end
function DRAW.permutation(domain) return { kind = "permutation", n = domain.n } end

local LISTS = { subset = true, sequence = true, permutation = true }

-- The C sampler of a space; false where a domain or condition is too large for it.
local function new_sampler(space)
  local flat = { draws = {}, names = {}, values = {}, guards = {}, intervals = {}, cumulative = {} }
  for i, d in ipairs(space.decisions) do
    local draw = DRAW[d.domain.kind](d.domain, flat)
    if (draw.n or 1) >= WIDEST then return false end
    if d.guard then
      draw.guard = #flat.guards // 4
      if emit_guard(flat, d.guard) > GUARD_DEPTH then return false end
      draw.guard_length = #flat.guards // 4 - draw.guard
    end
    flat.draws[i], flat.names[i], flat.values[i] = draw, d.name, d.domain.values or false
    space.has_lists = space.has_lists or LISTS[d.domain.kind] or false
  end
  return core.sampler(flat)
end

local function sampler_of(space)
  if space.sampler == nil then space.sampler = new_sampler(space) end
  return space.sampler
end

-- The engine's generator inside `rng`; strategies hold theirs in a table with the field `inner`.
local function engine_rng(rng)
  if type(rng) == "table" then rng = rng.inner end
  return type(rng) == "userdata" and rng or nil
end

--- All decisions drawn, clauses not looked at, tied values missing.
function methods:draw(rng)
  local sampler, inner = sampler_of(self), engine_rng(rng)
  if sampler and inner then return sampler:draw(inner) end
  return gate.complete(self, {}, function(domain) return domain:random(rng) end)
end

-- Architectures ------------------------------------------------------------------------------------------------------------------------

local MEASURES = { per_decision = true, uniform = true }

-- From one of the allowed combinations; drawn again where an earlier one matches too, so that overlaps count once.
local function draw_allowed(space, rng, entries)
  while true do
    local at = rng:int(1, #entries)
    local fixed = {}
    for _, literal in ipairs(entries[at]) do fixed[literal.decision.name] = rng:pick(literal.values) end
    for name, value in pairs(sample.parents(space, fixed)) do fixed[name] = value end
    local arch = gate.complete(space, fixed, function(domain) return domain:random(rng) end)
    local first
    for i, literals in ipairs(entries) do
      local all = true
      for _, literal in ipairs(literals) do all = all and literal.matches(arch) end
      if all then first = i break end
    end
    if first == at then return arch end
    if not first then return arch end                         -- conditions do not let the entry be; the gate refuses it
  end
end

-- The choices above the named decisions.
function sample.parents(space, fixed)
  local above = {}
  for _, name in ipairs(util.sorted_keys(fixed)) do
    local parent = space.by_name[name].parent
    while parent and parent.decision do
      above[parent.decision.name] = parent.option
      parent = parent.decision.parent
    end
  end
  return above
end

local function allowed_entries(space)
  for _, each in ipairs(space.clauses) do if each.kind == "only" and each.countable then return each.conjunctions end end
end

local function measure_of(options)
  local measure = options and options.measure or "per_decision"
  if not MEASURES[measure] then fail("%s", util.unknown("space: random", "measure", measure, { "per_decision", "uniform" })) end
  return measure
end

--- One architecture. options.measure: "per_decision" (default) or "uniform".
function methods:random(rng, options)
  if #self.clauses == 0 and #self.tied == 0 and not options then return self:draw(rng) end
  local entries = allowed_entries(self)
  local draw
  if measure_of(options) == "uniform" then draw = function() return count.draw_uniform(self, rng) end
  elseif entries then draw = function() return draw_allowed(self, rng, entries) end
  else draw = function() return self:draw(rng) end end
  return (gate.produce(self, rng, draw))
end

--- n architectures in a list; with options.encoded, n lists of numbers as encode gives them (much faster for large n).
function methods:sample(n, rng, options)
  if options then util.check_options("space:sample", options, { measure = true, encoded = true }, 2) end
  if math.type(n) ~= "integer" or n < 0 then fail("space:sample: a number of draws expected, got %s", tostring(n)) end
  local encoded, measure, inner = options and options.encoded, measure_of(options), engine_rng(rng)
  local sampler = sampler_of(self)
  if encoded and inner and sampler and not self.has_lists and #self.clauses == 0 and measure == "per_decision" then return sampler:rows(n, inner) end
  local list, each = {}, options and { measure = measure } or nil
  for i = 1, n do
    local arch = self:random(rng, each)
    list[i] = encoded and self:encode(arch) or arch
  end
  return list
end

-- Members -----------------------------------------------------------------------------------------------------------------------------

--- The architecture at a place, 1 to size (clauses are not looked at).
function methods:unrank(index)
  if not self.size or math.type(index) ~= "integer" or index < 1 or index > self.size then
    fail("space '%s' has no member %s", self.name, tostring(index))
  end
  return gate.tie(self, count.unrank(self, index))
end

--- Where the i-th place goes in a shuffled order named by key, a whole number: drawing without replacement, without memory.
function methods:shuffled(i, key)
  if not self.size then fail("space '%s' cannot be shuffled: it is continuous or too large", self.name) end
  return core.permute(i, self.size, key)
end

--- Iterates over all allowed architectures of a finite space: for i, arch in space:members { shuffle = key, from = 1 } do ... end
-- `i` counts places, so that i + 1 as `from` goes on where a loop was left.
function methods:members(options)
  options = options or {}
  util.check_options("space:members", options, { shuffle = true, from = true }, 2)
  if not self.size then fail("space '%s' cannot be listed: it is continuous or too large", self.name) end
  local i = (options.from or 1) - 1
  return function()
    while i < self.size do
      i = i + 1
      local arch = self:check(self:unrank(options.shuffle and self:shuffled(i, options.shuffle) or i))
      if arch then return i, arch end
    end
  end
end

return sample
