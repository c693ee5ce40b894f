--- CARS: codes and their variation, shared training, export, and the search as a whole on small random images.
-- VEGA_LONG=1 adds the comparison of the ways of survival on Fashion-MNIST (minutes).
local core = require "vega.core"
local helper = require "spec.helper"
local nn = require "vega.nn"
local Result = require "vega.cars.result"
local shared = require "spec.supernet_helper"
local space = require "vega.space"
local supernet = require "vega.supernet"
local vega = require "vega"

local cars, darts, copies = vega.cars, vega.space "darts", shared.copies
local OPS = { "max_pool_3x3", "skip_connect", "sep_conv_3x3" }

local function small(more)
  local o = { cells = 2, reductions = { 2 }, channels = 4, nodes = 2, stem = 1, ops = OPS }
  for key, value in pairs(more or {}) do o[key] = value end
  return darts.new(o)
end

-- n images of 8x8 in three classes, a bright half each class, and noise.
local function images(n, seed)
  local rng, pixels, labels = vega.rng.new(seed, "images"), {}, {}
  for i = 1, n do
    labels[i] = rng:int(0, 2)
    for at = 0, 63 do
      local row, column = at // 8, at % 8
      local bright = labels[i] == 0 and row < 4 or labels[i] == 1 and column < 4 or labels[i] == 2 and row >= 4
      pixels[#pixels + 1] = (bright and 1 or 0) + rng:normal()
    end
  end
  return vega.data.from_tensors("halves", vega.tensor.new(pixels):reshape { n, 8, 8, 1 }, vega.tensor.new(labels, { dtype = "i32" }), 3)
end

local function search(more)
  local o = { space = small(), data = images(96, 1), validation = images(64, 2), epochs = 6, warmup = 2, interval = 2, population = 6, batch = 32,
    quiet = true, optimiser = { name = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 3e-4 } }
  for key, value in pairs(more or {}) do o[key] = value end
  return cars.search(o)
end

local function difference(a, b) return (a - b):abs():max():item() end

local function count(sp, arch)
  return core.cost.count(nn.describe({ 8, 8, 1 }, function(net) return sp:construct(net, arch) end, { classes = 3 }))
end

local function hashes(sp, members)
  local list = {}
  for i, m in ipairs(members) do list[i] = sp:hash(m.arch) end
  return list
end

-- Codes -------------------------------------------------------------------------------------------------------------------------------

describe("codes", function()
  -- The 0/1 matrix of the article: two ones in each node's block of rows, in different rows.
  local function assert_code(sp, arch, nodes, n_ops)
    local x, at = sp:encode(arch, "adjacency"), 0
    for _ = 1, 2 do
      for i = 1, nodes do
        local ones, rows = 0, 0
        for _ = 1, i + 1 do
          local row = 0
          for o = 1, n_ops do row = row + x[at + 1 + o] end
          assert.equal(x[at + 1], row)
          ones, rows, at = ones + row, rows + math.min(1, row), at + 1 + n_ops
        end
        assert.same({ 2, 2 }, { ones, rows })
      end
    end
    assert.equal(#x, at)
  end

  it("have two ones a node, in different rows: drawn, crossed and mutated", function()
    local sp, rng = darts.new { ops = darts.operations }, vega.rng.new(1, "codes")
    local members = {}
    for i = 1, 20 do members[i] = { arch = sp:random(rng) } end
    local origins = {}
    for _, child in ipairs(cars.offspring(sp, members, 300, rng, 1)) do
      assert_code(sp, child.arch, 4, 8)
      assert.truthy(sp:check(child.arch))
      origins[child.origin] = (origins[child.origin] or 0) + 1
    end
    assert.is_true(origins.mutation > 50 and origins.mutation < 100)
    assert.is_true(origins.crossover > 50 and origins.crossover < 100)
    assert.is_true(origins.random > 120 and origins.random < 180)
  end)

  it("are read back as they were written", function()
    local rng = vega.rng.new(2, "codes")
    for _ = 1, 1000 do
      local arch = darts:random(rng)
      assert.same(arch, darts.parse(darts.text(arch)))
      assert.equal(darts.text(arch), darts.text(darts.parse(darts.text(arch))))
    end
    local cell, seen, n = small { cells = 1, reductions = {} }, {}, 0
    for i = 1, cell.size do
      local text = cell.text(cell:unrank(i))
      if not seen[text] then seen[text], n = true, n + 1 end
    end
    assert.equal(243, n)
  end)

  it("cross by whole nodes, inputs and operations, in both cells together", function()
    local rng, second = vega.rng.new(3, "codes"), 0
    for _ = 1, 300 do
      local a, b = darts:random(rng), darts:random(rng)
      local child = darts:crossover(a, b, rng, { operator = "node" })
      for i = 1, 4 do
        local from
        for _, parent in ipairs { a, b } do
          local same = true
          for _, kind in ipairs { "normal", "reduce" } do
            for _, part in ipairs { "inputs", "op1", "op2" } do
              local name = ("%s.node%d.%s"):format(kind, i, part)
              same = same and darts.by_name[name].domain:equal(child[name], parent[name])
            end
          end
          if same then from = from or parent end
        end
        assert.truthy(from, "node " .. i .. " is of neither parent")
        if from == b then second = second + 1 end
      end
    end
    assert.is_true(math.abs(second / 1200 - 0.5) < 0.05, second)
  end)

  it("of spaces without cells cross by decisions", function()
    local sp, rng = vega.space "nb_macro", vega.rng.new(4, "codes")
    local members = {}
    for i = 1, 8 do members[i] = { arch = sp:random(rng) } end
    for _, child in ipairs(cars.offspring(sp, members, 50, rng, 1)) do assert.truthy(sp:check(child.arch)) end
    local child = sp:crossover(sp.parse "00000000", sp.parse "11111111", vega.rng.new(5, "codes"), { operator = "node" })
    assert.match("0", sp.text(child))
    assert.match("1", sp.text(child))
  end)

  it("of children are new: unlike every member and each other, until the space is exhausted", function()
    local sp, rng = small { cells = 1, reductions = {} }, vega.rng.new(6, "codes")
    local members, known = {}, {}
    for i = 1, 100 do
      members[i] = { arch = sp:unrank(2 * i) }
      known[sp:hash(members[i].arch)] = true
    end
    local children = cars.offspring(sp, members, 243, rng, 1)
    assert.equal(143, #children)
    for _, child in ipairs(children) do
      local key = sp:hash(child.arch)
      assert.is_nil(known[key])
      known[key] = true
    end
  end)
end)

-- Training ----------------------------------------------------------------------------------------------------------------------------

describe("shared training", function()
  local sp = small()
  local function net_of() return supernet.new { space = sp, input = { 8, 8, 1 }, classes = 3 } end
  local function trainer(graph, more)
    local o = { optimiser = "sgd", lr = 1, momentum = 0, total_steps = 10 }
    for key, value in pairs(more or {}) do o[key] = value end
    return core.train.new(graph, o)
  end

  it("leaves what is not on the code's path as it is, and gives the rest the gradients of the stand-alone network", function()
    local net, rng = net_of(), vega.rng.new(7, "paths")
    local x, y = shared.batch({ 8, 8, 1 }, 16, 1, 3)
    local fit = trainer(net.graph, { lr = 0.1, momentum = 0.9, weight_decay = 1e-2 })
    for _ = 1, 4 do assert(fit:step(x, y, { net:setting(sp:random(rng)) })) end       -- so that there are momenta everywhere
    for _ = 1, 5 do
      local arch = sp:random(rng)
      local before, alone = copies(net.graph), net:extract(arch)
      local alone_before = copies(alone)
      local plain = trainer(net.graph)
      assert(plain:step(x, y, { net:setting(arch) }))
      assert(trainer(alone):step(x, y))
      local on, off, after = 0, 0, net.graph:params()
      for name, t in pairs(before) do
        if alone_before[name] then
          on = on + 1
          assert.is_true(difference(t - after[name], alone_before[name] - alone:params()[name]) < 1e-5, name)
        else
          off = off + 1
          assert.equal(0, difference(t, after[name]), name)
        end
        after[name]:assign(t)
      end
      assert.is_true(on > 5 and off > 5)
      local more = copies(net.graph)
      assert(fit:step(x, y, { net:setting(arch) }))                                    -- neither momentum nor decay off the path
      for name, t in pairs(more) do
        if not alone_before[name] then assert.equal(0, difference(t, net.graph:params()[name]), name) end
      end
    end
  end)

  it("averages the gradients of several codes; the sum is the authors' program's", function()
    local rng, x, y = vega.rng.new(8, "paths"), shared.batch({ 8, 8, 1 }, 16, 2, 3)
    local archs, mean, norms = {}, {}, {}
    for i = 1, 5 do archs[i] = sp:random(rng) end
    local net = net_of()
    local first = copies(net.graph)
    for _, arch in ipairs(archs) do
      local alone = net:extract(arch)
      local before = copies(alone)
      assert(trainer(alone):step(x, y))
      for name, t in pairs(before) do
        local g = (t - alone:params()[name]) * (1 / #archs)
        mean[name] = mean[name] and mean[name] + g or g
      end
    end
    for _, how in ipairs { "mean", "sum" } do
      net = net_of()
      local _, _, norm = assert(trainer(net.graph, { average = how == "mean" }):step(x, y, net:settings(archs)))
      norms[how] = norm
      for name, t in pairs(first) do
        local g = t - net.graph:params()[name]
        local want = mean[name] and mean[name] * (how == "mean" and 1 or #archs) or t - t
        assert.is_true(difference(g, want) < 1e-5 * (how == "mean" and 1 or #archs), name)
      end
    end
    assert.near(5, norms.sum / norms.mean, 1e-4)
    net = net_of()
    assert(trainer(net.graph, { average = true, clip = norms.mean / 2 }):step(x, y, net:settings(archs)))
    for name, g in pairs(mean) do assert.is_true(difference(first[name] - net.graph:params()[name], g * 0.5) < 1e-5, name) end
  end)

  local function sampler_of(pool, paths)
    local descriptor = vega.sampler.population { pool = pool, paths = paths }
    return descriptor.class.new(darts, descriptor.params)
  end

  it("draws in the warm-up every state and operation equally often", function()
    local draws, rng, steps, counts = sampler_of({ members = {} }, 3), vega.rng.new(9, "paths", 0), 7000, {}
    for step = 1, steps do
      local archs = draws:draw(step, rng:seek(9, "paths", step))
      assert.equal(1, #archs)
      for _, d in ipairs(darts.decisions) do
        local i = d.domain:index(archs[1][d.name])
        counts[d] = counts[d] or {}
        counts[d][i] = (counts[d][i] or 0) + 1
      end
    end
    for _, d in ipairs(darts.decisions) do
      local chi2, df = 0, d.domain.size - 1
      for i = 1, d.domain.size do chi2 = chi2 + ((counts[d][i] or 0) - steps / d.domain.size) ^ 2 / (steps / d.domain.size) end
      assert.is_true(chi2 < df + 4.3 * math.sqrt(2 * df) + 8, ("%s: chi2 %g of %d"):format(d.name, chi2, df))      -- p about 1e-4
    end
  end)

  it("uses operations more evenly with a warm-up than without", function()
    local function unevenness(warmup)
      local result = assert(search { epochs = 8, warmup = warmup, interval = 8, population = 2 })
      local sum = 0
      for _, counts in pairs(result.supernet.counts) do
        local total = 0
        for _, n in pairs(counts) do total = total + n end
        for _, op in ipairs(OPS) do sum = sum + ((counts[op] or 0) / total - 1 / #OPS) ^ 2 end
      end
      return sum
    end
    assert.is_true(unevenness(0) > 1.5 * unevenness(6))
  end)

  it("draws members of the population afterwards, all different; as many as there are gives each", function()
    local rng, pool = vega.rng.new(10, "paths", 0), { members = {} }
    for i = 1, 6 do pool.members[i] = darts:random(rng) end
    local draws, all, seen = sampler_of(pool, 2), sampler_of(pool, 6), {}
    for step = 1, 600 do
      local archs = draws:draw(step, rng:seek(10, "paths", step))
      assert.equal(2, #archs)
      assert.is_true(archs[1] ~= archs[2])
      for _, arch in ipairs(archs) do seen[arch] = (seen[arch] or 0) + 1 end
      local set, n = {}, 0
      for _, arch in ipairs(all:draw(step, rng)) do
        if not set[arch] then set[arch], n = true, n + 1 end
      end
      assert.equal(6, n)
    end
    for i = 1, 6 do assert.is_true(math.abs(seen[pool.members[i]] - 200) < 60, seen[pool.members[i]]) end
  end)

  it("refuses a pool that is none, or of another space", function()
    assert.error_matches(function() sampler_of({}) end, "pool = { members = a list of architectures } expected")
    assert.error_matches(function() sampler_of { members = { { layer1 = "identity" } } } end, "member 1: ")
    assert.error_matches(function() vega.sampler.population { paths = 0 } end, "paths must be >= 1, got 0")
  end)
end)

-- Export ------------------------------------------------------------------------------------------------------------------------------

describe("export", function()
  local function members_of(list)
    local members = {}
    for i, m in ipairs(list) do members[i] = { accuracy = m[1], error = 1 - m[1], costs = { m[2] }, place = i } end
    return members
  end
  local function places(members, how, models)
    local list = {}
    for i, m in ipairs(Result.select(members, how, models)) do list[i] = m.place end
    return list
  end

  it("takes the best of each bin of sizes, the smallest and the largest included", function()
    local members = members_of { { 0.70, 0 }, { 0.75, 1 }, { 0.8, 12 }, { 0.79, 14 }, { 0.9, 29 }, { 0.72, 40 }, { 0.1, 100 } }
    assert.same({ 2, 3, 5, 6 }, places(members, "uniform", 4))                    -- member 7 is below half the range of accuracies
    assert.same({ 1, 2 }, places(members_of { { 0.70, 0 }, { 0.75, 40 } , { 0, 20 } }, "uniform", 4))
  end)

  it("gives nothing for an empty bin", function()
    assert.same({ 1, 2 }, places(members_of { { 0.9, 0 }, { 0.8, 100 }, { 0.1, 50 } }, "uniform", 4))
    assert.same({ 1 }, places(members_of { { 0.9, 7 } }, "uniform", 4))
    assert.same({ 2 }, places(members_of { { 0.5, 7 }, { 0.6, 7 } }, "uniform", 3))
    assert.same({ 1, 2, 3 }, places(members_of { { 0.5, 1 }, { 0.5, 2 }, { 0.5, 3 } }, "uniform", 3))
  end)

  it("takes the first front, by ascending size", function()
    assert.same({ 3, 1, 2 }, places(members_of { { 0.7, 20 }, { 0.8, 30 }, { 0.6, 10 }, { 0.65, 25 } }, "first", 4))
  end)
end)

-- The search --------------------------------------------------------------------------------------------------------------------------

describe("cars.search", function()
  it("gives a population, its front and models to export, learned from what it saw", function()
    local function depth(graph) return #graph:nodes() end
    local result = assert(search { epochs = 8, data = images(256, 1), costs = { "params", "macs", { "depth", depth } } })
    assert.equal(6, #result.population)
    assert.equal(3, #result.generations)
    assert.equal(8, #result.history)
    assert.is_true(#result.exported >= 1 and #result.exported <= 4)
    assert.is_true(result.front[#result.front].accuracy > 0.5, tostring(result))
    for i = 2, #result.front do assert.is_true(result.front[i].costs[1] >= result.front[i - 1].costs[1]) end
    local seen = {}
    for _, key in ipairs(hashes(result.supernet.space, result.population)) do
      assert.is_nil(seen[key])
      seen[key] = true
    end
    assert.match("accuracy +params +macs +depth\n", tostring(result))
    local path = helper.scratch "cars.html"
    assert.equal(path, result:report(path))
    local page = helper.read(path)
    assert.match("<svg", page)
    assert.match("Genotype%(normal=", page)
  end)

  it("costs and scores what it exports, with none among the operations too", function()
    for _, sp in ipairs { small(), small { ops = { "none", "skip_connect", "sep_conv_3x3" } } } do
      local result = assert(search { space = sp, costs = { "params", "macs" } })
      local validation = images(64, 2)
      for _, m in ipairs(result.population) do
        local alone = sp:network(m.arch, { 8, 8, 1 }, 3):extract()               -- without what none leaves unread
        assert.equal(core.cost.count(alone).params, m.values.params)
        assert.equal(core.cost.count(alone).macs, m.values.macs)
        local score = assert(vega.train.evaluate(result.supernet:extract(m.arch), validation, { normalise = result.history.normalise }))
        assert.near(score.accuracy, m.accuracy, 1e-9)
        assert.near(score.loss, m.loss, 1e-4)
      end
    end
  end)

  it("does not mistake one cell for the other", function()
    local sp = small()
    local function arch_of(normal, reduce)
      local arch = {}
      for kind, op in pairs { normal = normal, reduce = reduce } do
        for i = 1, 2 do
          local node = ("%s.node%d"):format(kind, i)
          arch[node .. ".inputs"], arch[node .. ".op1"], arch[node .. ".op2"] = { 1, 2 }, op, op
        end
      end
      return arch
    end
    local net = supernet.new { space = sp, input = { 8, 8, 1 }, classes = 3 }
    local function params(normal, reduce) return core.cost.count(net:extract(arch_of(normal, reduce))).params end
    local bare = params("max_pool_3x3", "max_pool_3x3")
    assert.equal(bare, params("skip_connect", "max_pool_3x3"))
    assert.is_true(params("max_pool_3x3", "skip_connect") > bare)                -- of stride 2 a skip has weights
    assert.equal(count(sp, arch_of("max_pool_3x3", "skip_connect")).params, params("max_pool_3x3", "skip_connect"))
    assert.is_true(params("sep_conv_3x3", "max_pool_3x3") ~= params("max_pool_3x3", "sep_conv_3x3"))
  end)

  it("takes any number of nodes, and spaces without cells", function()
    for _, nodes in ipairs { 1, 3 } do
      local result = assert(search { space = small { nodes = nodes }, epochs = 3, warmup = 1, interval = 1 })
      assert.equal(6, #result.population)
    end
    local plain = space.define { name = "plain", build = function(net)
      local y = net:conv(net:input(), 4, { kernel = 3 })
      for i = 1, 3 do
        y = net:choice("op" .. i, { { "skip", function(x) return x end },
          { "conv", function(x) return net:conv_bn(x, 4, { kernel = 3, act = "relu" }) end } })(y)
      end
      return net:linear(net:global_avg_pool(y), net.classes)
    end }
    local result = assert(search { space = plain, epochs = 4, warmup = 1, interval = 1, population = 8 })     -- all there are: no children
    assert.equal(0, result.generations[1].children)
    assert.equal(8, #result.population)
  end)

  it("gives the same bits again, and other seeds other populations", function()
    local sp = small()
    local rest = { protect = "none", fill = "random", gradients = "sum", paths = 3, recalibrate = 2 }
    for _, more in ipairs { { protect = "size" }, { protect = "speed" }, rest } do
      more.space = sp
      local a, b = assert(search(more)), assert(search(more))
      assert.same(hashes(sp, a.population), hashes(sp, b.population))
      for i, m in ipairs(a.population) do assert.equal(m.loss, b.population[i].loss) end
      more.seed = 2
      assert.not_same(hashes(sp, a.population), hashes(sp, assert(search(more)).population))
    end
  end)

  it("goes on from a checkpoint as if nothing had stopped it, in each of its phases", function()
    local sp = small()
    local function run(more, stop)
      local o = { space = sp, epochs = 7, checkpoint_steps = 1, resume = true, quiet = true }
      for key, value in pairs(more) do o[key] = value end
      o.on_step = stop and stop.step and function(s) return s.step < stop.step end
      o.on_epoch = stop and stop.epoch and function(e) return e.epoch < stop.epoch end
      return search(o)
    end
    local STOPS = { { step = 2 }, { step = 5 }, { epoch = 2 }, { step = 8 }, { epoch = 4 }, { epoch = 5 }, { step = 17 } }
    local CASES = { { protect = "size", paths = 2 }, { protect = "speed", warmup = 2, interval = 1 },
      { protect = "speed", warmup = 0, recalibrate = 1 } }
    for _, more in ipairs(CASES) do
      more.checkpoint = helper.scratch "whole.ckpt.safetensors"
      local whole = assert(run(more))
      more.checkpoint = helper.scratch "parts.ckpt.safetensors"
      for _, stop in ipairs(STOPS) do assert(run(more, stop)) end
      local resumed = assert(run(more))
      assert.same(hashes(sp, whole.population), hashes(sp, resumed.population))
      assert.equal(#whole.generations, #resumed.generations)
      for i, m in ipairs(whole.population) do
        local other = resumed.population[i]
        assert.same({ m.loss, m.speed, m.born, m.values.params }, { other.loss, other.speed, other.born, other.values.params })
      end
      for name, t in pairs(whole.supernet.graph:params()) do assert.equal(0, difference(t, resumed.supernet.graph:params()[name]), name) end
    end
  end)

  it("refuses the checkpoint of another search", function()
    local path, sp = helper.scratch "other.ckpt.safetensors", small()
    assert(search { space = sp, epochs = 2, warmup = 1, checkpoint = path })
    local result, message, code = search { space = sp, epochs = 2, warmup = 1, checkpoint = path, resume = true, population = 5 }
    assert.is_nil(result)
    assert.equal("cars.search: the checkpoint is of another search: population was 6, is 5", message)
    assert.equal("EARG", code)
  end)

  it("begins with architectures given, and a supernet made before", function()
    local sp = small()
    local net = supernet.new { space = sp, input = { 8, 8, 1 }, classes = 3, seed = 5 }
    local arch = sp:random(vega.rng.new(12, "given"))
    local first
    local function note(_, members) first = first or members end
    local result = assert(search { space = sp, supernet = net, initial = { arch }, epochs = 2, warmup = 0, interval = 2, on_epoch = note })
    assert.equal(net, result.supernet)
    assert.equal("given", first[1].origin)
    assert.same(arch, first[1].arch)
  end)

  it("returns what stops its training or its evaluation", function()
    local result, message, code = search { optimiser = { name = "sgd", lr = 1e30 } }
    assert.is_nil(result)
    assert.match("the loss is", message)
    assert.equal("ENAN", code)
    local folder = helper.scratch "no folder"
    result, message, code = search { protect = "speed", warmup = 0, checkpoint = folder .. "/net.ckpt.safetensors" }
    assert.is_nil(result)
    assert.match("no folder", message)
    assert.equal("EIO", code)
    assert.error_matches(function() search { costs = { { "odd", function() return 0 / 0 end } } } end, "cost 'odd' must be a finite number")
  end)

  it("refuses wrong options at the caller's line", function()
    local function refuses(more, text)
      local ok, message = pcall(function() search(more) end)
      assert.is_false(ok)
      assert.match(text, message)
      assert.match("cars_spec.lua:%d+: cars.search: ", message)
    end
    refuses({ population = 0 }, "population must be >= 1, got 0")
    refuses({ population = 2.5 }, "population must be a whole number")
    refuses({ protect = "sizes" }, "protect must be one of none, size, speed, got sizes")
    refuses({ fill = "fill" }, "fill must be one of crowding, random")
    refuses({ gradients = "median" }, "gradients must be one of mean, sum")
    refuses({ warmup = 6 }, "warmup must be below epochs = 6, got 6")
    refuses({ paths = 7 }, "paths must be at most population = 6, got 7")
    refuses({ costs = { "flops" } }, "unknown cost 'flops'")
    refuses({ costs = {} }, "costs: a list")
    refuses({ data = 5 }, "data: a data set expected, got number")
    refuses({ validation = "test" }, "validation: a data set expected, got string")
    refuses({ supernet = {} }, "supernet: what vega.supernet.new returns expected, got table")
    local function supernet_of(sp) return supernet.new { space = sp, input = { 8, 8, 1 }, classes = 3 } end
    refuses({ supernet = supernet_of(small()) }, "the supernet is of the space 'darts', which is not the space 'darts' given")
    refuses({ supernet = supernet_of(vega.space "nb_macro") }, "the supernet is of the space 'nb_macro', which is not the space 'darts' given")
    refuses({ initial = { { layer1 = "identity" } } }, "initial: architecture 1: ")
    local arch = small():unrank(1)
    refuses({ initial = { arch, arch } }, "initial: architecture 2 is there twice")
    refuses({ space = small { cells = 1, reductions = {}, ops = { "skip_connect" } } }, "at most the 3 architectures of space 'darts', got 6")
    refuses({ populaton = 6 }, "unknown option 'populaton'; did you mean 'population'?")
    local ok, message = pcall(function() cars.search { space = small() } end)
    assert.is_false(ok)
    assert.match("option 'data' is missing", message)
  end)
end)

-- Directions --------------------------------------------------------------------------------------------------------------------------

describe("on Fashion-MNIST", function()
  local long = os.getenv "VEGA_LONG" and require("vega.data").find "fashion-mnist" and it or pending
  local OPERATIONS = { "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3" }
  local SGD = { name = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 3e-4 }
  local sp = darts.new { cells = 3, reductions = { 2 }, channels = 8, nodes = 2, ops = OPERATIONS }

  local function run(protect, seed)
    local data = assert(vega.data "fashion-mnist").train
    local train, rest = data:split { n = 2000, seed = 1 }
    local result = assert(cars.search { space = sp, data = train, validation = rest:subset { n = 500, seed = 1 }, epochs = 16, warmup = 4,
      interval = 2, population = 16, protect = protect, seed = seed, batch = 32, optimiser = SGD, quiet = true })
    return result, train, rest:subset { n = 2000, seed = 2 }
  end

  local function accuracy_alone(arch, train, epochs)
    local model = sp:network(arch, train.shape, train.n_classes, 1)
    local history = assert(vega.train.fit { model = model, data = train, epochs = epochs, batch = 32, optimiser = SGD, schedule = { name = "cosine" } })
    local test = assert(vega.data "fashion-mnist").test:subset { n = 2000, seed = 1 }
    return assert(vega.train.evaluate(model, test, { normalise = history.normalise })).accuracy
  end

  long("sizes spread wider with protection than without, in at least four of five seeds", function()
    local wider = 0
    local function spread(protect, seed)
      local generations = run(protect, seed).generations
      return generations[#generations].most - generations[#generations].least
    end
    for seed = 1, 5 do
      if spread("size", seed) > spread("none", seed) then wider = wider + 1 end
    end
    assert.is_true(wider >= 4, wider)
  end)

  long("shared weights rank 20 codes better than chance", function()
    local result, train, rest = run("size", 1)
    local rng, archs, alone, shared_scores = vega.rng.new(1, "codes"), {}, {}, {}
    for i = 1, 20 do archs[i] = sp:random(rng) end
    local scores = assert(result.supernet:evaluate(archs, rest, { normalise = result.history.normalise }))
    for i, score in ipairs(scores) do shared_scores[i] = score.accuracy end
    for i, arch in ipairs(archs) do alone[i] = accuracy_alone(arch, train, 3) end
    local tau = vega.stats.kendall(shared_scores, alone)
    assert.is_true(tau > 0, tau)
  end)
end)
