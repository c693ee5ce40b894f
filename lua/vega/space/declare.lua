--- Declarations: what space.int, space.choice, space.repeated, ... return, and the builder that turns a tree of them into a flat draft.
-- The full name of a decision is the path of keys joined by dots; copies of a repeated part are numbered: "stages[2].block.conv.k".
--    builder:declare("width", space.int(16, 64))      or, the same,      builder:int("width", 16, 64)
local condition = require "vega.space.condition"
local domains = require "vega.space.domain"
local fail = require "vega.space.fail"
local text = require "vega.space.text"
local util = require "vega.util"

local declare = { constructors = {} }
local constructors = declare.constructors

local MOST_COPIES = 10000

local Declaration = {}
Declaration.__index = Declaration
local function new(what, fields)
  fields.what = what
  return setmetatable(fields, Declaration)
end

--- What a child may be: a declaration, a table of them by name, a space, or a function that is given a builder.
local function is_child(v) return type(v) == "table" or type(v) == "function" end

-- Constructors ------------------------------------------------------------------------------------------------------------------------

for _, kind in ipairs { "const", "bool", "int", "float", "normal", "ordinal", "subset", "sequence", "permutation" } do
  --- const(value), bool(), int(low, high, { step, log }), float(low, high, { step, log }), normal(mean, deviation, { low, high }), ordinal(list),
  -- subset(list, k), sequence(list, k), permutation(list): the domain of one decision.
  constructors[kind] = function(...) return new("domain", { domain = domains[kind](...) }) end
end

-- A list of values and sub-spaces; a sub-space is known by its place, or by its label in { label, sub-space }.
local function parse_list(options)
  local labels, below = {}, {}
  for i, option in ipairs(options) do
    local label = option
    if type(option) == "table" and getmetatable(option) == nil and type(option[1]) == "string" and is_child(option[2]) then
      label = option[1]
      below[label] = option[2]
    elseif is_child(option) then
      label = i
      below[label] = option
    end
    labels[i] = label
  end
  return labels, below
end

--- choice { "a", "b" }, choice { conv = { k = ... }, skip = {} }, choice { { k = ... }, "none" }; weights as { weights = ... } behind it, or in
-- the list.
function constructors.choice(options, extra)
  if type(options) ~= "table" then fail("space: choice: a table of options expected, got %s", type(options)) end
  local labels, below
  if #options > 0 then
    for key in pairs(options) do
      if key ~= "weights" and math.type(key) ~= "integer" then
        fail("space: choice: a list of options and the key '%s' do not go together", tostring(key))
      end
    end
    labels, below = parse_list(options)
    extra = extra or (options.weights and { weights = options.weights })
  else
    labels, below = util.sorted_keys(options), options
    for _, label in ipairs(labels) do
      if not is_child(below[label]) then
        fail("space: choice: option '%s' is a %s, a table of decisions expected", tostring(label), type(below[label]))
      end
    end
  end
  return new("choice", { domain = domains.choice(labels, extra), below = below })
end

--- repeated(child, 3): copies [1] to [3]; repeated(child, space.int(1, 3)): the name itself is the depth, copies beyond it are inactive.
function constructors.repeated(child, count)
  if not is_child(child) then fail("space: repeated: a space or a decision expected, got %s", type(child)) end
  if math.type(count) == "integer" then
    if count < 0 or count > MOST_COPIES then fail("space: repeated: 0 to %d copies expected, got %d", MOST_COPIES, count) end
    return new("repeated", { child = child, most = count })
  end
  local domain = getmetatable(count) == Declaration and count.what == "domain" and count.domain
  if not domain or not domain.size or domain.size > MOST_COPIES then
    fail("space: repeated: the number of copies must be a whole number, space.int or space.ordinal, got %s", type(count))
  end
  local least, most = math.huge, 0
  for i = 1, domain.size do
    local n = domain:at(i)
    if math.type(n) ~= "integer" or n < 0 or n > MOST_COPIES then
      fail("space: repeated: 0 to %d copies expected, got %s", MOST_COPIES, text.show(n))
    end
    least, most = math.min(least, n), math.max(most, n)
  end
  return new("repeated", { child = child, domain = domain, least = least, most = most })
end

-- The condition under which copy i is active.
local function deep_enough(full, domain, i)
  if domain.kind == "int" then return condition.ge(full, i) end
  local enough = {}
  for k = 1, domain.size do if domain:at(k) >= i then enough[#enough + 1] = domain:at(k) end end
  return condition.is_in(full, enough)
end

--- The same value as another decision.
function constructors.ref(name)
  if type(name) ~= "string" then fail("space: ref: the name of a decision expected, got %s", type(name)) end
  return new("ref", { inputs = { name } })
end

--- derived(fn, { "a", "b" }): fn(value of a, value of b); absent while an input is.
function constructors.derived(fn, inputs)
  if type(fn) ~= "function" and type(fn) ~= "string" then
    fail("space: derived: a function or the name of a registered one expected, got %s", type(fn))
  end
  if type(inputs) ~= "table" or #inputs == 0 then fail("space: derived: a list of the names of its inputs expected") end
  return new("derived", { fn = fn, inputs = inputs })
end

--- when(condition, child): the child is active only where the condition holds.
function constructors.when(c, child)
  if not is_child(child) then fail("space: when: a space or a decision expected behind the condition, got %s", type(child)) end
  return new("when", { condition = condition.check(c), child = child })
end

--- A constructor for a part that is written with others: expand(builder, options) declares them, and returns what it knows of them (or nil).
function declare.macro(expand, check)
  --- A cell: several decisions from one table of options; vega.space.cell, edge_dag and vertex_dag are described in space/cell.lua.
  return function(options)
    return new("macro", { expand = expand, options = check and check(options) or options })
  end
end

-- The builder -------------------------------------------------------------------------------------------------------------------------

local Builder = {}
Builder.__index = Builder

local function inner(self, changes)
  return setmetatable({ draft = self.draft, outer = self, prefix = changes.prefix or self.prefix, guard = changes.guard or self.guard,
    parent = changes.parent or self.parent, stage = changes.stage or self.stage,
    follows = changes.follows or self.follows }, Builder)
end

--- A builder of a new draft: { name =, raw = decisions, tied =, by_name =, repeats =, cells =, clauses = }.
function declare.builder(name)
  local draft = { name = name, raw = {}, tied = {}, by_name = {}, repeats = {}, cells = {}, clauses = {} }
  return setmetatable({ draft = draft, prefix = "" }, Builder)
end

-- A decision stated twice with the same domain is one decision, active where either is.
local function share(self, known, entry)
  local was, is = known.domain and known.domain:describe() or known.what, entry.domain and entry.domain:describe() or entry.what
  if was ~= is or not entry.domain then
    fail("space '%s': decision '%s' is stated twice, as %s and as %s", self.draft.name, entry.name, was, is)
  end
  known.guard = known.guard and entry.guard and (known.guard | entry.guard) or nil
  return known
end

local function add(self, list, entry)
  entry.guard, entry.parent, entry.stage, entry.follows, entry.scope = self.guard, self.parent, self.stage, self.follows, self
  local known = self.draft.by_name[entry.name]
  if known then return share(self, known, entry) end
  self.draft.by_name[entry.name] = entry
  list[#list + 1] = entry
  return entry
end

local place = {}

local function place_child(self, full, child)
  if getmetatable(child) == Declaration then return place[child.what](self, full, child) end
  local group = inner(self, { prefix = full .. "." })
  if type(child) == "function" then child(group) else group:declare_all(child) end
end

function place.domain(self, full, d) return add(self, self.draft.raw, { name = full, domain = d.domain }) end

function place.choice(self, full, d)
  local decision = add(self, self.draft.raw, { name = full, domain = d.domain })
  for _, option in ipairs(d.domain.values) do
    local child = d.below[option]
    if child then
      local guard = condition.eq(full, option)
      place_child(inner(self, { guard = guard, parent = { decision = decision, option = option } }), full .. "." .. tostring(option), child)
    end
  end
end

place["repeated"] = function(self, full, d)
  local depth = d.domain and add(self, self.draft.raw, { name = full, domain = d.domain })
  if depth then table.insert(self.draft.repeats, { name = full, most = d.most, least = d.least }) end
  for i = 1, d.most do
    local copy = ("%s[%d]"):format(full, i)
    local changes = { stage = self.stage or copy, follows = depth }
    if depth and i > d.least then changes.guard = deep_enough(full, d.domain, i) end
    place_child(inner(self, changes), copy, d.child)
  end
end

function place.when(self, full, d)
  place_child(inner(self, { guard = condition.both(self.guard, condition.scoped(d.condition, self)) }), full, d.child)
end

function place.ref(self, full, d) add(self, self.draft.tied, { name = full, what = "ref", inputs = d.inputs }) end
function place.derived(self, full, d) add(self, self.draft.tied, { name = full, what = "derived", inputs = d.inputs, fn = d.fn }) end

function place.macro(self, full, d)
  local cell = d.expand(inner(self, { prefix = full .. "." }), d.options)
  if cell then self.draft.cells[full] = cell end
end

--- States one decision or part under a name.
function Builder:declare(name, child)
  if type(name) ~= "string" or name == "" or name:find "%c" then
    fail("space '%s': the name of a decision must be a text without control characters, got %s", self.draft.name, text.show(name))
  end
  if not is_child(child) then fail("space '%s': '%s' is no decision; use space.int, space.choice, ...", self.draft.name, name) end
  place_child(self, self.prefix .. name, child)
  return self
end

--- States all entries of a table, by name in byte order, or what a space was declared with, its clauses included.
function Builder:declare_all(declared)
  if declared.nested_in then return declared:nested_in(self) end
  for _, name in ipairs(util.sorted_keys(declared)) do self:declare(name, declared[name]) end
  return self
end

--- States what fn(builder) states, or a table of decisions, under the condition.
function Builder:when(c, child)
  local guarded = inner(self, { guard = condition.both(self.guard, condition.scoped(condition.check(c), self)) })
  if type(child) == "function" then child(guarded) else guarded:declare_all(child) end
  return self
end

--- A clause as the methods of a space of the same name take it, here with names as seen from this builder.
function Builder:clause(kind, ...)
  table.insert(self.draft.clauses, { kind = kind, arguments = table.pack(...), scope = self })
  return self
end
for _, kind in ipairs { "forbid", "forbid_relation", "only", "require" } do
  Builder[kind] = function(self, ...) return self:clause(kind, ...) end
end

--- The decision or tied name that `name` means here: the nearest one, from the inside out.
function declare.lookup(scope, by_name, name)
  while scope do
    local found = by_name[scope.prefix .. name]
    if found then return found end
    scope = scope.outer
  end
  return by_name[name]
end

--- The same, or an error that says who asked: `where` is a space or a draft.
function declare.find(where, scope, name, who)
  local entry = declare.lookup(scope, where.by_name, tostring(name))
  if entry then return entry end
  local known = util.sorted_keys(where.by_name)
  local near = util.nearest(name, known)
  local hint = near and ("; did you mean '%s'?"):format(near) or #known <= 20 and (" (known: %s)"):format(table.concat(known, ", ")) or ""
  fail("space '%s': %s names '%s', which is no decision%s", where.name, who, tostring(name), hint)
end

--- builder:int("width", 16, 64) and the like: one method for each constructor that has none of its own.
function declare.add_methods()
  for kind, make in pairs(constructors) do
    if not Builder[kind] then Builder[kind] = function(self, name, ...) return self:declare(name, make(...)) end end
  end
end

return declare
