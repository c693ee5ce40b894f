--- Architectures as vectors, and back.
--   "unit"       one number in [0, 1] a decision; -1 for an inactive one.                                       decode gives it back
--   "index"      as unit, but the place (from 1) for choices and bools: for trees and kernels that compare.
--   "onehot"     blocks: choices and bools one-hot, subsets as bits, permutations as the scaled place of each element, sequences one-hot element
--                by element, numbers and ordinals as unit; zeros for an inactive one.                           decode gives it back
--   "adjacency"  cells as edge bits and op one-hots, other decisions as onehot.
--   "path"       cells as one bit a path, other decisions as onehot.
local fail = require "vega.space.fail"
local util = require "vega.util"

local encode = { methods = {} }
local methods = encode.methods

-- One-hot blocks: width(domain), write(domain, value, x, at), read(domain, x, at) where `at` is the place before the block. -----------

local function arg_max(x, at, n)
  local best = 1
  for i = 2, n do if x[at + i] > x[at + best] then best = i end end
  return best
end

-- Places 1..n by value, largest first, ties by place.
local function order_by(x, at, n, descending)
  local order = {}
  for i = 1, n do order[i] = i end
  table.sort(order, function(a, b)
    local u, v = x[at + a], x[at + b]
    if u ~= v then return (u > v) == descending end
    return a < b
  end)
  return order
end

local number = {
  width = function() return 1 end,
  write = function(domain, value, x, at) x[at + 1] = domain:unit(value) end,
  read = function(domain, x, at) return domain:from_unit(x[at + 1]) end,
}
local listed = {
  width = function(domain) return domain.size end,
  write = function(domain, value, x, at) x[at + domain.place[value]] = 1 end,
  read = function(domain, x, at) return domain.values[arg_max(x, at, domain.size)] end,
}
local bool = {
  width = function() return 1 end,
  write = function(_, value, x, at) x[at + 1] = value and 1 or 0 end,
  read = function(_, x, at) return x[at + 1] >= 0.5 end,
}
local subset = {
  width = function(domain) return domain.n end,
  write = function(domain, value, x, at) for _, v in ipairs(value) do x[at + domain.place[v]] = 1 end end,
  read = function(domain, x, at)
    local k, order, list = 0, order_by(x, at, domain.n, true), {}
    for i = 1, domain.n do if x[at + i] >= 0.5 then k = k + 1 end end
    k = math.max(domain.min, math.min(domain.max, k))
    for i = 1, k do list[i] = domain.values[order[i]] end
    return domain:accept(list)
  end,
}
local sequence = {
  width = function(domain) return domain.k * domain.n end,
  write = function(domain, value, x, at) for i, v in ipairs(value) do x[at + (i - 1) * domain.n + domain.place[v]] = 1 end end,
  read = function(domain, x, at)
    local list = {}
    for i = 1, domain.k do list[i] = domain.values[arg_max(x, at + (i - 1) * domain.n, domain.n)] end
    return list
  end,
}
local permutation = {
  width = function(domain) return domain.n end,
  write = function(domain, value, x, at) for i, v in ipairs(value) do x[at + domain.place[v]] = (i - 0.5) / domain.n end end,
  read = function(domain, x, at)
    local list = {}
    for i, p in ipairs(order_by(x, at, domain.n, false)) do list[i] = domain.values[p] end
    return list
  end,
}
local BLOCK = { const = number, int = number, float = number, normal = number, ordinal = number, bool = bool, choice = listed, subset = subset,
  sequence = sequence, permutation = permutation }

-- Forms -------------------------------------------------------------------------------------------------------------------------------

local NOMINAL = { bool = true, choice = true }
local FORMS = { "adjacency", "index", "onehot", "path", "unit" }

local function append_onehot(x, d, value)
  local block, at = BLOCK[d.domain.kind], #x
  for i = 1, block.width(d.domain) do x[at + i] = 0 end
  if value ~= nil then block.write(d.domain, value, x, at) end
end

local write = {}

function write.unit(space, arch)
  local x = {}
  for i, d in ipairs(space.decisions) do
    local value = arch[d.name]
    x[i] = value == nil and -1 or d.domain:unit(value)
  end
  return x
end

function write.index(space, arch)
  local x = {}
  for i, d in ipairs(space.decisions) do
    local value = arch[d.name]
    if value == nil then x[i] = -1
    elseif NOMINAL[d.domain.kind] then x[i] = d.domain.place[value]
    else x[i] = d.domain:unit(value) end
  end
  return x
end

function write.onehot(space, arch)
  local x = {}
  for _, d in ipairs(space.decisions) do append_onehot(x, d, arch[d.name]) end
  return x
end

-- Cells by their own method, in byte order of their names, then what belongs to no cell.
local function write_cells(space, arch, method)
  local x, inside = {}, {}
  for _, name in ipairs(util.sorted_keys(space.cells)) do
    local cell = space.cells[name]
    local members = cell:members()
    for _, member in ipairs(members) do inside[member] = true end
    if arch[members[1]] ~= nil then
      local part = cell[method](cell, arch)
      table.move(part, 1, #part, #x + 1, x)
    else
      fail("space '%s': the %s encoding needs cell '%s' to be active", space.name, method, name)
    end
  end
  for _, d in ipairs(space.decisions) do if not inside[d.name] then append_onehot(x, d, arch[d.name]) end end
  return x
end
function write.adjacency(space, arch) return write_cells(space, arch, "adjacency") end
function write.path(space, arch) return write_cells(space, arch, "paths") end

--- An architecture as a list of numbers in the given form (default "unit"), and a list that says which decisions are active.
function methods:encode(arch, form)
  local writer = write[form or "unit"]
  if not writer then fail("%s", util.unknown("space:encode", "form", form, FORMS)) end
  local active = {}
  for i, d in ipairs(self.decisions) do active[i] = arch[d.name] ~= nil end
  return writer(self, arch), active
end

--- What the numbers of a form stand for, for "unit", "index" and "onehot": a list of { decision, first, last } in the order of the decisions.
function methods:columns(form)
  form = form or "unit"
  local list, at = {}, 0
  for i, d in ipairs(self.decisions) do
    local width = form == "onehot" and BLOCK[d.domain.kind].width(d.domain) or 1
    list[i] = { decision = d.name, first = at + 1, last = at + width }
    at = at + width
  end
  return list
end

--- The architecture with its continuous decisions moved to the middle of their cell, of width eps in the unit interval: what lies close together
-- then has the same hash, for dedup with a tolerance.
function methods:snap(arch, eps)
  if type(eps) ~= "number" or not (eps > 0 and eps <= 1) then fail("space:snap: a width in (0, 1] expected, got %s", tostring(eps)) end
  local new = {}
  for _, d in ipairs(self.decisions) do
    local value = arch[d.name]
    if value ~= nil and d.domain.bits == math.huge then
      value = d.domain:from_unit(math.min(1, (math.floor(d.domain:unit(value) / eps) + 0.5) * eps))
    end
    new[d.name] = value
  end
  return new
end

-- Decoding ----------------------------------------------------------------------------------------------------------------------------

local READ = {
  unit = { width = number.width, read = number.read },
  onehot = { width = function(domain) return BLOCK[domain.kind].width(domain) end,
    read = function(domain, x, at) return BLOCK[domain.kind].read(domain, x, at) end },
}

local number_expected = "space '%s': decode: '%s' (number %d) is %s, a number in [0, 1] expected"

-- The first place of x[at + 1 .. at + n] without a number.
local function missing_number(x, at, n)
  for i = at + 1, at + n do if type(x[i]) ~= "number" or x[i] ~= x[i] then return i end end
end

--- The architecture at a point: a list of numbers as encode gives it in form "unit" (default) or "onehot"; any numbers will do, those of inactive
-- decisions are ignored. decode(encode(arch)) is arch for finite decisions (one number tells fewer than 2^53 values apart).
-- Returns nil, message, code where a number is missing or a clause is violated and not repaired.
function methods:decode(x, form)
  local reader = READ[form or "unit"]
  if not reader then fail("%s", util.unknown("space:decode", "form", form, { "onehot", "unit" })) end
  local arch, at = {}, 0
  for _, d in ipairs(self.decisions) do
    local width = reader.width(d.domain)
    if not d.active or d.active(arch) then
      local wrong = missing_number(x, at, width)
      if wrong then
        return nil, number_expected:format(self.name, d.name, wrong, tostring(x[wrong])), "EARG"
      end
      arch[d.name] = reader.read(d.domain, x, at)
    end
    at = at + width
  end
  return self:finish(arch)
end

return encode
