--- What strategies of several objectives and designed strategies promise beyond the contract of all strategies.
local here = debug.getinfo(1, "S").source:match("^@(.*)evolution_fronts_spec%.lua$")
local Cube = require "vega.evolution.cube"
local helper = dofile(here .. "evolution_helper.lua")
local pareto = require("vega.core").pareto
local replacement = require "vega.evolution.replacement"
local space = require "vega.space"
local strategy = require "vega.strategy"

local answer, floats, search, trial = helper.answer, helper.floats, helper.search, helper.trial
local rng = require("vega.core").rng.new(1, "evolution_fronts_spec")

-- Two objectives in conflict, ties included.
local function conflict(config, scale)
  local a, b = 0, 0
  for i = 1, 4 do
    a = a + math.floor(config["x" .. i] * 8) / 8
    b = b + (1 - config["x" .. i]) ^ 2
  end
  return a * (scale or 1), b
end

describe("several objectives", function()
  local SCALED = { "nsga2", "smsemoa", "moead" }
  for _, name in ipairs(SCALED) do
    it("do not depend on their units: " .. name, function()
      local asked = {}
      for run, scale in ipairs { 1, 1024 } do               -- a power of two, so that rounding is the same
        local s = search(strategy[name] { population = 12 }, floats(4), 2, 5)
        asked[run] = {}
        for i = 1, 120 do
          local t = s:ask(1)[1]
          asked[run][i] = t.hash
          answer(s, t, conflict(t.config, scale))
        end
      end
      assert.same(asked[1], asked[2])
    end)
  end

  for _, name in ipairs { "nsga2", "nsga3" } do
    it("survive by ranks: " .. name, function()
      local s = search(strategy[name] { population = 15 }, floats(4), 2)
      for i = 1, 150 do
        local before = table.move(s.method.population.members, 1, #s.method.population.members, 1, {})
        local t = s:ask(1)[1]
        answer(s, t, conflict(t.config))
        local points, lives, all = {}, {}, before
        if i > 1 then
          all[#all + 1] = s.told and s.told[#s.told] or nil
          for _, m in ipairs(s.method.population.members) do lives[m.id] = true end
          for k, m in ipairs(all) do points[k] = m.costs end
          local rank, worst_living, best_dead = pareto.rank(points), 0, math.huge
          for k, m in ipairs(all) do
            if lives[m.id] then worst_living = math.max(worst_living, rank[k]) else best_dead = math.min(best_dead, rank[k]) end
          end
          assert.is_true(worst_living <= best_dead)
        end
      end
    end)
  end

  it("settle a generation whatever the order of its answers", function()
    for _, name in ipairs { "nsga2", "nsga3" } do
      local asked = {}
      for run = 1, 2 do
        local s = search(strategy[name] { population = 10, synchronous = true }, floats(4), 2, 3)
        asked[run] = {}
        for _ = 1, 6 do
          local list = s:ask(10)
          assert.equal(10, #list)
          assert.equal("wait", select(2, s:ask(1)))
          for i = 1, 10 do
            local t = list[run == 1 and i or 11 - i]
            table.insert(asked[run], list[i].hash)
            answer(s, t, conflict(t.config))
          end
        end
      end
      assert.same(asked[1], asked[2])
    end
  end)

  it("lose the least contributor of the last front: smsemoa", function()
    local function volume(points, ref) return pareto.hypervolume(points, ref) end
    for _ = 1, 40 do
      local m, population = rng:int(2, 3), replacement.hypervolume(7)
      local points = {}
      for i = 1, 8 do
        local costs, sum = {}, 0
        for k = 1, m do
          costs[k] = rng:uniform()
          sum = sum + costs[k]
        end
        for k = 1, m do costs[k] = costs[k] / sum end          -- one front
        points[i] = costs
        population:insert(trial(i, 0.0, { costs = costs }))
      end
      local lives, dead = {}, nil
      for _, member in ipairs(population.members) do lives[member.id] = true end
      for i = 1, 8 do if not lives[i] then dead = i end end
      local ref = {}
      for k = 1, m do
        local low, high = math.huge, -math.huge
        for _, p in ipairs(points) do low, high = math.min(low, p[k]), math.max(high, p[k]) end
        ref[k] = high + (high - low)
      end
      local function without(i)
        local rest = {}
        for j, p in ipairs(points) do if j ~= i then rest[#rest + 1] = p end end
        return volume(rest, ref)
      end
      for i = 1, 8 do assert.is_true(without(dead) >= without(i) - 1e-12) end
    end
  end)

  it("are scalarised as stated: moead", function()
    local scalar = require("vega.strategy.moead").scalar
    local f, w, z, range = { 1, 2 }, { 0.5, 0.5 }, { 0, 0 }, { 1, 1 }
    assert.near(1.0, scalar.tchebycheff(f, w, z, range), 1e-10)
    assert.near(5.6568542495, scalar.intersection(f, w, z, range), 1e-9)
    assert.near(2e-6, scalar.tchebycheff({ 0, 2 }, { 1, 0 }, z, range), 1e-15)
  end)

  it("replace at most two neighbours: moead", function()
    local s = search(strategy.moead { population = 20, neighbours = 5 }, floats(4), 2)
    for _ = 1, 150 do
      local before = table.move(s.method.population.members, 1, 20, 1, {})
      local t = s:ask(1)[1]
      answer(s, t, conflict(t.config))
      local changed = 0
      for i, m in ipairs(s.method.population.members) do if before[i] and before[i] ~= m then changed = changed + 1 end end
      assert.is_true(changed <= 2)
    end
  end)

  it("need room for all directions: nsga3", function()
    assert.error_matches(function() search(strategy.nsga3 { population = 20, divisions = 12 }, floats(4), 3) end,
      "strategy 'nsga3': 12 divisions make 91 directions, more than the population of 20")
    assert.equal(15, #search(strategy.moead { population = 20 }, floats(4), 3).method.population.weights)
  end)
end)

describe("designs", function()
  it("do not listen: latin_hypercube, sobol, halton", function()
    for _, name in ipairs { "latin_hypercube", "sobol", "halton" } do
      local a, b = search(strategy[name] {}, floats(3), 1), search(strategy[name] {}, floats(3), 1)
      for i = 1, 20 do
        local s, t = a:ask(1)[1], b:ask(1)[1]
        assert.equal(s.hash, t.hash)
        answer(a, s, i)
        if i % 2 == 0 then answer(b, t, -i) else b:tell(t.id, { status = "failed" }) end
      end
    end
  end)

  it("have one point in each stratum: latin_hypercube", function()
    local s = search(strategy.latin_hypercube { samples = 25 }, floats(4), 1)
    for _ = 1, 2 do
      local met = { {}, {}, {}, {} }
      for _, t in ipairs(s:ask(25)) do
        for k = 1, 4 do
          local stratum = math.floor(t.config["x" .. k] * 25)
          assert.is_nil(met[k][stratum])
          met[k][stratum] = true
        end
      end
    end
  end)

  it("begin as the sequence does: sobol without scrambling", function()
    local expected = { { 0, 0 }, { 0.5, 0.5 }, { 0.75, 0.25 }, { 0.25, 0.75 }, { 0.375, 0.375 } }
    for i, t in ipairs(search(strategy.sobol { scramble = "none" }, floats(2), 1):ask(5)) do
      assert.same(expected[i], { t.config.x1, t.config.x2 })
    end
  end)

  it("fill a space of choices evenly, clauses respected", function()
    local sp = space.define { name = "clauses", choices = { a = space.choice { 1, 2, 3, 4 }, b = space.choice { 1, 2, 3, 4 } },
      forbid = { { a = 1, b = 1 } } }
    local s, seen = search(strategy.sobol {}, sp, 1), {}
    for _ = 1, 15 do
      local t = s:ask(1)[1]
      assert.is_nil(seen[t.hash])
      seen[t.hash] = true
      answer(s, t, 1)
    end
    assert.equal("exhausted", select(2, s:ask(1)))
  end)

  it("names the limit of the sequence: sobol", function()
    assert.error_matches(function() search(strategy.sobol {}, floats(257), 1) end, "sobol.*256 decisions.*257")
    assert.equal(1, #search(strategy.sobol {}, floats(256), 1):ask(1))
  end)
end)

describe("grid", function()
  local function conditional()
    return space.define { name = "conditional", choices = { a = space.choice { x = { p = space.float(0, 1), q = space.int(1, 3) }, y = {} },
      lr = space.float(1e-4, 1, { log = true }), n = space.normal(0, 1) },
      require = function(arch) return arch.a ~= "y" or math.abs(arch.n) > 0.1 end }
  end
  local function members(options, n, seed)
    local s, set, list = search(strategy.grid(options), conditional(), 1, seed, { budget = { trials = 1000 } }), {}, {}
    for i = 1, n or 1000 do
      local t = s:ask(1)[1]
      if not t then break end
      assert.is_nil(set[t.hash])
      set[t.hash], list[i] = true, t.config
      answer(s, t, 1)
    end
    return list, set, s
  end

  it("visits every member once, inactive decisions apart", function()
    local list = members { points = 3 }
    -- a = x: 3 x 3 values below it; a = y: one; times 3 rates and 3 strata of n, of which the clause forbids the middle one for y
    assert.equal((9 + 1) * 9 - 3, #list)
    local rates = {}
    for _, arch in ipairs(list) do rates[("%.6g"):format(arch.lr)] = true end
    assert.same({ ["0.0001"] = true, ["0.01"] = true, ["1"] = true }, rates)
  end)

  it("has the same members in any order, and another order for another seed", function()
    local plain, plain_set = members { points = 3 }
    local one, one_set = members { points = 3, shuffle = true }
    local other, other_set = members({ points = 3, shuffle = true }, 1000, 2)
    assert.same(plain_set, one_set)
    assert.same(plain_set, other_set)
    assert.not_same(plain, one)
    assert.not_same(one, other)
  end)

  it("begins anywhere: the state is one number", function()
    local list = members { points = 3, shuffle = true }
    for _, k in ipairs { 1, 40, 86 } do
      local _, _, s = members({ points = 3, shuffle = true }, k)
      assert.same(list[k + 1], s:ask(1)[1].config)
    end
  end)

  it("runs the last decision fastest", function()
    local s = search(strategy.grid { points = 2 }, floats(2), 1)
    local order = {}
    for i, t in ipairs(s:ask(4)) do order[i] = t.config.x1 * 2 + t.config.x2 end
    assert.same({ 0.0, 1.0, 2.0, 3.0 }, order)
  end)

  it("says when there is too much of it", function()
    assert.error_matches(function() search(strategy.grid {}, floats(40), 1) end, "'grid': the grid over space 'floats' has about 2%^93 members")
  end)
end)

describe("the cube", function()
  it("leaves out what is settled and goes there and back", function()
    local sp = space { a = space.const(3), b = space.choice { 1, 2, 3 }, c = space.float(1e-3, 1, { log = true }) }
    local cube = Cube.new(sp)
    assert.equal(2, cube.n)
    for _ = 1, 20 do
      local arch, x = cube:random(rng)
      assert.same(arch, cube:decode(x))
      local again = cube:decode(cube:encode(arch))
      assert.same({ arch.a, arch.b }, { again.a, again.b })
      assert.near(1, again.c / arch.c, 1e-12)
    end
  end)
end)
