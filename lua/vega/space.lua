--- Search spaces: what may be chosen, compiled to one list of decisions.
--    local space = require "vega.space"
--    local s = space { lr = space.float(1e-4, 1e-1, { log = true }), opt = space.choice { sgd = { momentum = space.float(0, 1) }, adam = {} } }
--    local arch = s:random(rng)        -- { lr = 0.003, opt = "sgd", ["opt.sgd.momentum"] = 0.7 }
-- A part inside another is a table of decisions, or a space with clauses of its own, which then must not look at names outside of it.
-- An architecture is a flat table from the full name of a decision to its value; a decision that is not active is absent. Every producer of
-- architectures ends in one gate (space/gate.lua). The language, by file of lua/vega/space/: domain (values of one decision), declare (nesting,
-- repeats, ties), condition, clause, cell; and what a space can do: sample, vary, count, encode, print, store.
local compile = require "vega.space.compile"
local condition = require "vega.space.condition"
local clause = require "vega.space.clause"
local declare = require "vega.space.declare"
local fail = require "vega.space.fail"
local functions = require "vega.space.functions"
local gate = require "vega.space.gate"
local recorder = require "vega.space.recorder"
local store = require "vega.space.store"
local cells = require "vega.space.cell"
local util = require "vega.util"

local Space = {}
Space.__index = Space

for _, part in ipairs { "count", "encode", "gate", "print", "sample", "store", "vary" } do
  for name, method in pairs(require("vega.space." .. part).methods) do Space[name] = method end
end
declare.add_methods()

Space.__tostring = Space.describe

--- Runs build with a concrete architecture: `net` also answers choice, subset, width, depth, kernel with the chosen value.
function Space:construct(net, arch)
  if not self.build then error(("space '%s' describes no network: it has no build function"):format(self.name), 2) end
  local good, message = self:check(arch)
  if not good then error(message, 2) end
  return self.build(recorder.settle(net, good), good)
end

--- The stand-alone network of an architecture, with first weights from `seed` (default 1). `input` is the shape of one sample. @return graph
function Space:network(arch, input, classes, seed)
  return require("vega.nn").network(input, function(net) return self:construct(net, arch) end, { seed = seed or 1, classes = classes })
end

-- States this space inside another one: its decisions and clauses, under the builder's prefix and condition.
function Space:nested_in(builder)
  if type(self.declared) == "function" then self.declared(builder)
  elseif self.declared then builder:declare_all(self.declared)
  else fail("space '%s' cannot be nested: it was not declared with choices", self.name) end
  for _, each in ipairs(self.stated) do builder:clause(each.kind, table.unpack(each.arguments, 1, each.arguments.n)) end
end

--- space:forbid { a = 1, b = { 2, 3 } }; space:forbid_relation("a", "<", "b"); space:require(fn, { name = }); space:only { { a = 1, b = 2 }, ... }:
-- adds a clause (see space/clause.lua) and returns the space, so that clauses follow a definition in a chain.
for _, kind in ipairs(clause.kinds) do
  Space[kind] = function(self, ...)
    local kept = #self.clauses
    clause.add(self, kind, nil, ...)
    gate.check_possible(self, kept)
    table.insert(self.stated, { kind = kind, arguments = table.pack(...) })
    return self
  end
end

-- The module --------------------------------------------------------------------------------------------------------------------------

local space = { Space = Space, register = functions.register }

for kind, make in pairs(declare.constructors) do space[kind] = make end
for op, make in pairs(condition.comparisons) do space[op] = make end

-- From a filled builder to a space.
local function finish(self, builder)
  local draft = builder.draft
  for _, entry in ipairs(draft.tied) do
    if entry.what == "derived" then entry.call, entry.registered = functions.find(entry.fn, "derived") end
  end
  compile(self, draft)
  for _, each in ipairs(draft.clauses) do clause.add(self, each.kind, each.scope, table.unpack(each.arguments, 1, each.arguments.n)) end
  gate.check_possible(self, 0)
  return self
end

local function new(spec)
  return setmetatable({ name = spec.name or "space", build = spec.build, build_name = functions.name_of[spec.build], input = spec.input,
    about = spec.about, declared = spec.choices, clauses = {}, stated = {} }, Space)
end

local OPTIONS = { name = true, choices = true, build = true, forbid = true, require = true, only = true, input = true, about = true, cells = true }

local function clauses_of(spec)
  local list = {}
  for _, literals in ipairs(spec.forbid or {}) do list[#list + 1] = { "forbid", literals } end
  if spec.only then list[#list + 1] = { "only", spec.only } end
  if spec.require then list[#list + 1] = { "require", spec.require } end
  return list
end

--- define { name =, choices = a table of declared decisions or function(builder) ... end, build = function(net, arch) ... end, forbid = { ... },
-- only = { ... }, require = fn, input = shape, cells = { name = { nodes =, ops =, edge = fn } or { kind = "cell", nodes =, ops = } } }.
-- Without choices, build is run once with a recorder that collects what it decides. `cells` says which recorded decisions form an edge_dag or a cell.
function space.define(spec)
  util.check_options("space.define", spec, OPTIONS, 2)
  local self, builder = new(spec), declare.builder(spec.name or "space")
  if type(spec.choices) == "function" then spec.choices(builder)
  elseif spec.choices then builder:declare_all(spec.choices)
  elseif spec.build then recorder.run(spec.build, builder)
  else error(("space '%s': neither choices nor build is given"):format(self.name), 2) end
  for _, each in ipairs(clauses_of(spec)) do
    builder:clause(table.unpack(each))
    table.insert(self.stated, { kind = each[1], arguments = table.pack(table.unpack(each, 2)) })
  end
  finish(self, builder)
  for _, name in ipairs(util.sorted_keys(spec.cells or {})) do self.cells[name] = cells.describe(self, name, spec.cells[name]) end
  return self
end

--- The space that space:save() described. Registered functions are looked up by name.
function space.load(saved)
  store.check(saved)
  local self, builder = new { name = saved.name, about = saved.about, build = saved.build and functions.find(saved.build, "load") },
    declare.builder(saved.name)
  store.restore(builder, saved)
  finish(self, builder)
  for _, each in ipairs(saved.cells or {}) do self.cells[each.name] = cells.restore(each) end
  return self
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
  local known = {}
  for i, file in ipairs(require("vega.core").sys.list(root .. "searchspaces") or {}) do known[i] = file:gsub("%.lua$", "") end
  local near = util.nearest(name, known)
  error(("space '%s' is not found%s; looked for %s"):format(name, near and ("; did you mean '%s'?"):format(near) or "", table.concat(places, ", ")), 3)
end

local function from_file(name)
  local path, sandbox = find(name), require "vega.sandbox"
  local result = sandbox.space(path)
  if getmetatable(result) ~= Space then error(("%s does not return a space made by space.define"):format(path), 3) end
  if result.build then result.build = sandbox.guard(path, result.build) end
  return result
end

-- Options of define, or at once the decisions? A key of define that holds what only define takes decides.
local function is_spec(t)
  return type(t.choices) == "function" or type(t.build) == "function" or type(t.choices) == "table" and getmetatable(t.choices) == nil
end

--- vega.space "mobile_tiny": the space that a file of searchspaces/ (or a path ending in .lua) returns.
-- vega.space { lr = space.float(...), ... }: a space of these decisions; with the keys of define, the same as define.
return setmetatable(space, { __call = function(_, what)
  if type(what) == "string" then return from_file(what) end
  if type(what) ~= "table" then fail("vega.space: a name or a table of decisions expected, got %s", type(what)) end
  if is_spec(what) then return space.define(what) end
  return space.define { choices = what }
end })
