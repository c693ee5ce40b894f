--- Supernet:evaluate: many architectures scored together, what they share computed once.
local core = require "vega.core"
local space = require "vega.space"
local supernet = require "vega.supernet"
local train = require "vega.train"
local util = require "vega.util"
local vega = require "vega"

-- nb201 in the small network: its full one has 15 cells.
local function spaces()
  return { { vega.space("nb201").with { cells = 1, channels = 8 }, { 16, 16, 3 } }, { vega.space "nb_macro", { 16, 16, 3 } },
    { vega.space "mobile_tiny", { 16, 16, 1 } }, { vega.space "spos_mobile", { 16, 16, 3 } } }
end

local function data_set(shape, n)
  local rng, labels = vega.rng.new(4, "images"), {}
  for i = 1, n do labels[i] = rng:int(0, 9) end
  return core.data.new("made", vega.tensor.randn({ n, table.unpack(shape) }, rng), vega.tensor.new(labels, { dtype = "i32" }), 10)
end

-- A supernet whose running statistics are not the first ones.
local function used(sp, input)
  local net, rng = supernet.new { space = sp, input = input, classes = 10 }, vega.rng.new(5, "use")
  for _ = 1, 3 do
    local _ <close> = net:run(vega.tensor.randn({ 4, table.unpack(input) }, rng), sp:random(rng), { train = true })
  end
  return net
end

local function draw(sp, n)
  local rng, archs = vega.rng.new(6, "draw"), {}
  for i = 1, n do archs[i] = sp:random(rng) end
  archs[n + 1] = archs[1]                                               -- a duplicate, far from the first
  return archs
end

-- The same supernets and architectures in all tests: most of the time goes into making convolutions for new shapes. Two batches of 4 images; of
-- one space also a last one that is smaller.
local made = {}
local function each_space(body)
  if #made == 0 then
    for i, case in ipairs(spaces()) do
      made[i] = { used(case[1], case[2]), draw(case[1], 5), data_set(case[2], case[1].name == "nb201" and 10 or 8), case[2], case[1].name }
    end
  end
  for _, m in ipairs(made) do body(table.unpack(m)) end
end

-- The operators that an architecture computes, as texts that say all they depend on; `seen` keeps one number for each text.
local function operators(net, arch, seen, folded)
  local id, list, nodes = {}, {}, net:extract(arch):nodes()
  for i, node in ipairs(nodes) do
    local key = { node.kind, node.op or node.name, node.op and "" or table.concat(node.shape, "x") }
    for _, name in ipairs(util.sorted_keys(node.args or {})) do key[#key + 1] = ("%s=%s"):format(name, node.args[name]) end
    for _, input in ipairs(node.inputs or {}) do key[#key + 1] = tostring(input and id[input]) end
    local text = table.concat(key, " ")
    if not seen[text] then
      seen.n = (seen.n or 0) + 1
      seen[text] = seen.n
    end
    id[i] = seen[text]
    local is_inside = folded and node.op == "batch_norm" and nodes[node.inputs[1]].op == "conv2d"
    if node.op and not is_inside then list[id[i]] = true end
  end
  return list
end

local function population(net, archs, options)
  local settings = {}
  for i, arch in ipairs(archs) do settings[i] = net:setting(arch) end
  return core.population.new(net.graph, settings, options)
end

local function size(set)
  local n = 0
  for _ in pairs(set) do n = n + 1 end
  return n
end

describe("a population", function()
  it("scores each architecture, unfolded, with the bits of train.evaluate", function()
    each_space(function(net, archs, data, _, name)
      local scores = net:evaluate(archs, data, { fold = false, batch = 4 })
      assert.equal(#archs, #scores)
      for i, arch in ipairs(archs) do
        assert.same(train.evaluate(net.graph, data, { batch = 4, slots = net:setting(arch) }), scores[i], name)
      end
    end)
  end)

  it("scores each architecture, folded, as alone, and nearly as unfolded", function()
    each_space(function(net, archs, data, _, name)
      local scores, plain = net:evaluate(archs, data, { batch = 4 }), net:evaluate(archs, data, { fold = false, batch = 4 })
      for i, arch in ipairs(archs) do
        assert.same(net:evaluate({ arch }, data, { batch = 4 })[1], scores[i], name)
        assert.is_true(math.abs(plain[i].loss - scores[i].loss) <= 1e-5 * (1 + plain[i].loss), name)
      end
      assert.same(scores[1], scores[#scores])
    end)
  end)

  it("gives the same with hardly any memory, keeping less and computing more", function()
    each_space(function(net, archs, data, input, name)
      assert.same(net:evaluate(archs, data, { batch = 4 }), net:evaluate(archs, data, { batch = 4, memory = 1e-6 }))
      local x, y = vega.tensor.randn({ 4, table.unpack(input) }, vega.rng.new(1, "x")), vega.tensor.new({ 1, 2, 3, 4 }, { dtype = "i32" })
      local free, bound = population(net, archs), population(net, archs, { memory = 1 })
      assert(free:score(x, y))
      assert(bound:score(x, y))
      local a, b = free:counts(), bound:counts()
      assert.equal(a.distinct, a.computed)
      assert.is_true(b.computed > a.computed and b.computed <= b.alone, name)
      assert.is_true(b.peak_bytes <= a.peak_bytes, name)
      assert.same(free:scores(), bound:scores())
    end)
  end)

  it("computes what is distinct and no more, counted by another way", function()
    each_space(function(net, archs, _, _, name)
      for _, folded in ipairs { false, true } do
        local seen, all, alone = {}, {}, 0
        for _, arch in ipairs(archs) do
          local own = operators(net, arch, seen, folded)
          alone = alone + size(own)
          for id in pairs(own) do all[id] = true end
        end
        local counts = population(net, archs, { fold = folded }):counts()
        assert.equal(size(all), counts.distinct, name)
        assert.equal(alone, counts.alone, name)
      end
    end)
  end)

  it("computes a layer once for each distinct beginning of a path", function()
    local sp, input = vega.space "spos_mobile", { 16, 16, 3 }
    local net, archs = supernet.new { space = sp, input = input, classes = 10 }, draw(sp, 60)
    local expected, networks = 2, nil                                      -- convolution and norm before the layers
    for last = 1, 12 do
      local prefixes = {}
      for _, arch in ipairs(archs) do
        local words = {}
        for i = 1, last do words[i] = arch[("layer%02d"):format(i)] end
        prefixes[table.concat(words, " ")] = true
      end
      local has_shortcut = last % 3 ~= 1                                   -- not where a stage begins
      networks = size(prefixes)
      expected = expected + networks * (has_shortcut and 7 or 6)
    end
    local p = population(net, archs)
    assert.equal(expected + 4 * networks, p:counts().distinct)             -- head: convolution, norm, pool, linear
    assert.equal(networks, p:counts().networks)
    local x, y = vega.tensor.randn({ 2, 16, 16, 3 }, vega.rng.new(1, "x")), vega.tensor.new({ 1, 2 }, { dtype = "i32" })
    assert(p:score(x, y))
    assert.equal(p:counts().distinct, p:counts().computed)
  end)

  it("takes what is equal behind an identity, and duplicates, as one", function()
    local sp = space.define { name = "skips", input = { 8, 8, 3 }, build = function(net)
      local y = net:conv_bn(net:input(), 4, { kernel = 3, act = "relu" })
      for i = 1, 3 do
        local function pool(x) return net:avg_pool(x, { kernel = 3, stride = 1, pad = 1 }) end
        y = net:choice("op" .. i, { { "skip", function(x) return x end }, { "pool", pool } })(y)
      end
      return net:linear(net:global_avg_pool(y), 10)
    end }
    local net, archs = supernet.new { space = sp }, {}
    for i, word in ipairs { "pss", "sps", "ssp", "pss", "ppp" } do
      archs[i] = {}
      for k = 1, 3 do archs[i]["op" .. k] = word:sub(k, k) == "p" and "pool" or "skip" end
    end
    local counts = population(net, archs):counts()
    assert.equal(2, counts.networks)
    assert.equal(2 + 1 + 2 + 2 + 2, counts.distinct)                       -- stem; one pool, its head; two pools more, their head
    local scores = net:evaluate(archs, data_set({ 8, 8, 3 }, 5))
    for i = 2, 4 do assert.same(scores[1], scores[i]) end
    assert.is_false(scores[1].loss == scores[5].loss)
  end)

  it("recalibrates each architecture as alone, sharing statistics as well, and leaves those of the supernet", function()
    for _, memory in ipairs { 1e6, 1e-6 } do
      each_space(function(net, archs, data, input, name)
        local before, kept = {}, 0
        for key, t in pairs(net.graph:buffers()) do before[key] = t:copy() end
        local calibration = { data = data_set(input, 8), batches = 3, batch = 4 }
        local scores = assert(net:evaluate(archs, data, { batch = 4, memory = memory, recalibrate = calibration }))
        for key, t in pairs(net.graph:buffers()) do
          assert.equal(0, (t - before[key]):abs():sum():item())
          kept = kept + 1
        end
        assert.is_true(kept > 0)
        for i, arch in ipairs(archs) do
          assert(net:recalibrate(arch, calibration.data, { batches = 3, batch = 4 }))
          assert.same(train.evaluate(net.graph, data, { batch = 4, slots = net:setting(arch) }), scores[i], name)
        end
      end)
    end
  end)

  it("draws for dropout what a path alone draws", function()
    local sp = space.define { name = "drop", input = { 4, 4, 2 }, build = function(net)
      local function drop(x) return net:op("dropout", x, { p = 0.5 }) end
      local y = net:choice("op1", { { "a", drop }, { "b", drop }, { "c", function(x) return x end } })(net:input())
      return net:linear(net:global_avg_pool(net:batch_norm(y)), 10)
    end }
    local net, data, archs = supernet.new { space = sp }, data_set({ 4, 4, 2 }, 8), { { op1 = "a" }, { op1 = "b" }, { op1 = "c" } }
    assert.equal(2, population(net, archs):counts().networks)              -- in evaluation dropout draws nothing
    local scores = assert(net:evaluate(archs, data, { batch = 8, recalibrate = { data = data, batches = 1, batch = 8 } }))
    for i, arch in ipairs(archs) do
      assert(net:recalibrate(arch, data, { batches = 1, batch = 8 }))
      assert.same(train.evaluate(net.graph, data, { batch = 8, slots = net:setting(arch) }), scores[i])
    end
    assert.is_false(scores[1].loss == scores[2].loss)
  end)

  it("shows a NaN among the weights, and scores in bf16", function()
    local sp, input = vega.space "spos_mobile", { 16, 16, 3 }
    local net, data = used(sp, input), data_set({ 16, 16, 3 }, 5)
    local arch, other = {}, {}
    for i = 1, 12 do arch[("layer%02d"):format(i)], other[("layer%02d"):format(i)] = "k3_e3", "k5_e3" end
    net.graph:precision "bf16"
    local alone = train.evaluate(net.graph, data, { batch = 5, slots = net:setting(arch) })
    assert.same(alone, net:evaluate({ other, arch }, data, { batch = 5 })[2])
    net.graph:precision "f32"
    net.graph:params()["conv2.weight"]:fill(0 / 0)                         -- of k3_e3 in the first layer
    local scores = net:evaluate({ arch, other }, data)
    assert.is_true(scores[1].loss ~= scores[1].loss and scores[2].loss == scores[2].loss)
  end)

  it("goes on after an interruption or a failure as if nothing had been", function()
    local sp = vega.space "nb_macro"
    local net, archs = used(sp, { 16, 16, 3 }), draw(sp, 4)
    local x, y = vega.tensor.randn({ 4, 16, 16, 3 }, vega.rng.new(1, "x")), vega.tensor.new({ 1, 2, 3, 4 }, { dtype = "i32" })
    local p, fresh = population(net, archs, { fold = true }), population(net, archs, { fold = true })
    assert.error_matches(function() p:score(x, vega.tensor.new({ 1, 2, 3 }, { dtype = "i32" })) end, "i32 labels")
    assert.error_matches(function() p:score(x, vega.tensor.new({ 11, 2, 3, 4 }, { dtype = "i32" })) end, "label 11 is outside")
    assert.error_matches(function() p:score(vega.tensor.randn({ 4, 8, 8, 3 }, vega.rng.new(1, "x")), y) end, "input %[%-1, 16, 16, 3%] expected")
    assert(p:score(x, y))
    assert(fresh:score(x, y))
    assert.same(fresh:scores(), p:scores())
    p:close()
    assert.error_matches(function() p:score(x, y) end, "population is closed")
  end)

  it("says what is wrong with the list, an architecture, the data, an option", function()
    local sp = space.define { name = "toy", input = { 8, 8, 3 }, forbid = { { a = "x", b = "x" } }, build = function(net)
      local y = net:input()
      for _, name in ipairs { "a", "b" } do
        y = net:choice(name, { { "x", function(v) return net:relu(v) end }, { "y", function(v) return v end } })(y)
      end
      return net:linear(net:global_avg_pool(y), 10)
    end }
    local net, data, good = supernet.new { space = sp }, data_set({ 8, 8, 3 }, 4), { a = "x", b = "y" }
    local function refused(pattern, archs, set, options)
      local ok, message = pcall(function() assert(net:evaluate(archs, set or data, options)) end)
      assert.is_false(ok)
      assert.matches(pattern, message)
      assert.matches("population_scoring_spec.lua:%d+: supernet:evaluate: ", message)
    end
    refused("the list of architectures is empty", {})
    refused("a list of architectures expected, got one table", good)
    refused("a list of architectures expected, got string", "all")
    refused("architecture 2 of 3: space 'toy': 'b' is missing", { good, { a = "x" }, good })
    refused("architecture 3 of 3: .*'c'", { good, good, { a = "x", b = "y", c = "x" } })
    refused("architecture 1 of 1: .*'a' is \"z\"", { { a = "z", b = "y" } })
    refused("architecture 2 of 2: .*forbids", { good, { a = "x", b = "x" } })
    refused("architecture 1 of 2: .*a table expected, got number", { 7, good })
    refused("images of 8x8x3, the data set has 9x8x3", { good }, data_set({ 9, 8, 3 }, 4))
    refused("a data set or a loader expected, got table of two", { good }, { train = data, test = data })
    refused("a data set or a loader expected, got number", { good }, 5)
    refused("memory must be a number of MB above 0, got 0", { good }, data, { memory = 0 })
    refused("batch must be an integer >= 1, got 0.5", { good }, data, { batch = 0.5 })
    refused("recalibrate: a data set or a loader expected, got nil", { good }, data, { recalibrate = { batches = 2 } })
    refused("recalibrate: the supernet takes images of 8x8x3", { good }, data, { recalibrate = { data = data_set({ 8, 8, 1 }, 4) } })
    refused("unknown option 'memroy'; did you mean 'memory'", { good }, data, { memroy = 1 })
  end)

  it("plans large populations in groups, with the same results in the same places", function()
    local sp = space.define { name = "wide", input = { 2, 2, 1 }, build = function(net)
      local y = net:input()
      local function sigmoid(x) return net:op("sigmoid", x) end
      for i = 1, 12 do y = net:choice("op" .. i, { { "relu", function(x) return net:relu(x) end }, { "sigmoid", sigmoid } })(y) end
      return net:linear(net:global_avg_pool(y), 3)
    end }
    local net, rng, archs = supernet.new { space = sp }, vega.rng.new(1, "wide"), {}
    for i = 1, 2100 do archs[i] = sp:random(rng) end
    local labels = vega.tensor.new({ 0, 1, 2, 0 }, { dtype = "i32" })
    local data = core.data.new("made", vega.tensor.randn({ 4, 2, 2, 1 }, rng), labels, 3)
    local scores = net:evaluate(archs, data)
    assert.equal(2100, #scores)
    for i = 1, 2100, 150 do assert.same(net:evaluate({ archs[i] }, data)[1], scores[i]) end
  end)
end)
