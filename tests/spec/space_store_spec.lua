--- Save, load, difference; and what must hold of any space, on random ones. VEGA_LONG=1 takes the full numbers.
local core = require "vega.core"
local space = require "vega.space"
local spaces = require "spec.spaces"

local LONG = os.getenv "VEGA_LONG" ~= nil
local choice, int, bool = space.choice, space.int, space.bool

describe("a saved space", function()
  it("loads as the same, for random spaces, through JSON too", function()
    local rng = core.rng.new(1, "save")
    for i = 1, LONG and 10000 or 400 do
      local s = spaces.random(rng, { clauses = 3 })
      local saved = s:save()
      local back = space.load(saved)
      assert.equal(tostring(s), tostring(back))
      assert.same(saved, back:save())
      local again = space.load(core.json.decode(core.json.encode(saved)))
      assert.equal(tostring(s), tostring(again))
      assert.is_true(s:diff(again).same)
      if i % 10 == 0 then
        local arch = s:random(core.rng.new(i, "same"))
        assert.equal(s:canonical(arch), back:canonical(back:random(core.rng.new(i, "same"))))
        assert(again:check(arch))
      end
    end
  end)

  it("keeps cells, stages and what repeats", function()
    local s = space { normal = space.cell { nodes = 2, ops = { "a", "b" }, canonical = "graph" },
      e = space.edge_dag { nodes = 3, ops = { "none", "c" } },
      v = space.vertex_dag { vertices = 4, ops = { "p", "q" } }, r = space.repeated({ w = int(1, 9) }, int(1, 3)) }
    local back, rng = space.load(core.json.decode(core.json.encode(s:save()))), core.rng.new(2, "cells")
    for _ = 1, 50 do
      local arch = s:random(rng)
      for _, form in ipairs { "path", "adjacency" } do assert.same((s:encode(arch, form)), (back:encode(arch, form))) end
      assert.equal(s:hash(arch), back:hash(arch))
      assert(back:check((back:mutate(arch, rng, { operator = "add" }))))
    end
  end)

  it("keeps clauses of nested spaces", function()
    space.register("store_spec.small", function(part) return part.a + part.b < 4 end)
    local inner = space { a = int(1, 3), b = int(1, 3) }:forbid { a = 1, b = 2 }:require "store_spec.small"
    local s = space { x = choice { one = inner, two = {} } }
    local back = space.load(s:save())
    local n, m = 0, 0
    for _ in s:members() do n = n + 1 end
    for _ in back:members() do m = m + 1 end
    assert.same({ 3, 3 }, { n, m })
  end)

  it("needs names for functions", function()
    local function build() end
    assert.error_matches(function() space { a = bool() }:require(function() return true end, { name = "mine" }):save() end,
      "clause 'mine' is a function without a name; give it one with space.register")
    assert.error_matches(function() space { a = bool(), b = space.derived(function(x) return x end, { "a" }) }:save() end,
      "derived 'b' is a function")
    assert.error_matches(function() space.define { choices = { a = bool() }, build = build }:save() end, "build is a function")
    assert.is_table(space { a = bool() }:require(function() return true end):signature())
    space.register("store_spec.build", build)
    assert.equal(build, space.load(space.define { choices = { a = bool() }, build = build }:save()).build)
    assert.error_matches(function() space.register("store_spec.build", function() end) end, "is another function already")
    assert.error_matches(function() space.load {} end, "what space:save%(%) returned expected")
    assert.error_matches(function() space.load { version = 1, decisions = {} } end, "version 2 expected, got 1")
  end)

  it("differs from another by what was added, removed, widened, narrowed", function()
    local old = space { a = int(1, 8), b = choice { 1, 2 }, c = space.float(0, 1), gone = bool(), kind = int(1, 2), g = choice { 1, 2, 3 },
      s = space.subset({ 1, 2 }, 1),
      w = space.when(space.eq("b", 1), int(1, 2)), n = space.normal(0, 1, { lo = 0 }) }:forbid { b = 1, gone = true }
    local new = space { a = int(0, 9), b = choice { 1, 2, 3 }, c = space.float(0, 0.5), come = bool(), kind = choice { 1, 2 }, g = choice { 3, 1 },
      s = space.subset({ 1, 2 }, { min = 0, max = 1 }),
      w = space.when(space.eq("b", 2), int(1, 2)), n = space.normal(0, 1) }:forbid { b = 3, a = 1 }
    local diff = old:diff(new)
    assert.same({ { "come" }, { "gone" }, { "a", "b", "n", "s" }, { "c", "g" }, { "kind", "w" }, false },
      { diff.added, diff.removed, diff.widened, diff.narrowed, diff.changed, diff.same })
    assert.same({ 1, 1 }, { #diff.clauses_added, #diff.clauses_removed })
    assert.is_true(old:diff(old:save()).same)
  end)
end)

describe("any space", function()
  it("has producers that keep inside it", function()
    local rng = core.rng.new(3, "fuzz")
    for _ = 1, LONG and 5000 or 250 do
      local s = spaces.random(rng, { clauses = 4 })
      local a, b = s:random(rng), s:random(rng)
      local made = { a, b, (s:mutate(a, rng)), (s:mutate(a, rng, { rate = 0.4 })), (s:crossover(a, b, rng)),
        (s:crossover(a, b, rng, { operator = "two_point" })),
        (s:mutate(a, rng, { operator = "add" })), (s:mutate(b, rng, { operator = "remove" })) }
      table.move(s:neighbours(a, rng), 1, 5, #made + 1, made)
      made[#made + 1] = s.plan and s:random(rng, { measure = "uniform" }) or nil
      local x = {}
      for i = 1, #s.decisions do x[i] = rng:uniform() end
      made[#made + 1] = s:decode(x)
      for _, arch in ipairs(made) do assert.same(arch, assert(s:check(arch))) end
    end
  end)

  it("counts, ranks, encodes and draws in agreement", function()
    local rng = core.rng.new(4, "agree")
    for _ = 1, LONG and 2000 or 100 do
      local s = spaces.random(rng, { finite = true, clauses = 3 })
      if s.size and s.size <= 3000 then
        local n = 0
        for i, arch in s:members() do
          n = n + 1
          assert.equal(i, s:rank(arch))
          if n % 7 == 0 then
            assert.same(arch, s:decode((s:encode(arch))))
            assert.same(arch, s:decode(s:encode(arch, "onehot"), "onehot"))
          end
        end
        assert.equal(n, s:count().size)
        assert.is_true(math.abs(s:count().bits - math.log(n, 2)) < 1e-9)
      end
    end
  end)

  it("is called empty only where no member is allowed", function()
    local rng, n = core.rng.new(6, "empty"), 0
    for _ = 1, LONG and 10000 or 500 do
      local s = spaces.random(rng, { finite = true })
      local names = {}
      for _, d in ipairs(s.decisions) do if d.domain.size and d.domain.size <= 3 then names[#names + 1] = d end end
      local refused, message
      local function forbid(d, i)
        if refused then return end
        local ok, text = pcall(s.forbid, s, { [d.name] = d.domain:at(i) })
        if not ok then refused, message = { d = d, value = d.domain:at(i) }, text end
      end
      for _, d in ipairs(names) do for i = 2, d.domain.size do forbid(d, i) end end            -- one value of each is left ...
      if #names > 0 then forbid(names[1], 1) end                                               -- ... and then not that one either
      if s.size and s.size <= 3000 then
        local allowed, outside = 0, 0
        for i = 1, s.size do
          local arch = s:check(s:unrank(i))
          if arch then allowed = allowed + 1 end
          if arch and refused and not (arch[refused.d.name] ~= nil and refused.d.domain:equal(arch[refused.d.name], refused.value)) then
            outside = outside + 1
          end
        end
        assert.is_true(allowed > 0)                           -- a refused clause is taken back
        assert.equal(0, outside)                              -- and was refused rightly
        if refused then
          n = n + 1
          assert.matches("is empty", message)
        end
      end
    end
    assert.is_true(n > 20, n)
  end)

  it("has hashes without collision", function()
    local t = {}
    for i = 1, 10 do t["x" .. i] = i <= 4 and space.float(0, 1) or i <= 7 and int(1, 64) or choice { "a", "b", "c" } end
    local s, rng, seen, seen128 = space(t), core.rng.new(5, "hash"), {}, {}
    for _ = 1, LONG and 1000000 or 50000 do
      local hash = s:hash(s:random(rng))
      assert.is_nil(seen[hash])                                    -- ten decisions, four of them continuous: no draw comes twice
      seen[hash] = true
    end
    for _ = 1, 1000 do
      local arch = s:random(rng)
      local long = s:hash128(arch)
      assert.same({ 32, s:hash(arch), nil }, { #long, long:sub(1, 16), seen128[long] })
      assert.is_true(long:sub(1, 16) ~= long:sub(17))
      seen128[long] = true
    end
  end)
end)
