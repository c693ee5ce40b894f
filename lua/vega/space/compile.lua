--- From a draft to a compiled space: names in conditions looked up, decisions in an order in which conditions look back only.
local condition = require "vega.space.condition"
local count = require "vega.space.count"
local declare = require "vega.space.declare"
local fail = require "vega.space.fail"

local function by_name(a, b) return a.name < b.name end

local function names_of(list)
  local names = {}
  for i, entry in ipairs(list) do names[i] = entry.name end
  return names
end

-- Tied values -------------------------------------------------------------------------------------------------------------------------

-- Puts what a tied value is made from before it; a circle of them is an error that names it.
local function order_tied(draft)
  local ordered, state, path = {}, {}, {}
  local function visit(entry)
    if state[entry] == "done" then return end
    path[#path + 1] = entry.name
    if state[entry] then fail("space '%s': tied values form a cycle: %s", draft.name, table.concat(path, " needs ")) end
    state[entry] = "open"
    for _, source in ipairs(entry.sources) do if source.what then visit(source) end end
    state[entry], path[#path] = "done", nil
    ordered[#ordered + 1] = entry
  end
  table.sort(draft.tied, by_name)
  for _, entry in ipairs(draft.tied) do
    entry.sources = {}
    for i, name in ipairs(entry.inputs) do entry.sources[i] = declare.find(draft, entry.scope, name, ("%s '%s'"):format(entry.what, entry.name)) end
  end
  for _, entry in ipairs(draft.tied) do visit(entry) end
  return ordered
end

-- Conditions --------------------------------------------------------------------------------------------------------------------------

-- A condition on a ref looks at what it refers to.
local function decision_for(draft, name, leaf)
  local entry = declare.find(draft, leaf.scope, name, ("condition '%s'"):format(condition.describe(leaf)))
  while entry.what == "ref" and not entry.guard do entry = entry.sources[1] end
  if entry.what then
    fail("space '%s': condition '%s' looks at '%s', which is %s; a condition needs a decision", draft.name, condition.describe(leaf), entry.name,
      entry.what == "ref" and "a ref with a condition of its own" or "derived")
  end
  return entry
end

local function resolve_guards(draft, entries)
  for _, entry in ipairs(entries) do
    if entry.guard then
      entry.guard = condition.resolve(entry.guard, function(name, leaf) return decision_for(draft, name, leaf) end)
      entry.active = condition.test(entry.guard)
    end
  end
end

-- What must be settled before d: what its condition looks at; for a copy of a repeated part also the depth, so that copies stand together.
local function controllers_of(d)
  local list, seen = { d.follows }, { [d.follows or false] = true }
  if d.guard then
    condition.leaves(d.guard, function(leaf)
      if not seen[leaf.decision] then seen[leaf.decision], list[#list + 1] = true, leaf.decision end
    end)
  end
  return list
end

local function cycle_error(draft, stuck)
  local path, at, seen = {}, stuck, {}
  while not seen[at] do
    seen[at], path[#path + 1] = #path + 1, at
    local next_one
    for _, other in ipairs(controllers_of(at)) do if not other.place then next_one = next_one or other end end
    at = next_one
  end
  local names = names_of(table.move(path, seen[at], #path, 1, {}))
  names[#names + 1] = at.name
  fail("space '%s': conditions form a cycle: '%s'", draft.name, table.concat(names, "' depends on '"))
end

-- In byte order of the names, except that a decision is followed at once by those that waited for it only. (The order by names alone
-- would let conditions look ahead; this one also keeps few decisions open at a time, which is what exact counting lives on.)
local function order_decisions(draft)
  local ordered, waiting, followers = {}, {}, {}
  table.sort(draft.raw, by_name)
  for _, d in ipairs(draft.raw) do
    local controllers = controllers_of(d)
    waiting[d] = #controllers
    for _, c in ipairs(controllers) do
      followers[c] = followers[c] or {}
      table.insert(followers[c], d)
    end
  end
  local function emit(d)
    ordered[#ordered + 1] = d
    d.place = #ordered
    for _, follower in ipairs(followers[d] or {}) do
      waiting[follower] = waiting[follower] - 1
      if waiting[follower] == 0 then emit(follower) end
    end
  end
  for _, d in ipairs(draft.raw) do if not d.place and waiting[d] == 0 then emit(d) end end
  for _, d in ipairs(draft.raw) do if not d.place then cycle_error(draft, d) end end
  return ordered
end

--- Fills `space` from the draft: decisions, names (sorted), by_name, tied, repeats, cells, size, bits, finite.
return function(space, draft)
  space.tied = order_tied(draft)
  resolve_guards(draft, draft.raw)
  resolve_guards(draft, space.tied)
  space.decisions = order_decisions(draft)
  space.names = names_of(space.decisions)
  table.sort(space.names)
  space.by_name, space.repeats, space.cells = draft.by_name, draft.repeats, draft.cells
  count.measure(space)
  return space
end
