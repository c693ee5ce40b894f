--- P-DARTS, PC-DARTS: what their sections of the specification ask for.
local core = require "vega.core"
local helper = require "spec.differentiable_helper"
local mixed = require "vega.supernet.mixed"
local p_darts = require "vega.differentiable.p_darts"
local readout = require "vega.supernet.readout"
local shared = require "spec.supernet_helper"
local vega = require "vega"

local OPS = { "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3" }

describe("P-DARTS", function()
  it("drops operations edge by edge until one is left, and builds no weights for what is off", function()
    local spaces = {}
    local found = assert(helper.search { preset = "p_darts", epochs = 1, arch = { lr = 0.05 },
      set = { dropout = { 0.1, 0.4, 0.7 }, drop = { 2, 2 }, warmup = 0 },
      space = function(stage)
        spaces[stage] = helper.cells { cells = stage, ops = OPS }
        return spaces[stage]
      end })
    assert.equal(3, #found.stages)
    for stage, alive in ipairs { 6, 4, 2 } do
      local s = found.stages[stage]
      for _, d in ipairs(s.weights) do
        for row, live in ipairs(d.live) do
          assert.equal(alive, #live)
          for k, w in ipairs(d.rows[row]) do assert.equal(not require("vega.util").contains(live, k), w == 0) end
        end
      end
      local separable = 0
      for name in pairs(s.net.graph:params()) do if name:find "^conv%d+%.weight$" then separable = separable + 1 end end
      local of_ops = 0
      for _, d in ipairs(s.weights) do
        for _, live in ipairs(d.live) do
          for _, k in ipairs(live) do of_ops = of_ops + stage * (({ sep_conv_3x3 = 4, dil_conv_3x3 = 2 })[d.labels[k]] or 0) end
        end
      end
      assert.equal(1 + 2 * stage + of_ops, separable)                   -- the stem, two preprocessing layers a cell, and the operations that are on
    end
    assert.same(found.arch, spaces[3]:check(found.arch))
    for name, op in pairs(found.arch) do assert.not_equal("none", op, name) end
  end)

  it("drops the weakest, of equals the earlier, and never the last", function()
    local d = { name = "normal.node1", labels = { "none", "skip_connect", "sep_conv_3x3" }, rows = { { 0.2, 0.2, 0.6 }, { 0.5, 0.3, 0.2 } },
      live = { { 1, 2, 3 }, { 1, 2, 3 } } }
    assert.same({ ["normal.node1"] = { { none = false }, { sep_conv_3x3 = false } } }, p_darts.parts.drop({ d }, 1))
    assert.same({ ["normal.node1"] = { { none = false, skip_connect = false }, { skip_connect = false, sep_conv_3x3 = false } } },
      p_darts.parts.drop({ d }, 5))
    d.live = { { 2, 3 }, { 1, 3 } }
    assert.same({ none = false, skip_connect = false }, p_darts.parts.drop({ d }, 1)["normal.node1"][1])
  end)

  it("lets the dropout behind skips decay, with a jump after the warm-up", function()
    for epoch, expected in pairs { [1] = 0.672, [10] = 0.42, [11] = 0.7, [25] = 0.04257 } do
      assert.is_true(helper.near(expected, p_darts.parts.rate(0.7, epoch, 25, 10), 5e-6), epoch)
    end
    local net = mixed.new { space = helper.cells(), input = { 8, 8, 3 }, classes = 2, skip_dropout = 0.5 }
    local x = vega.tensor.randn({ 4, 8, 8, 3 }, vega.rng.new(1, "x"))
    local function run(p)
      net:set_dropout(p)
      return net.graph:run(x, { train = true, seed = 7, slots = net.settings })
    end
    assert.is_true((run(0) - run(0)):abs():sum():item() == 0)
    assert.is_true((run(0) - run(0.5)):abs():sum():item() > 0)
  end)

  it("keeps as many skips as it is told, down to none, and its ties go to the later edge", function()
    local labels, weights = { "none", "skip_connect", "sep_conv_3x3" }, {}
    local rng = vega.rng.new(5, "table")
    local space = helper.cells { nodes = 4 }
    for node = 1, 4 do
      local rows = {}
      for r = 1, node + 1 do rows[r] = { 0.3, 0.4 + 0.1 * rng:uniform(), 0.1 + 0.1 * rng:uniform() } end
      weights[node] = { name = "normal.node" .. node, labels = labels, rows = rows }
    end
    local before = 9
    for limit = 8, 0, -1 do
      local arch, n = readout.progressive({ space = space, weights = weights }, { skips = limit }), 0
      for _, op in pairs(arch) do n = n + (op == "skip_connect" and 1 or 0) end
      assert.is_true(n <= limit and n <= before)
      assert.is_true(limit > 0 or n == 0)
      before = n
    end
    local even = { { 0.2, 0.4, 0.4 }, { 0.2, 0.4, 0.4 }, { 0.2, 0.4, 0.4 } }
    local two = { { name = "normal.node1", labels = labels, rows = { even[1], even[2] } }, { name = "normal.node2", labels = labels, rows = even } }
    assert.same({ 2, 3 }, readout.progressive({ space = helper.cells(), weights = two }, { skips = 8 })["normal.node2.inputs"])
    local only = { { name = "normal.node1", labels = { "none", "skip_connect" }, rows = { { 0.5, 0.5 }, { 0.5, 0.5 } } },
      { name = "normal.node2", labels = { "none", "skip_connect" }, rows = { { 0.5, 0.5 }, { 0.5, 0.5 }, { 0.5, 0.5 } } } }
    local arch = readout.progressive({ space = helper.cells { ops = { "none", "skip_connect" } }, weights = only }, { skips = 0 })
    assert.equal("skip_connect", arch["normal.node1.op1"])                -- nothing else is there: it ends all the same
  end)

  it("is DARTS bit for bit in one stage without dropout, warm-up and clipping", function()
    local set = { dropout = { 0 }, drop = {}, warmup = 0, lr_floor = 0.001 }
    local a = assert(helper.search { preset = "p_darts", set = set, arch = { lr = 0.02, clip = 0 } })
    local b = assert(helper.search { preset = "darts" })
    assert.same(helper.values(b.net), helper.values(a.net))
  end)

  it("says what is wrong with its stages", function()
    assert.error_matches(function() helper.search { preset = "p_darts", set = { drop = { 3 } } } end,
      "drop has 1 entries, one less than the 3 stages", 1, true)
  end)
end)

describe("PC-DARTS", function()
  it("with one part is DARTS, its nodes the mean of the edges while the edges' parameters are equal", function()
    local space = helper.cells()
    local plain = mixed.new { space = space, input = { 8, 8, 3 }, classes = 2 }
    local one = mixed.new { space = space, input = { 8, 8, 3 }, classes = 2, partial = 1, edge_norm = true }
    local of_one, x = one.graph:params(), vega.tensor.randn({ 4, 8, 8, 3 }, vega.rng.new(1, "x"))
    for name, t in pairs(plain.graph:params()) do of_one[name]:assign(t) end
    for _, d in ipairs(one:parameters()) do d.beta:fill(0.3) end
    for _, d in ipairs(one.decisions) do                                  -- times the number of edges, a mean is a sum
      local n = d.rows
      one:buffer(d.name, "edges.mask"):fill(n)
    end
    assert.is_true((plain.graph:run(x) - one.graph:run(x)):abs():max():item() < 1e-5)
  end)

  it("has edge gradients that sum to zero in each node", function()
    local net = mixed.new { space = helper.cells { channels = 8 }, input = { 8, 8, 3 }, classes = 2, partial = 4, edge_norm = true }
    local x, y = shared.batch({ 8, 8, 3 }, 8, 1, 2)
    local arch = core.train.new(net.graph, { group = "arch", optimiser = "sgd", lr = 1, total_steps = 1 })
    local before = {}
    for _, d in ipairs(net:parameters()) do before[d.name] = d.beta:copy() end
    assert(arch:step(x, y))
    for _, d in ipairs(net:parameters()) do
      local change = d.beta - before[d.name]
      assert.is_true(change:abs():sum():item() > 0)
      assert.is_true(math.abs(change:sum():item()) < 1e-6)
    end
  end)

  it("takes random channels, drawn for each step, and brings them back to their places", function()
    local net = mixed.new { space = helper.cells { channels = 8 }, input = { 8, 8, 3 }, classes = 2, partial = 2, channels = "random" }
    local x = vega.tensor.randn({ 4, 8, 8, 3 }, vega.rng.new(1, "x"))
    local before = net.graph:run(x)
    for _, order in ipairs(net.orders) do
      local list = { 5, 6, 7, 8, 1, 2, 3, 4 }
      net:set_order(order, list)
    end
    assert.is_true((net.graph:run(x) - before):abs():max():item() > 0)
    local skips = mixed.new { space = helper.cells { channels = 8, ops = { "skip_connect" } }, input = { 8, 8, 3 }, classes = 2, partial = 2,
      channels = "random" }
    before = skips.graph:run(x)                                            -- nothing but identities: the order plays no part
    for _, order in ipairs(skips.orders) do skips:set_order(order, { 3, 1, 4, 2, 8, 6, 7, 5 }) end
    assert.is_true((skips.graph:run(x) - before):abs():max():item() < 1e-5)
    local found = assert(helper.search { preset = "pc_darts", space = helper.cells { channels = 8 }, set = { channels = "random", warmup = 0 } })
    assert.equal(5, #found.net.orders)                                     -- one an edge
  end)
end)
