--- Read-outs by perturbation and by threshold, and what a supernet offers to them.
local differentiable = require "vega.differentiable"
local genotype = require "vega.genotype"
local helper = require "spec.differentiable_helper"
local mixed = require "vega.supernet.mixed"
local readout = require "vega.supernet.readout"
local vega = require "vega"

-- Two edges behind each other; of each, `good` passes its input on and `junk` nothing of it.
local function planted()
  return vega.space.define { name = "planted", input = { 8, 8, 3 }, build = function(net)
    local options = { { "junk", function(x) return net:op("scale", x, { factor = 0 }) end }, { "good", function(x) return x end } }
    local y = net:choice("first", options)(net:input())
    return net:linear(net:global_avg_pool(net:choice("second", options)(y)), net.classes)
  end }
end

describe("perturbation", function()
  local space = planted()
  local data, held_out = helper.data(64, 1), helper.data(64, 2)
  local found
  setup(function()
    found = assert(differentiable.search { space = space, data = data, validation = held_out, epochs = 4, batch = 16,
      set = { lr = 0.5, weight_decay = 0, warmup = 1 } })
    for _, d in ipairs(found.net:parameters()) do d.alpha:set(1, 1, 2.5) end              -- the parameters speak for junk
    found.weights = found.net:weights()
  end)

  it("keeps the operation that the output depends on, whatever the parameters say", function()
    assert.same({ first = "junk", second = "junk" }, readout.argmax(found))
    local arch, steps = readout.perturbation(found, { data = held_out })
    assert.same({ first = "good", second = "good" }, arch)
    assert.equal(2, #steps)
    for _, step in ipairs(steps) do
      assert.equal("good", step.op)
      assert.is_true(step.score < 0.7)                                                    -- without it, one class in two
    end
  end)

  it("leaves the supernet as it was, and tunes its weights when told to", function()
    local before = helper.values(found.net)
    assert(readout.perturbation(found, { data = held_out, seed = 5 }))
    assert.same(before, helper.values(found.net))
    local again = assert(differentiable.search { space = space, data = data, validation = held_out, epochs = 4, batch = 16,
      set = { lr = 0.5, weight_decay = 0, warmup = 1 }, readout = "perturbation", readout_options = { tune = { data = data, epochs = 1 } } })
    assert.same({ first = "good", second = "good" }, again.arch)
    assert.not_same(before["linear1.weight"], helper.values(again.net)["linear1.weight"])
    assert.same(before["arch.first"][1][2], helper.values(again.net)["arch.first"][1][2])
  end)

  it("is of cells, too: as many edges as the space says, no none, the same from the same seed", function()
    local cells = assert(helper.search { epochs = 1, readout = "perturbation" })
    assert.same(cells.arch, cells.space:check(cells.arch))
    assert.equal(5 + 1, #cells.details)    -- five operations, and one of three edges of the second node
    for _, op in pairs(cells.arch) do assert.not_equal("none", op) end
    assert.same(cells.arch, readout.perturbation(cells, { data = helper.data(32, 2), seed = 3, batch = 16 }))
    local pc = assert(helper.search { epochs = 1, preset = "pc_darts", space = helper.cells { channels = 8 }, readout = "perturbation" })
    assert.same(pc.arch, pc.space:check(pc.arch))
    local choices = assert(helper.search { epochs = 1, space = helper.nb201, readout = "perturbation", disc_gap = false })
    assert.is_string(helper.nb201.text(choices.arch))
  end)

  it("decides one edge and leaves the weights of the others alone", function()
    local net = mixed.new { space = helper.cells(), input = { 8, 8, 3 }, classes = 2 }
    local other = { net:buffer("normal.node2", "mask"):totable(), net:buffer("normal.node2", "shift"):totable() }
    net:keep("normal.node1", 2, "skip_connect")
    local bring_back = net:drop("normal.node1", 1, "sep_conv_3x3")
    assert.same({ { 1, 1, 0 }, { 0, 0, 0 } }, net:buffer("normal.node1", "mask"):totable())
    assert.same({ { 0, 0, 0 }, { 0, 1, 0 } }, net:buffer("normal.node1", "shift"):totable())
    bring_back()
    assert.same({ { 1, 1, 1 }, { 0, 0, 0 } }, net:buffer("normal.node1", "mask"):totable())
    assert.same(other, { net:buffer("normal.node2", "mask"):totable(), net:buffer("normal.node2", "shift"):totable() })
    net:clear()
    assert.same({ { 0, 0, 0 }, { 0, 0, 0 } }, net:buffer("normal.node1", "shift"):totable())
  end)

  it("says what it needs", function()
    assert.error_matches(function() readout.perturbation(found) end, "option 'data', a validation set, is missing", 1, true)
    local gdas = assert(helper.search { epochs = 1, preset = "gdas" })
    assert.error_matches(function() readout.perturbation(gdas, { data = held_out }) end, "computes sampled paths only", 1, true)
    assert.error_matches(function() helper.search { epochs = 1, readout = "argmin" } end, "unknown read-out 'argmin'; did you mean 'argmax'", 1, true)
    local own = assert(helper.search { epochs = 1, readout = function(f) return f.history[1].arch, "mine" end })
    assert.equal("mine", own.details)
  end)
end)

describe("threshold", function()
  local function of(space, rows, labels)
    return { space = space, weights = { { name = "normal.node1", labels = labels, rows = rows[1] },
      { name = "normal.node2", labels = labels, rows = rows[2] } } }
  end
  local labels = { "skip_connect", "sep_conv_3x3" }
  local rows = { { { 0.2, 0.3 }, { 0.1, 0.4 } }, { { 0.9, 0.7 }, { 0.86, 0.95 }, { 0.99, 0.2 } } }

  it("keeps what reaches it, at most two edges a node, the strongest", function()
    local arch, cells = readout.threshold(of(helper.cells { ops = labels }, rows, labels))
    assert.same({ { op = "sep_conv_3x3", input = 1, node = 3 }, { op = "skip_connect", input = 2, node = 3 } }, cells.normal)
    assert.same({ 2, 3 }, arch["normal.node2.inputs"])
    assert.same({ 1, 2 }, arch["normal.node1.inputs"])                                    -- none reaches it: the space wants two all the same
    assert.matches("('skip_connect', 3, 2)", genotype.text(cells), 1, true)
  end)

  it("names missing edges none where the space can", function()
    local with_none = { "none", "skip_connect", "sep_conv_3x3" }
    local padded = {}
    for i, node in ipairs(rows) do
      padded[i] = {}
      for r, row in ipairs(node) do padded[i][r] = { 0, row[1], row[2] } end
    end
    local arch = readout.threshold(of(helper.cells { ops = with_none }, padded, with_none), { threshold = 0.97 })
    assert.same({ "none", "none" }, { arch["normal.node1.op1"], arch["normal.node1.op2"] })
    local ops = { arch["normal.node2.op1"], arch["normal.node2.op2"] }
    table.sort(ops)
    assert.same({ "none", "skip_connect" }, ops)
    -- a network whose node is left without edges is built, and its node is zeros
    local net = helper.cells { ops = with_none }:network(arch, { 8, 8, 3 }, 2, 1)
    assert.same({ 1, 2 }, net:run(vega.tensor.zeros { 1, 8, 8, 3 }):shape())
  end)
end)
