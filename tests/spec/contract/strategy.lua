--- What every strategy must do. One line applies it:
--    require("tests.spec.contract.strategy")(describe, it, "aging", function() return vega.strategy.aging {} end)
-- Options (a last table): asks = 60 (fewer for a strategy that fits models; VEGA_LONG=1 makes it 200), pending = 23 (suggestions taken at once;
-- more than a population), growth = true (its Lua work does not grow with the trials), frozen = "hash" (of the first 30 asks, see below).
local assert = require "luassert"
local space = require "vega.space"
local strategy = require "vega.strategy"
local util = require "vega.util"

local OPS = { "none", "skip", "conv1x1", "conv3x3", "avgpool3x3" }

local function define(name, choices) return space.define { name = name, choices = choices } end
local function cells()
  return define("cells", function(s) for i = 1, 6 do s:choice("edge_" .. i, OPS) end end)
end
local function mixed()
  return define("mixed", { opt = space.choice { sgd = { lr = space.float(1e-3, 1, { log = true }), nesterov = space.bool() }, adam = {} },
    width = space.int(8, 64, { step = 8 }), inputs = space.subset({ 1, 2, 3, 4 }, 2), depth = space.ordinal { 2, 3, 4 } })
end

-- Point 6: spaces at the edge of what a space can be.
local EDGES = {
  { "of one member", { a = space.const(7) } },
  { "of three members", { a = space.choice { "x", "y", "z" } } },
  { "of one parameter", { a = space.float(-1, 1) } },
  { "of categories only", { a = space.choice { "x", "y", "z" }, b = space.bool(), c = space.choice { 1, 2, 3, 4 } } },
  { "of floats only", { a = space.float(0, 1), b = space.float(1e-4, 1, { log = true }), c = space.float(-5, 5) } },
  { "where all is conditional", { a = space.choice { x = { p = space.float(0, 1) }, y = { q = space.int(1, 9), r = space.choice { 1, 2, 3 } } } } },
}

-- A value for any architecture, the same on any machine.
local function value_of(arch)
  local sum = 0
  for _, name in ipairs(util.sorted_keys(arch)) do
    local v = arch[name]
    if type(v) == "string" then sum = sum + #v elseif type(v) == "number" then sum = sum + v / 100 else sum = sum + 1 end
  end
  return math.floor(sum * 1000) / 1000
end

local function ok(values) return { status = "ok", values = values } end
local function scored(t) return ok { score = value_of(t.config) } end

-- Up to n trials one after the other, or until the strategy ends; what was asked, and the last status.
local function drive(s, n, outcome)
  local asks = {}
  for i = 1, n do
    local list, status = s:ask(1)
    local t = list[1]
    if not t then return asks, status end
    asks[i] = t.id .. ":" .. t.hash .. ":" .. t.seed
    assert.is_true((s:tell(t.id, (outcome or scored)(t, i))))
  end
  return asks, "ok"
end

-- Instructions of Lua's machine that fn takes: unlike time, the same in every run.
local function instructions(fn)
  local count = 0
  debug.sethook(function() count = count + 1 end, "", 100)
  fn()
  debug.sethook()
  return count * 100
end

return function(describe, it, name, descriptor, options)
  local given = options or {}
  local asks = os.getenv "VEGA_LONG" and 200 or given.asks or 60
  local many = given.pending or 23

  local function spec(sp, more)
    local result = { space = sp or cells(), objectives = { score = "max" }, seed = 3, budget = { trials = 100 } }
    for k, v in pairs(more or {}) do result[k] = v end
    return result
  end
  local function create(sp, more) return strategy.create(descriptor(), spec(sp, more)) end

  describe("strategy contract: " .. name, function()
    it("asks for 1, 7 and many at once: rising ids, members of the space, their hash", function()
      local sp, last = mixed(), 0
      local s = create(sp)
      for _, n in ipairs { 1, 7, many } do
        local list, status = s:ask(n)
        assert.is_true(#list >= 1 and #list <= n)
        if #list < n then assert.equal("wait", select(2, s:ask(1))) end
        assert.equal("ok", status)
        for _, t in ipairs(list) do
          assert.is_true(t.id > last)
          assert.same(t.config, (assert(sp:check(t.config))))
          assert.equal(sp:hash(t.config), t.hash)
          last = t.id
        end
        assert.equal(#list, #s:pending())
        for _, t in ipairs(list) do s:tell(t.id, scored(t)) end
      end
    end)

    it("asks the same with the same seed, otherwise with another", function()
      local a, b, c = drive(create(), asks), drive(create(), asks), drive(create(nil, { seed = 4 }), asks)
      assert.same(a, b)
      assert.not_same(a, c)
      if given.frozen then       -- it may change with a deliberate change of the strategy or of what draws from the generator; say so then
        local first = drive(create(), 30)
        assert.equal(given.frozen, ("%016x"):format(util.fnv(table.concat(first, "\n"))))
      end
    end)

    it("asks only for members, never twice", function()
      for _, sp in ipairs { cells(), mixed() } do
        local s, seen = create(sp), {}
        drive(s, asks, function(t)
          assert(sp:check(t.config))
          assert.is_nil(seen[t.hash])
          seen[t.hash] = true
          return scored(t)
        end)
      end
    end)

    it("goes on from its saved state after any event as if undisturbed", function()
      local n = os.getenv "VEGA_LONG" and 200 or math.min(asks, 40)
      local whole = create(nil, { objectives = { score = "max" } })
      local all = drive(whole, n)
      local events = whole:save().events
      for cut = 0, #events do
        local s = strategy.load(descriptor(), spec(), { events = table.move(events, 1, cut, 1, {}) })
        local open = s:pending()
        assert.equal(cut % 2, #open)
        for _, id in ipairs(open) do                                  -- in flight when it was cut
          local t = s:suggestion(id)
          assert.equal(all[(cut + 1) // 2], t.id .. ":" .. t.hash .. ":" .. t.seed)
          s:tell(id, scored(t))
        end
        local done = (cut + 1) // 2
        assert.same(table.move(all, done + 1, n, 1, {}), (drive(s, n - done)))
      end
    end)

    it("takes answers reversed and shuffled within a window of eight", function()
      for _, pick in ipairs { function(open) return #open end, function(open, i) return i * 7 % #open + 1 end } do
        local s, open = create(), {}
        for i = 1, asks do
          local t = s:ask(1)[1]
          if t then table.insert(open, t) end
          if #open == 8 or not t then
            local answered = table.remove(open, pick(open, i))
            assert.is_true((s:tell(answered.id, scored(answered))))
          end
        end
        assert.equal(#open, #s:pending())
      end
    end)

    it("survives failures, NaN and equal values", function()
      local n = math.min(asks, 50)
      for _, outcome in ipairs {
        function() return { status = "failed", reason = "script" } end,
        function(_, i) return i % 2 == 0 and { status = "failed" } or ok { score = i } end,
        function() return ok { score = 0 / 0 } end,
        function() return ok {} end,
        function() return ok { score = 1 } end,
        function(_, i) return ok { score = i == 5 and 1 or 0 / 0 } end,
        function() return ok { score = math.huge } end,
        function(_, i) return { status = i % 3 == 0 and "infeasible" or "ok", values = { score = i } } end,
      } do
        local s = create()
        assert.equal(n, #drive(s, n, outcome))
        local best = s:best()
        assert.is_true(best == nil or best.values.score == best.values.score)
      end
    end)

    for _, edge in ipairs(EDGES) do
      it("manages a space " .. edge[1], function()
        local sp = define("edge", edge[2])
        local s = create(sp)
        local list, status = drive(s, math.min(asks, 30))
        if status == "exhausted" then assert.equal(sp.size, #list) else assert.is_true(#list >= math.min(asks, 30)) end
      end)
    end

    it("ends politely when everything has been seen", function()
      local sp = define("fifteen", { a = space.choice { 1, 2, 3 }, b = space.int(1, 5) })
      local list, status = drive(create(sp), 1000)
      assert.equal(15, #list)
      assert.equal("exhausted", status)
    end)

    it("runs on when the constraints cannot be met", function()
      local s = create(nil, { constraints = { params = { le = 10 } } })
      drive(s, math.min(asks, 40), function(t) return ok { score = value_of(t.config), params = 20 + t.id } end)
      local best, least = s:best()
      assert.is_nil(best)
      assert.equal(1, least.id)
      assert.same({}, s:front())
      assert.same({}, s:best(3))
    end)

    it("takes several objectives, or says at once that it does not", function()
      for _, objectives in ipairs { { a = "max", b = "min" }, { a = "max", b = "min", c = "min" } } do
        local made, s = pcall(create, nil, { objectives = objectives })
        if made then
          drive(s, math.min(asks, 30), function(t, i) return ok { a = value_of(t.config), b = i % 7, c = i % 5 } end)
          assert.is_true(#s:front() >= 1)
        else
          assert.matches("takes one objective, got %d", s)
        end
      end
    end)

    it("issues a lost trial again with its id and seed, then gives it up", function()
      local s = create()
      local first = s:ask(1)[1]
      for _ = 1, 2 do
        assert.is_true(s:tell(first.id, { status = "lost" }))
        local again = s:ask(1)[1]
        assert.same({ first.id, first.hash, first.seed }, { again.id, again.hash, again.seed })
        assert.same(first.config, again.config)
      end
      s:tell(first.id, { status = "lost" })
      assert.equal(1, s:stats().failed)
      assert.same({}, s:pending())
    end)

    it("refuses unknown ids and foreign configurations, takes what is observed", function()
      local s = create()
      local told, message = s:tell(99, { status = "ok" })
      assert.is_nil(told)
      assert.equal("unknown id", message)
      assert.is_nil((s:observe({ nonsense = 1 }, { status = "ok" })))
      for i = 1, 9 do assert.is_true((s:observe(cells():unrank(i), ok { score = 90 + i }))) end
      assert.equal(99, s:best().values.score)
      assert.equal(10, s:ask(1)[1].id)
    end)

    it("gives the same search for three workers in any timing when ordered", function()
      local function run(pick)
        local s, open, list = create(nil, { ordered = true, window = 3 }), {}, {}
        for i = 1, math.min(asks, 40) do
          local t = s:ask(1)[1]
          while not t do
            local done = table.remove(open, pick(open, i))
            s:tell(done.id, scored(done))
            t = s:ask(1)[1]
          end
          open[#open + 1], list[i] = t, t.id .. ":" .. t.hash
        end
        return list
      end
      local in_order = run(function() return 1 end)
      assert.same(in_order, run(function(open) return #open end))
      assert.same(in_order, run(function(open, i) return i * 5 % #open + 1 end))
    end)

    if given.growth ~= false then
      it("does not work more for the 400th trial than for the 150th", function()
        local sp = define("ten", function(s) for i = 1, 10 do s:float("x" .. i, 0, 1) end end)
        local s = create(sp)
        local function trials() drive(s, 50) end
        drive(s, 100)
        local early = instructions(trials)
        drive(s, 250)
        assert.is_true(instructions(trials) < 1.5 * early)
      end)
    end
  end)
end
