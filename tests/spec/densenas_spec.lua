local chain = require "vega.cost.chain"
local core = require "vega.core"
local derive = require "vega.densenas.derive"
local helper = require "spec.helper"
local nn = require "vega.nn"
local Search = require "vega.densenas.search"
local Supernet = require "vega.densenas.supernet"
local vega = require "vega"

local densenas = vega.densenas
local mobile, resnet = densenas.space "mobilenet_v2", densenas.space "resnet"

local function near(expected, got, tolerance, message)
  local good = math.abs(expected - got) <= tolerance * math.max(1, math.abs(expected))
  assert.is_true(good, ("%s: expected %.17g, got %.17g"):format(message or "", expected, got))
end

-- The error of a call, which must be at the line that made it.
local function mistake(f)
  local line = debug.getinfo(2, "l").currentline
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.matches(("^[^\n]*densenas_spec%%.lua:%d: "):format(line), tostring(message))
  return (tostring(message):gsub("^[^\n]-:%d+: ", ""))
end

local OPS = { "mbconv_k3_t2", "mbconv_k5_t2", "mbconv_k3_t4" }
local function lists(change)
  local o = { name = "tiny", input = 8, reach = 3, tail = 16, head = OPS, stack = { OPS[1], OPS[2], OPS[3], "skip_connect" },
    widths = { 4, 6, 8, 8, 12 }, sides = { 8, 8, 8, 4, 4 }, stages = { 0, 1, 1, 2, 2 }, layers = { 0, 1, 1, 1, 1 } }
  for key, value in pairs(change or {}) do o[key] = value end
  return o
end
local tiny = densenas.space(lists())

-- Pictures of three classes that a mean tells apart.
local function pictures(n, seed)
  local rng, labels = vega.rng.new(seed, "pictures"), {}
  local images = vega.tensor.randn({ n, 8, 8, 2 }, rng)
  for i = 1, n do
    labels[i] = i % 3
    images:rows(i, i):assign(images:rows(i, i) + (labels[i] - 1.0))
  end
  return vega.data.from_tensors("three", images, vega.tensor.new(labels, { dtype = "i32" }), 3)
end

local function snapshot(graph)
  local values = {}
  for name, t in pairs(graph:params()) do values[name] = t:reshape { t:count() }:totable() end
  for name, t in pairs(graph:buffers()) do values[name] = t:totable() end
  return values
end

local function begin(change)
  local o = { space = tiny, data = pictures(60, 1), validation = pictures(30, 2), epochs = 4, warmup = 1, batch = 15, lr = 0.05,
    arch = { lr = 0.05 } }
  for key, value in pairs(change or {}) do o[key] = value end
  return o
end

describe("dense spaces", function()
  it("have the edges, paths and parameters of the paper's code", function()
    local successors = { [0] = "1", "2 3 4", "3 4 5 6", "4 5 6 7", "5 6 7", "6 7 8 9", "7 8 9 10", "8 9 10", "9 10 11 12", "10 11 12 13", "11 12 13",
      "12 13 14 15", "13 14 15 16", "14 15 16", "15 16 17", "16 17", "17" }
    for i, text in pairs(successors) do assert.equal(text, table.concat(mobile.successors[i], " ")) end
    assert.same({ 18, 54, 15456 }, { mobile.last + 1, mobile.edges, mobile.n_paths })
    assert.same({ 22, 87, 540225 }, { resnet.last + 1, resnet.edges, resnet.n_paths })
    assert.same({ edges = 54, head = 306, stack = 273 }, mobile:n_parameters())
    local net = Supernet.new(mobile, { classes = 100, seed = false })
    assert.same({ 633, 90430100 }, { net.n_arch, net.graph:n_params() - net.n_arch })
    local distinct, raw = mobile:size()
    near(1.06e44, distinct, 5e-3)
    near(4.1e45, raw, 5e-3)
    assert.equal(#tiny:paths(), tiny.n_paths)
  end)

  it("refuse lists that do not fit each other, at the caller's line", function()
    local cases = {
      { { sides = { 8, 8, 8, 4 } }, "sides has 4 entries, widths has 5" },
      { { sides = { 8, 4, 8, 4, 4 } }, "sides%[3%] is 8 after 4: sides may not grow" },
      { { stages = { 0, 1, 1, 2, 1 } }, "stages%[5%] is 1 after 2: stages may not fall" },
      { { stages = { 0, 1, 1, 3, 3 } }, "block 2 feeds nothing" },
      { { stages = { 0, 1, 1, 1, 1 }, reach = 1, sides = { 8, 8, 8, 2, 2 } }, "block 2 feeds nothing" },
      { { sides = { 8, 8, 7, 7, 7 } }, "block 0 has side 8, block 2 has 7: sides stay or halve" },
      { { sides = { 8, 8, 8, 8, 4 } }, "block 3 of side 8 may feed the tail of side 4; give it an earlier stage" },
      { { widths = { 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4 }, sides = { 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8 }, reach = 12,
        stages = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, layers = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } },
        "block 11 has 11 predecessors, at most 10 are possible; lower reach" },
      { { layers = { 1, 1, 1, 1, 1 } }, "layers%[1%] must be 0" },
      { { layers = { 0, 1, 1, 1, -1 } }, "layers%[5%] must be a whole number >= 0, got %-1" },
      { { widths = { 4, 6, 8, 8, 1.5 } }, "widths%[5%] must be a whole number >= 1, got 1.5" },
      { { input = 32 }, "input is 32, sides%[1%] must be that or its half, got 8" },
      { { head = { "mbconv_k4_t3" } }, "head%[1%]: unknown operator 'mbconv_k4_t3' %(known: mbconv_kK_tT with an odd K" },
      { { head = { "skip_connect" } }, "head%[1%]: skip_connect cannot change widths" },
      { { head = { "basic_block", "bottle_neck" } }, "head%[2%]: bottle_neck and basic_block give different widths" },
      { { head = {} }, "head: a list of operators expected" },
      { { first = "conv" }, "first: unknown operator 'conv'" },
      { { reaches = 3 }, "unknown option 'reaches'; did you mean 'reach'%?" },
    }
    for _, case in ipairs(cases) do assert.matches(case[2], mistake(function() local _ = densenas.space(lists(case[1])) end), case[2]) end
    assert.matches("unknown space 'mobilenet'.*known: fashion, mobilenet_v2, resnet", mistake(function() local _ = densenas.space "mobilenet" end))
  end)

  it("draw random architectures and find their paths", function()
    for n, arch in ipairs(densenas.random(tiny, 20, 3)) do
      local path = assert(tiny:locate(arch))
      assert.equal(0, path[1])
      assert.equal(tiny.last, path[#path])
      local written = densenas.write(arch)
      assert.same(arch, assert(densenas.read(written)), n)
    end
    local _, message = mobile:locate(densenas.random(tiny, 1, 1)[1])
    assert.matches("row 1: 16%->16 mbconv_k3_t1 expected", message)
    local arch = densenas.published "DenseNAS-A".arch
    arch[3].stride = 1
    assert.matches("row 3: 24%->48 mbconv_k7_t6 does not go on", select(2, mobile:locate(arch)))
  end)
end)

describe("a dense space as a space of decisions", function()
  it("has as many members as there are, and the networks of the rows", function()
    local space = vega.space "dense"
    local _, raw = space.dense:size()
    assert.equal(raw // 1 | 0, space.size)
    local rng = vega.rng.new(4, "dense")
    for _ = 1, 20 do
      local arch = space:random(rng)
      local rows = space.rows(space:mutate(arch, rng))
      assert.truthy(space.dense:locate(rows))
      assert.same(rows, space.rows(assert(space.from_rows(rows))))
      local network = densenas.network(space.rows(arch), { input = { 28, 28, 1 }, classes = 10 })
      assert.equal(vega.cost.count(network).macs, vega.cost.count(space:network(arch, { 28, 28, 1 }, 10)).macs)
    end
    local published = densenas.published "DenseNAS-B".arch
    local big = space.new "mobilenet_v2"
    assert.same(published, big.rows(assert(big.from_rows(published))))
    assert.matches("^dense: row 1: ", select(2, space.from_rows(published)))
    assert.matches("vega.densenas.search has one of its own", select(2, pcall(vega.supernet.new, { space = space, classes = 10 })))
    assert.matches("unknown space 'mobile'", mistake(function() local _ = space.new "mobile" end))
  end)
end)

describe("published DenseNAS networks", function()
  local EXACT = { ["DenseNAS-A"] = { 4767920, 251334416 }, ["DenseNAS-B"] = { 5584080, 313580096 }, ["DenseNAS-C"] = { 6134144, 360808256 } }
  for name, exact in pairs(EXACT) do
    it(name .. " has the parameters and multiply-adds that it must have, and is in the space", function()
      local known = densenas.published(name)
      local count = vega.cost.count(densenas.network(known.arch))
      assert.same(exact, { count.params, count.macs })
      near(known.macs, count.macs, 2e-3)
      local path = assert(mobile:locate(known.arch))
      local costs = densenas.costs.macs(mobile, { unit = "macs" })
      assert.equal(exact[2], chain.expected(mobile.net, costs, densenas.weights.one_hot(mobile, known.arch, path)) // 1 | 0)
      assert.equal(known.text, densenas.write(known.arch))
    end)
  end

  it("are known by name", function()
    assert.matches("unknown published network 'DenseNAS%-D'", mistake(function() densenas.published "DenseNAS-D" end))
  end)
end)

describe("the text of an architecture", function()
  it("is read with either quotes and any white space", function()
    local arch = assert(densenas.read "[ [16,24] ,\n \"mbconv_k3_t3\", ['skip_connect' ,], 1, 2 ]\n| [[24, 64], 'conv1_1']")
    assert.equal("[[16, 24], 'mbconv_k3_t3', ['skip_connect'], 1, 2]|[[24, 64], 'conv1_1']", densenas.write(arch))
    assert.equal("stem 1|[[16, 24], 'basic_block', [], 0, 1]", densenas.write(assert(densenas.read "stem 1 |[[16,24],'basic_block',[],0,1]")))
  end)

  it("is refused with row and column", function()
    local first = "[[16, 24], 'mbconv_k3_t3', [], 0, 2]"
    local cases = {
      { "", "row 1, column 1: '%[' expected, found the end" },
      { first .. "|", "row 2, column 1: '%[' expected, found the end" },
      { first .. "|[[25, 32], 'conv1_1']", "row 2, column 3: 25 channels come in, the row before gives 24" },
      { "[[16, 24], 'mbconv_k3', [], 0, 2]", "row 1, column 12: unknown operator 'mbconv_k3'" },
      { "[[16, 24], mbconv_k3_t3, [], 0, 2]", "row 1, column 12: an operator's name in quotes expected, found 'mbconv_k3_t3'" },
      { "[[16, 24], 'mbconv_k3_t3', ['mbconv_k3_t3'], 0, 2]", "column 46: 0 operators after the head are announced, 1 are listed" },
      { "[[16, 24], 'mbconv_k3_t3', [], 0, 3]", "column 35: stride must be 1 to 2, got 3" },
      { "[[0, 24], 'mbconv_k3_t3', [], 0, 2]", "channels in must be 1 to" },
      { "[[16, 24], 'conv1_1']|" .. first, "conv1_1 must be the last row" },
      { first .. "]", "row 1, column 37: '|' or the end expected, found '%]'" },
      { "stem 2|" .. first, "a stem of stride 1 is the only one that is stated, got 2" },
      { "[[16, 24], 'mbconv_k3_t3', ['conv1_1'], 1, 2]", "conv1_1 is no operator of a block" },
    }
    for _, case in ipairs(cases) do
      local arch, message, code = densenas.read(case[1])
      assert.is_nil(arch, case[1])
      assert.matches(case[2], message)
      assert.equal("EFORMAT", code)
    end
    assert.matches("a text expected, got number", mistake(function() densenas.read(3) end))
    local torn = { { from = 4, to = 8, head = "basic_block", stack = {}, stride = 1 }, { from = 9, to = 16, head = "conv1_1" } }
    assert.matches("row 2: 9 channels come in, the row before gives 8", mistake(function() densenas.network(torn) end))
    torn[1].head = "x"
    assert.matches("row 1: unknown operator 'x'", mistake(function() densenas.network(torn) end))
  end)
end)

describe("the chained cost", function()
  local costs = densenas.costs.macs(mobile, { classes = 100 })

  it("of alike weights is the mean over all paths", function()
    local total = chain.expected(mobile.net, costs)
    near(476.677734, total, 2e-9)
    near(total, chain.expected(mobile.net, costs, densenas.weights.uniform(mobile)), 1e-12)
    local function mean(row)
      local sum = 0.0
      for _, c in ipairs(row) do sum = sum + c end
      return sum / #row
    end
    local inside, heads, tail = {}, {}, {}
    for k = 1, mobile.last - 1 do
      inside[k], heads[k] = 0.0, {}
      for _, row in ipairs(costs.blocks[k].stack) do inside[k] = inside[k] + mean(row) end
      for b, i in ipairs(mobile.predecessors[k]) do heads[k][i] = mean(costs.blocks[k].heads[b]) + inside[k] end
    end
    for b, i in ipairs(mobile.predecessors[mobile.last]) do tail[i] = costs.tail[b] end
    heads[mobile.last] = tail
    local sum, mass, n = 0.0, 0.0, 0
    for _, path in ipairs(mobile:paths()) do
      local p, cost = 1.0, costs.stem + costs.classifier
      for at = 2, #path do
        p = p / #mobile.successors[path[at - 1]]
        cost = cost + heads[path[at]][path[at - 1]]
      end
      sum, mass, n = sum + p * cost, mass + p, n + 1
    end
    assert.equal(15456, n)
    near(1, mass, 1e-12)
    near(total, sum, 1e-12)
  end)

  it("ends at the cheapest and the dearest network", function()
    local t = densenas.costs.macs(mobile, { unit = "macs" })
    near(94.102e6, (chain.cheapest(mobile.net, t)), 1e-5)
    near(1518.952e6, (chain.dearest(mobile.net, t)), 1e-6)
  end)

  it("is part of the loss with its gradient by every parameter", function()
    local search <close> = Search.new(begin { lambda = 0.7, tau = 40.0 })
    local net = search.net
    local values = net.graph:arena "arch"
    local rng = vega.rng.new(5, "alphas")
    for i = 1, net.n_arch do values:set(i, rng:normal()) end
    local function drawn(d) return 1 + d.block % 2, 3 end
    local function term()
      local w = net:weights(net:parameters(), drawn)
      return 0.7 * math.log((chain.expected(tiny.net, search.costs, w))) / math.log(40)
    end
    local grads = vega.tensor.zeros { net.n_arch }
    local value, total = search:add_cost(grads, net:parameters(), drawn)
    near(term(), value, 1e-12)
    near(math.exp(term() / 0.7 * math.log(40)), total, 1e-9)
    local some = 0
    for i = 1, net.n_arch do
      local before = values:get(i)
      values:set(i, before + 0.01)
      local up, step = term(), values:get(i) - before
      values:set(i, before - 0.01)
      local slope = (up - term()) / (2 * step)
      values:set(i, before)
      near(slope, grads:get(i), 2e-5, "parameter " .. i)
      if grads:get(i) ~= 0 then some = some + 1 end
    end
    assert.is_true(some > net.n_arch // 2)
  end)

  it("wants a unit in which it is above 1", function()
    local search <close> = Search.new(begin { costs = densenas.costs.macs(tiny, { classes = 3, channels = 2 }), tau = 15.0 })
    local x, y = search.validation:next()
    local ok, message = search:arch_step(x, y)
    assert.is_nil(ok)
    assert.matches("the cost is 0%.%d+ mmacs: its logarithm needs one above 1; take a smaller unit", message)
  end)

  it("takes published tables and our own, and refuses those of another space", function()
    local path = helper.scratch "densenas_table.json"
    local small = densenas.space(lists { head = { OPS[1] }, stack = { OPS[1], "skip_connect" } })
    local own = densenas.costs.measure(small, { classes = 3, channels = 2, max_seconds = 0 })
    assert.is_true(chain.expected(small.net, own) > 0)
    assert(densenas.costs.save(small, own, path))
    local again = assert(densenas.costs.load(small, path))
    assert.same({ "ms", own.device, own.source }, { again.unit, again.device, again.source })
    near(chain.expected(small.net, own), chain.expected(small.net, again), 1e-12)
    local _, message, code = densenas.costs.load(tiny, path)
    assert.matches("is of another space %('tiny', %x+%), not of 'tiny' %(%x+%)", message)
    assert.equal("EFORMAT", code)
    assert(vega.sys.write_file(path, "[1, 2]"))
    assert.matches("is no table of costs", select(2, densenas.costs.load(tiny, path)))
    assert.matches("lut: .*[Nn]o such file", select(2, densenas.costs.load(tiny, path .. ".not")))
    assert(vega.sys.write_file(path, "[1, [[[[1, 2]], [[1, 2]]]], [1], 1]"))
    assert.matches("does not fit space 'tiny': blocks: 4 expected, the table has 1", select(2, densenas.costs.published(tiny, path)))
    assert(vega.sys.write_file(path, "[1, [[[[1, -2]], [[1, 2]]]], [1], 1]"))
    assert.matches("block 1: lists of times >= 0 expected", select(2, densenas.costs.published(tiny, path)))
    assert.matches("costs: operators from block 0 to 1: 3 expected, the table has 1", mistake(function() densenas.search(begin { costs = own }) end))
  end)

  it("has the values of the published tables", function()
    local folder = os.getenv "VEGA_SHARED"
    folder = folder and folder .. "/data/lut/densenas_lat_list_"
    if not (folder and io.open(folder .. "resv2_32.json")) then return pending "no published tables" end
    local function values(space, name)
      local t = assert(densenas.costs.published(space, folder .. name .. ".json"))
      return { (chain.expected(space.net, t)), (chain.cheapest(space.net, t)), (chain.dearest(space.net, t)) }
    end
    -- The table has three layers in each of the last three blocks, which the space leaves out.
    local full = densenas.space("mobilenet_v2", { layers = { 0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3 } })
    for i, v in ipairs { 36.84365742, 6.91996837, 116.40249568 } do near(v, values(full, "densenas_mbv2_xp32")[i], 1e-9) end
    for i, v in ipairs { 21.75896184, 6.49649601, 88.43293286 } do near(v, values(resnet, "resv2_32")[i], 1e-9) end
    assert(densenas.costs.published(mobile, folder .. "densenas_mbv2_xp32.json"))
    assert.matches("does not fit space 'resnet': blocks: 20 expected, the table has 16",
      select(2, densenas.costs.published(resnet, folder .. "densenas_mbv2_xp32.json")))
  end)
end)

describe("the derived path", function()
  -- All paths with their log probabilities; of the largest the one whose blocks, from the tail on, are nearest.
  local function brute(space, log_p)
    local best, best_score
    for _, path in ipairs(space:paths()) do
      local s = 0.0
      for n = 2, #path do
        local i = path[n - 1]
        for j, k in ipairs(space.successors[i]) do if k == path[n] then s = s + log_p[i][j] end end
      end
      local better = not best or s > best_score + 1e-9
      if best and math.abs(s - best_score) <= 1e-9 then
        local a, b = #path, #best
        while path[a] == best[b] and a > 1 and b > 1 do a, b = a - 1, b - 1 end
        better = path[a] > best[b]
      end
      if better then best, best_score = path, s end
    end
    return best, best_score
  end

  local function random_log_p(space, rng, value)
    local log_p = {}
    for i = 0, space.last - 1 do
      local row = {}
      for j = 1, #space.successors[i] do row[j] = value(rng) end
      log_p[i] = derive.log_softmax(row, 1)
    end
    return log_p
  end

  local middle = densenas.space { input = 8, reach = 4, tail = 8, head = { OPS[1] }, stack = { OPS[1] }, widths = { 4, 5, 6, 7, 8, 9, 10 },
    sides = { 8, 8, 8, 4, 4, 4, 4 }, stages = { 0, 1, 1, 1, 2, 2, 2 }, layers = { 0, 0, 0, 0, 0, 0, 0 } }

  it("is that of the largest product, also where there are several", function()
    local rng = vega.rng.new(1, "paths")
    for trial = 1, 200 do
      local ties = trial % 2 == 0
      local log_p = random_log_p(middle, rng, ties and function() return rng:int(0, 1) * 1.0 end or function() return 3 * rng:normal() end)
      local path, score = derive.path(middle, log_p)
      local best, best_score = brute(middle, log_p)
      assert.same(best, path, "trial " .. trial)
      near(best_score, score, 1e-12)
    end
    local even = random_log_p(middle, rng, function() return 0.0 end)
    assert.same(brute(middle, even), (derive.path(middle, even)))
    local exact = {}
    for i = 0, middle.last - 1 do
      exact[i] = {}
      for j = 1, #middle.successors[i] do exact[i][j] = math.log(0.5) end
    end
    assert.same(brute(middle, exact), (derive.path(middle, exact)))
  end)

  it("is found where its probability is below any double", function()
    local log_p, all = {}, {}
    for i = 0, mobile.last - 1 do
      log_p[i], all[i + 1] = {}, i
      for j = 1, #mobile.successors[i] do log_p[i][j] = math.log(j == 1 and 1e-30 or 1e-300) end
    end
    all[#all + 1] = mobile.last
    local path, score = derive.path(mobile, log_p)
    assert.same(all, path)
    near(-30 * mobile.last * math.log(10), score, 1e-12)                          -- 1e-510
    assert.equal(0.0, math.exp(score))
  end)
end)

describe("a dense supernet", function()
  local x = vega.tensor.randn({ 4, 8, 8, 2 }, vega.rng.new(3, "x"))
  local function output(net, slots) return net.graph:run(x, { train = true, slots = slots }):totable() end
  local function apart(a, b)
    local most = 0.0
    for n, row in ipairs(a) do for c, v in ipairs(row) do most = math.max(most, math.abs(v - b[n][c])) end end
    return most
  end
  local function set(net, name, value) net.graph:params()["arch." .. name]:fill(value) end

  it("adds what enters a block with the probabilities of those it comes from", function()
    local space = densenas.space { input = 8, reach = 2, tail = 7, head = { "mbconv_k3_t1" }, stack = { "skip_connect" }, widths = { 4, 5, 6 },
      sides = { 8, 4, 4 }, stages = { 0, 1, 1 }, layers = { 0, 0, 0 } }
    local op, softmaxed = core.op, {}
    for _, twice in ipairs { false, true } do
      local net = Supernet.new(space, { classes = 3, channels = 2, seed = 4, tail_double_softmax = twice })
      local params, n = net.graph:params(), { conv = 0 }
      local edges = { [0] = { 0.3, -0.9 }, { 1.1, 0.2 } }
      for i = 0, 1 do for j = 1, 2 do params["arch.edges" .. i]:set(1, j, edges[i][j]) end end
      for i = 0, 1 do softmaxed[i] = { math.exp(edges[i][1]), math.exp(edges[i][2]) } end
      for i = 0, 1 do
        local sum = softmaxed[i][1] + softmaxed[i][2]
        softmaxed[i] = { softmaxed[i][1] / sum, softmaxed[i][2] / sum }
      end
      local function norm(y, act)
        local c = y:shape()[4]
        local z = op.batch_norm(y, vega.tensor.zeros { c }, vega.tensor.full({ c }, 1), nil, nil, { eps = 1e-3, train = true })
        return act and op.relu6(z) or z
      end
      local function conv(y, opts)
        n.conv = n.conv + 1
        return op.conv2d(y, params[("conv%d.weight"):format(n.conv)], opts)
      end
      local function block(y, stride)
        local z = norm(conv(y, { pad = 1, stride = stride, groups = y:shape()[4] }), true)
        return norm(conv(z))
      end
      local stem = norm(conv(x, { pad = 1 }), true)
      local one = block(stem, 2) * softmaxed[0][1]
      local two = block(one, 1) * softmaxed[1][1] + block(stem, 2) * softmaxed[0][2]
      local p = { 1.0, softmaxed[1][2] }
      if twice then
        local a, b = math.exp(p[1]), math.exp(p[2])
        p = { a / (a + b), b / (a + b) }
      end
      local tail = norm(conv(two), true) * p[1] + norm(conv(one), true) * p[2]
      local expected = op.linear(op.global_avg_pool(tail), params["linear1.weight"], params["linear1.bias"])
      assert.is_true(apart(expected:totable(), output(net, net:singles(function() return 1 end))) < 1e-4)
    end
  end)

  it("mixes two operators, or all, by the softmax of their alphas", function()
    local net = Supernet.new(tiny, { classes = 3, channels = 2, seed = 2 })
    for _, d in ipairs(net.layers) do
      for o, op in ipairs(d.list == "head" and tiny.head or tiny.stack) do
        set(net, ("%s%d.%d.%s"):format(d.list, d.block, d.place, op), o == 2 and 60 or 0)
      end
    end
    local second = output(net, net:singles(function() return 2 end))
    assert.is_true(apart(second, output(net, net:pairs_of(function() return 1, 2 end))) < 1e-5)
    assert.is_true(apart(second, output(net, net:pairs_of(function() return 2, 3 end))) < 1e-5)
    assert.is_true(apart(second, output(net, net:all())) < 1e-5)
    assert.is_true(apart(second, output(net, net:singles(function() return 1 end))) > 1e-2)
    local first = output(net, net:pairs_of(function() return 1, 3 end))               -- 2 has no part: 1 and 3 are alike
    local weights = net:weights(net:parameters(), function() return 1, 3 end)
    assert.same({ 0.5, 0.0, 0.5 }, weights.head[1][1])
    assert.is_true(apart(first, second) > 1e-2)
    local two = Supernet.new(densenas.space(lists { head = { OPS[1], OPS[3] }, stack = { OPS[1], "skip_connect" } }), { classes = 3, channels = 2 })
    assert.is_true(apart(output(two, two:all()), output(two, two:pairs_of(function() return 1, 2 end))) < 1e-5)
  end)

  it("does not compute what is not drawn", function()
    local search <close> = Search.new(begin())
    local before = snapshot(search.net.graph)
    local images, labels = search.training:next()
    assert(search:weight_step(images, labels, true))
    local after, moved, stayed = snapshot(search.net.graph), 0, 0
    for name, t in pairs(after) do
      if name:find "weight$" and name:find "^conv" then
        local same = true
        for i, v in ipairs(t) do same = same and v == before[name][i] end
        if same then stayed = stayed + 1 else moved = moved + 1 end
      end
      if name:find "^arch" or name:find "running" then assert.same(before[name], t, name) end
    end
    -- Of the three operators of a head layer one is drawn: two thirds of their convolutions stay.
    assert.is_true(stayed > moved, ("%d stayed, %d moved"):format(stayed, moved))
  end)

  it("has the norms of the tables' networks when it is derived", function()
    local net = Supernet.new(tiny, { classes = 3, channels = 2, seed = 7 })
    local arch, path, log_p = net:derive()
    assert.same(path, assert(tiny:locate(arch)))
    assert.is_true(log_p < 0)
    local graph = densenas.network(arch, { input = { 8, 8, 2 }, classes = 3, seed = 1 })
    local costs = densenas.costs.macs(tiny, { classes = 3, channels = 2, unit = "macs" })
    near(vega.cost.count(graph).macs, (chain.expected(tiny.net, costs, densenas.weights.one_hot(tiny, arch, path))), 1e-12)
  end)
end)

describe("an architecture step", function()
  it("keeps the probability of the operators that were not drawn, the weights, their momenta and the statistics", function()
    local search <close> = Search.new(begin { lambda = 0.5 })
    local net = search.net
    for _ = 1, 3 do                                                        -- momenta that are not zero
      local images, labels = search.training:next()
      assert(search:weight_step(images, labels, true))
    end
    local momentum = search.weight_trainer:momentum():totable()
    local before, parameters = snapshot(net.graph), net:parameters()
    local old = net:weights(parameters)
    search.validation:seek(1, 1)
    local images, labels = search.validation:next()
    local loss, term, cost = search:arch_step(images, labels)
    assert.is_true(loss > 0 and term > 0 and cost > 1)
    assert.same(momentum, search.weight_trainer:momentum():totable())
    local moved = 0
    for name, t in pairs(snapshot(net.graph)) do if not name:find "^arch" then assert.same(before[name], t, name) end end
    local now = net:parameters()
    local new = net:weights(now)
    for _, d in ipairs(net.layers) do
      local a, b = parameters[d.list][d.block][d.place], now[d.list][d.block][d.place]
      local p, q, changed, mass_before, mass_after = old[d.list][d.block][d.place], new[d.list][d.block][d.place], 0, 0.0, 0.0
      for o = 1, d.n do
        if a[o] == b[o] then near(p[o], q[o], 1e-6)
        else changed, mass_before, mass_after = changed + 1, mass_before + p[o], mass_after + q[o] end
      end
      assert.is_true(changed <= 2)
      near(mass_before, mass_after, 1e-6)
      moved = moved + changed
    end
    assert.is_true(moved > #net.layers)
    for i = 0, tiny.last - 1 do if #tiny.successors[i] > 1 then assert.not_same(parameters.edges[i], now.edges[i]) end end
  end)
end)

describe("a search", function()
  local function run(change) return densenas.search(begin(change)) end

  it("learns, judges and keeps the best two", function()
    local entries = {}
    local found = assert(run { epochs = 8, judge = 2, data = pictures(240, 1), lr = 0.1, on_epoch = function(e) entries[#entries + 1] = e end })
    assert.equal(8, #found.history)
    assert.is_nil(entries[1].arch_loss)
    assert.is_nil(entries[1].accuracy)
    assert.is_number(entries[2].arch_loss)
    assert.is_true(entries[8].loss < 0.7 * entries[1].loss)
    assert.is_true(entries[8].accuracy > 0.6, entries[8].accuracy)
    assert.is_true(#found.best >= 1 and #found.best <= 2)
    for _, b in ipairs(found.best) do assert.equal(b.text, densenas.write(b.arch)) end
    assert.is_true(#found.best == 1 or found.best[1].accuracy >= found.best[2].accuracy)
    local last = entries[8]
    assert.equal(last.text, densenas.write(found.arch))
    local network = densenas.network(found.arch, { input = { 8, 8, 2 }, classes = 3, seed = 1 })
    near(vega.cost.count(network).macs / 1e3, last.derived, 1e-9)
    local o = densenas.recipe { model = network, data = pictures(30, 1), epochs = 1, batch = 10 }
    assert.equal(0.1, o.smoothing)
    assert(vega.train.fit(o))
  end)

  it("ends cheaper with a larger lambda", function()
    local costs, derived = {}, {}
    for i, lambda in ipairs { 0, 1, 8 } do
      local found = assert(run { epochs = 8, judge = 9, lambda = lambda, arch = { lr = 0.1 } })
      costs[i], derived[i] = found.history[8].cost, found.history[8].derived
    end
    assert.is_true(costs[1] > costs[2] and costs[2] > costs[3], table.concat(costs, " "))
    assert.is_true(derived[1] > derived[3], table.concat(derived, " "))
  end)

  it("goes on after a kill as if nothing had been, also one between its two files", function()
    local whole = assert(run { epochs = 4, judge = 3 })
    local path = helper.scratch "densenas.safetensors"
    local o = { epochs = 4, judge = 3, checkpoint = path, resume = true, on_epoch = function(e) return e.epoch < 2 end }
    assert(run(o))
    local kept, kept_arch = helper.read(path), helper.read(path .. ".arch")
    o.on_epoch = nil
    local function same(found)
      assert.equal(4, #found.history)
      for i, e in ipairs(whole.history) do
        for key, value in pairs(e) do if key ~= "seconds" then assert.equal(value, found.history[i][key], ("%s of epoch %d"):format(key, i)) end end
      end
      assert.same(snapshot(whole.net.graph), snapshot(found.net.graph))
      assert.equal(whole.best[1].text, found.best[1].text)
    end
    same(assert(run(o)))
    same(assert(run(o)))                                                   -- nothing is left to do
    -- As if killed in epoch 3 when the one file was written and the other not: the one before is found.
    assert(vega.sys.write_file(path, kept))
    assert(vega.sys.write_file(path .. ".arch.prev", kept_arch))
    same(assert(run(o)))
    assert(vega.sys.write_file(path, kept))
    os.remove(path .. ".arch.prev")
    local found, message, code = run(o)
    assert.is_nil(found)
    assert.matches("is at epoch 2, but '.*%.arch' is not: epoch 4", message)
    assert.equal("EFORMAT", code)
    o.lambda = 0.9
    assert.matches("is of another search: lambda was 0%.15, is 0%.9", select(2, run(o)))
  end)

  it("says when it diverges, and what it had found; takes bf16", function()
    local found, message, code, before = run { lr = 1e30, on_epoch = function() end }
    assert.is_nil(found)
    assert.equal("ENAN", code)
    assert.matches("at step %d+", message)
    assert.is_table(before.history)
    found = assert(run { precision = "bf16", epochs = 2, judge = 2 })
    assert.is_number(found.history[2].accuracy)
  end)

  it("refuses what it cannot use, at the caller's line", function()
    local cases = {
      { { space = 3 }, "a table of options expected, got number" },
      { { space = "mobile" }, "unknown space 'mobile'" },
      { { data = "fashion" }, "data: a data set expected, got string" },
      { { space = mobile }, "data: the space is for images of side 224, the data set has 8x8" },
      { { warmup = 9 }, "warmup must be a whole number from 0 to 4, got 9" },
      { { judge = 0 }, "judge must be a whole number from 1 to 5, got 0" },
      { { lambda = -1 }, "lambda must be >= 0, got %-1" },
      { { tau = 0.5 }, "tau must be a cost above 1 in the table's unit %(kmacs%), got 0.5" },
      { { costs = 3 }, "costs: a table of costs expected, got number" },
      { { arch = { rate = 1 } }, "unknown option 'rate'" },
      { { augment = { flips = true } }, "unknown option 'flips'; did you mean 'flip'%?" },
      { { resume = true }, "resume wants a checkpoint" },
      { { on_epoch = 3 }, "on_epoch must be a function, got number" },
      { { lamda = 1 }, "unknown option 'lamda'; did you mean 'lambda'%?" },
    }
    for _, case in ipairs(cases) do
      local message = mistake(function() local _ = densenas.search(begin(case[1])) end)
      assert.matches(case[2], message)
    end
    assert.matches("option 'validation' is missing", mistake(function() local _ = densenas.search { space = tiny, data = pictures(4, 1) } end))
  end)
end)

describe("operators of dense spaces", function()
  it("are what they are said to be", function()
    local ops = require "vega.densenas.ops"
    local function params(name, stride, channels)
      return nn.describe({ 8, 8, 4 }, function(net) return ops.get(name)(net, net:input(), channels, stride, {}) end):n_params()
    end
    assert.equal(4 * 12 + 24 + 12 * 9 + 24 + 12 * 6 + 12, params("mbconv_k3_t3", 2, 6))
    assert.equal(2 * 9 * 4 * 4 + 16, params("basic_block", 1, 4))
    assert.equal(9 * 4 * 6 + 9 * 36 + 24 + 24 + 12, params("basic_block", 2, 6))
    assert.equal(4 * 6 + 9 * 36 + 6 * 24 + 4 * 24 + 12 + 12 + 48 + 48, params("bottle_neck", 2, 6))
    local space = densenas.space(lists { head = { "bottle_neck" }, stack = { "bottle_neck", "skip_connect" } })
    local net = Supernet.new(space, { classes = 3, channels = 2, seed = 1 })
    local arch, path = net:derive()
    local count = vega.cost.count(densenas.network(arch, { input = { 8, 8, 2 }, classes = 3 }))
    local costs = densenas.costs.macs(space, { classes = 3, channels = 2, unit = "macs" })
    near(count.macs, (chain.expected(space.net, costs, densenas.weights.one_hot(space, arch, path))), 1e-12)
  end)
end)
