--- What every strategy must do. One line applies it:
--    require("tests.spec.contract.strategy")(describe, it, "aging", function() return vega.strategy.aging {} end)
local assert = require "luassert"
local space = require "vega.space"
local strategy = require "vega.strategy"

local OPS = { "none", "skip", "conv1x1", "conv3x3", "avgpool3x3" }

local function cells()
  return space.define { name = "cells", choices = function(s) for i = 1, 6 do s:choice("edge_" .. i, OPS) end end }
end
local function mixed()
  return space.define { name = "mixed", choices = {
    opt = space.choice { sgd = { lr = space.float(1e-3, 1, { log = true }), nesterov = space.bool() }, adam = {} },
    width = space.int(8, 64, { step = 8 }), inputs = space.subset({ 1, 2, 3, 4 }, 2), depth = space.ordinal { 2, 3, 4 } } }
end
local function value_of(arch)
  local sum = 0
  for name, v in pairs(arch) do
    if type(v) == "string" then sum = sum + #v elseif type(v) == "number" then sum = sum + v / 100 elseif name then sum = sum + 1 end
  end
  return math.floor(sum * 1000) / 1000
end

local function drive(s, n, outcome)
  local asks = {}
  for i = 1, n do
    local list, status = s:ask(1)
    if not list[1] then return asks, status end
    local t = list[1]
    asks[i] = t.id .. ":" .. t.hash .. ":" .. t.seed
    assert(s:tell(t.id, outcome and outcome(t, i) or { status = "ok", values = { score = value_of(t.config) } }))
  end
  return asks, "ok"
end

return function(describe, it, name, descriptor)
  local function create(sp, more)
    local spec = { space = sp or cells(), objectives = { score = "max" }, seed = 3, budget = { trials = 100 } }
    for k, v in pairs(more or {}) do spec[k] = v end
    return strategy.create(descriptor(), spec)
  end

  describe("strategy contract: " .. name, function()
    it("asks the same with the same seed, otherwise with another", function()
      local a, b, c = drive(create(), 60), drive(create(), 60), drive(create(nil, { seed = 4 }), 60)
      assert.same(a, b)
      assert.not_same(a, c)
    end)

    it("asks only for members, never twice", function()
      for _, sp in ipairs { cells(), mixed() } do
        local s, seen = create(sp), {}
        drive(s, 80, function(t)
          assert(sp:check(t.config))
          assert.is_nil(seen[t.hash])
          seen[t.hash] = true
          return { status = "ok", values = { score = value_of(t.config) } }
        end)
      end
    end)

    it("survives failures, NaN and equal values", function()
      for _, outcome in ipairs {
        function() return { status = "failed", reason = "script" } end,
        function() return { status = "ok", values = { score = 0 / 0 } } end,
        function() return { status = "ok", values = {} } end,
        function() return { status = "ok", values = { score = 1 } } end,
        function(_, i) return i % 2 == 0 and { status = "failed" } or { status = "ok", values = { score = i } } end,
      } do
        local asks = drive(create(), 50, outcome)
        assert.equal(50, #asks)
      end
    end)

    it("ends politely when everything has been seen", function()
      local sp = space.define { name = "fifteen", choices = { a = space.choice { 1, 2, 3 }, b = space.int(1, 5) } }
      local asks, status = drive(create(sp), 1000)
      assert.equal(15, #asks)
      assert.equal("exhausted", status)
      asks, status = drive(create(space.define { name = "one", choices = { a = space.const(7) } }), 10)
      assert.equal(1, #asks)
      assert.equal("exhausted", status)
    end)

    it("goes on from its saved state as if undisturbed", function()
      local whole, s = create(), create()
      local all = drive(whole, 60)
      drive(s, 25)
      local spec = { space = cells(), objectives = { score = "max" }, seed = 3, budget = { trials = 100 } }
      local rest = drive(strategy.load(descriptor(), spec, s:save()), 35)
      for i, ask in ipairs(rest) do assert.equal(all[25 + i], ask) end
    end)

    it("issues a lost trial again with its id and seed, then gives it up", function()
      local s = create()
      local first = s:ask(1)[1]
      for _ = 1, 2 do
        assert.is_true(s:tell(first.id, { status = "lost" }))
        local again = s:ask(1)[1]
        assert.same({ first.id, first.hash, first.seed }, { again.id, again.hash, again.seed })
      end
      s:tell(first.id, { status = "lost" })
      assert.equal(1, s:stats().failed)
      assert.same({}, s:pending())
    end)

    it("refuses unknown ids and foreign configurations, takes what is observed", function()
      local s = create()
      local ok, message = s:tell(99, { status = "ok" })
      assert.is_nil(ok)
      assert.equal("unknown id", message)
      assert.is_nil((s:observe({ nonsense = 1 }, { status = "ok" })))
      assert.is_true(s:observe(cells():unrank(5), { status = "ok", values = { score = 99 } }))
      assert.equal(99, s:best().values.score)
    end)

    it("takes answers in any order with eight pending", function()
      local s, open = create(), {}
      for i = 1, 64 do
        local list = s:ask(1)
        if list[1] then table.insert(open, list[1]) end
        if #open == 8 or not list[1] then
          local t = table.remove(open, i % #open + 1)
          assert.is_true(s:tell(t.id, { status = "ok", values = { score = value_of(t.config) } }))
        end
      end
    end)

    it("runs on when the constraints cannot be met", function()
      local s = create(nil, { constraints = { params = { le = 10 } } })
      drive(s, 40, function(t) return { status = "ok", values = { score = value_of(t.config), params = 20 + t.id } } end)
      local best, least = s:best()
      assert.is_nil(best)
      assert.equal(1, least.id)
      assert.same({}, s:front())
    end)
  end)
end
