--- Conditions over decisions: space.eq("opt", "sgd") & ~space.gt("depth", 2).
-- A comparison with a decision that is not active is false, whatever the comparison; `~` turns that false into true.
-- Resolved, a condition is a tree whose leaves say which codes of one decision pass: places in the domain (from 1), or values of a continuous one.
local fail = require "vega.space.fail"
local numeric = require "vega.space.numeric"
local text = require "vega.space.text"

local condition = {}

local Condition = {}
Condition.__index = Condition

local function new(op, a, b) return setmetatable({ op = op, a = a, b = b }, Condition) end
local function check(c)
  if getmetatable(c) ~= Condition then fail("space: a condition such as space.eq('name', value) expected, got %s", type(c)) end
  return c
end

function Condition.__band(a, b) return new("and", check(a), check(b)) end
function Condition.__bor(a, b) return new("or", check(a), check(b)) end
function Condition.__bnot(a) return new("not", a) end

local SIGN = { eq = "==", ne = "~=", lt = "<", le = "<=", gt = ">", ge = ">=", is_in = "in" }

local function comparison(op)
  --- space.eq, ne, lt, le, gt, ge (name, value), space.is_in(name, list): a condition on the decision of that name, for space.when.
  return function(name, value)
    if type(name) ~= "string" then fail("space.%s: the name of a decision expected, got %s", op, type(name)) end
    if value == nil then fail("space.%s('%s', ...): a value expected, got nil", op, name) end
    if op == "is_in" and (type(value) ~= "table" or #value == 0) then fail("space.is_in('%s', ...): a list of values expected", name) end
    return setmetatable({ op = op, name = name, value = value }, Condition)
  end
end

--- eq, ne, lt, le, gt, ge (name, value) and is_in(name, list).
condition.comparisons = {}
for op in pairs(SIGN) do condition.comparisons[op] = comparison(op) end
condition.eq, condition.ge, condition.is_in = condition.comparisons.eq, condition.comparisons.ge, condition.comparisons.is_in
condition.check = check

--- Both conditions; either may be nil.
function condition.both(a, b) return a and b and new("and", a, b) or a or b end

--- The text of a condition with its names as written, or of a resolved one.
function condition.describe(c)
  if c.op == "not" then return "not (" .. condition.describe(c.a) .. ")" end
  if c.op == "and" or c.op == "or" then
    local function side(x) return x.op == "or" and c.op == "and" and "(" .. condition.describe(x) .. ")" or condition.describe(x) end
    return side(c.a) .. " " .. c.op .. " " .. side(c.b)
  end
  return ("%s %s %s"):format(c.name, SIGN[c.op], text.show(c.value))
end

--- Calls visit(leaf) for each comparison, left to right.
function condition.leaves(c, visit)
  if not c.a then return visit(c) end
  condition.leaves(c.a, visit)
  if c.b then condition.leaves(c.b, visit) end
end

--- The same condition, its names to be looked up from a place in the declaration on.
function condition.scoped(c, scope)
  if c.a then return new(c.op, condition.scoped(c.a, scope), c.b and condition.scoped(c.b, scope)) end
  return setmetatable({ op = c.op, name = c.name, value = c.value, scope = scope }, Condition)
end

--- Plain data, and back. Names are full names there.
function condition.save(c)
  if not c.a then return { c.op, c.name, c.value } end
  return { c.op, condition.save(c.a), c.b and condition.save(c.b) }
end

function condition.load(saved)
  local op = saved[1]
  if SIGN[op] then return condition.comparisons[op](saved[2], saved[3]) end
  if op ~= "and" and op ~= "or" and op ~= "not" then fail("space.load: unknown condition '%s'", tostring(op)) end
  return new(op, condition.load(saved[2]), op ~= "not" and condition.load(saved[3]) or nil)
end

-- Resolving ---------------------------------------------------------------------------------------------------------------------------

local COMPARE = {
  lt = function(a, b) return a < b end, le = function(a, b) return a <= b end,
  gt = function(a, b) return a > b end, ge = function(a, b) return a >= b end,
}

local function value_error(leaf, d, value)
  fail("space: condition '%s': %s is no value of '%s', which is %s", condition.describe(leaf), text.show(value), d.name, d.domain:describe())
end

local function proper(leaf, d, value)
  local v = d.domain:accept(value)
  if v == nil then value_error(leaf, d, value) end
  return v
end

-- Does one value pass? Ordinals compare by place, numbers by size.
local function predicate(leaf, d)
  local op, domain = leaf.op, d.domain
  if op == "eq" or op == "ne" then
    local value = proper(leaf, d, leaf.value)
    return function(v) return (v == value) == (op == "eq") end
  elseif op == "is_in" then
    local set = {}
    for _, value in ipairs(leaf.value) do set[proper(leaf, d, value)] = true end
    return function(v) return set[v] == true end
  elseif domain.kind == "ordinal" then
    local place, at = domain.place, domain:index(proper(leaf, d, leaf.value))
    return function(v) return COMPARE[op](place[v], at) end
  end
  for _, v in ipairs(domain.values or { leaf.value }) do
    if type(v) ~= "number" then fail("space: condition '%s': '%s' has no order; it is %s", condition.describe(leaf), d.name, domain:describe()) end
  end
  if type(leaf.value) ~= "number" then fail("space: condition '%s': a number expected", condition.describe(leaf)) end
  return function(v) return COMPARE[op](v, leaf.value) end
end

local function without(intervals, low, high, step_down, step_up)
  local result = {}
  for _, piece in ipairs(intervals) do
    if low < piece[1] then result[#result + 1] = { low, step_down(piece[1]) } end
    low = step_up(piece[2])
  end
  if low <= high then result[#result + 1] = { low, high } end
  return result
end

-- The places of 1..n that pass, as intervals.
local function runs(n, passes)
  local list, start = {}, nil
  for i = 1, n + 1 do
    local ok = i <= n and passes(i)
    if ok and not start then start = i
    elseif not ok and start then
      list[#list + 1] = { start, i - 1 }
      start = nil
    end
  end
  return list
end

-- The number of the first places for which `is_low` holds; it holds for a beginning of 1..n.
local function boundary(n, is_low)
  local low, high = 0, n
  while low < high do
    local middle = low + (high - low + 1) // 2
    if is_low(middle) then low = middle else high = middle - 1 end
  end
  return low
end

local function points(leaf, d, code)
  local list = {}
  for _, value in ipairs(leaf.op == "is_in" and leaf.value or { leaf.value }) do list[#list + 1] = code(proper(leaf, d, value)) end
  table.sort(list)
  local pieces = {}
  for i, c in ipairs(list) do if c ~= list[i - 1] then pieces[#pieces + 1] = { c, c } end end
  return pieces
end

local function less(x) return numeric.next(x, -math.huge) end
local function more(x) return numeric.next(x, math.huge) end

local function continuous_intervals(leaf, d)
  local op, v = leaf.op, leaf.value
  if op == "eq" or op == "is_in" then return points(leaf, d, function(x) return x end) end
  if op == "ne" then return without(points(leaf, d, function(x) return x end), -math.huge, math.huge, less, more) end
  if op == "lt" or op == "le" then return { { -math.huge, op == "lt" and less(v) or v + 0.0 } } end
  return { { op == "gt" and more(v) or v + 0.0, math.huge } }
end

local function ranged_intervals(leaf, d)                  -- int and stepped float: values grow with the place
  local op, domain, v = leaf.op, d.domain, leaf.value
  local function place(x) return domain:index(x) end
  if op == "eq" or op == "is_in" then return points(leaf, d, place) end
  if op == "ne" then
    return without(points(leaf, d, place), 1, domain.size, function(i) return i - 1 end, function(i) return i + 1 end)
  end
  local is_low = (op == "lt" or op == "ge") and function(i) return domain:at(i) < v end or function(i) return domain:at(i) <= v end
  local count = boundary(domain.size, is_low)
  local low, high = 1, count
  if op == "gt" or op == "ge" then low, high = count + 1, domain.size end
  return low <= high and { { low, high } } or {}
end

--- Which codes of decision d a comparison lets pass.
function condition.intervals(leaf, d)
  local domain, passes = d.domain, predicate(leaf, d)
  if domain.values then return runs(domain.size, function(i) return passes(domain.values[i]) end) end
  if domain.size then return ranged_intervals(leaf, d) end
  return continuous_intervals(leaf, d)
end

local LISTS = { subset = true, sequence = true, permutation = true }

local function resolve_leaf(leaf, find)
  local d = find(leaf.name, leaf)
  if LISTS[d.domain.kind] then
    fail("space: condition '%s': '%s' has lists as values; a condition needs a single value", condition.describe(leaf), d.name)
  end
  local named = setmetatable({ op = leaf.op, name = d.name, value = leaf.value }, Condition)
  named.passes, named.decision, named.intervals = predicate(leaf, d), d, condition.intervals(leaf, d)
  return named
end

--- The condition with each name replaced by what find(name, leaf) returns, a decision.
function condition.resolve(c, find)
  if not c.a then return resolve_leaf(c, find) end
  return new(c.op, condition.resolve(c.a, find), c.b and condition.resolve(c.b, find))
end

--- A resolved condition as function(arch) -> boolean.
function condition.test(c)
  if c.op == "not" then
    local a = condition.test(c.a)
    return function(arch) return not a(arch) end
  elseif c.a then
    local a, b, both = condition.test(c.a), condition.test(c.b), c.op == "and"
    if both then return function(arch) return a(arch) and b(arch) end end
    return function(arch) return a(arch) or b(arch) end
  end
  local name = c.name
  if c.op == "eq" then
    local value = c.decision.domain:accept(c.value)
    return function(arch) return arch[name] == value end
  end
  local passes = c.passes
  return function(arch)
    local v = arch[name]
    return v ~= nil and passes(v)
  end
end

--- The truth of a resolved condition, given that of its leaves.
function condition.truth(c, of_leaf)
  if c.op == "not" then return not condition.truth(c.a, of_leaf) end
  if c.op == "and" then return condition.truth(c.a, of_leaf) and condition.truth(c.b, of_leaf) end
  if c.op == "or" then return condition.truth(c.a, of_leaf) or condition.truth(c.b, of_leaf) end
  return of_leaf(c)
end

return condition
