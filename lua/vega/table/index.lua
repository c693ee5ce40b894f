--- From architectures to the rows of a table: the space its columns span, and the rows of each member.
local fail = require("vega.table.frame").fail
local space = require "vega.space"

local index = {}

local ENUMERABLE = 1000000    -- a space up to this size may be filled in part; what the table lacks is then forbidden

local function distinct(frame, name)
  local values, seen, list = frame:column(name), {}, {}
  for _, row in ipairs(frame.rows) do
    local v = values[row]
    if v == nil or v == "" then
      fail("EFORMAT", "table %s: row %d, column '%s' is empty; a decision needs a value in each row", frame.source, row, name)
    end
    local kind, first = type(v), type(list[1] == nil and v or list[1])
    if kind ~= first then fail("EFORMAT", "table %s: row %d, column '%s': a %s among %ss", frame.source, row, name, kind, first) end
    if not seen[v] then
      seen[v] = true
      list[#list + 1] = v
    end
  end
  table.sort(list, function(a, b) if type(a) == "boolean" then return not a and b end return a < b end)
  return list
end

-- What a column without a declared domain may hold: its values; what lies between them only where other rows answer for it.
local function infer(frame, name, lookup)
  local list = distinct(frame, name)
  if #list == 1 then return space.const(list[1]) end
  if type(list[1]) ~= "number" then return space.choice(list) end
  if lookup == "exact" then return space.ordinal(list) end
  for _, v in ipairs(list) do if not math.tointeger(v) then return space.float(list[1], list[#list]) end end
  return space.int(list[1], list[#list])
end

--- The space of a table: `given` is one, or lists columns ("depth") and declares others (lr = space.float(1e-4, 1)).
function index.space(frame, given, lookup, name, allowed)
  if getmetatable(given) == space.Space then return given end
  local choices = {}
  for key, value in pairs(given) do
    if math.type(key) == "integer" then
      if type(value) ~= "string" then fail("EARG", "table '%s': space: the name of a column expected, got a %s", name, type(value)) end
      choices[value] = infer(frame, value, lookup)
    else
      choices[key] = value
    end
  end
  if not next(choices) then fail("EARG", "table '%s': space names no column", name) end
  return space.define { name = name, choices = choices, require = lookup == "exact" and allowed or nil }
end

-- How a row states its architecture, when nothing else is said: a column a decision, empty where it does not apply.
local function by_columns(frame, target)
  local columns = {}
  for _, d in ipairs(target.decisions) do columns[d.name] = frame:column(d.name) end
  return function(row)
    local arch = {}
    for name, values in pairs(columns) do
      local v = values[row]
      if v ~= "" then arch[name] = v end
    end
    return arch
  end
end

local function by_function(frame, arch)
  local at
  local view = setmetatable({}, { __index = function(_, name) return frame:column(name)[at] end })
  return function(row)
    at = row
    return arch(view)
  end
end

--- The members in the order of their first rows: { arch =, rows = { [level] = rows } }, and the map from canonical text to member.
-- level_of(row) is the number of the row's fidelity. arch: nil or the function that reads an architecture from a row.
function index.members(frame, target, arch, level_of)
  local members, by_text = {}, {}
  local read = arch and by_function(frame, arch) or by_columns(frame, target)
  for _, row in ipairs(frame.rows) do
    local good, message = target:check(read(row))
    if not good then fail("EFORMAT", "table %s: row %d: %s", frame.source, row, message) end
    local text = target:canonical(good)
    local member = by_text[text]
    if not member then
      member = { arch = good, rows = {} }
      members[#members + 1], by_text[text] = member, member
    end
    local level = level_of(row)
    member.rows[level] = member.rows[level] or {}
    table.insert(member.rows[level], row)
  end
  return members, by_text
end

--- Raises when exact look-up cannot work: too little of the space is in the table.
function index.check_cover(target, members, name)
  if target.size == #members then return end
  if not target.size or target.size > ENUMERABLE then
    fail("EARG", "table '%s': it holds %d architectures of a space with %s; lookup = \"nearest\" or \"interpolate\" answers for the others", name,
      #members, target.size or "no end")
  end
end

local NOMINAL = { choice = true, bool = true, const = true }

-- Squared distances from x to each of the points; unordered values and inactive decisions are 0 or 1 apart.
local function distances(x, points, nominal)
  local result = {}
  for k, p in ipairs(points) do
    local sum = 0.0
    for i = 1, #x do
      local a, b = x[i], p[i]
      if a ~= b then
        if nominal[i] or a < 0 or b < 0 then sum = sum + 1 else sum = sum + (a - b) * (a - b) end
      end
    end
    result[k] = sum
  end
  return result
end

-- The places of the n least of a list, least first; of equals the earlier.
local function least(list, n)
  local places = {}
  for i, v in ipairs(list) do
    local at = #places + 1
    while at > 1 and v < list[places[at - 1]] do at = at - 1 end
    if at <= n then
      table.insert(places, at, i)
      places[n + 1] = nil
    end
  end
  return places
end

--- A function from an architecture to the n members nearest in the unit cube, as { member =, weight = }: weights are the inverse squared distances,
-- their sum is 1 (Shepard 1968, doi:10.1145/800186.810616).
function index.neighbours(target, members, n)
  local points, nominal = {}, {}
  for i, member in ipairs(members) do points[i] = target:encode(member.arch) end
  for i, d in ipairs(target.decisions) do nominal[i] = NOMINAL[d.domain.kind] or false end
  return function(arch)
    local apart = distances(target:encode(arch), points, nominal)
    local found, sum = {}, 0.0
    for i, place in ipairs(least(apart, n)) do
      if apart[place] == 0 then return { { member = members[place], weight = 1 } } end
      found[i] = { member = members[place], weight = 1 / apart[place] }
      sum = sum + found[i].weight
    end
    for _, each in ipairs(found) do each.weight = each.weight / sum end
    return found
  end
end

return index
