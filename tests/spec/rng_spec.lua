local rng = require("vega.core").rng

local function draw(r, n)
  local list = {}
  for i = 1, n do list[i] = r:uniform() end
  return list
end

describe("rng", function()
  it("gives the same numbers for the same seed, label and id", function()
    assert.same(draw(rng.new(7, "mutate", 3), 20), draw(rng.new(7, "mutate", 3), 20))
  end)

  it("gives other numbers for another seed, label or id", function()
    local first = rng.new(7, "mutate", 3):uniform()
    assert.not_equal(first, rng.new(8, "mutate", 3):uniform())
    assert.not_equal(first, rng.new(7, "cross", 3):uniform())
    assert.not_equal(first, rng.new(7, "mutate", 4):uniform())
  end)

  it("goes on from a saved state", function()
    local r = rng.new(1)
    draw(r, 5)
    r:normal()
    local again = rng.restore(r:state())
    assert.same(draw(r, 10), draw(again, 10))
  end)

  it("stays within bounds and reaches both ends of int", function()
    local r, seen = rng.new(2), {}
    for _ = 1, 400 do
      local i, u = r:int(-1, 2), r:uniform(3, 4)
      seen[i] = true
      assert.truthy(i >= -1 and i <= 2 and math.type(i) == "integer")
      assert.truthy(u >= 3 and u < 4)
    end
    assert.truthy(seen[-1] and seen[0] and seen[1] and seen[2])
  end)

  it("has the moments of its distributions", function()
    local r, n, sum, square = rng.new(3), 20000, 0, 0
    for _ = 1, n do
      local x = r:normal(1, 2)
      sum, square = sum + x, square + (x - 1) ^ 2
    end
    assert.near(1, sum / n, 0.06)     -- four standard errors of the mean
    assert.near(4, square / n, 0.17)  -- four of the variance
  end)

  it("shuffles in place and picks with the place", function()
    local r, list = rng.new(4), { 1, 2, 3, 4, 5, 6, 7, 8 }
    assert.equal(list, r:shuffle(list))
    local sorted = { table.unpack(list) }
    table.sort(sorted)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, sorted)
    local value, place = r:pick(list)
    assert.equal(list[place], value)
  end)

  it("blames the caller for wrong arguments", function()
    local r = rng.new(5)
    assert.error_matches(function() r:int(2, 1) end, "a <= b")
    assert.error_matches(function() r:pick {} end, "empty")
    assert.error_matches(function() rng.restore { seed = 1 } end, "'stream'")
    assert.error_matches(function() rng.new("x") end, "number expected")
  end)
end)
