local differentiable = require "vega.differentiable"
local readout = require "vega.supernet.readout"
local vega = require "vega"

local darts = vega.space "darts".new { cells = 1, reductions = {}, channels = 4, nodes = 2, ops = { "none", "skip_connect", "sep_conv_3x3" } }
local nb201 = vega.space "nb201".with { cells = 1, channels = 4 }

local function argmax(space, weights) return readout.argmax { space = space, weights = weights } end

local function nodes(first, second, more)
  local labels, list = { "none", "skip_connect", "sep_conv_3x3" }, {}
  for i, rows in ipairs { first, second } do
    list[i] = { name = "normal.node" .. i, labels = labels, rows = rows, edges = more and more[i] or nil }
  end
  return list
end

-- Pictures of two classes that a mean tells apart.
local function data(n, seed)
  local rng, labels = vega.rng.new(seed, "pictures"), {}
  local images = vega.tensor.randn({ n, 8, 8, 3 }, rng)
  for i = 1, n do
    labels[i] = i % 2
    images:rows(i, i):assign(images:rows(i, i) + (i % 2 == 1 and 1.0 or -1.0))
  end
  return vega.data.from_tensors("two", images, vega.tensor.new(labels, { dtype = "i32" }), 2)
end

describe("readout", function()
  it("keeps the two edges with the largest weight of an operation other than none", function()
    local arch = argmax(darts, nodes({ { 0.9, 0.06, 0.04 }, { 0.2, 0.3, 0.5 } }, { { 0.1, 0.5, 0.4 }, { 0.98, 0.01, 0.01 }, { 0.5, 0.2, 0.3 } }))
    assert.same({ 1, 2 }, arch["normal.node1.inputs"])
    assert.same({ "skip_connect", "sep_conv_3x3" }, { arch["normal.node1.op1"], arch["normal.node1.op2"] })
    assert.same({ 1, 3 }, arch["normal.node2.inputs"])                  -- none has taken nearly all of the second edge
    assert.same({ "skip_connect", "sep_conv_3x3" }, { arch["normal.node2.op1"], arch["normal.node2.op2"] })
  end)

  it("takes the first of equals", function()
    local even = { 0.4, 0.3, 0.3 }
    local arch = argmax(darts, nodes({ even, even }, { even, even, even }))
    assert.same({ 1, 2 }, arch["normal.node2.inputs"])
    assert.same({ "skip_connect", "skip_connect" }, { arch["normal.node2.op1"], arch["normal.node2.op2"] })
  end)

  it("multiplies with the edges' own weights", function()
    local rows = { { 0.1, 0.5, 0.4 }, { 0.1, 0.6, 0.3 }, { 0.1, 0.2, 0.7 } }
    local arch = argmax(darts, nodes({ rows[1], rows[2] }, rows, { { 0.5, 0.5 }, { 0.5, 0.4, 0.1 } }))
    assert.same({ 1, 2 }, arch["normal.node2.inputs"])                  -- 0.25, 0.24 and 0.07
  end)

  it("takes a choice's largest candidate, none too", function()
    local weights = {}
    for i, d in ipairs(nb201.decisions) do
      weights[i] = { name = d.name, labels = { "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3" },
        rows = { i == 1 and { 0.5, 0.2, 0.1, 0.1, 0.1 } or { 0.1, 0.1, 0.1, 0.6, 0.1 } } }
    end
    assert.equal("|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|", nb201.text(argmax(nb201, weights)))
  end)
end)

describe("signs of collapse", function()
  it("are what they are said to be, and warn", function()
    local weights = nodes({ { 0.5, 0.25, 0.25 }, { 0.0, 1.0, 0.0 } }, { { 1 / 3, 1 / 3, 1 / 3 }, { 0.2, 0.5, 0.3 }, { 0.6, 0.3, 0.1 } })
    local arch = argmax(darts, weights)
    local s = differentiable.indicators(weights, arch)
    assert.is_true(math.abs(s.skip_mass - (0.25 + 1 + 1 / 3 + 0.5 + 0.3) / 5) < 1e-12)
    assert.equal(3 / 5, s.none_top)                                     -- rows 1, 3 (a tie) and 5
    assert.equal(1, s.free_share)
    assert.same({ normal = 4 }, s.skips)
    local function h(a, b, c)
      local sum = 0
      for _, w in ipairs { a, b, c } do sum = sum - w * math.log(w) / math.log(3) end
      return sum
    end
    assert.is_true(math.abs(s.entropy - (h(0.5, 0.25, 0.25) + 0 + 1 + h(0.2, 0.5, 0.3) + h(0.6, 0.3, 0.1)) / 5) < 1e-12)
    assert.same({ { normal = 0 }, { normal = 2 } }, { s.depth, s.width })
    assert.same({ "collapsed: all 4 operations of the normal cell are skips",
      "the normal cell has no way through more than 0 operations with weights",
      "100 % of the operations read out have no weights",
      "none leads 60 % of the mixtures: second-best weights decide", "skips hold 0.48 of the weight" }, differentiable.warnings(s, 0.2))
    assert.same({}, differentiable.warnings({ skips = { normal = 1 }, free_share = 0.5, none_top = 0, skip_mass = 0.1, entropy = 0.9 }, 0.2))
    assert.matches("before half", differentiable.warnings({ skips = {}, free_share = 0, none_top = 0, skip_mass = 0, entropy = 0.1 }, 0.2)[1])
  end)
end)

describe("differentiable search", function()
  local train, held_out = data(48, 1), data(32, 2)

  local function search(more)
    local o = { space = darts, data = train, validation = held_out, epochs = 2, batch = 16, seed = 3, arch = { lr = 0.02 } }
    for k, v in pairs(more or {}) do o[k] = v end
    return differentiable.search(o)
  end

  it("gives the same result from the same seed, and another from another", function()
    local a, b, c = assert(search()), assert(search()), assert(search { seed = 4 })
    assert.same(a.weights, b.weights)
    assert.not_same(a.weights, c.weights)
    assert.same(a.arch, darts:check(a.arch))
    assert.equal(2, #a.history)
    for _, e in ipairs(a.history) do
      for _, key in ipairs { "loss", "arch_loss", "accuracy", "entropy", "skip_mass", "none_top", "free_share", "stable_for" } do
        assert.equal("number", type(e[key]), key)
      end
    end
  end)

  it("leaves the architecture alone while a preset warms up", function()
    local preset = { warmup = 0.5, lr = 0.05 }
    local seen = {}
    assert(search { preset = preset, epochs = 2, on_epoch = function(e, result)
      seen[e.epoch] = { weights = result.net:weights(), loss = e.arch_loss }
      return true
    end })
    local first = assert(search { preset = preset, epochs = 2, on_epoch = function() return false end })
    assert.same(seen[1].weights, first.weights)
    assert.is_nil(seen[1].loss)
    assert.is_number(seen[2].loss)
    assert.not_same(seen[1].weights, seen[2].weights)
  end)

  it("runs PC-DARTS and NAS-Bench-201's cell", function()
    local pc = vega.space "darts".new { cells = 1, reductions = {}, channels = 8, nodes = 2, ops = { "none", "skip_connect", "sep_conv_3x3" } }
    local found = assert(search { space = pc, preset = "pc_darts" })
    assert.equal(3, #found.weights[2].edges)
    local cell = assert(search { space = nb201 })
    assert.equal(6, #cell.weights)
    assert.is_string(nb201.text(cell.arch))
  end)

  it("ends with a message where it diverges, and where options are wrong", function()
    local found, message, code = search { arch = { lr = 1e38 }, epochs = 3 }
    assert.is_nil(found)
    assert.equal("ENAN", code)
    assert.is_string(message)
    assert.error_matches(function() search { preset = "dartz" } end, "unknown preset 'dartz'; did you mean 'darts'")
    assert.error_matches(function() search { arch = { rate = 1 } } end, "unknown option 'rate'")
    assert.error_matches(function() differentiable.search { space = darts } end, "option 'data' is missing")
  end)
end)
