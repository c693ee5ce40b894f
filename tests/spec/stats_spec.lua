--- Kendall's tau-b: known values, the plain definition, the interval's coverage, wrong use.
local core = require "vega.core"
local kendall = require("vega.stats").kendall

local function near(expected, got, tolerance)
  local is_near = math.abs(expected - got) <= (tolerance or 1e-12)
  if not is_near then error(("expected %.12g, got %.12g"):format(expected, got), 2) end
end

-- By its definition, pair by pair.
local function plain(x, y)
  local c, d, tx, ty = 0, 0, 0, 0
  for i = 2, #x do
    for j = 1, i - 1 do
      local a, b = x[i] == x[j], y[i] == y[j]
      if not a and not b then
        if (x[i] > x[j]) == (y[i] > y[j]) then c = c + 1 else d = d + 1 end
      elseif not a then ty = ty + 1
      elseif not b then tx = tx + 1 end
    end
  end
  return (c - d) / math.sqrt((c + d + tx) * (c + d + ty)), { concordant = c, discordant = d, ties_x = tx, ties_y = ty }
end

describe("Kendall's tau-b", function()
  it("has known values", function()
    near(0.4, (kendall({ 1, 2, 3, 4, 5 }, { 3, 1, 2, 5, 4 })))
    near(0.8, (kendall({ 1, 2, 2, 3 }, { 1, 2, 3, 3 })))
    near(-0.4714045208, (kendall({ 12, 2, 1, 12, 2 }, { 1, 4, 7, 1, 0 })), 1e-10)
    local tau, about = kendall({ 1, 2, 3 }, { 4, 5, math.huge })
    assert.equal(1, tau)
    assert.same({ 1, 1, 0 }, { about.low, about.high, about.discordant })
    tau = kendall({ 1, 1, 1 }, { 1, 2, 3 })
    assert.is_true(tau ~= tau)
  end)

  it("counts what its definition counts, with ties of every kind", function()
    local rng = core.rng.new(1, "kendall")
    for round = 1, 200 do
      local x, y, n = {}, {}, rng:int(2, 40)
      for i = 1, n do x[i], y[i] = rng:int(1, 1 + round % 17), rng:int(1, 1 + round % 11) end
      x[1], x[2], y[1], y[2] = 0, 1, 0, -1
      local tau, about = kendall(x, y)
      local want, counts = plain(x, y)
      near(want, tau)
      for key, value in pairs(counts) do assert.equal(value, about[key], key) end
      near(tau, (kendall(y, x)))
      for i = 1, n do y[i] = -y[i] end
      near(-tau, (kendall(x, y)))
    end
  end)

  it("has an interval that covers the true value as often as it says", function()
    local rng = core.rng.new(2, "coverage")
    for _, level in ipairs { 0.8, 0.95 } do
      for _, rho in ipairs { 0, 0.7 } do
        local truth, hits, rounds = 2 / math.pi * math.asin(rho), 0, 600       -- tau of the bivariate normal distribution
        for _ = 1, rounds do
          local x, y = {}, {}
          for i = 1, 40 do
            x[i] = rng:normal()
            y[i] = rho * x[i] + math.sqrt(1 - rho * rho) * rng:normal()
          end
          local _, about = kendall(x, y, { level = level })
          if about.low <= truth and truth <= about.high then hits = hits + 1 end
        end
        near(level, hits / rounds, 4 * math.sqrt(level * (1 - level) / rounds))
      end
    end
  end)

  it("takes 100,000 pairs in a moment", function()
    local x, y, rng = {}, {}, core.rng.new(3, "long")
    for i = 1, 100000 do x[i], y[i] = i, i + rng:uniform() * 1e5 end
    local began = os.clock()
    local tau = kendall(x, y)
    near(2 / 3 * 0.75, tau, 0.05)
    assert.is_true(os.clock() - began < 20)
  end)

  it("says what is wrong with its arguments", function()
    assert.error_matches(function() kendall({ 1, 2 }, { 1 }) end, "one length expected, got 2 and 1")
    assert.error_matches(function() kendall({ 1 }, { 1 }) end, "at least two pairs")
    assert.error_matches(function() kendall({ 1, 0 / 0 }, { 1, 2 }) end, "number 2 of x is %-?nan")
    assert.error_matches(function() kendall({ 1, 2 }, { 1, 2 }, { levels = 1 }) end, "unknown option 'levels'")
    assert.error_matches(function() kendall({ 1, 2 }, { 1, 2 }, { level = 95 }) end, "level must be between 0 and 1")
  end)
end)
