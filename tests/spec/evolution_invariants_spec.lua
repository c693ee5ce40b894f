--- What each evolutionary, local and designed strategy promises beyond the contract of all strategies.
local core = require "vega.core"
local Cube = require "vega.evolution.cube"
local pareto = core.pareto
local replacement = require "vega.evolution.replacement"
local selection = require "vega.evolution.selection"
local space = require "vega.space"
local strategy = require "vega.strategy"
local variation = require "vega.evolution.variation"

local rng = core.rng.new(1, "evolution_spec")

local function floats(n)
  return space.define { name = "floats", choices = function(s) for i = 1, n do s:float("x" .. i, 0, 1) end end }
end
local function edges(n)
  return space.define { name = "edges", choices = function(s) for i = 1, n do s:choice("edge_" .. i, { "a", "b", "c", "d" }) end end }
end
local function trial(id, value, more)
  local t = { id = id, arch = {}, value = value, costs = { 0.0 - value }, violation = 0.0, failed = false }
  for k, v in pairs(more or {}) do t[k] = v end
  return t
end

-- A search of one objective (maximised) or, when value returns a list, of several (minimised) named f1, f2, ...
local function search(descriptor, sp, objectives, seed, more)
  local list = {}
  for k = 1, objectives do list[k] = { name = "f" .. k, goal = objectives == 1 and "max" or "min" } end
  local spec = { space = sp, objectives = list, seed = seed or 1, budget = { trials = 200 } }
  for k, v in pairs(more or {}) do spec[k] = v end
  return strategy.create(descriptor, spec)
end
local function answer(s, t, ...)
  local values = {}
  for k, v in ipairs { ... } do values["f" .. k] = v end
  assert.is_true((s:tell(t.id, { status = "ok", values = values })))
end

describe("selection", function()
  local members = {}
  for i = 1, 10 do members[i] = trial(i, i * 1.0) end

  it("by a tournament of one is uniform, by a large one elitist", function()
    local count, best = {}, 0
    local one, many = selection.tournament(1, selection.fitness), selection.tournament(50, selection.fitness)
    for _ = 1, 5000 do
      local id = one({ members = members }, rng).id
      count[id] = (count[id] or 0) + 1
      if many({ members = members }, rng).id == 10 then best = best + 1 end
    end
    local chi2 = 0
    for i = 1, 10 do chi2 = chi2 + (count[i] - 500) ^ 2 / 500 end
    assert.is_true(chi2 < 27.9)                             -- 9 degrees of freedom, 0.1 %
    assert.is_true(best > 4900)                             -- 1 - 0.9^50 = 0.995
  end)

  it("follows Deb's rule and prefers the younger of equals", function()
    local a, b = trial(1, 5.0), trial(2, 9.0, { violation = 0.1 })
    assert.is_true(selection.better(a, b))
    assert.is_true(selection.better(b, trial(3, 99.0, { violation = 0.2 })))
    assert.is_true(selection.better(trial(4, 5.0), a))
    assert.is_false(selection.better(a, trial(4, 5.0)))
    assert.is_true(selection.better(trial(4, 1.0, { violation = 0.1 }), b))           -- equal violation: values do not count
  end)
end)

describe("aging", function()
  it("keeps its size, and every member dies after as many insertions", function()
    local s = search(strategy.aging { population = 12, tournament = 4 }, floats(3), 1)
    for i = 1, 60 do
      local t = s:ask(1)[1]
      assert.equal(i <= 12 and "random" or "mutation", t.origin)
      answer(s, t, -t.config.x1)
      local members = s.method.population.members
      assert.is_true(#members <= 12)
      assert.equal(math.max(1, i - 11), members[1].id)
      assert.equal(i, members[#members].id)
    end
  end)

  it("never blocks, and a failed child takes no place", function()
    local s = search(strategy.aging { population = 5, tournament = 2 }, floats(3), 1)
    local first = s:ask(20)
    assert.equal(20, #first)
    for _, t in ipairs(first) do
      assert.equal("random", t.origin)
      s:tell(t.id, { status = "failed" })
    end
    assert.equal(0, #s.method.population.members)
    assert.equal("random", s:ask(1)[1].origin)
  end)
end)

describe("tournament", function()
  it("keeps the sum of the living and the unborn constant with any number of workers", function()
    local s, open = search(strategy.tournament { population = 10 }, floats(4), 1), {}
    for i = 1, 150 do
      while #open < 4 do
        local list = s:ask(1)
        if not list[1] then break end
        table.insert(open, list[1])
      end
      local t = table.remove(open, rng:int(1, #open))
      if i % 7 == 0 then s:tell(t.id, { status = "failed" }) else answer(s, t, -t.config.x1) end
      local population = s.method.population
      if i > 20 then assert.equal(10, #population.members + population.unborn) end
    end
  end)

  it("lets the worse of a pair die when the child is issued, and a failed child lose", function()
    local population = replacement.duels(3)
    local a, b, c = trial(1, 1.0), trial(2, 2.0), trial(3, 3.0)
    for _, t in ipairs { a, b, c } do population:insert(t, nil, rng) end
    population:claim { loser = a }
    assert.same({ b, c }, population.members)
    population:bury(trial(4, 0.0, { failed = true }), { loser = a }, rng)
    assert.equal(3, #population.members)
    assert.is_true(population.wins(b, population.members[3]))
    assert.is_false(population.wins(population.members[3], b))
  end)
end)

describe("mu_plus_lambda", function()
  it("keeps the best that were told", function()
    local s, told = search(strategy.mu_plus_lambda { mu = 4 }, floats(3), 1), {}
    for _ = 1, 80 do
      local t = s:ask(1)[1]
      local v = -(t.config.x1 - 0.3) ^ 2 - t.config.x2
      table.insert(told, v)
      answer(s, t, v)
      table.sort(told, function(x, y) return x > y end)
      local kept = {}
      for i, m in ipairs(s.method.population.members) do kept[i] = m.value end
      table.sort(kept, function(x, y) return x > y end)
      for i, v_kept in ipairs(kept) do assert.equal(told[i], v_kept) end
    end
  end)
end)

describe("local_search", function()
  local function score(arch)                                -- two hills
    local a, d = 0, 0
    for _, v in pairs(arch) do
      if v == "a" then a = a + 1 elseif v == "d" then d = d + 1 end
    end
    return math.max(a, 1.5 * d - 1)
  end

  it("evaluates whole neighbourhoods, moves to the best, and stops climbing only at a top", function()
    local sp = edges(5)
    local s, values, tops = search(strategy.local_search {}, sp, 1), {}, 0
    local top
    for _ = 1, 300 do
      local t = s:ask(1)[1]
      local climb = s.method.climb
      if s.method.top ~= top then
        top, tops = s.method.top, tops + 1
        for _, neighbour in ipairs(sp:neighbours(top.arch)) do
          assert.is_true(values[sp:hash(neighbour)] ~= nil and values[sp:hash(neighbour)] <= top.value)
        end
      end
      if t.origin == "neighbour" then
        local differing = 0
        for name, v in pairs(climb.top.arch) do if t.config[name] ~= v then differing = differing + 1 end end
        assert.equal(1, differing)
      end
      values[t.hash] = score(t.config)
      answer(s, t, values[t.hash])
    end
    assert.is_true(tops >= 2)
    assert.equal(6.5, s:best().values.f1)
  end)

  it("does not walk a plateau for ever", function()
    local s = search(strategy.local_search {}, edges(3), 1)
    for _ = 1, 64 do answer(s, s:ask(1)[1], 1) end
    assert.equal("exhausted", select(2, s:ask(1)))
  end)
end)

describe("annealing", function()
  local function walk(options, n)
    local s, accepted, worse = search(strategy.annealing(options), floats(2), 1, 3), 0, 0
    for _ = 1, n do
      local t = s:ask(1)[1]
      local current = s.method.current
      answer(s, t, -t.config.x1)
      if current and -t.config.x1 < current.value then
        worse = worse + 1
        if s.method.current ~= current then accepted = accepted + 1 end
      end
    end
    return accepted, worse, s.method.temperature
  end

  it("accepts every loss when hot, none when cold, and cools by the schedule", function()
    local accepted, worse = walk({ temperature = 1e9, cooling = 1 }, 100)
    assert.equal(worse, accepted)
    accepted, worse = walk({ temperature = 1e-9, cooling = 1 }, 100)
    assert.equal(0, accepted)
    assert.is_true(worse > 10)
    local _, _, temperature = walk({}, 20)
    assert.near(10 * 0.85 ^ 20, temperature, 1e-9)
  end)

  it("leaves a feasible architecture only for a feasible one", function()
    local s = search(strategy.annealing { temperature = 1e9, cooling = 1 }, floats(2), 1, 1, { constraints = { f1 = { le = -0.5 } } })
    local reached = false
    for _ = 1, 80 do
      local t = s:ask(1)[1]
      answer(s, t, -t.config.x1)
      reached = reached or t.config.x1 >= 0.5
      if reached then assert.equal(0, s.method.current.violation) end
    end
    assert.is_true(reached)
  end)
end)

describe("differential_evolution", function()
  it("replaces a member only by one that is not worse, in its own slot", function()
    local s = search(strategy.differential_evolution { population = 6 }, floats(3), 1)
    for i = 1, 90 do
      local before = {}
      for slot, member in ipairs(s.method.population.members) do before[slot] = member end
      local t = s:ask(1)[1]
      answer(s, t, -t.config.x1 - t.config.x2)
      local changed = 0
      for slot, member in ipairs(s.method.population.members) do
        if before[slot] and before[slot] ~= member then
          changed = changed + 1
          assert.is_true(member.value >= before[slot].value)
          assert.equal((i - 7) % 6 + 1, slot)                -- slots take their turn
        end
      end
      assert.is_true(changed <= 1)
      assert.is_true(#s.method.population.members <= 6)
    end
  end)

  it("keeps points inside the cube by reflection", function()
    for _, pair in ipairs { { 0.3, 0.3 }, { -0.2, 0.2 }, { 1.2, 0.8 }, { 2.1, 0.1 }, { -1.4, 0.6 } } do
      assert.near(pair[2], variation.reflect(pair[1]), 1e-12)
    end
  end)
end)

describe("cmaes", function()
  it("converges on a sphere in the cube, with an optimum inside or in a corner", function()
    for _, centre in ipairs { 0.37, 0 } do
      local s = search(strategy.cmaes {}, floats(5), 1)
      for _ = 1, 900 do
        local t, sum = s:ask(1)[1], 0
        for i = 1, 5 do sum = sum + (t.config["x" .. i] - centre) ^ 2 end
        answer(s, t, -sum)
      end
      assert.is_true(-s:best().values.f1 < 1e-8)
    end
  end)

  it("learns from answers in any order, and begins anew when it stands still", function()
    local s, open = search(strategy.cmaes { population = 6 }, floats(3), 1), {}
    for _ = 1, 1500 do
      while #open < 8 do table.insert(open, s:ask(1)[1]) end
      local t = table.remove(open, rng:int(1, #open))
      answer(s, t, -(t.config.x1 - 0.7) ^ 2 - (t.config.x2 - 0.2) ^ 2 - t.config.x3 ^ 2)
    end
    assert.is_true(-s:best().values.f1 < 1e-10)
    assert.is_true(s.method.restarts >= 1)
    assert.equal(6 << s.method.restarts, s.method.lambda)
  end)
end)

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
