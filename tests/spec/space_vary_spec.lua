--- Mutation, crossover, neighbours.
local core_rng = require("vega.core").rng
local numeric = require "vega.space.numeric"
local space = require "vega.space"

local choice, int, bool = space.choice, space.int, space.bool

local function close(expected, got) assert.is_true(math.abs(expected - got) < 1e-9, ("%.12g expected, got %.12g"):format(expected, got)) end

local function rich()
  return space { op = choice { conv = { k = choice { 1, 3, 5 } }, skip = {} }, perm = space.permutation { 1, 2, 3, 4 },
    sub = space.subset({ "a", "b", "c", "d" }, 2),
    some = space.subset({ 1, 2, 3 }, { min = 0 }), seq = space.sequence({ "x", "y" }, 3), lr = space.float(1e-4, 1, { log = true }),
      wide = int(1, 1000), n = space.normal(0, 1),
    size = space.ordinal { 8, 16, 32 }, one = space.const "c", w = choice({ "p", "q", "r" }, { weights = { 8, 1, 1 } }),
    stage = space.repeated({ w = int(1, 9), act = choice { "r", "s" } }, int(1, 4)), extra = space.when(space.gt("stage", 2), bool()) }
end

describe("mutation", function()
  it("has the known answers of polynomial steps", function()
    close(-0.0737766740, numeric.polynomial_step(0.1, 20))
    close(0.0737766740, numeric.polynomial_step(0.9, 20))
    close(0, numeric.polynomial_step(0.5, 20))
    for _, u in ipairs { 0, 0.2, 0.49, 0.51, 0.99, 1 } do               -- the form with bounds never leaves them
      local step = numeric.polynomial_step(u, 20, 0.01, 0.02)
      assert.is_true(step >= -0.01 - 1e-12 and step <= 0.02 + 1e-12)
    end
  end)

  it("asks the caller's own draw first, and completes what becomes active", function()
    local s, rng = rich(), core_rng.new(1, "own")
    local a = s:random(rng)
    a = assert(s:check({ op = "skip", perm = a.perm, sub = a.sub, some = a.some, seq = a.seq, lr = a.lr, wide = a.wide, n = a.n, size = 8, one = "c",
      w = "p", stage = 1, ["stage[1].w"] = 3, ["stage[1].act"] = "r" }))
    local b, changed = s:mutate(a, rng, { at = "op", draw = function(d, _, value)
      assert.same({ "op", "skip" }, { d.name, value })
      return "conv"
    end })
    assert.equal("conv", b.op)
    assert.is_number(b["op.conv.k"] or b["op.k"])
    assert.same({ "op" }, changed)
    b = s:mutate(a, rng, { at = "size", draw = function() return nil end })           -- nil: as without it
    assert.not_equal(8, b.size)
  end)

  it("changes one decision, to another value, and what depends on it", function()
    local s, rng, seen = rich(), core_rng.new(1, "point"), {}
    for _ = 1, 3000 do
      local a = s:random(rng)
      local m, changed = s:mutate(a, rng)
      assert.equal(1, #changed)
      local d = s.by_name[changed[1]]
      assert.is_false(d.domain:equal(a[d.name], m[d.name]))
      for name, value in pairs(m) do
        local prefix = d.name .. "."
        local depends = name:sub(1, #prefix) == prefix or d.name == "stage" and (name:find "^stage%[" or name == "extra")
        if name ~= d.name and not depends then assert.same(a[name], value) end
      end
      assert(s:check(m))
      seen[d.name] = true
    end
    for _, d in ipairs(s.decisions) do assert.equal(d.name ~= "one", seen[d.name] == true, d.name) end
  end)

  it("reaches every member of a finite space", function()
    local spaces = { space { op = choice { conv = { k = choice { 1, 3 } }, skip = {} }, d = space.repeated(bool(), int(0, 2)),
      p = space.permutation { 1, 2, 3 } },
      space { s = space.subset({ 1, 2, 3 }, { min = 0, max = 2 }), q = space.sequence({ 1, 2 }, 2), a = int(1, 12),
        b = space.when(space.gt("a", 6), space.ordinal { 1, 2, 3 }) },
      space { a = int(1, 4), b = int(1, 4) }:forbid { a = 2, b = 2 }:forbid_relation("a", "<", "b") }
    for _, s in ipairs(spaces) do
      local goal = s:count().size
      for _, by in ipairs { "mutate", "neighbours" } do
        local rng, seen, queue, n = core_rng.new(2, by), {}, { (s:random(core_rng.new(1, by))) }, 0
        local function meet(arch)
          local key = s:canonical(arch)
          if not seen[key] then seen[key], n, queue[#queue + 1] = true, n + 1, arch end
        end
        meet(table.remove(queue))
        while #queue > 0 do
          local arch = table.remove(queue)
          if by == "neighbours" then for _, near in ipairs(s:neighbours(arch, rng)) do meet(near) end
          else for _ = 1, 100 do meet((s:mutate(arch, rng))) end end
        end
        assert.equal(goal, n)
      end
    end
  end)

  it("follows a rate, a name, weights and an operator", function()
    local s, rng = rich(), core_rng.new(3, "options")
    local a, total, by_weight = s:random(rng), 0, { lr = 0, n = 0 }
    for _ = 1, 2000 do
      local _, changed = s:mutate(a, rng, { rate = 0.25 })
      assert.is_true(#changed >= 1)
      _, changed = s:mutate(a, rng, { rate = 0.25, force = false })
      total = total + #changed
      _, changed = s:mutate(a, rng, { at = "size" })
      assert.same({ "size" }, changed)
      local weights = { lr = 3, n = 1 }
      for _, d in ipairs(s.decisions) do weights[d.name] = weights[d.name] or 0 end
      _, changed = s:mutate(a, rng, { weights = weights })
      by_weight[changed[1]] = by_weight[changed[1]] + 1
    end
    local active = 0
    for _, d in ipairs(s.decisions) do if a[d.name] ~= nil and d.name ~= "one" then active = active + 1 end end
    assert.is_true(math.abs(total / 2000 - active / 4) < 0.2)
    assert.is_true(math.abs(by_weight.lr - 1500) < 100)
    assert.error_matches(function() s:mutate(a, rng, { at = "one" }) end, "'one' is no active decision that can change")
    assert.error_matches(function() s:mutate(a, rng, { operator = "gauss" }) end, "did you mean 'gaussian'")
  end)

  it("moves each kind in its own way", function()
    local s, rng = rich(), core_rng.new(4, "operators")
    local a = s:random(rng)
    local kinds = { gaussian = { int = true, float = true, normal = true }, polynomial = { int = true, float = true, normal = true },
      geometric = { int = true },
      exchange = { subset = true }, swap = { permutation = true }, insert = { permutation = true }, invert = { permutation = true } }
    for operator, known in pairs(kinds) do
      for _ = 1, 200 do
        local m, changed = s:mutate(a, rng, { operator = operator })
        assert.is_true(known[s.by_name[changed[1]].domain.kind] or false, operator)
        assert(s:check(m))
      end
    end
    local none = space { a = bool() }
    local m, changed = none:mutate({ a = true }, rng, { operator = "swap" })
    assert.same({ { a = true }, {} }, { m, changed })
    local spread, x = 0, space { x = space.float(0, 1) }
    for _ = 1, 5000 do spread = spread + ((x:mutate({ x = 0.5 }, rng, { operator = "gaussian" })).x - 0.5) ^ 2 end
    assert.is_true(math.abs(math.sqrt(spread / 5000) - 0.1) < 0.005)
  end)

  it("adds, removes and duplicates copies of a repeated part", function()
    local s, rng = space { stage = space.repeated({ w = int(1, 1000000), act = choice { r = { v = bool() }, s = {} } }, int(1, 4)) },
      core_rng.new(5, "copies")
    local function widths(arch)
      local list = {}
      for i = 1, arch.stage do list[i] = arch[("stage[%d].w"):format(i)] end
      return list
    end
    local function is_part(small, large)                                     -- in order
      local at = 1
      for _, w in ipairs(large) do if w == small[at] then at = at + 1 end end
      return at > #small
    end
    for _ = 1, 300 do
      local a = s:random(rng)
      local before = widths(a)
      local more, fewer, twice = s:mutate(a, rng, { operator = "add" }), s:mutate(a, rng, { operator = "remove" }),
        s:mutate(a, rng, { operator = "duplicate" })
      for _, arch in ipairs { more, fewer, twice } do assert(s:check(arch)) end
      assert.equal(math.min(4, #before + 1), more.stage)
      assert.equal(math.max(1, #before - 1), fewer.stage)
      assert.equal(more.stage, twice.stage)
      assert.is_true(is_part(before, widths(more)) and is_part(widths(fewer), before) and is_part(before, widths(twice)))
      local seen = {}
      for _, w in ipairs(widths(twice)) do seen[w] = true end
      for _, w in ipairs(before) do seen[w] = nil end
      assert.is_nil(next(seen))
    end
  end)
end)

describe("crossover", function()
  it("has the known answers of the spread of SBX", function()
    close(0.9043038394, numeric.spread(0.1, 15))
    close(1, numeric.spread(0.5, 15))
    close(1.1058230170, numeric.spread(0.9, 15))
  end)

  it("of equals is the same, of others is inside, and tells the difference", function()
    local s, rng = rich(), core_rng.new(6, "cross")
    for _, operator in ipairs { "uniform", "one_point", "two_point", "stage" } do
      for _ = 1, 300 do
        local a, b = s:random(rng), s:random(rng)
        local same, none = s:crossover(a, a, rng, { operator = operator })
        assert.same({ a, {} }, { same, none })
        local child, changed = s:crossover(a, b, rng, { operator = operator })
        assert(s:check(child))
        local set = {}
        for _, name in ipairs(changed) do set[name] = true end
        for _, d in ipairs(s.decisions) do
          local va, vc = a[d.name], child[d.name]
          local same_value = va == nil and vc == nil or va ~= nil and vc ~= nil and d.domain:equal(va, vc)
          assert.equal(not same_value, set[d.name] == true)
        end
        if operator ~= "uniform" then
          for name, value in pairs(child) do
            local from_a, from_b = a[name], b[name]
            if from_a ~= nil or from_b ~= nil then
              local d = s.by_name[name].domain
              assert.is_true(from_a ~= nil and d:equal(value, from_a) or from_b ~= nil and d:equal(value, from_b))
            end
          end
        end
      end
    end
  end)

  it("takes what is below an option from the parent that has it", function()
    local s, rng = space { op = choice { a = { x = int(1, 1000) }, b = { y = int(1, 1000) } } }, core_rng.new(7, "below")
    for _ = 1, 100 do
      local child = s:crossover({ op = "a", ["op.a.x"] = 7 }, { op = "b", ["op.b.y"] = 9 }, rng)
      assert.equal(child.op == "a" and 7 or 9, child["op.a.x"] or child["op.b.y"])
    end
  end)

  it("keeps copies of repeated parts whole by stage", function()
    local s, rng = space { stage = space.repeated({ u = int(1, 1000), v = int(1, 1000) }, 3) }, core_rng.new(8, "stage")
    for _ = 1, 100 do
      local a, b = s:random(rng), s:random(rng)
      local child = s:crossover(a, b, rng, { operator = "stage" })
      for i = 1, 3 do
        local u, v = ("stage[%d].u"):format(i), ("stage[%d].v"):format(i)
        assert.is_true(child[u] == a[u] and child[v] == a[v] or child[u] == b[u] and child[v] == b[v])
      end
    end
  end)

  it("orders permutations, and keeps what subsets share", function()
    local p, rng = space { p = space.permutation { 1, 2, 3, 4, 5, 6 }, s = space.subset({ 1, 2, 3, 4, 5, 6 }, 3) }, core_rng.new(9, "lists")
    for _ = 1, 200 do
      local child = p:crossover({ p = { 1, 2, 3, 4, 5, 6 }, s = { 1, 2, 3 } }, { p = { 6, 5, 4, 3, 2, 1 }, s = { 2, 3, 4 } }, rng)
      assert(p:check(child))
      assert.is_true(child.s[1] == 2 and child.s[2] == 3 or child.s[2] == 2 and child.s[3] == 3)
      -- a stretch of the first parent ascends; what comes from the second, read from behind it on, descends
      local falls = 0
      for i = 1, 6 do if child.p[i] > child.p[i % 6 + 1] then falls = falls + 1 end end
      assert.is_true(falls >= 1)
    end
  end)
end)

describe("neighbours", function()
  it("are all one decision away", function()
    local s, rng = rich(), core_rng.new(10, "near")
    local a = s:random(rng)
    for _, with in ipairs { false, rng } do
      for _, near in ipairs(s:neighbours(a, with or nil)) do
        assert(s:check(near))
        local changed = {}
        for _, d in ipairs(s.decisions) do
          local x, y = a[d.name], near[d.name]
          if x ~= nil and y ~= nil and not d.domain:equal(x, y) then changed[#changed + 1] = d.name end
        end
        assert.equal(1, #changed)
      end
    end
  end)

  it("are as many as the kinds say", function()
    local function n(d, arch, rng) return #space { d = d }:neighbours({ d = arch }, rng) end
    local rng = core_rng.new(11, "count")
    assert.same({ 2, 1, 2, 4, 6, 3 }, { n(choice { 1, 2, 3 }, 1), n(bool(), true), n(space.ordinal { 1, 2, 3 }, 1),
      n(space.subset({ 1, 2, 3, 4 }, 2), { 1, 2 }),
      n(space.permutation { 1, 2, 3, 4 }, { 4, 3, 2, 1 }), n(space.sequence({ 1, 2 }, 3), { 1, 1, 1 }) })
    assert.same({ 9, 2, 1, 4, 0 }, { n(int(1, 10), 5), n(int(1, 100), 50), n(int(1, 100), 1), n(space.float(0, 1), 0.5, rng),
      n(space.float(0, 1), 0.5) })
  end)
end)
