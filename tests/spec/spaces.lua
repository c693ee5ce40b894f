--- Random search spaces that use the whole language, for properties that must hold of all.
local space = require "vega.space"

local spaces = {}

local function letters(rng, n)
  local list, pool = {}, rng:shuffle { "a", "b", "c", "d", "e", "f" }
  for i = 1, n do list[i] = pool[i] end
  return list
end

local LEAVES = {
  function(rng) return space.const(rng:int(1, 9)) end,
  function() return space.bool() end,
  function(rng) local lo = rng:int(-5, 5) return space.int(lo, lo + rng:int(0, 6), rng:uniform() < 0.3 and { step = rng:int(1, 3) } or nil) end,
  function(rng) return space.int(1, rng:int(2, 40), { log = true }) end,
  function(rng) return space.float(0, rng:int(1, 4), { step = 0.25 }) end,
  function(rng) return space.ordinal(letters(rng, rng:int(1, 4))) end,
  function(rng) return space.choice(letters(rng, rng:int(1, 5))) end,
  function(rng) return space.choice({ 1, 2, "x" }, { weights = { 1, rng:int(1, 5), 0.5 } }) end,
  function(rng) return space.subset(letters(rng, 4), rng:int(1, 3)) end,
  function(rng) return space.subset(letters(rng, 3), { min = rng:int(0, 1), max = rng:int(2, 3) }) end,
  function(rng) return space.sequence(letters(rng, 2), rng:int(1, 3)) end,
  function(rng) return space.permutation(letters(rng, rng:int(1, 3))) end,
}
local CONTINUOUS = {
  function(rng) return space.float(-1, rng:int(0, 3)) end,
  function(rng) return space.float(1e-3, rng:int(1, 3), { log = true }) end,
  function(rng) return space.normal(rng:int(-2, 2), rng:int(1, 3), { lo = -4 }) end,
}

local function leaf(rng, o) return rng:pick(o.finite and LEAVES or rng:uniform() < 0.8 and LEAVES or CONTINUOUS)(rng) end

local level

local function node(rng, depth, o)
  local u = rng:uniform()
  if depth <= 0 or u < 0.6 then return leaf(rng, o) end
  if u < 0.8 then
    local options = { [rng:pick { "x", "y" }] = level(rng, depth - 1, o), none = {} }
    if rng:uniform() < 0.5 then options.z = leaf(rng, o) end
    return space.choice(options)
  end
  if u < 0.9 then return space.repeated(level(rng, depth - 1, o),
    rng:uniform() < 0.5 and rng:int(0, 2) or space.int(rng:int(0, 1), rng:int(1, 2))) end
  return level(rng, depth - 1, o)
end

-- A condition on a flat decision of this level that is declared before.
local function condition(rng, flags)
  local name = rng:pick(flags)
  local kinds = { function() return space.eq(name, rng:int(1, 3)) end, function() return space.ne(name, 2) end,
    function() return space.gt(name, 1) end,
    function() return space.le(name, 2) end, function() return space.is_in(name, { 1, 3 }) end }
  local c = rng:pick(kinds)()
  if rng:uniform() < 0.3 then c = ~c end
  if rng:uniform() < 0.4 then c = rng:uniform() < 0.5 and c & rng:pick(kinds)() or c | rng:pick(kinds)() end
  return c
end

function level(rng, depth, o)
  local t, flags = {}, {}
  for i = 1, rng:int(1, 3) do
    local name = "k" .. i
    if rng:uniform() < 0.5 then
      t[name] = space.int(1, 3)
      if #flags > 0 and rng:uniform() < 0.5 then t[name] = space.when(condition(rng, flags), t[name]) end
      flags[#flags + 1] = name
    else
      t[name] = node(rng, depth, o)
      if #flags > 0 and rng:uniform() < 0.4 then t[name] = space.when(condition(rng, flags), t[name]) end
    end
  end
  if #flags > 0 and rng:uniform() < 0.3 then t.tied = space.ref((rng:pick(flags))) end
  if #flags > 0 and rng:uniform() < 0.3 then t.made = space.derived("spaces.negate", { (rng:pick(flags)) }) end
  return t
end

space.register("spaces.negate", function(v) return -v end)
space.register("spaces.not_13", function(arch) return arch.k1 ~= 1 or arch.k2 ~= 3 end)

local function add_clause(rng, s)
  local d, e = rng:pick(s.decisions), rng:pick(s.decisions)
  if not d.domain.size or not e.domain.size or d == e then return end
  pcall(s.forbid, s, { [d.name] = d.domain:random(rng), [e.name] = e.domain:random(rng) })    -- refused where it leaves nothing
end

--- A space drawn with rng. options.finite leaves continuous decisions out; options.clauses adds up to that many.
function spaces.random(rng, options)
  options = options or {}
  local s = space(level(rng, 2, options))
  for _ = 1, options.clauses and rng:int(0, options.clauses) or 0 do if #s.decisions > 1 then add_clause(rng, s) end end
  if options.clauses and rng:uniform() < 0.3 then
    s:require "spaces.not_13"
    if not pcall(s.random, s, rng) then table.remove(s.clauses) end        -- it leaves nothing
  end
  return s
end

return spaces
