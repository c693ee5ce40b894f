--- FairNAS: fairness of samplers, steps of the trainer, and the search with learned mutations. Chu et al. 2019, arXiv:1907.01845.
local here = debug.getinfo(1, "S").source:match("^@(.*)fairnas_spec%.lua$")
local contract = dofile(here .. "contract/strategy.lua")
local evolution_helper = dofile(here .. "evolution_helper.lua")
local helper = dofile(here .. "helper.lua")
local core = require "vega.core"
local policy = require "vega.evolution.policy"
local space = require "vega.space"
local supernet = require "vega.supernet"
local vega = require "vega"

local function near(expected, got, tolerance, what)
  local is_near = math.abs(expected - got) <= tolerance
  if not is_near then error(("%s: expected %.10g, got %.10g"):format(what or "value", expected, got), 2) end
end

local function options(n, m)
  return space.define { name = "options", choices = function(s)
    local labels = {}
    for i = 1, m do labels[i] = i end
    for i = 1, n do s:choice("layer" .. i, labels) end
  end }
end

local function sampler_of(name, sp, given)
  local descriptor = vega.sampler[name](given or {})
  local rng = vega.rng.new(7, "paths", 0)
  local sampler = descriptor.class.new(sp, descriptor.params, rng)
  return function(step) return sampler:draw(step, rng:seek(7, "paths", step)) end, sampler
end

local function binomial(n, k)
  local c = 1.0
  for i = 1, k do c = c * (n - k + i) / i end
  return c
end

-- P(all m counts are equal after n = m k uniform draws) = n! / (k!^m m^n).
local function all_equal(m, k)
  local p = 1.0
  for i = 1, m do p = p * binomial(i * k, k) / (1.0 * m) ^ k end
  return p
end

describe("fairness of samplers", function()
  it("strict: after n steps every option of every layer has been trained n times", function()
    local draw = sampler_of("strict_fair", options(4, 5))
    local counts, paths = {}, 0
    for step = 1, 40 do
      for _, arch in ipairs(draw(step)) do
        paths = paths + 1
        for name, value in pairs(arch) do
          counts[name] = counts[name] or { 0, 0, 0, 0, 0 }
          counts[name][value] = counts[name][value] + 1
        end
      end
      for _, list in pairs(counts) do for _, count in ipairs(list) do assert.equal(step, count) end end
    end
    assert.equal(40 * 5, paths)
  end)

  it("strict: the permutations of different layers are independent, over 10,000 steps", function()
    local draw = sampler_of("strict_fair", options(3, 4))
    local pairs_of, steps = { { 1, 2 }, { 1, 3 }, { 2, 3 } }, 10000
    local table_of = { {}, {}, {} }
    for step = 1, steps do
      local first = draw(step)[1]
      for k, pair in ipairs(pairs_of) do
        local cell = first["layer" .. pair[1]] * 10 + first["layer" .. pair[2]]
        table_of[k][cell] = (table_of[k][cell] or 0) + 1
      end
    end
    for _, cells in ipairs(table_of) do
      local chi2 = 0
      for i = 1, 4 do for j = 1, 4 do chi2 = chi2 + ((cells[i * 10 + j] or 0) - steps / 16) ^ 2 / (steps / 16) end end
      assert.is_true(chi2 < 37.7, chi2)            -- 15 degrees of freedom, p = 0.001
    end
  end)

  it("in expectation: equal counts are rare, and vary as they should", function()
    near(7.45627e-5, all_equal(6, 10), 1e-9)
    near(2.46329e-7, all_equal(6, 100), 1e-11)
    near(0.246094, all_equal(2, 5), 1e-6)
    for _, case in ipairs { { 2, 5, 20000 }, { 3, 2, 20000 } } do
      local m, k, rounds = table.unpack(case)
      local draw, equal, step = sampler_of("expectation_fair", options(1, m)), 0, 0
      for _ = 1, rounds do
        local counts = {}
        for i = 1, m do counts[i] = 0 end
        for _ = 1, m * k do
          step = step + 1
          local value = draw(step)[1].layer1
          counts[value] = counts[value] + 1
        end
        local same = true
        for i = 1, m do same = same and counts[i] == k end
        equal = equal + (same and 1 or 0)
      end
      local p = all_equal(m, k)
      near(p, equal / rounds, 4 * math.sqrt(p * (1 - p) / rounds))
    end
    local draw, square, rounds, step = sampler_of("uniform", options(1, 6)), 0, 400, 0
    for _ = 1, rounds do
      local count = 0
      for _ = 1, 600 do
        step = step + 1
        if draw(step)[1].layer1 == 1 then count = count + 1 end
      end
      square = square + (count - 100) ^ 2
    end
    near(83.33, square / rounds, 4 * 83.33 * math.sqrt(2 / rounds))            -- n (1 / m) (1 - 1 / m)
  end)

  it("in expectation: as many steps a batch as the largest decision has options, or as many as are asked for", function()
    local sp = space.define { name = "uneven", choices = { a = space.choice { 1, 2, 3, 4 }, b = space.bool(), c = space.float(0, 1) } }
    assert.equal(4, select(2, sampler_of("expectation_fair", sp)).updates)
    assert.equal(7, select(2, sampler_of("expectation_fair", sp, { updates = 7 })).updates)
    assert.error_matches(function() vega.sampler.expectation_fair { updates = -1 } end, "updates must be >= 0, got %-1")
  end)
end)

-- Steps -----------------------------------------------------------------------------------------------------------------------------------

local function toy()
  return space.define { name = "toy", input = { 6, 6, 2 }, build = function(net)
    local y = net:conv_bn(net:input(), 4, { kernel = 3, act = "relu", name = "stem" })
    for i = 1, 2 do
      local function conv(kernel) return function(x) return net:conv_bn(x, 4, { kernel = kernel, act = "relu" }) end end
      y = net:choice("layer" .. i, { { "k1", conv(1) }, { "k3", conv(3) }, { "pool", function(x)
        return net:conv_bn(net:avg_pool(x, { kernel = 3, stride = 1, pad = 1 }), 4)
      end } })(y)
    end
    return net:linear(net:global_avg_pool(y), net.classes, { name = "tail" })
  end }
end

local function batch(n)
  local rng, labels = vega.rng.new(5, "batch"), {}
  for i = 1, n do labels[i] = rng:int(0, 2) end
  return vega.tensor.randn({ n, 6, 6, 2 }, rng), vega.tensor.new(labels, { dtype = "i32" })
end

-- Gives the same batch, or each of several, as a data set's loader would.
local function loader(batches, times)
  local at = 0
  times = times or 1
  local methods = { close = function() end }
  function methods:seek(_, b) at = b - 1 end
  function methods:batches() return #batches * times end
  function methods:next()
    at = at + 1
    local one = batches[(at - 1) // times + 1]
    if one then return one[1]:copy(), one[2]:copy() end
  end
  return setmetatable({}, { __index = methods })
end

local function fit(net, data, more)
  local o = { data = data, epochs = 1, optimiser = { name = "sgd", lr = 0.05, momentum = 0 } }
  for key, value in pairs(more) do o[key] = value end
  assert(net:fit(o))
  return net
end

local function values(net)
  local all = {}
  for name, t in pairs(net.graph:params()) do all[name] = t:copy() end
  return all
end

local function same(a, b)
  for name, t in pairs(a) do if (t - b[name]):abs():sum():item() ~= 0 then return false, name end end
  return true
end

local function moves(before, after)
  local all = {}
  for name, t in pairs(before) do all[name] = after[name] - t end
  return all
end

describe("steps of fair training", function()
  local x, y = batch(8)
  local function new() return supernet.new { space = toy(), classes = 3, seed = 2 } end
  local function permutations()
    local draw = sampler_of("strict_fair", toy())
    return draw(1)
  end

  it("strict: one update by the gradient of the sum of the losses of the step's paths, as of one graph", function()
    local net, one = new(), new()
    local before = values(net)
    fit(net, loader { { x, y } }, { seed = 7, sampler = vega.sampler.strict_fair {} })
    local archs, params = permutations(), one.graph:params()
    for _, p in pairs(params) do p:param() end
    local tape <close> = core.tape.new()
    local sum
    for _, arch in ipairs(archs) do                -- batch statistics of a batch are constants of nothing but the batch and the path
      local loss = vega.op.cross_entropy(one:run(x, arch, { train = true }), y)
      sum = sum and sum + loss or loss
    end
    tape:backward(sum)
    for name, move in pairs(moves(before, values(net))) do
      near(0, (move + params[name].grad * 0.05):abs():max():item(), 1e-6, name)
    end
  end)

  it("strict: the weights after a step do not depend on the order of its paths", function()
    local results = {}
    for k, order in ipairs { { 1, 2, 3 }, { 3, 1, 2 }, { 2, 1, 3 } } do
      local net, archs, turned = new(), permutations(), {}
      for i = 1, 3 do turned[i] = archs[order[i]] end
      local Mine = { name = "mine", params = {}, new = function() return { draw = function() return turned end } end, draw = function() end }
      results[k] = values(fit(net, loader { { x, y } }, { sampler = vega.sampler.use(Mine) }))
    end
    for k = 2, 3 do for name, t in pairs(results[1]) do near(0, (t - results[k][name]):abs():max():item(), 1e-6, name) end end
  end)

  it("strict with shared_reduce = 'mean': stem and tail take a third of the step, the choices the same", function()
    local before = values(new())
    local sum = moves(before, values(fit(new(), loader { { x, y } }, { seed = 7, sampler = vega.sampler.strict_fair {} })))
    local mean = moves(before, values(fit(new(), loader { { x, y } }, { seed = 7, sampler = vega.sampler.strict_fair { shared_reduce = "mean" } })))
    local n = { shared = 0, own = 0 }
    for name, move in pairs(sum) do
      local is_shared = name:find "^stem" or name:find "^tail"
      n[is_shared and "shared" or "own"] = n[is_shared and "shared" or "own"] + 1
      near(0, (mean[name] - move * (is_shared and 1 / 3 or 1)):abs():max():item(), 1e-6, name)
    end
    assert.same({ shared = 5, own = 18 }, n)
    assert.error_matches(function() vega.sampler.strict_fair { shared_reduce = "max" } end, "must be one of sum, mean, got max")
    assert.error_matches(function() new():fit { data = loader { { x, y } }, average = "most" } end, "average must be true, false or 'shared', got")
  end)

  it("in expectation: m updates on a batch are m single-path steps on copies of it", function()
    local x2, y2 = vega.tensor.randn({ 8, 6, 6, 2 }, vega.rng.new(6, "second")), y
    local batches, steps = { { x, y }, { x2, y2 } }, {}
    local schedule, sgd = { name = "cosine", warmup = 2 }, { name = "sgd", lr = 0.05, momentum = 0.9 }
    local fair = fit(new(), loader(batches), { seed = 3, sampler = vega.sampler.expectation_fair {}, schedule = schedule, optimiser = sgd,
      on_step = function(s) steps[#steps + 1] = s.step end })
    local spos = fit(new(), loader(batches, 3), { seed = 3, sampler = vega.sampler.uniform {}, schedule = schedule, optimiser = sgd })
    assert.same({ 3, 6 }, steps)
    assert.is_true(same(values(fair), values(spos)))
    local paths = 0
    for _, count in pairs(fair.counts.layer1) do paths = paths + count end
    assert.equal(6, paths)
    assert.error_matches(function() new():fit { data = loader(batches), updates = 0 } end, "updates must be an integer >= 1, got 0")
  end)

  it("in expectation: an interrupted training goes on with the same bits", function()
    local batches, sampler = { { x, y }, { x, y }, { x, y } }, vega.sampler.expectation_fair {}
    local whole, path = fit(new(), loader(batches), { sampler = sampler }), helper.scratch "fair.ckpt.safetensors"
    local function part(stop)
      return fit(new(), loader(batches), { sampler = sampler, checkpoint = path, checkpoint_steps = 1, resume = true,
        on_step = stop and function(s) return s.batch < stop end })
    end
    part(2)
    assert.is_true(same(values(whole), values(part())))
  end)

  it("single path: weights of options that were not drawn stay as they are, to the bit", function()
    local net = new()
    local before = values(net)
    fit(net, loader { { x, y } }, { sampler = vega.sampler.uniform {}, optimiser = { name = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 1e-2 } })
    local still, moved = 0, 0
    for _, move in pairs(moves(before, values(net))) do
      if move:abs():sum():item() == 0 then still = still + 1 else moved = moved + 1 end
    end
    assert.equal(12, still)                        -- of each layer two options of three, a weight, a gamma, a beta each
    assert.equal(11, moved)
  end)
end)

-- Search ----------------------------------------------------------------------------------------------------------------------------------

contract(describe, it, "fairnas", function() return vega.strategy.fairnas { population = 8 } end, { frozen = "ec24358a059b08e2" })
contract(describe, it, "fairnas, steady state", function() return vega.strategy.fairnas { population = 8, synchronous = false } end,
  { frozen = "90a6d7ee959cffa0" })

describe("the controller", function()
  local d = options(1, 4).decisions[1]

  it("draws by its softmax, without the present value", function()
    local c, rng, counts = policy.controller(0.1, 0.9), core.rng.new(1, "c"), { 0, 0, 0, 0 }
    c.preference[d.name] = { 0, 1, 2, 1000 }
    for _ = 1, 6000 do
      local value, entry = c:draw(d, rng, 4)
      assert.equal(value, entry.place)
      counts[value] = counts[value] + 1
    end
    local total = 1 + math.exp(1) + math.exp(2)
    for i, expected in ipairs { 1 / total, math.exp(1) / total, math.exp(2) / total, 0 } do
      near(expected, counts[i] / 6000, 4 * math.sqrt(expected / 6000))
    end
    near(1, c:probabilities(d)[4], 1e-12)
    assert.is_nil((c:draw(evolution_helper.floats(1).decisions[1], rng, 0.5)))
  end)

  it("takes the step of REINFORCE: the gradient of the log probability of what was drawn", function()
    local start = { 0.3, -0.2, 0.1, 0.4 }
    local function log_probability(list, place, except)
      local sum = 0
      for i = 1, 4 do sum = sum + (i ~= except and math.exp(list[i]) or 0) end
      return list[place] - math.log(sum)
    end
    for _, except in ipairs { 0, 4 } do
      local c = policy.controller(0.5, 0.9)
      c.preference[d.name] = { table.unpack(start) }
      c:learn({}, 1)                               -- the baseline
      c:learn({ { decision = d, place = 2, except = except > 0 and except or nil } }, 3)
      local advantage = 2 / math.sqrt(0.1 * 4 + 0.9 * 0)
      for i = 1, 4 do
        local up, down = { table.unpack(start) }, { table.unpack(start) }
        up[i], down[i] = up[i] + 1e-5, down[i] - 1e-5
        local slope = (log_probability(up, 2, except) - log_probability(down, 2, except)) / 2e-5
        near(start[i] + 0.5 * advantage * slope, c.preference[d.name][i], 1e-6)
      end
    end
  end)

  it("learns which option pays, and takes failures for the worst", function()
    local c, rng = policy.controller(0.1, 0.9), core.rng.new(2, "pays")
    for _ = 1, 300 do
      local value, entry = c:draw(d, rng)
      c:learn({ entry }, value ~= 1 and (value == 3 and 1 or 0) or nil)
    end
    assert.is_true(c:probabilities(d)[3] > 0.9)
  end)
end)

describe("the roulette", function()
  it("turns to options whose trials cost less, by exp(-z)", function()
    local sp = options(2, 3)
    local d, wheel, rng, counts = sp.decisions[1], policy.roulette(1), core.rng.new(1, "wheel"), { 0, 0, 0 }
    assert.is_number(wheel:draw(d, rng, 1, 1))     -- nothing known yet
    for a = 1, 3 do for b = 1, 3 do wheel:tell(sp, { arch = { layer1 = a, layer2 = b }, costs = { 10.0 * a + b, -1.0 * a } }) end end
    local sd = math.sqrt((600 + 6) / 8)
    for _ = 1, 6000 do
      local value = wheel:draw(d, rng, 2, 1)
      counts[value] = counts[value] + 1
    end
    local low, high = math.exp(10 / sd), math.exp(-10 / sd)
    near(low / (low + high), counts[1] / 6000, 0.03)
    assert.equal(0, counts[2])
    counts = { 0, 0, 0 }
    for _ = 1, 600 do
      local value = wheel:draw(d, rng, 2, 2)       -- the other cost prefers the other end
      counts[value] = counts[value] + 1
    end
    assert.is_true(counts[3] > 2 * counts[1])
  end)
end)

describe("fairnas", function()
  it("mutates children in the proportions it was given", function()
    local s = evolution_helper.search(vega.strategy.fairnas { population = 20 }, evolution_helper.edges(12), 3, 1, { budget = { trials = 4000 } })
    local n, total = {}, 0
    for round = 1, 100 do
      for _, t in ipairs(s:ask(20)) do
        if round > 1 and t.origin ~= "crossover" then n[t.origin], total = (n[t.origin] or 0) + 1, total + 1 end
        local sum = 0
        for i = 1, 12 do sum = sum + t.config["edge_" .. i]:byte() * i % 7 end
        evolution_helper.answer(s, t, sum, sum * 7 % 31, -sum * 3 % 11)
      end
    end
    assert.is_true(total > 1400 and total < 1900)  -- four of five, and a few more as children without mutation are often known
    for kind, share in pairs { mutation = 0.2, reinforced = 0.65, prior = 0.15 } do near(share, n[kind] / total, 0.05, kind) end
  end)

  it("improves its front from generation to generation", function()
    local problem = vega.problem.micro { objectives = 2 }
    local s = vega.strategy.create(vega.strategy.fairnas { population = 20 }, { space = problem.space, objectives = problem.objectives, seed = 2 })
    local last = 0
    for _ = 1, 15 do
      for _, t in ipairs(s:ask(20)) do s:tell(t.id, { status = "ok", values = problem:evaluate(t.config) }) end
      local points = {}
      for i, t in ipairs(s:front()) do points[i] = t.costs end
      local volume = core.pareto.hypervolume(points, { 0.75, 5 })
      assert.is_true(volume >= last)
      last = volume
    end
    assert.is_true(last > 0.97 * problem.volume, last)
  end)

  it("finds the front of NAS-Bench-201, looking at half of it", function()
    local bench = vega.table.nas_bench_201("cifar10", { epochs = 200 })
    if not bench then return pending "no table" end
    local points, hashes, n_front = {}, {}, 0
    for i = 1, 15625 do
      local arch = bench.space:unrank(i)
      local v = bench:evaluate(arch)
      points[i], hashes[i] = { -v.accuracy, 1.0 * v.macs }, bench.space:hash(arch)
    end
    local is_front = {}
    for i, rank in ipairs(core.pareto.rank(points)) do if rank == 1 then is_front[hashes[i]], n_front = true, n_front + 1 end end
    assert.equal(17, n_front)
    local missed = {}
    for seed = 1, 3 do
      local s = vega.strategy.create(vega.strategy.fairnas {}, { space = bench.space, seed = seed, budget = { trials = 7812 },
        objectives = { { name = "accuracy", goal = "max" }, { name = "macs", goal = "min" } } })
      local asked = 0
      while asked < 7812 do
        for _, t in ipairs(s:ask(math.min(70, 7812 - asked))) do
          asked = asked + 1
          s:tell(t.id, { status = "ok", values = bench:evaluate(t.config) })
        end
      end
      missed[seed] = n_front
      for _, t in ipairs(s:front()) do if is_front[t.hash] then missed[seed] = missed[seed] - 1 end end
    end
    assert.same({ 0, 0, 0 }, missed)
  end)

  it("says what is wrong with its options", function()
    local sp = evolution_helper.edges(3)
    assert.error_matches(function() evolution_helper.search(vega.strategy.fairnas { expensive = "acc" }, sp, 2) end, "unknown objective 'acc'")
    assert.error_matches(function() evolution_helper.search(vega.strategy.fairnas { random = 0, prior = 0, reinforced = 0 }, sp, 2) end, "are all 0")
    assert.error_matches(function() vega.strategy.fairnas { controller = 2 } end, "controller must be <= 1, got 2")
  end)
end)

describe("the published networks", function()
  it("have the published counts, batch-norm elements too", function()
    for name, elements in pairs { fairnas_a = 6076000, fairnas_b = 5699680, fairnas_c = 5398624 } do
      assert.equal(elements, vega.cost.count(vega.zoo(name)).norm_elements, name)
    end
  end)
end)
