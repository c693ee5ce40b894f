--- Sizes with known answers, places, both measures, clauses in the count. VEGA_LONG=1 draws more.
local core_rng = require("vega.core").rng
local space = require "vega.space"

local LONG = os.getenv "VEGA_LONG" ~= nil
local choice, int, bool = space.choice, space.int, space.bool

local function ops(n)
  local list = {}
  for i = 1, n do list[i] = "op" .. i end
  return list
end

-- Ten small spaces that use everything there is.
local SMALL = {
  flat = { a = choice { 1, 2, 3 }, b = bool(), c = int(0, 10, { step = 5 }) },
  nested = { block = choice { conv = { k = choice { 1, 3, 5 } }, mb = { k = choice { 3, 5, 7 }, se = bool() }, skip = {} }, flag = bool() },
  listed = { x = choice { { p = bool() }, "none", { "named", { q = int(1, 3) } } } },
  depth = { stage = space.repeated({ op = choice { "a", "b" }, w = int(1, 2) }, int(0, 3)) },
  leaves = { k = space.repeated(int(1, 3), 3), o = space.repeated(choice { x = { y = bool() }, z = {} }, space.ordinal { 1, 3 }) },
  lists = { s = space.subset({ "a", "b", "c", "d" }, 2), t = space.subset({ 1, 2, 3 }, { min = 0, max = 2 }), u = space.permutation { 1, 2, 3 } },
  sequences = { q = space.sequence({ "x", "y", "z" }, 3), r = space.permutation { "a", "b", "c", "d" } },
  conditions = { a = int(1, 6), b = space.when(space.gt("a", 2) & ~space.eq("a", 4), choice { 7, 8, 9 }),
    c = space.when(space.eq("b", 8) | space.is_in("a", { 1, 2 }), { d = bool(), e = space.when(space.ne("d", true), int(1, 4)) }) },
  weights = { w = choice({ "p", "q", "r" }, { weights = { 1, 2, 3 } }), v = space.when(space.le("n", 4), bool()), n = space.ordinal { 2, 4, 8 },
    f = space.float(0, 1, { step = 0.25 }), g = space.when(space.ge("f", 0.5), bool()) },
  clauses = { a = choice { 1, 2, 3 }, b = choice { 1, 2, 3 },
    c = { d = bool(), r = space.ref "a", s = space.derived(function(x, y) return x * y end, { "a", "b" }) } },
}
SMALL.clauses = space(SMALL.clauses):forbid { a = 1, b = { 2, 3 } }:forbid_relation("a", ">", "b"):forbid { ["c.s"] = 9 }

local function each_small(visit)
  local names = {}
  for name in pairs(SMALL) do names[#names + 1] = name end
  table.sort(names)
  assert.equal(10, #names)
  for _, name in ipairs(names) do visit(getmetatable(SMALL[name]) == space.Space and SMALL[name] or space(SMALL[name]), name) end
end

local function close(expected, got, tolerance) assert.is_true(math.abs(expected - got) <= tolerance,
  ("%s expected, got %s"):format(expected, got)) end

-- Chi-square of counts against expected counts is below its mean by 5 standard deviations.
local function fits(observed, expected)
  local statistic, cells = 0, 0
  for key, e in pairs(expected) do
    statistic, cells = statistic + ((observed[key] or 0) - e) ^ 2 / e, cells + 1
  end
  for key in pairs(observed) do assert.is_not_nil(expected[key], "impossible: " .. key) end
  local freedom = cells - 1
  assert.is_true(statistic < freedom + 5 * math.sqrt(2 * freedom), ("chi-square %.1f with %d degrees of freedom"):format(statistic, freedom))
end

describe("the size of a space", function()
  it("has the known answers", function()
    assert.equal(15625, space { e = space.edge_dag { nodes = 4, ops = ops(5) } }.size)
    local function darts() return space.cell { nodes = 4, inputs = 2, edges_per_node = 2, ops = ops(7) } end
    assert.equal(1037664180, space { normal = darts() }.size)
    assert.equal(1076746950455072400, space { normal = darts(), reduction = darts() }.size)
    assert.equal(2821109907456, space { layer = space.repeated(choice(ops(6)), 16) }.size)
    local product, expected = 1, { 256, 576, 1024, 1600, 2304 }
    for blocks = 1, 5 do
      local s = space { c = space.cell { nodes = blocks, inputs = 2, edges_per_node = 2, distinct = false, ops = ops(8) } }
      assert.equal(expected[blocks], s.size // product)
      product = s.size
    end
    assert.equal(556627761561600, product)
    local ofa = space { stage = space.repeated({ block = space.repeated({ k = choice { 3, 5, 7 }, e = choice { 3, 4, 6 } }, int(2, 4)) }, 5) }
    assert.is_nil(ofa.size)                                    -- (9^2 + 9^3 + 9^4)^5 is above 2^63
    close(math.log(21758655492572485851, 2), ofa.bits, 1e-9)
    assert.is_true(ofa.finite)
    assert.matches("log2 64.2", tostring(ofa))
  end)

  it("counts each kind of decision", function()
    local function size(d) return space { d = d }.size end
    assert.same({ 1, 2, 5, 3, 11 }, { size(space.const("x")), size(bool()), size(int(1, 5)), size(int(1, 8, { step = 3 })),
      size(space.float(0, 1, { step = 0.1 })) })
    assert.same({ 10, 16, 27, 24 }, { size(space.subset(ops(5), 2)), size(space.subset(ops(4), { min = 0, max = 4 })),
      size(space.sequence(ops(3), 3)),
      size(space.permutation(ops(4))) })
    assert.equal(155117520, size(space.subset(ops(30), 15)))
    assert.equal(2 + 4 + 8, size(space.repeated(bool(), int(1, 3))))
    for _, d in ipairs { space.float(0, 1), space.normal(0, 1) } do
      local s = space { d = d, e = bool() }
      assert.same({ false, math.huge }, { s.finite, s.bits })
      assert.equal("continuous", s:count().method)
    end
    local huge = space { p = space.permutation(ops(40)), q = space.sequence(ops(6), 100) }
    local bits = 100 * math.log(6, 2)
    for i = 2, 40 do bits = bits + math.log(i, 2) end
    assert.is_nil(huge.size)
    close(bits, huge.bits, 1e-9)
  end)

  it("agrees with going through all members", function()
    each_small(function(s, name)
      local n = 0
      for _ in s:members() do n = n + 1 end
      assert.equal(n, s:count().size, name)
    end)
  end)

  it("says when many open decisions make it an estimate", function()
    local t = {}
    for i = 1, 48 do
      t["a" .. i] = bool()
      t["z" .. i] = space.when(space.eq("a" .. i, true) & space.eq("a" .. 49 - i, true), bool())
    end
    local s = space(t)
    assert.is_true(s.is_estimate)
    -- pairs (a_i, a_25-i): three of four combinations leave both z out, one has both: 3 + 4 ways; 24 pairs
    close(24 * math.log(7, 2), s.bits, 0.3)
    assert.equal("estimate", s:count().method)
  end)
end)

describe("clauses in the count", function()
  local function grid() return space { a = choice { 1, 2, 3, 4 }, b = choice { 1, 2, 3, 4 }, c = choice { x = { d = bool() }, y = {} } } end

  it("uses inclusion and exclusion for literals", function()
    local s = grid():forbid { a = 1, b = 1 }:forbid { a = { 1, 2 }, b = { 1, 2 } }:forbid { c = "x", ["c.x.d"] = true }:forbid { a = 4, c = "y" }
    local n = 0
    for _ in s:members() do n = n + 1 end
    assert.same({ n, "inclusion-exclusion" }, { s:count().size, s:count().method })
    close(math.log(n, 2), s:count().bits, 1e-9)
  end)

  it("stores an equal clause once", function()
    local s = grid():forbid { a = 1, b = 1 }:forbid { b = 1, a = 1 }
    assert.equal(1, #s.clauses)
  end)

  it("counts an allow-list and what is taken from it", function()
    local s = grid():only { { a = 1, b = 2 }, { a = 1 }, { c = "y", b = 3 } }:forbid { a = 1, b = 4 }
    local n = 0
    for _ in s:members() do n = n + 1 end
    assert.same({ n, "inclusion-exclusion" }, { s:count().size, s:count().method })
  end)

  it("counts large spaces by literals, by enumeration, or gives an interval", function()
    local t = {}
    for i = 1, 30 do t[("x%02d"):format(i)] = choice { 1, 2, 3, 4 } end
    local s = space(t):forbid { x01 = 1 }:forbid { x02 = 1, x03 = { 1, 2 } }
    assert.equal(math.tointeger(3 * 14 * 4 ^ 27), s:count().size)
    assert.equal("enumeration", grid():forbid_relation("a", "<", "b"):count().method)
    local estimate = space(t):require(function(a) return a.x01 < 4 end):count()
    assert.equal("estimate", estimate.method)
    assert.is_nil(estimate.size)
    local exact = math.log(3 * 4.0 ^ 29, 2)
    assert.is_true(estimate.low < exact and exact < estimate.high)
    local beyond = {}
    for i = 1, 40 do beyond[("x%02d"):format(i)] = choice { 1, 2, 3, 4 } end
    close(math.log(3, 2) + 2 * 39, space(beyond):forbid { x01 = 4 }:count().bits, 1e-9)
  end)
end)

describe("the members of a space", function()
  it("rank and unrank are inverse on all members of ten spaces", function()
    each_small(function(s, name)
      local seen = {}
      for i = 1, s.size do
        local arch = s:unrank(i)
        assert.equal(i, s:rank(arch), name)
        local key = s:canonical(arch)
        assert.is_nil(seen[key])
        seen[key] = true
      end
    end)
  end)

  it("rank and unrank agree far out", function()
    local s = space { normal = space.cell { nodes = 4, ops = ops(7) }, reduction = space.cell { nodes = 4, ops = ops(7) } }
    local rng = core_rng.new(3, "rank")
    for _ = 1, 200 do
      local i = rng:int(1, s.size)
      assert.equal(i, s:rank(s:unrank(i)))
    end
    assert.equal(s.size, s:rank(s:unrank(s.size)))
  end)

  it("are visited once each, in order or shuffled, and from any place on", function()
    each_small(function(s)
      local plain, mixed, order = {}, {}, {}
      for _, arch in s:members() do plain[#plain + 1] = s:canonical(arch) end
      for i, arch in s:members { shuffle = 7 } do mixed[#mixed + 1], order[#order + 1] = s:canonical(arch), i end
      local half = #order // 2 + 1
      local rest = {}
      for _, arch in s:members { shuffle = 7, from = order[half] } do rest[#rest + 1] = s:canonical(arch) end
      assert.same(table.move(mixed, half, #mixed, 1, {}), rest)
      table.sort(plain)
      table.sort(mixed)
      for i = 2, #plain do assert.is_true(plain[i] ~= plain[i - 1]) end
      assert.same(plain, mixed)
    end)
  end)

  it("a shuffled order is a permutation that depends on its key", function()
    local s = space { x = int(1, 1000) }
    local seen, same = {}, 0
    for i = 1, 1000 do
      local j = s:shuffled(i, 5)
      assert.is_true(j >= 1 and j <= 1000 and not seen[j])
      seen[j] = true
      if s:shuffled(i, 6) == j then same = same + 1 end
    end
    assert.is_true(same < 20)
  end)
end)

describe("random draws", function()
  local N = LONG and 1000000 or 100000

  -- Exact probabilities when each decision is drawn where it becomes active.
  local function probability(s, arch)
    local p = 1
    for _, d in ipairs(s.decisions) do
      local v = arch[d.name]
      if v ~= nil then
        local weights, total = d.domain.weights, 0
        for i = 1, d.domain.size do total = total + (weights and weights[i] or 1) end
        p = p * (weights and weights[d.domain:index(v)] or 1) / total
      end
    end
    return p
  end

  local function check(s, measure, n)
    local expected, total, observed, rng = {}, 0, {}, core_rng.new(11, measure)
    for _, arch in s:members() do
      local p = measure == "uniform" and 1 or probability(s, arch)
      expected[s:canonical(arch)] = p
      total = total + p
    end
    for key, p in pairs(expected) do expected[key] = p / total * n end
    for _ = 1, n do
      local key = s:canonical(s:random(rng, { measure = measure }))
      observed[key] = (observed[key] or 0) + 1
    end
    fits(observed, expected)
  end

  it("follow the measure per decision", function()
    for _, name in ipairs { "nested", "conditions", "weights", "lists", "clauses" } do
      check(getmetatable(SMALL[name]) == space.Space and SMALL[name] or space(SMALL[name]), "per_decision", N // 5)
    end
  end)

  it("follow the uniform measure", function()
    for _, name in ipairs { "nested", "depth", "clauses" } do
      check(getmetatable(SMALL[name]) == space.Space and SMALL[name] or space(SMALL[name]), "uniform", N // 10)
    end
  end)

  it("tell the measures apart: alternatives of 1 and of 99", function()
    local s = space { a = choice { one = {}, many = { x = int(1, 99) } } }
    local rng, count = core_rng.new(1, "measures"), { per_decision = 0, uniform = 0 }
    for measure in pairs(count) do
      for _ = 1, 10000 do if s:random(rng, { measure = measure }).a == "one" then count[measure] = count[measure] + 1 end end
    end
    close(5000, count.per_decision, 250)
    close(100, count.uniform, 50)
  end)

  it("draw from an allow-list in a vast space", function()
    local t = {}
    for i = 1, 40 do t["x" .. i] = choice(ops(9)) end
    local s, rng, seen = space(t):only { { x1 = "op1", x2 = "op2", x3 = "op3" }, { x1 = "op4", x39 = "op5", x40 = "op6" } }, core_rng.new(1, "only"),
      {}
    for _ = 1, 200 do
      local arch = s:random(rng)
      assert(s:check(arch))
      seen[arch.x1] = true
    end
    assert.same({ op1 = true, op4 = true }, seen)
  end)

  it("are the same in C and in Lua, as distributions", function()
    local t = { log = int(1, 64, { log = true }), grid = space.float(0.5, 8, { step = 0.5, log = true }),
      w = choice({ 1, 2, 3 }, { weights = { 5, 1, 2 } }),
      s = space.subset(ops(5), { min = 1, max = 4 }), p = space.permutation(ops(3)) }
    local s, rng = space(t), core_rng.new(5, "both")
    for _, d in ipairs(s.decisions) do
      local c, lua, n = {}, {}, 20000
      local one = space { [d.name] = t[d.name] }
      local function key(value) return type(value) == "table" and table.concat(value, ",") or tostring(value) end
      for _ = 1, n do
        local a, b = key(one:random(rng)[d.name]), key(d.domain:random(rng))
        c[a], lua[b] = (c[a] or 0) + 1, (lua[b] or 0) + 1
      end
      local statistic, cells = 0, 0
      for value, x in pairs(c) do statistic, cells = statistic + (x - (lua[value] or 0)) ^ 2 / (x + (lua[value] or 0)), cells + 1 end
      assert.is_true(statistic < cells + 5 * math.sqrt(2 * cells), d.name)
    end
  end)
end)
