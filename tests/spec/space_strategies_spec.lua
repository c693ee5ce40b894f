--- Every strategy searches a space that uses the whole language: conditions, repeats, ties, lists, weights, clauses, a repair.
local space = require "vega.space"
local strategy = require "vega.strategy"

local function rich()
  return space { op = space.choice { conv = { k = space.choice { 1, 3, 5 } }, skip = {} }, perm = space.permutation { 1, 2, 3, 4 },
    sub = space.subset({ "a", "b", "c", "d" }, 2), some = space.subset({ 1, 2, 3 }, { min = 0 }), seq = space.sequence({ "x", "y" }, 3),
    lr = space.float(1e-4, 1, { log = true }), wide = space.int(1, 1000), n = space.normal(0, 1), size = space.ordinal { 8, 16, 32 },
    one = space.const "c", w = space.choice({ "p", "q", "r" }, { weights = { 8, 1, 1 } }),
    stage = space.repeated({ w = space.int(1, 9), act = space.choice { "r", "s" } }, space.int(1, 4)),
    extra = space.when(space.gt("stage", 2), space.bool()), same = space.ref "wide", square = space.derived(function(a) return a * a end, { "wide" }) }
    :forbid { op = "skip", w = "p" }
    :require(function(arch)
      if arch.wide < 900 then return true end
      local better = {}
      for name, value in pairs(arch) do better[name] = value end
      better.wide, better.same, better.square = 850, nil, nil
      return better
    end, { name = "narrow" })
end

local function names()
  local list = {}
  for _, path in ipairs(require("vega.core").sys.list("lua/vega/strategy")) do list[#list + 1] = path:match "([%w_]+)%.lua$" end
  table.sort(list)
  return list
end

describe("a space that uses the whole language", function()
  for _, name in ipairs(names()) do
    it("is searched by " .. name, function()
      local s = rich()
      local driver = strategy.create(strategy[name], { space = s, objectives = { cost = "min" }, seed = 1, budget = { trials = 30 } })
      for _ = 1, 30 do
        local suggestion = driver:ask(1)[1]
        local arch = suggestion.config
        assert.same(arch, assert(s:check(arch)))
        assert.equal(arch.wide ^ 2, arch.square + 0.0)
        local cost = (math.log(arch.lr) + 3) ^ 2 + arch.n ^ 2 + arch.wide / 500 + arch.stage + (arch.op == "skip" and 1 or 0) + arch.perm[1]
        assert(driver:tell(suggestion.id, { status = "ok", values = { cost = cost } }))
      end
    end)
  end
end)
