local pareto = require("vega.core").pareto
local problem = require "vega.problem"

local function near(expected, got, tolerance)
  if math.abs(expected - got) > tolerance then error(("expected %.17g, got %.17g"):format(expected, got), 2) end
end

describe("problems with known answers", function()
  it("hash as the specification says", function()
    local function u(t, i, j, k, l) return problem.hash((((t * 64 + i) * 64 + j) * 64 + k) * 64 + l) end
    assert.equal(0.8833108082136426, u(0, 0, 0, 0, 0))
    assert.equal(0.42878536401264644, u(1, 0, 0, 0, 0))
    assert.equal(0.11111513451669597, u(2, 0, 1, 2, 3))
  end)

  it("Branin", function()
    local p = problem.branin()
    near(55.602112642, p:evaluate({ x1 = 0.0, x2 = 0.0 }).value, 1e-9)
    for _, at in ipairs { { math.pi, 2.275 }, { -math.pi, 12.275 }, { 9.42478, 2.475 } } do
      near(0, p:regret(p:evaluate { x1 = at[1], x2 = at[2] }), 1e-9)
    end
    local value, at = p:best()
    near(0.39788735773, value, 1e-11)
    near(value, p:evaluate(at).value, 1e-15)
  end)

  it("Branin with noise of the trial's seed, and on a disk", function()
    local noisy, plain = problem.branin { noise = 0.5 }, problem.branin()
    local at, sum, squares = { x1 = 1.0, x2 = 1.0 }, 0, 0
    local truth = plain:evaluate(at).value
    assert.equal(noisy:evaluate(at, { seed = 7 }).value, noisy:evaluate(at, { seed = 7 }).value)
    for seed = 1, 2000 do
      local d = noisy:evaluate(at, { seed = seed }).value - truth
      sum, squares = sum + d, squares + d * d
    end
    near(0, sum / 2000, 0.05)
    near(0.5, math.sqrt(squares / 2000), 0.05)
    local disk = problem.branin { disk = true }
    assert.is_true(disk:evaluate(disk.at).outside <= 0)
    assert.is_true(disk:evaluate({ x1 = -math.pi, x2 = 12.275 }).outside > 0)
    assert.error_matches(function() problem.branin { nois = 1 } end, "unknown option 'nois'; did you mean 'noise'")
  end)

  it("Hartmann-6 and Rosenbrock", function()
    local p, middle = problem.hartmann6(), {}
    for i = 1, 6 do middle["x" .. i] = 0.5 end
    near(-0.505314991702, p:evaluate(middle).value, 1e-12)
    near(0, p:regret(p:evaluate(p.at)), 1e-12)
    near(-3.3223680114, p.optimum, 1e-10)
    local r = problem.rosenbrock()
    assert.equal(4, #r.space.decisions)
    assert.equal(0, r:evaluate(r.at).value)
    assert.equal(3, r:evaluate({ x01 = 0.0, x02 = 0.0, x03 = 0.0, x04 = 0.0 }).value)
  end)

  it("ZDT: the hypervolumes of the exact fronts", function()
    for _, k in ipairs { 1, 2, 3, 4, 6 } do
      local p = problem.zdt(k)
      assert.equal((k == 4 or k == 6) and 10 or 30, #p.space.decisions)
      local volume = p:hypervolume(p:front(4000))
      assert.is_true(volume < p.volume + 1e-6)
      near(p.volume, volume, 4e-4)
    end
    for k, best in pairs { [1] = 0.87141, [2] = 0.53830, [4] = 0.87141, [6] = 0.50454 } do
      local p = problem.zdt(k)
      near(best, p:hypervolume(p:front(100)), 1e-5)
    end
    assert.error_matches(function() problem.zdt(5) end, "1, 2, 3, 4 or 6 expected, got 5")
  end)

  it("ZDT: values where the other variables are optimal are on the front, elsewhere behind it", function()
    for _, k in ipairs { 1, 2, 3, 4, 6 } do
      local p, arch = problem.zdt(k), {}
      for _, d in ipairs(p.space.decisions) do arch[d.name] = 0.0 end
      arch.x01 = 0.25
      local v = p:evaluate(arch)
      local expected = ({ [1] = 0.5, [2] = 1 - 0.0625, [3] = 0.5 - 0.25 * math.sin(2.5 * math.pi), [4] = 0.5, [6] = 1 - v.f1 * v.f1 })[k]
      near(expected, v.f2, 1e-12)
      arch.x02 = 0.3
      assert.is_true(p:evaluate(arch).f2 > expected)
    end
  end)

  it("DTLZ2: 91 targets on the sphere", function()
    local p = problem.dtlz2(3)
    local front = p:front()
    assert.equal(91, #front)
    near(0.74485, p:hypervolume(front), 1e-5)
    near(0.42013, problem.dtlz2(2):hypervolume(problem.dtlz2(2):front()), 1e-5)
    for _, point in ipairs(front) do near(1, point[1] ^ 2 + point[2] ^ 2 + point[3] ^ 2, 1e-12) end
    local arch = {}
    for _, d in ipairs(p.space.decisions) do arch[d.name] = 0.5 end
    local v = p:evaluate(arch)
    near(0.5, v.f1, 1e-12)
    near(0.5, v.f2, 1e-12)
    near(math.sqrt(0.5), v.f3, 1e-12)
    arch.x12 = 1.0
    near(1.25 * 0.5, p:evaluate(arch).f1, 1e-12)
  end)

  it("BNH and TNK: values, constraints, the sampled front", function()
    local p = problem.bnh()
    near(5260.34, p:hypervolume(p:front(100)), 0.01)
    local v = p:evaluate { x1 = 3.0, x2 = 3.0 }
    assert.same({ 72, 8, -12 }, { v.f1, v.f2, v.g1 })
    near(7.7 - 25 - 36, v.g2, 1e-12)
    local edge = math.sqrt(0.55)                        -- at 45 degrees the wave is at its crest
    near(0, problem.tnk():evaluate({ x1 = edge, x2 = edge }).g1, 1e-12)
    assert.is_true(problem.tnk():evaluate({ x1 = 0.1, x2 = 0.1 }).g1 > 0)
  end)

  local function all_scores()
    local p, scores = problem.micro(), {}
    for i = 1, p.space.size do scores[i] = p:evaluate(p.space:unrank(i)).score end
    return p, scores
  end

  it("MICRO-15625: every figure of the specification", function()
    local p, scores = all_scores()
    local function score(...)
      local arch = {}
      for e, op in ipairs { ... } do arch["edge_" .. e - 1] = op end
      return p:evaluate(arch).score
    end
    assert.equal(0.5017144354140153, score(0, 0, 0, 0, 0, 0))
    assert.equal(0.40157651154801677, score(0, 1, 2, 3, 4, 0))
    near(0.7234313145248115, score(3, 2, 4, 3, 0, 2), 1e-15)
    near(0.7186595557491435, score(1, 2, 4, 3, 0, 4), 1e-15)
    local maxima, sum, squares = 0, 0, 0
    for i, v in ipairs(scores) do
      sum, squares = sum + v, squares + v * v
      local higher = v > 0.6
      for _, other in ipairs(higher and p.space:neighbours(p.space:unrank(i)) or {}) do higher = higher and v > scores[p.space:rank(other)] end
      if higher then maxima = maxima + 1 end
    end
    assert.equal(9, maxima)
    local mean = sum / #scores
    near(0.5248514264, mean, 1e-10)
    near(0.0683889235, math.sqrt(squares / #scores - mean * mean), 1e-9)
    table.sort(scores)
    near(p:best(), scores[#scores], 1e-15)
    near(0.2939657215, scores[1], 1e-10)
  end)

  it("bi-objective MICRO: 19 points and their hypervolume", function()
    local p, points = problem.micro { objectives = 2 }, {}
    for i = 1, p.space.size do
      local v = p:evaluate(p.space:unrank(i))
      points[i] = { v.error, v.cost }
    end
    local front, seen = {}, {}
    for i, rank in ipairs(pareto.rank(points)) do
      local key = points[i][1] .. " " .. points[i][2]
      if rank == 1 and not seen[key] then front[#front + 1], seen[key] = points[i], true end
    end
    table.sort(front, function(a, b) return a[1] < b[1] end)
    assert.equal(19, #front)
    near(0.27656868547518854, front[1][1], 1e-15)
    near(3.1396002893470762, front[1][2], 1e-14)
    near(0.5020553732246967, front[19][1], 1e-15)
    near(1.0718657466146588, front[19][2], 1e-14)
    near(1.7131331062267077, p:hypervolume(front), 1e-12)
    near(p.volume, p:hypervolume(front), 1e-12)
  end)

  it("CURVES: crossing learning curves", function()
    local p = problem.curves()
    assert.equal(0.7377056182045093, problem.hash(7 << 32))
    near(0.6081871621340086, p:evaluate({ config = 0 }, nil, 1).loss, 1e-15)
    near(0.3846389354452192, p:evaluate({ config = 0 }).loss, 1e-15)
    local value, at = p:best()
    assert.same({ config = 15 }, at)
    near(0.0944872303, value, 1e-10)
    local function order(step)
      local list = {}
      for i = 0, 80 do list[#list + 1] = { i, p:evaluate({ config = i }, nil, step).loss } end
      table.sort(list, function(a, b) return a[2] < b[2] end)
      return list
    end
    local last = order(81)
    assert.same({ 15, 47, 44, 1, 40 }, { last[1][1], last[2][1], last[3][1], last[4][1], last[5][1] })
    assert.equal(18, p:evaluate({ config = 3 }, { fidelity = { from = 9, to = 27 } }).seconds)
    local values, message, code = p:evaluate({ config = 3 }, nil, 82)
    assert.same({ nil, "problem 'curves': step 82 is outside of 1 to 81", "EARG" }, { values, message, code })
  end)

  it("counting ones: more tosses, less noise", function()
    local p = problem.counting_ones(4)
    assert.equal(-8, p:evaluate(p.at, { seed = 1 }, 9).value)
    local arch = {}
    for name, v in pairs(p.at) do arch[name] = math.type(v) == "float" and 0.5 or v end
    local function spread(samples)
      local squares = 0
      for seed = 1, 100 do squares = squares + (p:evaluate(arch, { seed = seed }, samples).value + 6) ^ 2 end
      return math.sqrt(squares / 100)
    end
    near(1 / 3, spread(9), 0.1)                          -- 4 coins, each with s.d. 0.5 / 3
    near(1 / 9, spread(81), 0.03)
  end)

  it("an unknown one is refused with the nearest", function()
    assert.error_matches(function() return problem.brannin end, "vega.problem: unknown name 'brannin'; did you mean 'branin'")
    assert.error_matches(function() problem.zdt(1):best() end, "several objectives")
  end)
end)
