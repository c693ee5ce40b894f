--- Search spaces: what may be chosen, compiled to one sorted list of decisions.
--    local space = require "vega.space"
--    local s = space.define { name = "lr", choices = function(c) c:float("lr", 1e-4, 1e-1, { log = true }) c:choice("opt", { "sgd", "adam" }) end }
--    local arch = s:random(rng)        -- { lr = 0.003, opt = "sgd" }
-- An architecture is a flat table from the full name of a decision to its value. A decision below an option that was not chosen is absent.
-- Every producer of architectures ends in Space:finish, the one gate.
local core_hash = require("vega.core").hash
local domains = require "vega.space.domain"
local recorder = require "vega.space.recorder"
local util = require "vega.util"

local Space = {}
Space.__index = Space

local TRIES = 1000            -- random draws before a space is searched from end to end
local ENUMERABLE = 1000000    -- spaces up to this size are searched so

-- Declaring ---------------------------------------------------------------------------------------------------------------------------

local Builder = {}
Builder.__index = Builder

local function add(builder, name, domain)
  local full = builder.prefix .. name
  local known = builder.space.by_name[full]
  if known then
    if known.domain:describe() ~= domain:describe() then
      error(("space '%s': decision '%s' is stated twice, as %s and as %s"):format(builder.space.name, full, known.domain:describe(), domain:describe()), 3)
    end
    return known                                  -- the same name and domain: one shared decision
  end
  local decision = { name = full, domain = domain, parent = builder.parent }
  builder.space.by_name[full] = decision
  table.insert(builder.level, decision)
  return decision
end

for _, kind in ipairs { "const", "bool", "int", "float", "ordinal", "subset" } do
  Builder[kind] = function(self, name, ...)
    add(self, name, domains[kind](name, ...))
    return self
  end
end

local function declare_level(builder, declared)
  for _, name in ipairs(util.sorted_keys(declared)) do
    local spec = declared[name]
    if type(spec) ~= "table" or not spec.kind then error(("space: '%s' is no decision; use space.int, space.choice, ..."):format(name), 0) end
    Builder[spec.kind](builder, name, table.unpack(spec, 1, spec.n))
  end
end

--- One of a list of plain values, or of a table from option to what is decided below it (a table of declared decisions, or a function).
function Builder:choice(name, options)
  local values, below
  if #options > 0 then
    values, below = options, {}
  else
    values = util.sorted_keys(options)
    below = options
  end
  local decision = add(self, name, domains.choice(name, values))
  for _, option in ipairs(values) do
    local child = below[option]
    if child and not (decision.below and decision.below[option]) then
      decision.below = decision.below or {}
      decision.below[option] = {}
      local builder = setmetatable({ space = self.space, prefix = ("%s%s.%s."):format(self.prefix, name, option),
        parent = { decision = decision, option = option }, level = decision.below[option] }, Builder)
      if type(child) == "function" then child(builder) else declare_level(builder, child) end
    end
  end
  return self
end

--- No architecture may have all of these values: { name = value, ... }.
function Builder:forbid(clause)
  table.insert(self.space.clauses, { forbid = clause })
  return self
end

--- fn(arch) must be true.
function Builder:require(fn, options)
  table.insert(self.space.clauses, { test = fn, name = options and options.name or "require" })
  return self
end

-- Compiling ---------------------------------------------------------------------------------------------------------------------------

local function multiply(a, b)
  if not a or not b or (b ~= 0 and a > math.maxinteger // b) then return nil end
  return a * b
end

local level_size

-- The number of ways to settle a decision and all below it: exact integer or nil, and log2 (inf for a continuous one).
local function decision_size(d)
  if not d.below then return d.domain.size, d.domain.size and math.log(d.domain.size, 2) or math.huge end
  local exact, sum = 0, 0.0
  for i = 1, d.domain.size do
    local level = d.below[d.domain:at(i)]
    local n, bits = 1, 0.0
    if level then n, bits = level_size(level) end
    exact = exact and n and exact <= math.maxinteger - n and exact + n or nil
    sum = sum + 2.0 ^ bits
  end
  return exact, math.log(sum, 2)
end

function level_size(level)
  local exact, bits = 1, 0.0
  for _, d in ipairs(level) do
    local n, b = decision_size(d)
    exact, bits = multiply(exact, n), bits + b
  end
  return exact, bits
end

local function by_name(a, b) return a.name < b.name end

local function sort_levels(level)
  table.sort(level, by_name)
  for _, d in ipairs(level) do
    if d.below then for _, option in ipairs(util.sorted_keys(d.below)) do sort_levels(d.below[option]) end end
  end
end

local function compile(space)
  sort_levels(space.level)
  local list = {}
  for _, d in pairs(space.by_name) do list[#list + 1] = d end
  table.sort(list, by_name)                       -- a name is longer than its parent's, so parents come first
  space.decisions, space.names = list, {}
  for i, d in ipairs(list) do space.names[i] = d.name end
  space.size, space.bits = level_size(space.level)
  space.finite = space.bits < math.huge
  return space
end

-- Using -------------------------------------------------------------------------------------------------------------------------------

local function is_active(d, arch)
  return not d.parent or arch[d.parent.decision.name] == d.parent.option
end

local function violated(space, arch)
  for i, clause in ipairs(space.clauses) do
    if clause.test then
      if not clause.test(arch) then return clause.name end
    else
      local all = true
      for name, value in pairs(clause.forbid) do all = all and arch[name] == value end
      if all then return "forbid #" .. i end
    end
  end
end

local function label_error(space, arch, name)
  local d = space.by_name[name]
  if d then
    local parent = d.parent
    return ("space '%s': '%s' applies only when '%s' is '%s'; here it is '%s'"):format(space.name, name, parent.decision.name,
      tostring(parent.option), tostring(arch[parent.decision.name]))
  end
  local names = {}
  for i, each in ipairs(space.decisions) do names[i] = each.name end
  return util.unknown(("space '%s'"):format(space.name), "label", name, names)
end

--- Checks a configuration: a new table with only active decisions in their proper number types; or nil, message, code.
-- Code "EARG": a label or value that is not of this space; "EFORBIDDEN": a clause is violated.
function Space:check(config)
  if type(config) ~= "table" then return nil, ("space '%s': a table expected, got %s"):format(self.name, type(config)), "EARG" end
  local arch = {}
  for _, d in ipairs(self.decisions) do
    if is_active(d, arch) then
      local value = config[d.name]
      if value == nil then return nil, ("space '%s': '%s' is missing, %s expected"):format(self.name, d.name, d.domain:describe()), "EARG" end
      local proper = d.domain:accept(value)
      if proper == nil then
        return nil, ("space '%s': '%s' is %s, expected %s"):format(self.name, d.name, domains.show(value), d.domain:describe()), "EARG"
      end
      arch[d.name] = proper
    end
  end
  local foreign
  for name in pairs(config) do
    if arch[name] == nil and (not foreign or tostring(name) < tostring(foreign)) then foreign = name end
  end
  if foreign ~= nil then return nil, label_error(self, arch, foreign), "EARG" end
  local clause = violated(self, arch)
  if clause then return nil, ("space '%s': clause '%s' forbids this architecture"):format(self.name, clause), "EFORBIDDEN" end
  return arch
end

--- As check, but a foreign label or value raises at the caller; a violated clause returns nil, message, "EFORBIDDEN".
function Space:finish(config)
  local arch, message, code = self:check(config)
  if not arch and code == "EARG" then error(message, 2) end
  return arch, message, code
end

-- Keeps what `config` says where it still applies and draws the rest.
local function complete(space, config, rng)
  local arch = {}
  for _, d in ipairs(space.decisions) do
    if is_active(d, arch) then
      local value = config[d.name]
      if value == nil then value = d.domain:random(rng) end
      arch[d.name] = value
    end
  end
  return arch
end

local function first_allowed(space, rng)
  if space.size and space.size <= ENUMERABLE then
    local start = rng:int(0, space.size - 1)
    for i = 0, space.size - 1 do
      local arch = space:check(space:unrank((start + i) % space.size + 1))
      if arch then return arch end
    end
  end
  error(("space '%s' appears empty: no draw passes clause '%s'"):format(space.name, tostring(violated(space, complete(space, {}, rng)))), 3)
end

-- Draws until the clauses hold. `draw` gives a complete architecture.
local function gated(space, rng, draw)
  if #space.clauses == 0 then return draw() end
  for _ = 1, TRIES do
    local arch = draw()
    if not violated(space, arch) then return arch end
  end
  return first_allowed(space, rng)
end

--- One architecture, each active decision uniform.
function Space:random(rng)
  return gated(self, rng, function() return complete(self, {}, rng) end)
end

local function eligible(space, arch)
  local list = {}
  for _, d in ipairs(space.decisions) do
    if arch[d.name] ~= nil and d.domain.size ~= 1 then list[#list + 1] = d end
  end
  return list
end

local function copy(arch)
  local new = {}
  for name, value in pairs(arch) do new[name] = value end
  return new
end

--- A mutated copy and the list of changed names. Without options one decision changes ("point"); with { rate = p } each active decision
-- with probability p, and at least one. Decisions below a changed one are dropped and drawn anew.
function Space:mutate(arch, rng, options)
  local rate = options and options.rate
  local list, changed = eligible(self, arch), nil
  if #list == 0 then return copy(arch), {} end
  local result = gated(self, rng, function()
    local new = copy(arch)
    changed = {}
    local function change(d)
      new[d.name] = d.domain:other(rng, arch[d.name])
      changed[#changed + 1] = d.name
    end
    for _, d in ipairs(list) do if rate and rng:uniform() < rate then change(d) end end
    if #changed == 0 then change(list[rng:int(1, #list)]) end
    return complete(self, new, rng)
  end)
  return result, changed
end

--- A child that has each decision from one of two parents; continuous ones are blended (simulated binary crossover, index 15).
function Space:crossover(a, b, rng)
  return gated(self, rng, function()
    local child = {}
    for _, d in ipairs(self.decisions) do
      if is_active(d, child) then
        local va, vb = a[d.name], b[d.name]
        if va == nil then va = vb end
        if vb == nil then vb = va end
        if va == nil then child[d.name] = d.domain:random(rng)
        elseif d.domain.blend and va ~= vb then child[d.name] = d.domain:blend(rng, va, vb)
        else child[d.name] = rng:uniform() < 0.5 and va or vb end
        if child[d.name] == nil then child[d.name] = vb end             -- `va` was false
      end
    end
    return child
  end)
end

--- All architectures one decision away (finite decisions; continuous ones give four draws when a generator is passed).
function Space:neighbours(arch, rng)
  local result = {}
  for _, d in ipairs(eligible(self, arch)) do
    for i = 1, d.domain.size or (rng and 4 or 0) do
      local new = copy(arch)
      new[d.name] = d.domain.size and d.domain:at(i) or d.domain:other(rng, arch[d.name])
      if not d.domain:equal(new[d.name], arch[d.name]) then
        if d.below then for name in pairs(arch) do if name:sub(1, #d.name + 1) == d.name .. "." then new[name] = nil end end end
        local first = d.below and d.below[new[d.name]]
        if first and rng then new = complete(self, new, rng) end
        local good = (not first or rng) and self:check(new)
        if good then result[#result + 1] = good end
      end
    end
  end
  return result
end

local rank_level, unrank_level

local function rank_decision(d, arch)
  local index = d.domain:index(arch[d.name])
  if not d.below then return index - 1 end
  local offset = 0
  for i = 1, index - 1 do
    local level = d.below[d.domain:at(i)]
    offset = offset + (level and level_size(level) or 1)
  end
  local level = d.below[arch[d.name]]
  return offset + (level and rank_level(level, arch) or 0)
end

function rank_level(level, arch)
  local r = 0
  for _, d in ipairs(level) do r = r * decision_size(d) + rank_decision(d, arch) end
  return r
end

local function unrank_decision(d, r, arch)
  if not d.below then
    arch[d.name] = d.domain:at(r + 1)
    return
  end
  for i = 1, d.domain.size do
    local option = d.domain:at(i)
    local level = d.below[option]
    local n = level and level_size(level) or 1
    if r < n then
      arch[d.name] = option
      if level then unrank_level(level, r, arch) end
      return
    end
    r = r - n
  end
end

function unrank_level(level, r, arch)
  for i = #level, 1, -1 do
    local n = decision_size(level[i])
    unrank_decision(level[i], r % n, arch)
    r = r // n
  end
end

--- The place of an architecture among all of a finite space, 1 to size (clauses not counted).
function Space:rank(arch)
  if not self.size then error(("space '%s' cannot be ranked: it is continuous or too large"):format(self.name), 2) end
  return rank_level(self.level, arch) + 1
end

--- The architecture at a place.
function Space:unrank(index)
  if not self.size or index < 1 or index > self.size then error(("space '%s' has no member %s"):format(self.name, tostring(index)), 2) end
  local arch = {}
  unrank_level(self.level, index - 1, arch)
  return arch
end

--- One line a decision, in byte order of the names; equal texts are equal architectures.
function Space:canonical(arch) return core_hash.canonical(self.names, arch) end

--- FNV-1a (64 bit) of the canonical text, 16 hexadecimal digits.
function Space:hash(arch) return core_hash.architecture(self.names, arch) end

--- A list of numbers in [0, 1], one a decision, -1 for an inactive one; and the list of activity.
function Space:encode(arch)
  local x, active = {}, {}
  for i, d in ipairs(self.decisions) do
    local value = arch[d.name]
    active[i] = value ~= nil
    x[i] = value == nil and -1 or d.domain:unit(value)
  end
  return x, active
end

--- The architecture at a point of the unit cube: a list of numbers, one a decision; those of inactive decisions are ignored.
-- decode(encode(arch)) is arch for finite decisions. Returns nil, message, code where a number is missing or a clause is violated.
function Space:decode(x)
  local arch = {}
  for i, d in ipairs(self.decisions) do
    if is_active(d, arch) then
      local u = x[i]
      if type(u) ~= "number" or u ~= u then
        return nil, ("space '%s': decode: '%s' (number %d) is %s, a number in [0, 1] expected"):format(self.name, d.name, i, tostring(u)), "EARG"
      end
      arch[d.name] = d.domain:from_unit(u)
    end
  end
  return self:check(arch)
end

--- What the space is, as plain data: stored beside a study to notice a changed space.
function Space:save()
  local list = {}
  for i, d in ipairs(self.decisions) do
    local below = d.parent and d.parent.decision.name .. "=" .. tostring(d.parent.option) or nil
    list[i] = { name = d.name, domain = d.domain:describe(), below = below }
  end
  local clauses = {}
  for i, clause in ipairs(self.clauses) do clauses[i] = clause.name or domains.show(clause.forbid) end
  return { version = 1, name = self.name, decisions = list, clauses = clauses }
end

function Space:__tostring()
  local lines = {}
  for _, d in ipairs(self.decisions) do
    local when = d.parent and (" when %s = %s"):format(d.parent.decision.name, tostring(d.parent.option)) or ""
    lines[#lines + 1] = ("%s: %s%s"):format(d.name, d.domain:describe(), when)
  end
  lines[#lines + 1] = ("space '%s', %s"):format(self.name, self.size and self.size .. " architectures"
    or self.finite and ("2^%.1f architectures"):format(self.bits) or "continuous")
  return table.concat(lines, "\n")
end

--- Runs build with a concrete architecture: `net` also answers choice, subset, width, depth, kernel with the chosen value.
function Space:construct(net, arch)
  if not self.build then error(("space '%s' describes no network: it has no build function"):format(self.name), 2) end
  local good = self:check(arch)
  if not good then error(select(2, self:check(arch)), 2) end
  return self.build(recorder.settle(net, good), good)
end

--- The stand-alone network of an architecture, with first weights from `seed` (default 1). `input` is the shape of one sample. @return graph
function Space:network(arch, input, classes, seed)
  return require("vega.nn").network(input, function(net) return self:construct(net, arch) end, { seed = seed or 1, classes = classes })
end

-- The module --------------------------------------------------------------------------------------------------------------------------

local space = { Space = Space }

for _, kind in ipairs { "const", "bool", "int", "float", "ordinal", "subset", "choice" } do
  --- space.int(1, 8), space.choice { ... }: a declared decision, named by its key in the table given to define.
  space[kind] = function(...) return { kind = kind, n = select("#", ...), ... } end
end

--- define { name =, choices = function(s) ... end or a table of declared decisions, build = function(net, arch) ... end, forbid = { ... } }.
-- Without choices, build is run once with a recorder that collects what it decides.
function space.define(spec)
  util.check_options("space.define", spec, { name = true, choices = true, build = true, forbid = true, require = true, input = true, about = true }, 2)
  local self = setmetatable({ name = spec.name or "space", build = spec.build, input = spec.input, about = spec.about,
    by_name = {}, level = {}, clauses = {} }, Space)
  local builder = setmetatable({ space = self, prefix = "", level = self.level }, Builder)
  if type(spec.choices) == "function" then spec.choices(builder)
  elseif spec.choices then declare_level(builder, spec.choices)
  elseif spec.build then recorder.run(spec.build, builder)
  else error(("space '%s': neither choices nor build is given"):format(self.name), 2) end
  for _, clause in ipairs(spec.forbid or {}) do builder:forbid(clause) end
  if spec.require then builder:require(spec.require) end
  return compile(self)
end

local function find(name)
  local root = debug.getinfo(1, "S").source:match("^@(.*)lua/vega/space%.lua$") or "./"
  local places = name:find("%.lua$") and { name } or { root .. "searchspaces/" .. name .. ".lua", "searchspaces/" .. name .. ".lua" }
  for _, path in ipairs(places) do
    local file = io.open(path, "r")
    if file then
      file:close()
      return path
    end
  end
  error(("space '%s' is not found; looked for %s"):format(name, table.concat(places, ", ")), 3)
end

--- vega.space "mobile_tiny": the space that a file of searchspaces/ (or a path ending in .lua) returns.
return setmetatable(space, { __call = function(_, name)
  if type(name) ~= "string" then return space.define(name) end
  local path = find(name)
  local chunk, message = loadfile(path)
  if not chunk then error(message, 2) end
  local result = chunk()
  if getmetatable(result) ~= Space then error(("%s does not return a space made by space.define"):format(path), 2) end
  return result
end })
