--- Spaces as plain data: save, load, and the difference between two of them.
local condition = require "vega.space.condition"
local domains = require "vega.space.domain"
local fail = require "vega.space.fail"
local text = require "vega.space.text"
local util = require "vega.util"

local store = { methods = {} }
local methods = store.methods

local VERSION = 2

-- Functions appear by their registered name; signature() is content with a mark where there is none, save() is not.
local function function_name(registered, strict, who, space)
  if registered or not strict then return registered or "(function)" end
  fail("space '%s': save: %s is a function without a name; give it one with space.register(name, fn)", space.name, who)
end

local function save_clause(space, each, strict)
  local saved = { kind = each.kind, arguments = util.copy(each.saved), prefix = each.prefix }
  if each.kind == "require" then
    saved.arguments[1] = function_name(each.registered, strict, ("clause '%s'"):format(each.name), space)
    saved.arguments[2] = saved.arguments[2] or (not each.registered and { name = each.name } or nil)
  end
  return saved
end

local function save_tied(space, entry, strict)
  local saved = { name = entry.name, what = entry.what, inputs = {}, guard = entry.guard and condition.save(entry.guard) }
  for i, source in ipairs(entry.sources) do saved.inputs[i] = source.name end
  if entry.what == "derived" then saved.fn = function_name(entry.registered, strict, ("derived '%s'"):format(entry.name), space) end
  return saved
end

local function save_decision(d)
  local parent = d.parent and d.parent.decision and { d.parent.decision.name, d.parent.option } or nil
  return { name = d.name, domain = d.domain:save(), guard = d.guard and condition.save(d.guard), stage = d.stage, parent = parent,
    follows = d.follows and d.follows.name }
end

-- Functions inside the options of a cell are rebuilt from its prefix, so they need not be kept; a cell described by hand cannot be.
local function save_cell(space, name, cell, strict)
  local options = {}
  for key, value in pairs(cell.options) do
    if type(value) == "function" then function_name(nil, strict, ("the naming of cell '%s'"):format(name), space)
    else options[key] = util.copy(value) end
  end
  return { name = name, kind = cell.kind, options = options }
end

local function save(space, strict)
  local saved = { version = VERSION, name = space.name, about = space.about, decisions = {}, tied = {}, clauses = {},
    repeats = util.copy(space.repeats), cells = {} }
  for i, d in ipairs(space.decisions) do saved.decisions[i] = save_decision(d) end
  for i, entry in ipairs(space.tied) do saved.tied[i] = save_tied(space, entry, strict) end
  for i, each in ipairs(space.clauses) do saved.clauses[i] = save_clause(space, each, strict) end
  for i, name in ipairs(util.sorted_keys(space.cells)) do saved.cells[i] = save_cell(space, name, space.cells[name], strict) end
  if space.build then saved.build = function_name(space.build_name, strict, "build", space) end
  return saved
end

--- The space as plain data, from which space.load makes an equal one. Functions (require, derived, build) are saved by their registered name, see
-- space.register; one without a name raises.
function methods:save() return save(self, true) end

--- As save, but functions without a name are marked "(function)": what identifies a space, for comparing and for diff.
function methods:signature() return save(self, false) end

-- Loading -----------------------------------------------------------------------------------------------------------------------------

local function load_entry(builder, entry)
  entry.scope = builder
  entry.guard = entry.guard and condition.load(entry.guard) or nil
  builder.draft.by_name[entry.name] = entry
  return entry
end

--- Fills a builder with what save() wrote.
function store.restore(builder, saved)
  local draft = builder.draft
  for i, d in ipairs(saved.decisions) do
    draft.raw[i] = load_entry(builder, { name = d.name, domain = domains.load(d.domain), guard = d.guard, stage = d.stage })
  end
  for i, d in ipairs(saved.decisions) do
    draft.raw[i].follows = d.follows and draft.by_name[d.follows]
    if d.parent then draft.raw[i].parent = { decision = draft.by_name[d.parent[1]], option = d.parent[2] } end
  end
  for i, entry in ipairs(saved.tied or {}) do
    draft.tied[i] = load_entry(builder, { name = entry.name, what = entry.what, inputs = entry.inputs, guard = entry.guard, fn = entry.fn })
  end
  draft.repeats = util.copy(saved.repeats or {})
  for i, each in ipairs(saved.clauses or {}) do
    local scope = each.prefix and each.prefix ~= "" and setmetatable({ prefix = each.prefix }, { __index = builder }) or builder
    draft.clauses[i] = { kind = each.kind, arguments = table.pack(table.unpack(each.arguments, 1, 3)), scope = scope }
  end
end

function store.check(saved)
  if type(saved) ~= "table" or type(saved.decisions) ~= "table" then fail("space.load: what space:save() returned expected, got %s", type(saved)) end
  if saved.version ~= VERSION then fail("space.load: version %d expected, got %s", VERSION, tostring(saved.version)) end
end

-- Differences -------------------------------------------------------------------------------------------------------------------------

-- Does domain a have every value of b?
local function covers(a, b)
  if a.kind ~= b.kind then return false end
  if a.values and b.values then
    for _, v in ipairs(b.values) do if not a.place[v] then return false end end
    return (a.min or 0) <= (b.min or 0) and (a.max or 0) >= (b.max or 0) and (a.k or 0) == (b.k or 0)
  end
  if a.kind == "normal" then return a.mean == b.mean and a.sd == b.sd and a.log == b.log and a.lo <= b.lo and a.hi >= b.hi end
  if a.log ~= b.log then return false end
  if a.size and b.size then                                      -- values are a grid: compare its ends and its meshes
    return a:index(b:at(1)) ~= nil and a:index(b:at(b.size)) ~= nil and (b.size == 1 or a:index(b:at(2)) ~= nil)
  end
  return not a.size and a.lo <= b.lo and a.hi >= (b.size and b:at(b.size) or b.hi)
end

local function entries_of(signature)
  local by_name = {}
  for _, d in ipairs(signature.decisions) do by_name[d.name] = d end
  for _, entry in ipairs(signature.tied or {}) do by_name[entry.name] = entry end
  return by_name
end

local function compare_entry(old, new)
  local same_rest = text.show(old.guard or {}) == text.show(new.guard or {})
  if not old.domain or not new.domain then return text.show(old) == text.show(new) and "same" or "changed" end
  if text.show(old.domain) == text.show(new.domain) then return same_rest and "same" or "changed" end
  local a, b = domains.load(old.domain), domains.load(new.domain)
  if not same_rest then return "changed" end
  local grows, shrinks = covers(b, a), covers(a, b)
  if grows and not shrinks then return "widened" elseif shrinks and not grows then return "narrowed" end
  return "changed"
end

local function compare_clauses(old, new)
  local count, added, removed = {}, {}, {}
  for _, each in ipairs(old.clauses or {}) do count[text.show(each)] = (count[text.show(each)] or 0) + 1 end
  for _, each in ipairs(new.clauses or {}) do
    local key = text.show(each)
    if (count[key] or 0) > 0 then count[key] = count[key] - 1 else added[#added + 1] = key end
  end
  for _, key in ipairs(util.sorted_keys(count)) do for _ = 1, count[key] do removed[#removed + 1] = key end end
  return added, removed
end

--- What changed from this space to another one (or to what its save or signature returned): lists of names `added`, `removed`, `widened` (all
-- old values remain), `narrowed`, `changed`, and of clauses `clauses_added`, `clauses_removed`; and `same`, true when all are empty.
function methods:diff(other)
  local old, new = self:signature(), other.decisions and other.signature and other:signature() or other
  store.check(new)
  local result = { added = {}, removed = {}, widened = {}, narrowed = {}, changed = {} }
  local before, after = entries_of(old), entries_of(new)
  for _, name in ipairs(util.sorted_keys(before)) do
    local how = after[name] and compare_entry(before[name], after[name]) or "removed"
    if how ~= "same" then table.insert(result[how], name) end
  end
  for _, name in ipairs(util.sorted_keys(after)) do if not before[name] then table.insert(result.added, name) end end
  result.clauses_added, result.clauses_removed = compare_clauses(old, new)
  result.same = true
  for _, list in pairs(result) do if type(list) == "table" and #list > 0 then result.same = false end end
  return result
end

return store
