--- Who survives in CARS: the sortings that protect large networks, and the reference directions that it does without.
local protection = require "vega.evolution.protection"
local util = require "vega.util"
local vega = require "vega"

-- A member as survival sees it.
local function point(accuracy, ...) return { error = 1 - accuracy, costs = { ... } } end

describe("protected survival", function()
  -- Eight small networks, none of which dominates another, dominate four large ones.
  local function trap()
    local members = {}
    for i = 1, 8 do members[i] = point(0.5 + 0.02 * i, i) end
    for i = 1, 4 do members[8 + i] = point(0.3 + 0.02 * i, 20 + i) end
    return members
  end
  local function large(places)
    local n = 0
    for _, i in ipairs(places) do if i > 8 then n = n + 1 end end
    return n
  end

  it("keeps a large network that plain sorting loses", function()
    assert.equal(0, large(protection.select(trap(), 6, { protect = "none" })))
    assert.is_true(large(protection.select(trap(), 6, { protect = "size" })) >= 1)
    local members = trap()
    for i, m in ipairs(members) do m.speed = i > 8 and 0.05 or 0.01 end
    assert.is_true(large(protection.select(members, 6, { protect = "speed" })) >= 1)
  end)

  it("keeps the largest, however poor, where the first fronts have room; and the most accurate always", function()
    local rng = vega.rng.new(11, "survival")
    for round = 1, 200 do
      local members, n, capacity = {}, rng:int(2, 40), rng:int(1, 20)
      for i = 1, n do members[i] = point(rng:uniform(), rng:uniform(), round % 2 == 0 and rng:uniform() or nil) end
      local best, most = 1, 1
      for i, m in ipairs(members) do
        if m.error < members[best].error then best = i end
        if m.costs[1] > members[most].costs[1] then most = i end
        m.speed = rng:uniform()
      end
      for _, protect in ipairs(protection.modes) do
        for _, fill in ipairs(protection.fills) do
          local places, seen = protection.select(members, capacity, { protect = protect, fill = fill, rng = rng }), {}
          assert.equal(math.min(n, capacity), #places)
          for k, i in ipairs(places) do
            assert.is_nil(seen[i])
            assert.is_true(i >= 1 and i <= n and (k == 1 or places[k - 1] < i))
            seen[i] = true
          end
          if fill == "crowding" then assert.is_true(seen[best], protect) end
        end
      end
      if #members[1].costs == 1 then
        local points, turned, first = {}, {}, 0
        for i, m in ipairs(members) do points[i], turned[i] = { m.error, m.costs[1] }, { m.error, -m.costs[1] } end
        local r, q = vega.pareto.rank(points), vega.pareto.rank(turned)
        assert.equal(1, q[most])
        for i = 1, n do if r[i] == 1 or q[i] == 1 then first = first + 1 end end
        if first <= capacity then assert.is_true(util.contains(protection.select(members, capacity, { protect = "size" }), most)) end
      end
    end
  end)

  it("takes the k-th fronts of both sortings before the next ones", function()
    -- by (error, cost): 1 | 2 | 3; by (error, -cost): 1 2 | 3 ... member 4 is in the third front of one and the last of the other
    local members = { point(0.9, 1), point(0.8, 2), point(0.7, 1.5), point(0.6, 1.2) }
    assert.same({ 1, 2 }, protection.select(members, 2, { protect = "size" }))
    assert.same({ 1, 2, 3 }, protection.select(members, 3, { protect = "size" }))
    assert.same({ 1, 4 }, protection.select({ point(0.9, 1), point(0.8, 2), point(0.7, 1.5), point(0.6, 0.5) }, 2, { protect = "none" }))
  end)

  it("sorts once a cost, both ways: the largest by each cost is in a first front", function()
    local members = { point(0.9, 1, 1), point(0.2, 9, 1), point(0.1, 1, 9), point(0.3, 5, 5), point(0.8, 2, 2) }
    local places = protection.select(members, 4, { protect = "size" })
    for _, i in ipairs { 1, 2, 3 } do assert.is_true(util.contains(places, i), i) end
  end)

  it("loses the large networks of a landscape where small ones are ahead at first, unless it protects them", function()
    -- accuracy(size, epoch): large networks are better in the end, and slower. The population evolves by random children.
    local function accuracy(size, epoch) return (0.6 + 0.3 * size) * (1 - math.exp(-epoch / (2 + 18 * size))) end
    local function evolve(protect, seed)
      local rng, members = vega.rng.new(seed, "trap"), {}
      for i = 1, 12 do members[i] = { size = i / 12 } end
      for epoch = 1, 12 do
        local all = table.move(members, 1, 12, 1, {})
        for i = 13, 24 do all[i] = { size = math.min(1, math.max(0.02, members[rng:int(1, 12)].size + 0.05 * rng:normal())) } end
        for _, m in ipairs(all) do
          local a = accuracy(m.size, epoch)
          m.error, m.costs, m.speed = 1 - a, { m.size }, a - accuracy(m.size, epoch - 1)
        end
        local survivors = {}
        for i, place in ipairs(protection.select(all, 12, { protect = protect, rng = rng })) do survivors[i] = all[place] end
        members = survivors
      end
      local most = 0
      for _, m in ipairs(members) do most = math.max(most, m.size) end
      return most
    end
    for seed = 1, 5 do
      assert.is_true(evolve("none", seed) < 0.75, "none")
      assert.is_true(evolve("size", seed) > 0.9, "size")
    end
  end)

  it("refuses what it cannot sort", function()
    local members = { point(0.5, 1), point(0.6, 2) }
    assert.error_matches(function() protection.select(members, 1, { protect = "sizes" }) end, "protect must be one of none, size, speed, got sizes")
    assert.error_matches(function() protection.select(members, 1, { protect = "speed" }) end, "member 1 has no speed")
    assert.error_matches(function() protection.select(members, 1, { fill = "random" }) end, "wants rng")
    assert.error_matches(function() protection.select(members, 0) end, "capacity must be >= 1, got 0")
    assert.error_matches(function() protection.select({ { error = 1, costs = {} } }, 1) end, "member 1 has none")
    assert.same({}, protection.select({}, 3))
  end)
end)

describe("the reference directions beside it", function()
  it("have their corners, are all used, and keep the extremes of three objectives", function()
    local directions = vega.pareto.das_dennis(3, 5)
    assert.equal(21, #directions)
    for k = 1, 3 do
      local corner = { 0, 0, 0 }
      corner[k] = 1
      local found = false
      for _, d in ipairs(directions) do found = found or d[1] == corner[1] and d[2] == corner[2] and d[3] == corner[3] end
      assert.is_true(found)
    end
    -- on the plane of the directions themselves each is the nearest to its own: all are kept, not the first ten alone; what lies behind goes
    local points = {}
    for i, d in ipairs(directions) do points[i] = { d[1], d[2], d[3] } end
    for i, d in ipairs(directions) do points[21 + i] = { d[1] + 0.3, d[2] + 0.3, d[3] + 0.3 } end
    local kept = vega.pareto.niches(directions):select(points, nil, 21, 1)
    for i = 1, 21 do assert.equal(i, kept[i]) end
  end)
end)
