--- The one gate: every architecture that leaves a space has passed here. It checks activity, domains and clauses, computes tied values, repairs
-- where a clause offers it, and looks through a space systematically when random draws do not get through.
local clause = require "vega.space.clause"
local condition = require "vega.space.condition"
local fail = require "vega.space.fail"
local text = require "vega.space.text"
local util = require "vega.util"

local gate = { methods = {} }
local methods = gate.methods

local TRIES = 1000            -- draws before the systematic search
local STEPS = 200000          -- decisions it may settle
local GLANCE = 20000          -- the same when clauses are stated

-- Tied values -------------------------------------------------------------------------------------------------------------------------

local function tied_value(space, entry, arch)
  if entry.active and not entry.active(arch) then return nil end
  local inputs = {}
  for i, source in ipairs(entry.sources) do
    inputs[i] = arch[source.name]
    if inputs[i] == nil then return nil end
  end
  if entry.what == "ref" then return inputs[1] end
  local value = entry.call(table.unpack(inputs))
  if value == nil then fail("space '%s': derived '%s' is nil; a value expected", space.name, entry.name) end
  return value
end

--- Adds the tied values to an architecture whose decisions are settled; returns it.
function gate.tie(space, arch)
  for _, entry in ipairs(space.tied) do arch[entry.name] = tied_value(space, entry, arch) end
  return arch
end

-- Checking ----------------------------------------------------------------------------------------------------------------------------

local function label_error(space, arch, name)
  local entry = space.by_name[name]
  if not entry then return util.unknown(("space '%s'"):format(space.name), "label", name, space.names) end
  local parent = entry.parent
  if parent and parent.decision then
    return ("space '%s': '%s' applies only when '%s' is '%s'; here it is '%s'"):format(space.name, name, parent.decision.name,
      tostring(parent.option), tostring(arch[parent.decision.name]))
  end
  return ("space '%s': '%s' does not apply here; it needs %s"):format(space.name, name, space:describe_guard(entry) or "its inputs")
end

-- A missing decision is often one whose name is misspelt: then that is said.
local function missing_error(space, config, d)
  local wrong
  for name in pairs(config) do
    if not space.by_name[name] and (not wrong or tostring(name) < tostring(wrong)) then wrong = name end
  end
  if wrong ~= nil then return label_error(space, {}, wrong) end
  return ("space '%s': '%s' is missing, %s expected"):format(space.name, d.name, d.domain:describe())
end

local function check_decisions(space, config)
  local arch = {}
  for _, d in ipairs(space.decisions) do
    if not d.active or d.active(arch) then
      local value = config[d.name]
      if value == nil then return nil, missing_error(space, config, d) end
      local proper = d.domain:accept(value)
      if proper == nil then
        return nil, ("space '%s': '%s' is %s, expected %s"):format(space.name, d.name, text.show(value), d.domain:describe())
      end
      arch[d.name] = proper
    end
  end
  return gate.tie(space, arch)
end

local function is_equal(a, b) return a == b or type(a) == "table" and text.canonical(a) == text.canonical(b) end

-- A label that does not belong, or a tied value that does not follow; of several the first by name.
local function check_rest(space, config, arch)
  local wrong
  for name, value in pairs(config) do
    if arch[name] == nil or space.by_name[name].what and not is_equal(value, arch[name]) then
      if not wrong or tostring(name) < tostring(wrong) then wrong = name end
    end
  end
  if wrong == nil then return nil end
  if arch[wrong] == nil then return label_error(space, arch, wrong) end
  local entry = space.by_name[wrong]
  return ("space '%s': '%s' is %s, but %s makes it %s"):format(space.name, wrong, text.show(config[wrong]),
    entry.what == "ref" and "'" .. entry.sources[1].name .. "'" or "its function", text.show(arch[wrong]))
end

-- Returns arch, or nil, message, code, repaired.
local function check(space, config)
  if type(config) ~= "table" then return nil, ("space '%s': a table expected, got %s"):format(space.name, type(config)), "EARG" end
  local arch, message = check_decisions(space, config)
  if not arch then return nil, message, "EARG" end
  message = check_rest(space, config, arch)
  if message then return nil, message, "EARG" end
  local broken, repaired = clause.violated(space, arch)
  if broken then
    return nil, ("space '%s': clause '%s' forbids this architecture"):format(space.name, broken.name), "EFORBIDDEN", repaired
  end
  return arch
end

--- Checks a configuration: a new table with only active decisions in their proper number types, tied values included; or nil, message, code.
-- Code "EARG": a label or value that is not of this space; "EFORBIDDEN": a clause is violated. Nothing is repaired.
function methods:check(config)
  local arch, message, code = check(self, config)
  return arch, message, code
end

-- As check, following the repairs that clauses offer.
local function repaired(space, config)
  local arch, message, code, better = check(space, config)
  for _ = 1, #space.clauses do
    if arch or not better then break end
    arch, message, code, better = check(space, better)
  end
  return arch, message, code
end

--- As check, but what a clause repairs is accepted, and a foreign label or value raises at the caller; a violated clause returns nil, message,
-- "EFORBIDDEN".
function methods:finish(config)
  local arch, message, code = repaired(self, config)
  if not arch and code == "EARG" then error(message, 2) end
  return arch, message, code
end

-- Producing ---------------------------------------------------------------------------------------------------------------------------

--- Keeps what `config` says where it applies and settles the rest by fill(domain). Without the tied values.
function gate.complete(space, config, fill)
  local arch = {}
  for _, d in ipairs(space.decisions) do
    if not d.active or d.active(arch) then
      local value = config[d.name]
      if value == nil then value = fill(d.domain) end
      arch[d.name] = value
    end
  end
  return arch
end

-- The architecture as it may leave, or nil; and the clause it broke.
local function pass(space, arch)
  gate.tie(space, arch)
  local broken, better = clause.violated(space, arch)
  if not broken then return arch end
  return better and repaired(space, better) or nil, broken
end

--- Draws until the clauses hold; draw() gives an architecture with its decisions settled. The second result is true when the first is no
-- draw as it was made, but repaired or found by searching.
function gate.produce(space, rng, draw)
  if #space.clauses == 0 then return gate.tie(space, draw()), false end
  local blame = {}
  for _ = 1, TRIES do
    local arch, broken = pass(space, draw())
    if arch then return arch, broken ~= nil end
    blame[broken] = (blame[broken] or 0) + 1
  end
  local found, complete = gate.search(space, rng, STEPS)
  if found then return found, true end
  local worst
  for _, each in ipairs(space.clauses) do if blame[each] and (not worst or blame[each] > blame[worst]) then worst = each end end
  fail("space '%s' %s empty: of %d draws %d break clause '%s'", space.name, complete and "is" or "appears", TRIES, blame[worst], worst.name)
end

-- The systematic search ---------------------------------------------------------------------------------------------------------------

-- Clauses by the decision after which they can be judged; `declared_only` leaves functions out.
local function clauses_due(space, declared_only)
  local due = {}
  for _, each in ipairs(space.clauses) do
    if not (declared_only and each.kind == "require") then
      due[each.due] = due[each.due] or {}
      table.insert(due[each.due], each)
    end
  end
  return due
end

local function holds_at(due, p, arch)
  for _, each in ipairs(due[p] or {}) do if each.holds(arch) ~= true then return false end end
  return true
end

-- The decisions the clauses depend on, those of conditions above them included; nil when it may be all.
local function relevant(due)
  local set = {}
  local function mark(d)
    if set[d] then return end
    set[d] = true
    if d.guard then condition.leaves(d.guard, function(leaf) mark(leaf.decision) end) end
  end
  for _, list in pairs(due) do
    for _, each in ipairs(list) do
      if not each.decisions then return nil end
      for _, d in ipairs(each.decisions) do mark(d) end
    end
  end
  return set
end

-- The values to try for a decision: all of a finite one, from a random place on; a few draws of a continuous one.
local function candidates(domain, rng, fixed)
  if fixed then return #fixed, function(i) return fixed[i] end end
  if not domain.size then
    return 3, function(i) return i == 1 and domain:default() or rng and domain:random(rng) or domain:from_unit(i / 3) end
  end
  local start = rng and rng:int(0, domain.size - 1) or 0
  return domain.size, function(i) return domain:at((start + i - 1) % domain.size + 1) end
end

-- Depth first, clauses judged as early as they can be. Returns an architecture; or nil and whether everything was tried.
local function descend(space, rng, budget, due, fixed)
  local arch, steps, complete, matters = {}, 0, true, relevant(due)
  local function settle(p)
    local d = space.decisions[p]
    if not d then
      gate.tie(space, arch)
      return holds_at(due, p, arch)
    end
    if d.active and not d.active(arch) then return not fixed[p] and holds_at(due, p, arch) and settle(p + 1) end
    if not d.domain.size and not fixed[p] and not (matters and not matters[d]) then complete = false end
    local n, value = candidates(d.domain, rng, fixed[p])
    if matters and not matters[d] then n = 1 end                -- no clause sees it: one value is as good as another
    for i = 1, n do
      steps = steps + 1
      if steps > budget then complete = false return false end
      arch[d.name] = value(i)
      if holds_at(due, p, arch) and settle(p + 1) then return true end
    end
    arch[d.name] = nil
    return false
  end
  if settle(1) then return arch, true end
  return nil, complete
end

-- Where there is a list of allowed combinations, its entries are the places to begin at.
local function beginnings(space)
  for _, each in ipairs(space.clauses) do
    if each.kind == "only" and each.countable then
      local list = {}
      for i, literals in ipairs(each.conjunctions) do
        list[i] = {}
        for _, literal in ipairs(literals) do list[i][literal.decision.place] = literal.values end
      end
      return list
    end
  end
  return { {} }
end

--- An allowed architecture, found by going through the space; or nil and true when there is none, nil and false when the budget was too small.
function gate.search(space, rng, budget, declared_only)
  local due, list, complete = clauses_due(space, declared_only), beginnings(space), true
  local start = rng and rng:int(0, #list - 1) or 0
  for i = 0, #list - 1 do
    local arch, all = descend(space, rng, math.max(budget // #list, 4 * #space.decisions), due, list[(start + i) % #list + 1])
    if arch then return arch, true end
    complete = complete and all
  end
  return nil, complete
end

--- Raises when the stated clauses leave nothing; says nothing when that is not quickly seen.
-- The clauses behind the first `kept` are then taken back, so that the space stays usable.
function gate.check_possible(space, kept)
  if #space.clauses == 0 then return end
  local found, complete = gate.search(space, nil, GLANCE, true)
  if found or not complete then return end
  local names = {}
  for i, each in ipairs(space.clauses) do names[i] = each.name end
  for i = #space.clauses, kept + 1, -1 do space.clauses[i] = nil end
  space.counted = nil
  fail("space '%s' is empty: its clauses contradict each other: %s", space.name, table.concat(names, "; "))
end

return gate
