local space_text = require "vega.space.text"
local space = require "vega.space"
local strategy = require "vega.strategy"

local function line(n) return space.define { name = "line", choices = { i = space.int(0, n) } } end
local function ok(score) return { status = "ok", values = { score = score } } end
local function create(class, more)
  local spec = { space = line(1000), objectives = { score = "max" }, seed = 5 }
  for k, v in pairs(more or {}) do spec[k] = v end
  return strategy.create(class, spec)
end

-- Asks what a list says, and remembers what it is told.
local function scripted(list)
  local Scripted = { name = "scripted" }
  Scripted.__index = Scripted
  function Scripted.new() return setmetatable({ told = {}, at = 0 }, Scripted) end
  function Scripted:ask()
    self.at = self.at + 1
    return list[self.at] and { i = list[self.at] } or nil
  end
  function Scripted:tell(trial) table.insert(self.told, trial) end
  return Scripted
end

describe("the driver", function()
  it("retries a duplicate, then walks the space for an unseen member", function()
    local s = create(scripted { 1, 1, 2 })
    local list = s:ask(3)
    assert.equal(2, #list)
    assert.same({ 1, 2 }, { list[1].config.i, list[2].config.i })
    assert.equal(1, s:stats().duplicates)
    local stubborn = { name = "stubborn", new = function() return { ask = function() return { i = 3 } end, tell = function() end } end }
    stubborn.ask, stubborn.tell = stubborn.new, stubborn.new
    s = create(stubborn, { space = line(3) })
    local seen = {}
    for _ = 1, 4 do
      local t = s:ask(1)[1]
      assert.is_nil(seen[t.hash])
      seen[t.hash] = true
      s:tell(t.id, ok(1))
    end
    assert.equal("exhausted", select(2, s:ask(1)))
  end)

  it("reuses a stored result at no cost, under a new id", function()
    local s = create(scripted { 7, 8, 7, 8, 9 }, { dedup = "reuse" })
    for _ = 1, 2 do
      local t = s:ask(1)[1]
      s:tell(t.id, ok(t.config.i))
    end
    local t = s:ask(1)[1]
    assert.equal(9, t.config.i)
    assert.equal(5, t.id)
    assert.equal(2, s:stats().told)
    assert.equal(2, s:stats().reused)
    local told = s.method.told
    assert.same({ 7, 8, 7, 8 }, { told[1].value // 1, told[2].value // 1, told[3].value // 1, told[4].value // 1 })
    assert.equal(1, told[3].reused)
  end)

  it("allows duplicates when the objective is noisy", function()
    local s = create(scripted { 7, 7, 7 }, { dedup = "allow" })
    assert.equal(3, #s:ask(3))
    assert.error_matches(function() create(scripted {}, { dedup = "never" }) end, "dedup must be retry, reuse or allow, got 'never'")
  end)

  it("refuses what a space calls the same, whatever its text", function()
    local sp = line(1000)
    function sp:hash(arch) return tostring(arch.i % 10) end            -- a canonical form coarser than the text
    local s = create(scripted { 3, 13, 23, 4 }, { space = sp })
    assert.same({ 3, 4 }, { s:ask(1)[1].config.i, s:ask(1)[1].config.i })
  end)

  it("asks for isomorphic cells once where the space compares graphs", function()
    local function define(canonical)
      return space { cell = space.edge_dag { nodes = 3, ops = { "none", "skip", "conv" }, identity = "skip", canonical = canonical } }
    end
    local function distinct(sp)
      local s, n = create(strategy.random, { space = sp }), 0
      while true do
        local t = s:ask(1)[1]
        if not t then return n end
        s:tell(t.id, ok(1))
        n = n + 1
      end
    end
    assert.equal(27, distinct(define()))
    assert.is_true(distinct(define "graph") < 27)
  end)

  it("takes a late answer for a lost trial, before and after the retry has ended", function()
    local s = create(strategy.random)
    local t = s:ask(1)[1]
    s:tell(t.id, { status = "lost" })
    assert.is_true((s:tell(t.id, ok(1))))                              -- it came before the retry began
    assert.not_equal(t.id, s:ask(1)[1].id)
    local again = s:ask(1)[1]
    s:tell(again.id, { status = "lost" })
    s:ask(1)
    s:tell(again.id, ok(2))
    assert.is_true((s:tell(again.id, ok(3))))                          -- and here after it: an observation
    assert.equal(1, s:stats().observed)
    assert.is_nil((s:tell(t.id + 1000, ok(3))))
  end)

  it("keeps the best, the k best and the least violating", function()
    local s = create(scripted { 1, 2, 3, 4 }, { constraints = { size = { le = 3 } } })
    for _ = 1, 4 do
      local t = s:ask(1)[1]
      s:tell(t.id, { status = "ok", values = { score = t.config.i, size = t.config.i } })
    end
    assert.equal(3, s:best().values.score)
    local list = s:best(5)
    assert.same({ 3, 2, 1 }, { list[1].id, list[2].id, list[3].id })
  end)

  it("says what is wrong with a specification", function()
    assert.error_matches(function() create(strategy.random, { sede = 1 }) end, "unknown option 'sede'; did you mean 'seed'")
    assert.error_matches(function() create(strategy.random, { space = space.define { name = "void", choices = {} } }) end, "space 'void' is empty")
    local impossible = space.define { name = "impossible", choices = { a = space.bool() }, require = function() return false end }
    assert.error_matches(function() create(strategy.random, { space = impossible }) end, "is empty")
    assert.error_matches(function() create(strategy.random, { window = 2 }) end, "window goes with ordered = true")
    assert.error_matches(function() create(strategy.random, { ordered = true, window = 0 }) end, "window must be a whole number >= 1, got 0")
    assert.error_matches(function() create(7) end, "a table with new, ask, tell expected, got number")
    assert.error_matches(function() return strategy.randm end, "strategy 'randm' is not found; did you mean 'random'")
    assert.error_matches(function() strategy.use { name = "half", new = print, ask = print } end, "strategy 'half': function 'tell' is missing")
  end)

  it("draws for one trial without shifting the next", function()
    local function second(draws)
      local Class = { name = "greedy", new = function(sp, _, rng) return { sp = sp, rng = rng, ask = function(self)
        for _ = 1, draws do self.rng:uniform() end
        draws = 0
        return self.sp:random(self.rng)
      end, tell = function() end } end, ask = print, tell = print }
      local s = create(Class)
      s:ask(1)
      return s:ask(1)[1].hash
    end
    assert.equal(second(0), second(9))
  end)

  it("writes the canonical text in C as the domains say it", function()
    local names = { "b", "f", "g", "h", "i", "l", "none", "s" }
    local arch = { b = true, f = 0.1, g = -0.0, h = 1e300, i = -3, l = { 1, "x", 2.5 }, s = "a=b\nc" }
    local lines = {}
    for _, name in ipairs(names) do if arch[name] ~= nil then lines[#lines + 1] = name .. "=" .. space_text.canonical(arch[name]) end end
    local text = table.concat(lines, "\n")
    local hash = require("vega.core").hash
    assert.equal(text, hash.canonical(names, arch))
    assert.equal(("%016x"):format(hash.fnv(text)), hash.architecture(names, arch))
    arch.s = ("long"):rep(5000)                                       -- the buffer has to grow while values are on the stack
    assert.equal(20000 + #"s=s:20000:", #hash.canonical({ "s" }, arch))
    assert.error_matches(function() hash.canonical({ "s" }, { s = print }) end, "a value of an architecture is a function")
  end)
end)
