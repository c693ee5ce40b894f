--- What each evolutionary and local strategy of one objective promises beyond the contract of all strategies.
local here = debug.getinfo(1, "S").source:match("^@(.*)evolution_invariants_spec%.lua$")
local helper = dofile(here .. "evolution_helper.lua")
local replacement = require "vega.evolution.replacement"
local selection = require "vega.evolution.selection"
local strategy = require "vega.strategy"
local variation = require "vega.evolution.variation"

local answer, edges, floats, search, trial = helper.answer, helper.edges, helper.floats, helper.search, helper.trial
local rng = require("vega.core").rng.new(1, "evolution_invariants_spec")

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
