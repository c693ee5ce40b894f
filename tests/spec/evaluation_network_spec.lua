--- Networks of published genotypes as they are trained: auxiliary head, drop path, odd sizes.
local core = require "vega.core"
local equal = require("spec.supernet_helper").equal
local genotype = require "vega.genotype"
local helper = require "spec.helper"
local nn = require "vega.nn"
local shared = require "vega.table.shared"
local vega = require "vega"

local op = vega.op

-- Parameters of the network alone, then with the auxiliary head, and multiply-adds: the CIFAR form (36 channels, 20 cells) and the ImageNet form;
-- parameters and multiply-adds of 16 channels and 8 cells.
local CIFAR = {
  DARTS_V1 = { 3169414, 3645840, 500987520 }, DARTS_V2 = { 3349342, 3825768, 528359040 }, PDARTS = { 3433798, 3910224, 532174464 },
  PC_DARTS_cifar = { 3634678, 4111104, 556670592 }, PC_DARTS_image = { 3721510, 4197936, 570466944 },
  GDAS_V1 = { 3368782, 3845208, 519428736 }, NASNet = { 3830950, 4288944, 603452448 }, AmoebaNet = { 3145078, 3603072, 488931552 },
}
local IMAGENET = {
  DARTS_V1 = { 4510432, 5771208, 505864704 }, DARTS_V2 = { 4718752, 5979528, 529911552 }, PDARTS = { 4944352, 6205128, 542819328 },
  PC_DARTS_cifar = { 5270560, 6531336, 571137408 }, PC_DARTS_image = { 5342464, 6603240, 581627328 },
}
local SMALL = {
  DARTS_V1 = { 232890, 41355776 }, DARTS_V2 = { 246106, 43444736 }, PDARTS = { 292026, 48138752 }, PC_DARTS_cifar = { 335738, 53258752 },
  PC_DARTS_image = { 327546, 52460032 },
}

-- Cells that the data sets have not: DrNAS, Chen et al. 2021, arXiv:2006.10355.
local SHORT = { s3 = "sep_conv_3x3", s5 = "sep_conv_5x5", d3 = "dil_conv_3x3", d5 = "dil_conv_5x5", mp = "max_pool_3x3", sk = "skip_connect" }
local DRNAS = {
  cifar = { "s3:0 s5:1 s3:1 s3:2 sk:0 s3:1 s3:2 d5:3", "mp:0 s5:1 d5:2 s5:1 s5:1 d5:3 sk:4 s5:1", { 4099294, 4575720, 635135616 }, 476426 },
  imagenet = { "s3:1 s3:0 s3:0 s3:1 s3:0 d3:3 sk:0 s3:1", "mp:0 s3:1 s3:0 sk:2 s3:0 s3:2 s3:3 s3:1", { 5726368, 5726368 + 1260776, 624405504 },
    1260776 },
}

local function edges(list)
  local result = {}
  for i, e in ipairs(list) do result[i] = { op = e[1], input = e[2], node = 2 + (i - 1) // 2 } end
  return result
end

local function published()
  local cells = assert(core.json.decode(helper.read(assert(shared "genotypes/darts_family.json"))))
  for name, c in pairs(cells) do
    cells[name] = { normal = edges(c.normal), normal_concat = c.normal_concat, reduce = edges(c.reduce), reduce_concat = c.reduce_concat }
  end
  return cells
end

local CELL = "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('max_pool_3x3', 1), ('skip_connect', 2)], normal_concat=range(2, 4), "
  .. "reduce=[('skip_connect', 0), ('dil_conv_3x3', 1), ('skip_connect', 2), ('avg_pool_3x3', 0)], reduce_concat=range(2, 4))"
local FEW = { cells = 3, channels = 4, input = { 32, 32, 3 }, classes = 5 }

local function network(more)
  local o = {}
  for _, t in ipairs { FEW, more or {} } do for key, value in pairs(t) do o[key] = value end end
  return genotype.network(assert(genotype.parse(CELL)), o)
end

local function images(n, shape, seed) return vega.tensor.randn({ n, table.unpack(shape or FEW.input) }, vega.rng.new(seed or 1, "images")) end
local function labels(n)
  local list = {}
  for i = 1, n do list[i] = i % FEW.classes end
  return vega.tensor.new(list, { dtype = "i32" })
end

-- The edges that are dropped: { name of what is dropped ... }.
local function dropped(graph)
  local list, nodes = {}, graph:nodes()
  for _, node in ipairs(nodes) do
    if node.op == "drop_path" then list[#list + 1] = nodes[node.inputs[1]].op end
  end
  return list
end

describe("an evaluation network", function()
  it("has the published sizes, without and with auxiliary head", function()
    if not shared "genotypes/darts_family.json" then return pending "no shared data" end
    local function check(g, options, want, head, name)
      options.auxiliary = true
      local counts = vega.cost.count(genotype.network(g, options))
      assert.same({ want[1], want[2] - want[1], want[3] }, { counts.params, counts.auxiliary_params, counts.macs }, name)
      assert.equal(head, counts.auxiliary_params)
      options.auxiliary = nil
      local plain = vega.cost.count(genotype.network(g, options))
      assert.same({ 0, 0 }, { plain.auxiliary_params, plain.auxiliary_macs })
      counts.auxiliary_params, counts.auxiliary_macs = 0, 0
      assert.same(plain, counts)                                       -- the head is in no other figure
    end
    for name, g in pairs(published()) do
      local five = #g.normal > 8
      local counts = vega.cost.count(genotype.network(g, { auxiliary = true }))
      local want = CIFAR[name] or { counts.params, counts.params + 476426, counts.macs }
      check(g, {}, want, five and 457994 or 476426, name)
      if not five then check(g, { classes = 100 }, { want[1] + 51930, want[2] + 51930 + 69210, want[3] + 90 * 576 }, 476426 + 69210, name) end
      if SMALL[name] then
        check(g, { cells = 8, channels = 16 }, { SMALL[name][1], SMALL[name][1] + 435466, SMALL[name][2] }, 435466, name)
      end
      if IMAGENET[name] then check(g, { form = "imagenet" }, IMAGENET[name], 1260776, name) end
    end
    for form, cell in pairs(DRNAS) do
      local g = { normal_concat = { 2, 3, 4, 5 }, reduce_concat = { 2, 3, 4, 5 } }
      for i, kind in ipairs { "normal", "reduce" } do
        local list = {}
        for short, input in cell[i]:gmatch "(%w+):(%d)" do list[#list + 1] = { SHORT[short], math.tointeger(input) } end
        g[kind] = edges(list)
      end
      check(g, { form = form }, cell[3], cell[4], "DrNAS " .. form)
    end
  end)

  it("draws the same first values with and without auxiliary head and drop path", function()
    local plain, full = network():materialise(3), network { auxiliary = true, drop_path = 0.5 }:materialise(3)
    local x, params = images(2), full:params()
    for name, value in pairs(plain:params()) do assert.is_true(equal(value, params[name]), name) end
    assert.is_true(equal(plain:run(x), full:run(x)))                   -- inference drops nothing
    assert.is_true(equal(plain:run(x, { train = true, seed = 4 }), full:run(x, { train = true, seed = 4 })))    -- p grows from 0
  end)

  it("takes odd sizes: a line of zeros where an image is halved", function()
    for _, size in ipairs { { 7, 9, 1 }, { 33, 32, 3 }, { 5, 5, 2 } } do
      local net = network { input = size, drop_path = 0.1 }:materialise(1)
      assert.same({ 2, 5 }, net:run(images(2, size), { train = true }):shape())
    end
    local counts = vega.cost.count(network { input = { 31, 31, 3 } })
    assert.equal(vega.cost.count(network { input = { 32, 32, 3 } }).params, counts.params)
  end)

  it("refuses what it cannot build, at the line of the caller", function()
    local function refused(message, options)
      local ok, said = pcall(function() network(options) end)
      assert.is_false(ok)
      assert.is_truthy(said:find(message, 1, true), said)
      ok, said = pcall(function() genotype.network(assert(genotype.parse(CELL)), options) end)
      assert.is_false(ok)
      assert.match("evaluation_network_spec.lua:%d+: genotype.network: ", said)
    end
    refused("the auxiliary head reads images of 8 to 10 pixels a side, where it stands they are 7x7", { input = { 28, 28, 1 }, auxiliary = true })
    refused("the auxiliary head reads images of 7 to 8 pixels a side, where it stands they are 1x1", { form = "imagenet", input = { 32, 32, 3 },
      auxiliary = true })
    refused("drop_path must be <= 1, got 1.5", { drop_path = 1.5 })
    refused("auxiliary must be a boolean, got number", { auxiliary = 0.4 })
    local ok, said = pcall(function()
      genotype.network(assert(genotype.parse "Genotype(normal=[('none', 0), ('none', 1)], normal_concat=[2])"))
    end)
    assert.is_false(ok)
    assert.match("evaluation_network_spec.lua:%d+: genotype.network: the network has reduce cells, the genotype has none", said)
  end)
end)

describe("an auxiliary output", function()
  local function describe_two(weight)
    return nn.network({ 6, 6, 2 }, function(net)
      local x = net:conv_bn(net:input(), 4, { kernel = 3, act = "relu" })
      local out = net:linear(net:global_avg_pool(net:conv(x, 6)), 5)
      local second = net:linear(net:global_avg_pool(net:conv_bn(x, 3)), 5)
      return out, weight and { auxiliary = second, weight = weight }
    end, { seed = 2 })
  end

  it("adds its loss, times its weight, to a step: gradients as those of the sum written out", function()
    local x, y = images(6, { 6, 6, 2 }), labels(6)
    for _, weight in ipairs { 0.4, 1.5 } do
      local stepped, plain = describe_two(weight), describe_two(weight)
      local trainer <close> = core.train.new(stepped, { lr = 1, momentum = 0, total_steps = 2, schedule = "constant" })
      local loss = assert(trainer:step(x, y))
      local tape <close> = core.tape.new { train = true }
      for _, p in pairs(plain:params()) do p:param() end
      local out, second = plain:run(x, { train = true, auxiliary = true })
      local sum = op.cross_entropy(out, y) + weight * op.cross_entropy(second, y)
      tape:backward(sum)
      assert.is_true(math.abs(loss - sum:item()) < 1e-6)
      for name, p in pairs(plain:params()) do
        local moved = (p - stepped:params()[name]):totable()
        local function compare(a, b)
          if type(a) == "table" then for i in ipairs(a) do compare(a[i], b[i]) end
          else assert.is_true(math.abs(a - b) < 1e-5 + 1e-4 * math.abs(b), name) end
        end
        compare(moved, p.grad:totable())
      end
    end
  end)

  it("is computed in training alone", function()
    local net, without, x = describe_two(0.4), describe_two(), images(3, { 6, 6, 2 })
    assert.is_nil((select(2, without:run(x, { auxiliary = true }))))
    local out, second = net:run(x, { auxiliary = true })
    assert.is_true(equal(out, without:run(x)))
    assert.same({ 3, 5 }, second:shape())
    local output, node, weight = net:output()
    assert.same({ 0.4, output }, { weight, (net:output()) })
    assert.is_true(node > output)
    assert.same({ 3, 2 }, { select("#", net:output()), select("#", net:run(x, { auxiliary = true })) })
    assert.is_nil((select(2, without:output())))
    -- Scores are those of the output alone.
    local n, correct, sum = core.train.score(net, x, labels(3))
    assert.same({ n, correct, sum }, { core.train.score(without, x, labels(3)) })
    -- A run without it does not touch its running statistics.
    local buffers = net:buffers()
    net:run(x, { train = true })
    assert.is_true(equal(buffers["bn2.running_mean"], vega.tensor.zeros { 3 }))
    assert.is_false(equal(buffers["bn1.running_mean"], vega.tensor.zeros { 4 }))
  end)

  it("is left out of folded and extracted networks", function()
    local net, x = describe_two(0.4), images(3, { 6, 6, 2 })
    local want = vega.cost.count(describe_two()).params - (4 * 3 + 2 * 3 + 3 * 5 + 5)
    local alone = net:extract()
    assert.equal(want, alone:n_params())
    assert.is_true(equal(net:run(x), alone:run(x)))
    local folded = net:fold()
    for name in pairs(folded:params()) do assert.is_nil(name:match "^linear2" or name:match "^conv3") end
    local a, b = net:run(x):totable(), folded:run(x):totable()
    for i in ipairs(a) do for k in ipairs(a[i]) do assert.is_true(math.abs(a[i][k] - b[i][k]) < 1e-5) end end
    assert.is_nil((select(2, folded:output())))
    local head = network { auxiliary = true, drop_path = 0.3 }:materialise(1)
    assert.same({}, dropped(head:fold()))
    assert.equal(vega.cost.count(head).params, head:extract():n_params())
  end)

  it("goes on from a checkpoint with equal bits, its head and the share of drop path included", function()
    local set = vega.data.from_tensors("pictures", images(24), labels(24), 5)
    local function fit(path, more)
      local net = network { auxiliary = true, drop_path = 0.4 }:materialise(1)
      local o = { model = net, data = set, epochs = 3, batch = 8, seed = 2, optimiser = { lr = 0.05, momentum = 0.9 }, checkpoint = path }
      for key, value in pairs(more or {}) do o[key] = value end
      return assert(vega.train.fit(o)), net
    end
    local first, second = helper.scratch "a.safetensors", helper.scratch "b.safetensors"
    local whole, one = fit(first)
    fit(second, { stop_epoch = 2 })
    local resumed, two = fit(second, { resume = true })
    for i = 1, 3 do assert.equal(whole[i].loss, resumed[i].loss) end
    local params = two:params()
    for name, value in pairs(one:params()) do assert.is_true(equal(value, params[name]), name) end
    assert.is_true(math.abs(one:buffers().progress:get(1) - 2 / 3) < 1e-6)
  end)

  it("is refused where it cannot be", function()
    local function refused(message, more)
      local ok, said = pcall(nn.describe, { 2 }, function(net) return net:linear(net:input(), 2), more end)
      assert.is_false(ok)
      assert.is_truthy(tostring(said):find(message, 1, true), said)
    end
    refused("the auxiliary output is not a node", { auxiliary = 99 })
    refused("weight must be > 0, got 0", { auxiliary = 1, weight = 0 })
    refused("auxiliary must be a node, got nil", { weight = 1 })
    refused("unknown option 'aux'", { aux = 1 })
    refused("build's second value is { auxiliary = node }, got number", 4)
  end)
end)

describe("drop path", function()
  it("drops what an edge adds, a stride-2 skip included, and never an identity", function()
    local list = dropped(network { drop_path = 0.2 })
    -- Cell 1 is normal: a convolution's norm and a pool; cells 2 and 3 reduce: two norms of halved inputs and a pool. Four identities are in neither.
    assert.same({ "batch_norm", "max_pool", "batch_norm", "batch_norm", "avg_pool", "batch_norm", "batch_norm", "avg_pool" }, list)
    assert.same({}, dropped(network { drop_path = 0 }))
    assert.same({}, dropped(network()))
    assert.is_nil(network():materialise(1):buffers().progress)
  end)

  it("drops samples one by one, keeps the mean, and drops nothing at p = 0", function()
    local x, p = vega.tensor.ones { 4000, 1, 1, 2 }, 0.3
    local net = nn.network({ 1, 1, 2 }, function(b)
      local share = b.graph:buffer("progress", { 1 })
      return b:op("drop_path", { b:input(), share }, { p = 0.6 })
    end)
    assert.is_true(equal(x, net:run(x, { train = true, seed = 1 })))
    net:buffers().progress:fill(0.5)                                    -- half of 0.6
    assert.is_true(equal(x, net:run(x)))
    local values, gone, sum = net:run(x, { train = true, seed = 1 }):totable(), 0, 0
    for _, sample in ipairs(values) do
      local a, b = table.unpack(sample[1][1])
      assert.equal(a, b)                                                -- one mask for the sample
      assert.is_true(a == 0 or math.abs(a - 1 / (1 - p)) < 1e-6)
      gone, sum = gone + (a == 0 and 1 or 0), sum + a
    end
    assert.is_true(math.abs(gone / 4000 - p) < 4 * math.sqrt(p * (1 - p) / 4000))
    assert.is_true(math.abs(sum / 4000 - 1) < 0.05)
    assert.is_true(equal(net:run(x, { train = true, seed = 1 }), net:run(x, { train = true, seed = 1 })))
    assert.is_false(equal(net:run(x, { train = true, seed = 1 }), net:run(x, { train = true, seed = 2 })))
  end)

  it("draws a mask an edge", function()
    local net = network { drop_path = 1 }:materialise(1)
    net:buffers().progress:fill(0.5)
    local plain, x = network():materialise(1), images(8)
    assert.is_false(equal(net:run(x, { train = true, seed = 1 }), plain:run(x, { train = true, seed = 1 })))
    local twice = nn.network({ 1, 1, 1 }, function(b)
      local function edge() return b:op("drop_path", b:input(), { p = 0.5 }) end
      return b:concat { edge(), edge() }
    end)
    local differ = 0
    for _, sample in ipairs(twice:run(vega.tensor.ones { 400, 1, 1, 1 }, { train = true, seed = 5 }):totable()) do
      differ = differ + (sample[1][1][1] ~= sample[1][1][2] and 1 or 0)
    end
    assert.is_true(differ > 150 and differ < 250)
  end)

  it("grows over the epochs of a training", function()
    local set, seen = vega.data.from_tensors("pictures", images(16), labels(16), 5), {}
    local net = network { drop_path = 0.2 }:materialise(1)
    assert(vega.train.fit { model = net, data = set, epochs = 4, batch = 8, on_step = function()
      seen[#seen + 1] = net:buffers().progress:get(1)
    end })
    assert.same({ 0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75 }, seen)
  end)
end)
