--- What can be declared, what is active when, what clauses forbid, and what bad declarations say.
local core_rng = require("vega.core").rng
local helper = require "spec.helper"
local space = require "vega.space"

local choice, int, bool = space.choice, space.int, space.bool

local function names(s)
  local list = {}
  for i, d in ipairs(s.decisions) do list[i] = d.name end
  return list
end

describe("declarations", function()
  it("name decisions by their path", function()
    local s = space { stem = choice { 16, 24 }, stages = space.repeated({ width = int(16, 64, { step = 8 }), block = choice {
      conv = { k = choice { 1, 3 } }, skip = {} } }, int(1, 2)),
        opt = choice { { "sgd", { lr = space.float(0, 1) } }, "none", space { x = bool() } } }
    assert.same({ "opt", "opt.3.x", "opt.sgd.lr", "stages", "stages[1].block", "stages[1].block.conv.k", "stages[1].width", "stages[2].block",
      "stages[2].block.conv.k", "stages[2].width", "stem" }, names(s))
    assert(s:check { stem = 16, opt = "none", stages = 1, ["stages[1].width"] = 24, ["stages[1].block"] = "skip" })
    assert(s:check { stem = 16, opt = 3, ["opt.3.x"] = true, stages = 1, ["stages[1].width"] = 24, ["stages[1].block"] = "conv",
      ["stages[1].block.conv.k"] = 3 })
    local no, message = s:check { stem = 16, opt = "none", stages = 1, ["stages[1].width"] = 24, ["stages[1].block"] = "skip",
      ["stages[2].width"] = 24 }
    assert.is_nil(no)
    assert.matches("'stages%[2%].width' does not apply here; it needs stages >= 2", message)
  end)

  it("gives values of the right type and range", function()
    local s = space { c = space.const(7), n = space.normal(0, 1, { lo = -0.5, hi = 2 }), l = space.normal(1e-3, 1, { log = true }),
      s = space.sequence({ 1, 2 }, 3),
      p = space.permutation { "a", "b", "c" }, u = space.subset({ 1, 2, 3 }, { min = 1 }) }
    local rng, sum = core_rng.new(1, "values"), 0
    for _ = 1, 2000 do
      local a = s:random(rng)
      assert(s:check(a))
      assert.is_true(a.n >= -0.5 and a.n <= 2 and a.l > 0 and #a.u >= 1)
      sum = sum + math.log(a.l / 1e-3)
    end
    assert.is_true(math.abs(sum / 2000) < 0.1)
    assert.same({ c = 7, n = 1.5, l = 0.25, s = { 2, 2, 1 }, p = { "b", "c", "a" }, u = { 1, 3 } },
      s:finish { c = 7, n = 1.5, l = 0.25, s = { 2, 2, 1 }, p = { "b", "c", "a" }, u = { 3, 1 } })
    for _, bad in ipairs { { "s", { 1, 2 } }, { "p", { "a", "b", "b" } }, { "u", {} }, { "u", { 1, 1 } }, { "n", 3 }, { "u", { 1, x = 2 } },
      { "s", "x" } } do
      local a = s:random(rng)
      a[bad[1]] = bad[2]
      assert.error_matches(function() s:finish(a) end, "'" .. bad[1] .. "' is ")
    end
  end)

  it("ties and derives values, which cost nothing", function()
    local s = space { k = choice { 3, 5 }, layer = space.repeated({ w = int(1, 4), kernel = space.ref "k",
      area = space.derived(function(w, k) return w * k * k end,
      { "w", "kernel" }) }, int(1, 2)), total = space.derived(function(a, b) return a + b end, { "layer[1].area", "layer[2].area" }) }
    assert.equal(2 * (4 + 16), s.size)
    local one, two = s:finish { k = 3, layer = 1, ["layer[1].w"] = 2 }, s:finish { k = 3, layer = 2, ["layer[1].w"] = 2, ["layer[2].w"] = 1 }
    assert.same({ 3, 18 }, { one["layer[1].kernel"], one["layer[1].area"] })
    assert.is_nil(one.total)
    assert.is_nil(one["layer[2].kernel"] and one["layer[2].area"])
    assert.equal(27, two.total)
    assert.same(two, s:finish(two))
    two.total = 26
    assert.error_matches(function() s:finish(two) end, "'total' is 26, but its function makes it 27")
    local rng = core_rng.new(1, "tied")
    for _ = 1, 50 do
      local a = s:random(rng)
      for _, arch in ipairs { a, (s:mutate(a, rng)), (s:crossover(a, s:random(rng), rng)), s:decode((s:encode(a))) } do
        assert.equal(arch.k, arch["layer[1].kernel"])
        assert(s:check(arch))
      end
      assert.equal(s:hash(a), s:hash { k = a.k, layer = a.layer, ["layer[1].w"] = a["layer[1].w"], ["layer[2].w"] = a["layer[2].w"] })
    end
  end)

  it("looks names up from the inside out", function()
    local s = space { mode = choice { "x", "y" }, part = space.repeated({ mode = choice { "p", "q" },
      extra = space.when(space.eq("mode", "q"), bool()),
      deep = choice { on = { more = space.when(space.eq("mode", "p"), bool()) } } }, 2) }
    local a = s:finish { mode = "x", ["part[1].mode"] = "q", ["part[1].extra"] = true, ["part[1].deep"] = "on", ["part[2].mode"] = "p",
      ["part[2].deep"] = "on",
      ["part[2].deep.on.more"] = false }
    assert.is_true(a["part[1].extra"])
  end)

  it("shares a decision that is stated twice alike, active where either is", function()
    local s = space.define { choices = function(b)
      b:choice("opt", { "sgd", "rms", "adam" })
      b:when(space.eq("opt", "sgd"), function(c) c:int("momentum", 1, 9) end)
      b:when(space.eq("opt", "rms"), { momentum = int(1, 9) })
    end }
    assert.equal(19, s.size)
    assert(s:check { opt = "rms", momentum = 3 })
    assert.is_nil(s:check { opt = "adam", momentum = 3 })
  end)

  it("nests spaces with their clauses", function()
    local inner = space { a = int(1, 3), b = int(1, 3) }:forbid { a = 1, b = 1 }:forbid_relation("a", ">", "b")
      :require(function(part) return part.a + part.b < 6 end, { name = "sum" })
    local s = space { use = choice { { "yes", inner }, "no" }, two = space.repeated(inner, 2) }
    local n, m = 0, 0
    for _ in inner:members() do n = n + 1 end
    for _ in s:members() do m = m + 1 end
    assert.equal(4, n)
    assert.equal((n + 1) * n * n, m)
  end)

  it("treats a comparison with an inactive decision as false", function()
    local s = space { a = bool(), b = space.when(space.eq("a", true), int(1, 3)), ne = space.when(space.ne("b", 2), bool()),
      no = space.when(~space.eq("b", 2), bool()) }
    assert.equal(2 + (2 * 4 + 1), s.size)
    assert(s:check { a = false, no = true })
  end)

  it("lists itself", function()
    local s = space { a = choice { x = { k = bool() }, y = {} }, r = space.ref "a",
      z = space.when(space.gt("n", 1) & (space.eq("a", "x") | ~space.eq("a", "y")), bool()),
      n = int(1, 2) }:forbid { a = "x", n = 2 }
    assert.equal([[
a: choice { "x", "y" }, 2 values
a.x.k: bool, 2 values when a == "x"
n: int [1, 2], 2 values
z: bool, 2 values when n > 1 and (a == "x" or not (a == "y"))
r: ref (a)
clause: forbid { a = "x", n = 2 }
space 'space': 8 architectures, 4 allowed by inclusion-exclusion]], tostring(s))
  end)

  it("prints an architecture as a literal that reads back", function()
    local s = space { ["a b"] = space.float(0, 1), l = space.subset({ "x", "y\n", "z" }, 2), ["end"] = bool(), i = int(-3, 3),
      r = space.repeated(int(1, 2), 2),
      f = space.float(0, 4, { step = 1 }) }
    local rng = core_rng.new(2, "literal")
    for _ = 1, 50 do
      local arch = s:random(rng)
      local back = assert(load("return " .. s:literal(arch)))()
      assert.same(arch, back)
      assert.equal(s:canonical(arch), s:canonical(back))
    end
  end)
end)

describe("clauses", function()
  it("bind only where all their decisions are active", function()
    local s = space { a = choice { x = { k = int(1, 2) }, y = {} }, b = int(1, 2) }:forbid { ["a.x.k"] = 1, b = 1 }
    assert(s:check { a = "y", b = 1 })
    assert.is_nil(s:check { a = "x", ["a.x.k"] = 1, b = 1 })
  end)

  it("take lists as membership, and as values of list-valued decisions", function()
    local s = space { a = int(1, 5), p = space.subset({ 1, 2, 3 }, 2) }:forbid { a = { 1, 2, 3 }, p = { 1, 2 } }:forbid { p = { { 2, 3 }, { 1, 3 } },
      a = 5 }
    assert.same({ 15 - 3 - 2, "inclusion-exclusion" }, { s:count().size, s:count().method })
  end)

  it("look at tied values too", function()
    local s = space { a = int(1, 3), b = space.ref "a", c = space.derived(function(x) return x * x end, { "a" }) }
    assert.equal(2, s:forbid { b = 1 }:count().size)
    assert.equal(1, s:forbid { c = 9 }:count().size)
  end)

  it("repair where the predicate does", function()
    local s = space { a = int(0, 10), b = int(0, 10) }:require(function(arch)
      return arch.a + arch.b == 10 or { a = arch.a, b = 10 - arch.a }
    end, { name = "sum" })
    local rng = core_rng.new(1, "repair")
    for _ = 1, 100 do
      local a = s:random(rng)
      for _, arch in ipairs { a, (s:mutate(a, rng)), (s:crossover(a, s:random(rng), rng)), s:decode { rng:uniform(), rng:uniform() },
        s:finish { a = 3, b = 3 } } do
        assert.equal(10, arch.a + arch.b)
        assert(s:check(arch))
      end
    end
    local no, message, code = s:check { a = 3, b = 3 }
    assert.is_nil(no)
    assert.same({ "EFORBIDDEN", true }, { code, message:find "clause 'sum'" ~= nil })
  end)

  it("find a needle by looking systematically", function()
    local t = {}
    for i = 1, 12 do t[("x%02d"):format(i)] = choice { 1, 2, 3, 4, 5, 6, 7, 8 } end
    local s = space(t)
    for i = 1, 12 do s:forbid { [("x%02d"):format(i)] = { 1, 2, 3, 4, 5, 6, 7 } } end
    local rng = core_rng.new(1, "needle")
    local arch = s:random(rng)
    for _, d in ipairs(s.decisions) do assert.equal(8, arch[d.name]) end
    local mutant, changed = s:mutate(arch, rng)
    assert.same({ arch, {} }, { mutant, changed })
  end)
end)

describe("a bad declaration", function()
  local BAD = {
    { "choice needs a list of at least one value", function() return { a = choice {} } end },
    { "option 1 is given twice", function() return { a = choice { 1, 1 } } end },
    { "the weight of 3 must be > 0, got nil", function() return { a = choice({ 1, 2, 3 }, { weights = { 1, 2 } }) } end },
    { "a weight is given for 4, which is no option", function() return { a = choice { 1, 2, 3, weights = { 1, 2, 3, 4 } } } end },
    { "low <= high expected, got 3 and 1", function() return { a = int(3, 1) } end },
    { "unknown option 'stpe'; did you mean 'step'", function() return { a = int(1, 3, { stpe = 1 }) } end },
    { "whole numbers expected, got 1, 2.5", function() return { a = int(1, 2.5) } end },
    { "is too wide", function() return { a = int(math.mininteger, math.maxinteger) } end },
    { "a log scale needs bounds above 0", function() return { a = space.float(0, 1, { log = true }) } end },
    { "standard deviation > 0 expected", function() return { a = space.normal(0, -1) } end },
    { "lo < hi expected, got 2 and 1", function() return { a = space.normal(0, 1, { lo = 2, hi = 1 }) } end },
    { "1 to 3 of the candidates can be taken, got 4", function() return { a = space.subset({ 1, 2, 3 }, 4) } end },
    { "a length of at least 1 expected", function() return { a = space.sequence({ 1 }, 0) } end },
    { "the number of copies must be a whole number", function() return { a = space.repeated({ k = bool() }, space.float(1, 2)) } end },
    { "'a' depends on 'b' depends on 'c' depends on 'a'", function()
      return { a = space.when(space.eq("b", 1), choice { 1 }), b = space.when(space.eq("c", 1), choice { 1 }),
        c = space.when(space.eq("a", 1), choice { 1 }), d = bool() }
    end },
    { "tied values form a cycle: a needs b needs a", function() return { a = space.ref "b", b = space.ref "a" } end },
    { "condition 'opt == 1' names 'opt', which is no decision; did you mean 'opts'",
      function() return { a = space.when(space.eq("opt", 1), bool()), opts = choice { 1 } } end },
    { "3 is no value of 'opt', which is choice { 1, 2 }", function() return { a = space.when(space.eq("opt", 3), bool()),
      opt = choice { 1, 2 } } end },
    { "'opt' has no order", function() return { a = space.when(space.lt("opt", "b"), bool()), opt = choice { "a", "b" } } end },
    { "'opt' has lists as values", function() return { a = space.when(space.eq("opt", { 1 }), bool()), opt = space.subset({ 1, 2 }, 1) } end },
    { "looks at 'd', which is derived", function()
      return { a = space.when(space.eq("d", 1), bool()), b = bool(), d = space.derived(function(x) return x end, { "b" }) }
    end },
    { "a condition such as space.eq%('name', value%) expected, got string", function() return { a = space.when("b", bool()) } end },
    { "'a' is no decision", function() return { a = 3 } end },
    { "must be a text without control characters", function() return { 3 } end },
    { "a list of options and the key 'y' do not go together", function() return { a = choice { "x", y = {} } } end },
    { "unknown option 'node'; did you mean 'nodes'", function() return { a = space.cell { node = 2, ops = { "x" } } } end },
    { "the first node has 1 predecessors to pick 2", function() return { a = space.cell { nodes = 2, inputs = 1, ops = { "x" } } } end },
  }
  for _, case in ipairs(BAD) do
    it("says: " .. case[1], function()
      local ok, message = pcall(function() space(case[2]()) end)
      assert.is_false(ok)
      assert.matches("space_language_spec.lua:%d+: .*" .. case[1], message)              -- the place is the user's line
    end)
  end

  it("clashes with an earlier one by name", function()
    assert.error_matches(function() space.define { choices = function(s) s:int("a", 1, 2) s:int("a", 1, 3) end } end,
      "'a' is stated twice, as int %[1, 2%] and as int %[1, 3%]")
  end)

  it("has clauses with unknown names, foreign values, or that leave nothing", function()
    local function s() return space { width = choice { 1, 2 }, b = choice { 1, 2 }, text = choice { "x", "y" } } end
    assert.error_matches(function() s():forbid { widht = 1 } end, "forbid names 'widht', which is no decision; did you mean 'width'")
    assert.error_matches(function() s():forbid { width = 3 } end, "'width' cannot be 3, it is choice { 1, 2 }")
    assert.error_matches(function() s():forbid {} end, "a table { name = value } expected")
    assert.error_matches(function() s():only { { c = 1 } } end, "only #1 names 'c'")
    assert.error_matches(function() s():forbid_relation("width", "=<", "b") end, "one of <, <=, ==, ~=, >, >= expected, got =<")
    assert.error_matches(function() s():forbid_relation("width", "<", "text") end, "'text' is no number")
    assert.error_matches(function() s():require "totl" end, "unknown function 'totl'")
    assert.error_matches(function() s():forbid { width = 1 }:forbid { width = 2 } end,
      "is empty: its clauses contradict each other: forbid { width = 1 }; forbid { width = 2 }")
    assert.error_matches(function() s():forbid { width = 1 }:only { { width = 1, b = 1 } } end, "is empty")
  end)

  it("never hangs on a space without members", function()
    local t = {}
    for i = 1, 40 do t[("x%02d"):format(i)] = choice { 1, 2, 3, 4 } end
    local rng = core_rng.new(1, "hang")
    assert.error_matches(function() space(t):require(function(a) return a.x01 == 9 end, { name = "never" }):random(rng) end,
      "appears empty: of 1000 draws 1000 break clause 'never'")
    assert.error_matches(function() space { a = space.float(0, 1) }:require(function() return false end, { name = "never" }):random(rng) end,
      "appears empty")
  end)
end)

describe("examples/spaces.lua", function()
  it("runs", function()
    local code, out = helper.run "%s examples/spaces.lua"
    assert.equal(0, code)
    assert.matches("a mistake: \tnil\tspace 'space': unknown label 'kernal'; did you mean 'kernel'", out)
    assert.matches("256 cells, 136 up to isomorphism", out)
    assert.matches("loaded is the same: true\n$", out)
  end)
end)

describe("the empty space", function()
  it("has one member, which has nothing to say", function()
    local s, rng = space {}, core_rng.new(1, "empty")
    local a = s:random(rng)
    assert.same({ 1, {} }, { s.size, a })
    assert.same({ {}, {} }, { s:mutate(a, rng) })
    assert.same({ {}, {} }, { s:crossover(a, a, rng) })
    assert.same({ {}, {}, 1, "cbf29ce484222325" }, { s:neighbours(a), s:unrank(1), s:rank(a), s:hash(a) })
  end)
end)
