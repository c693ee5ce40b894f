--- Clauses: what no architecture may be (forbid, forbid_relation), must be (require), or may be alone (only).
-- A compiled clause has kind, name, holds(arch) -> boolean or a repaired architecture, and due: the place of the decision after which it can be
-- judged. Clauses that are conjunctions of literals over decisions can be counted; they keep those literals as intervals.
local declare = require "vega.space.declare"
local fail = require "vega.space.fail"
local functions = require "vega.space.functions"
local text = require "vega.space.text"
local util = require "vega.util"

local clause = { kinds = { "forbid", "forbid_relation", "only", "require" } }

local function is_plain(entry) return not entry.what end

-- Literals ----------------------------------------------------------------------------------------------------------------------------

-- The values a literal allows: one, or a list of them. A list is first taken as one value of a list-valued decision.
local function accepted(space, entry, value, who)
  local domain = entry.domain
  local one = domain:accept(value)
  if one ~= nil then return { one } end
  local list = {}
  for i, v in ipairs(type(value) == "table" and value or {}) do list[i] = domain:accept(v) end
  if type(value) ~= "table" or #list == 0 or #list ~= #value then
    fail("space '%s': %s: '%s' cannot be %s, it is %s", space.name, who, entry.name, text.show(value), domain:describe())
  end
  return list
end

local function intervals_of(entry, values)
  local list = {}
  for i, v in ipairs(values) do
    local index = v
    if entry.domain.bits < math.huge then index = entry.domain:index(v) end
    if not index then return nil end                        -- a domain too large to number its values
    list[i] = { index, index }
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

-- { decision, values, intervals, matches = function(arch) }
local function literal(space, scope, name, value, who)
  local entry = declare.find(space, scope, name, who)
  while entry.what == "ref" and not entry.guard do entry = entry.sources[1] end
  if not is_plain(entry) then                               -- a derived value: any plain value may be named
    local values = type(value) == "table" and value or { value }
    return { entry = entry, values = values, matches = function(arch)
      for _, v in ipairs(values) do if arch[entry.name] == v then return true end end
      return false
    end }
  end
  local values, domain = accepted(space, entry, value, who), entry.domain
  local single = #values == 1 and type(values[1]) ~= "table" and values[1]
  return { entry = entry, decision = entry, values = values, intervals = intervals_of(entry, values), matches = function(arch)
    local v = arch[entry.name]
    if single then return v == single end
    if v == nil then return false end
    for _, each in ipairs(values) do if domain:equal(v, each) then return true end end
    return false
  end }
end

local function literals_of(space, scope, config, who)
  if type(config) ~= "table" or next(config) == nil then fail("space '%s': %s: a table { name = value } expected", space.name, who) end
  local list = {}
  for i, name in ipairs(util.sorted_keys(config)) do list[i] = literal(space, scope, name, config[name], who) end
  return list
end

local function match_all(literals, arch)
  for _, each in ipairs(literals) do if not each.matches(arch) then return false end end
  return true
end

local function show_literals(literals)
  local parts = {}
  for i, each in ipairs(literals) do
    parts[i] = each.entry.name .. " = " .. (#each.values == 1 and text.show(each.values[1]) or text.show(each.values))
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local function save_literals(literals)
  local saved = {}
  for _, each in ipairs(literals) do saved[each.entry.name] = #each.values == 1 and each.values[1] or each.values end
  return saved
end

local function due_of(space, literals)
  local due = 0
  for _, each in ipairs(literals) do due = math.max(due, each.decision and each.decision.place or #space.decisions + 1) end
  return due
end

-- The decisions a clause looks at; nil where it looks at more than can be said.
local function decisions_of(entries)
  local list = {}
  for i, entry in ipairs(entries) do
    if entry.what then return nil end
    list[i] = entry
  end
  return list
end

local function entries_of(literals)
  local list = {}
  for i, each in ipairs(literals) do list[i] = each.entry end
  return list
end

local function is_countable(literals)
  for _, each in ipairs(literals) do if not each.intervals then return false end end
  return true
end

-- The clauses -------------------------------------------------------------------------------------------------------------------------

local make = {}

-- { a = 1, b = { 2, 3 } }: no architecture in which all of these decisions are active and have one of the values.
function make.forbid(space, scope, config)
  local literals = literals_of(space, scope, config, "forbid")
  return { name = "forbid " .. show_literals(literals), due = due_of(space, literals), countable = is_countable(literals),
    decisions = decisions_of(entries_of(literals)), conjunctions = { literals }, saved = { save_literals(literals) },
    holds = function(arch) return not match_all(literals, arch) end }
end

local RELATIONS = {
  ["<"] = function(a, b) return a < b end, ["<="] = function(a, b) return a <= b end,
  ["=="] = function(a, b) return a == b end, ["~="] = function(a, b) return a ~= b end,
  [">"] = function(a, b) return a > b end, [">="] = function(a, b) return a >= b end,
}

local function is_numeric(entry)
  if not is_plain(entry) then return true end
  local domain = entry.domain
  if domain.kind == "int" or domain.kind == "float" or domain.kind == "normal" then return true end
  for _, v in ipairs(domain.values) do if type(v) ~= "number" then return false end end
  return domain.kind ~= "subset" and domain.kind ~= "sequence" and domain.kind ~= "permutation"
end

-- ("a", "<", "b"): no architecture in which both are active and a < b.
function make.forbid_relation(space, scope, a, op, b)
  if not RELATIONS[op] then fail("space '%s': forbid_relation: one of <, <=, ==, ~=, >, >= expected, got %s", space.name, tostring(op)) end
  local left, right = declare.find(space, scope, a, "forbid_relation"), declare.find(space, scope, b, "forbid_relation")
  for _, entry in ipairs { left, right } do
    if not is_numeric(entry) then fail("space '%s': forbid_relation: '%s' is no number but %s", space.name, entry.name, entry.domain:describe()) end
  end
  local related, place = RELATIONS[op], #space.decisions + 1
  if is_plain(left) and is_plain(right) then place = math.max(left.place, right.place) end
  return { name = ("forbid %s %s %s"):format(left.name, op, right.name), due = place, saved = { left.name, op, right.name },
    decisions = decisions_of { left, right },
    holds = function(arch)
      local x, y = arch[left.name], arch[right.name]
      return x == nil or y == nil or not related(x, y)
    end }
end

-- A clause of a space that is nested in another sees and repairs its own part only, and only where that part is active.
local function nested(scope, holds)
  if not scope or scope.prefix == "" then return holds end
  local prefix, n = scope.prefix, #scope.prefix
  return function(arch)
    local part = {}
    for name, value in pairs(arch) do if name:sub(1, n) == prefix then part[name:sub(n + 1)] = value end end
    if next(part) == nil then return true end
    local answer = holds(part)
    if type(answer) ~= "table" then return answer end
    local whole = {}
    for name, value in pairs(arch) do if name:sub(1, n) ~= prefix then whole[name] = value end end
    for name, value in pairs(answer) do whole[prefix .. name] = value end
    return whole
  end
end

-- (fn, { name = }): fn(arch) must be true; it may instead return a repaired architecture. fn may be the name of a registered function.
function make.require(space, scope, fn, options)
  local name = options and options.name
  if options then util.check_options("space:require", options, { name = true }, 3) end
  local registered
  fn, registered = functions.find(fn, "require")
  return { name = name or registered or "require", due = #space.decisions + 1, holds = nested(scope, fn), fn = fn, registered = registered,
    prefix = scope and scope.prefix ~= "" and scope.prefix or nil, saved = { registered, name and { name = name } or nil } }
end

-- { { a = 1, b = 2 }, ... }: one of these must match.
function make.only(space, scope, list)
  if type(list) ~= "table" or #list == 0 then fail("space '%s': only: a list of at least one { name = value } expected", space.name) end
  local entries, saved, countable, seen = {}, {}, true, {}
  for i, config in ipairs(list) do
    entries[i] = literals_of(space, scope, config, ("only #%d"):format(i))
    saved[i], countable = save_literals(entries[i]), countable and is_countable(entries[i])
    table.move(entries_of(entries[i]), 1, #entries[i], #seen + 1, seen)
  end
  local index = clause.index(entries)
  local holds = index and function(arch) return index(arch) end or function(arch)
    for _, literals in ipairs(entries) do if match_all(literals, arch) then return true end end
    return false
  end
  local scoped = nested(scope, function() return false end)   -- true where the part is not active
  return { name = "only", due = #space.decisions + 1, countable = countable and not (scope and scope.prefix ~= ""), conjunctions = entries,
    decisions = decisions_of(seen), prefix = scope and scope.prefix ~= "" and scope.prefix or nil, saved = { saved },
    holds = function(arch) return holds(arch) or scoped(arch) end }
end

-- A set of the allowed combinations, where every entry gives one value to the same plain decisions; then membership is one look-up.
function clause.index(entries)
  local names, set = {}, {}
  for i, each in ipairs(entries[1]) do names[i] = each.entry end
  local function key_of(value_of)
    local parts = {}
    for i, entry in ipairs(names) do
      local v = value_of(i, entry)
      if v == nil then return nil end
      parts[i] = text.canonical(v)
    end
    return table.concat(parts, "|")
  end
  for _, literals in ipairs(entries) do
    if #literals ~= #names then return nil end
    for i, each in ipairs(literals) do
      if each.entry ~= names[i] or not each.decision or #each.values ~= 1 then return nil end
    end
    set[key_of(function(i) return literals[i].values[1] end)] = true
  end
  return function(arch)
    local key = key_of(function(_, entry) return arch[entry.name] end)
    return key ~= nil and set[key] == true
  end
end

--- Compiles a clause and adds it; an equal one is kept once.
function clause.add(space, kind, scope, ...)
  local new = make[kind](space, scope, ...)
  new.kind = kind
  if kind ~= "require" then
    for _, known in ipairs(space.clauses) do
      if known.kind == kind and text.show(known.saved) == text.show(new.saved) then return end
    end
  end
  table.insert(space.clauses, new)
  space.counted = nil
end

--- The first clause an architecture violates, and a repaired architecture where the clause offers one.
function clause.violated(space, arch)
  for _, each in ipairs(space.clauses) do
    local answer = each.holds(arch)
    if not answer then return each elseif type(answer) == "table" then return each, answer end
  end
end

return clause
