local core = require "vega.core"
local shared = require "spec.supernet_helper"
local space = require "vega.space"
local supernet = require "vega.supernet"
local vega = require "vega"

local batch, copies, equal = shared.batch, shared.copies, shared.equal

local function toy()
  return space.define { name = "toy", input = { 8, 8, 3 }, build = function(net)
    local y = net:conv_bn(net:input(), 4, { kernel = 3, act = "relu" })
    for i = 1, 2 do
      y = net:sum({ net:choice("op" .. i, {
        { "none", function() return false end },
        { "skip", function(x) return x end },
        { "conv", function(x) return net:conv_bn(x, 4, { kernel = 3, act = "relu" }) end },
      })(y), y }, y)
    end
    return net:linear(net:global_avg_pool(y), net.classes)
  end }
end

local function assert_equal_params(a, b)
  local n = 0
  for name, t in pairs(a) do
    assert.is_true(equal(t, b[name]), name)
    n = n + 1
  end
  for _ in pairs(b) do n = n - 1 end
  assert.equal(0, n)
end

local function trainer(graph, more)
  local o = { optimiser = "sgd", lr = 0.1, momentum = 0.9, weight_decay = 1e-2, total_steps = 100 }
  for k, v in pairs(more or {}) do o[k] = v end
  return core.train.new(graph, o)
end

local SPACES = { { "nb201", { 16, 16, 3 } }, { "nb_macro", { 16, 16, 3 } }, { "mobile_tiny", { 16, 16, 1 } }, { "spos_mobile", { 16, 16, 3 } } }

-- An extracted network is without operations that reach no output; the stand-alone nb201 keeps them, as the benchmark does.
local function live(sp, arch)
  local result = {}
  for name, value in pairs(arch) do result[name] = sp.name == "nb201" and value == "none" and "skip_connect" or value end
  return result
end

describe("supernet", function()
  it("gives, by the one definition, the stand-alone network of each architecture", function()
    for _, case in ipairs(SPACES) do
      local sp, rng = vega.space(case[1]), vega.rng.new(2, case[1])
      local net = supernet.new { space = sp, input = case[2], classes = 10 }
      local x = batch(case[2], 2)
      for _ = 1, 3 do
        local arch = sp:random(rng)
        local alone = net:extract(arch)
        local own, counts = vega.cost.count(sp:network(live(sp, arch), case[2], 10)), vega.cost.count(net:extract(live(sp, arch)))
        own.peak_at, counts.peak_at = nil, nil                             -- layers are numbered otherwise
        assert.same(own, counts)
        assert.is_true(equal(net:run(x, arch), alone:run(x)))
        assert.is_true(equal(net:run(x, arch, { train = true }), alone:run(x, { train = true })))
      end
    end
  end)

  it("trains what is active as the stand-alone network would be, and leaves the rest alone to the bit", function()
    for _, case in ipairs(SPACES) do
      local sp, rng = vega.space(case[1]), vega.rng.new(3, case[1])
      local net = supernet.new { space = sp, input = case[2], classes = 10 }
      local x, y = batch(case[2], 4)
      local fit = trainer(net.graph)
      assert(fit:step(x, y, { net:setting(sp:random(rng)) }))            -- so that there are momenta
      local arch = sp:random(rng)
      local before, alone = copies(net.graph), net:extract(arch)
      -- an elastic weight is one parameter: its momentum and decay reach the part that is cut off, so those are compared without
      local plain = { momentum = 0, weight_decay = 0 }
      assert(trainer(net.graph, plain):step(x, y, { net:setting(arch) }))
      assert(trainer(alone, plain):step(x, y))
      assert_equal_params(alone:params(), net:extract(arch):params())
      local reached = alone:params()
      for name, t in pairs(net.graph:params()) do
        if not reached[name] then assert.is_true(equal(before[name], t), name) end
      end
    end
  end)

  it("gives parameters off the path no momentum and no decay", function()
    local net = supernet.new { space = toy(), classes = 10 }
    local x, y = batch({ 8, 8, 3 }, 8)
    local fit = trainer(net.graph)
    local conv, skip = net:setting { op1 = "conv", op2 = "conv" }, net:setting { op1 = "skip", op2 = "none" }
    for _ = 1, 3 do assert(fit:step(x, y, { conv })) end
    local before = copies(net.graph)
    for _ = 1, 3 do assert(fit:step(x, y, { skip })) end
    local after, alone = net.graph:params(), net:extract { op1 = "skip", op2 = "none" }:params()
    local same, changed = 0, 0
    for name in pairs(before) do
      if alone[name] then changed = changed + (equal(before[name], after[name]) and 0 or 1)
      else
        assert.is_true(equal(before[name], after[name]), name)
        same = same + 1
      end
    end
    assert.is_true(same >= 6 and changed >= 4)
  end)

  it("adds the gradients of several paths; their order does not matter", function()
    local function step(order)
      local net = supernet.new { space = toy(), classes = 10 }
      local x, y = batch({ 8, 8, 3 }, 8)
      local archs = { { op1 = "conv", op2 = "skip" }, { op1 = "skip", op2 = "conv" }, { op1 = "none", op2 = "none" } }
      local settings = {}
      for i, k in ipairs(order) do settings[i] = net:setting(archs[k]) end
      local fit = trainer(net.graph, { momentum = 0, weight_decay = 0 })
      local loss = fit:step(x, y, settings)
      return loss, net.graph:params()
    end
    local a, first = step { 1, 2, 3 }
    local b, second = step { 3, 1, 2 }
    assert.near(a, b, 1e-6)
    for name, t in pairs(first) do assert.is_true((t - second[name]):abs():max():item() < 1e-6, name) end
  end)

  it("zeros stand where nothing enters a sum", function()
    local sp = space.define { name = "bare", build = function(net)
      local op = net:choice("op", { { "none", function() return false end }, { "id", function(x) return x end } })
      return net:linear(net:global_avg_pool(net:sum({ op(net:input()) }, net:input())), 3)
    end }
    local net = supernet.new { space = sp, input = { 4, 4, 2 } }
    local x = vega.tensor.randn({ 2, 4, 4, 2 }, vega.rng.new(1, "x"))
    assert.is_true(equal(net:run(x, { op = "none" }), net:extract({ op = "none" }):run(x)))
    assert.is_false(equal(net:run(x, { op = "none" }), net:run(x, { op = "id" })))
  end)

  it("recalibrates the statistics of one path to the plain mean over batches", function()
    local sp = toy()
    local net = supernet.new { space = sp, classes = 10 }
    local x1, x2 = batch({ 8, 8, 3 }, 16, 5), batch({ 8, 8, 3 }, 16, 6)
    local arch, i = { op1 = "conv", op2 = "skip" }, 0
    local loader = { next = function()
      i = i + 1
      return ({ x1:copy(), x2:copy() })[i]
    end }
    assert.is_true(net:recalibrate(arch, loader, { batches = 2 }))
    local alone = net:extract(arch)
    alone:run(x1, { train = true, momentum = 1 })
    local first = alone:buffers()["bn1.running_mean"]:totable()
    alone:run(x2, { train = true, momentum = 1 })
    local second = alone:buffers()["bn1.running_mean"]:totable()
    for c, v in ipairs(net.graph:buffers()["bn1.running_mean"]:totable()) do assert.near((first[c] + second[c]) / 2, v, 1e-6) end
  end)

  it("keeps running statistics per option of a decision where a norm asks for it", function()
    local function define(per, width)
      return space.define { name = "per", input = { 8, 8, 3 }, build = function(net)
        local channels = width and net:width("width", { 2, 4 }) or 4
        local op = net:choice("op", {
          { "plain", function(x) return net:conv(x, channels, { kernel = 3 }) end },
          { "scaled", function(x) return net:op("scale", net:conv(x, channels), { factor = 9 }) end },
        })
        return net:linear(net:global_avg_pool(net:batch_norm(op(net:input()), { act = "relu", per = per, name = "shared" })), 10)
      end }
    end
    local x = batch({ 8, 8, 3 }, 4)
    for _, width in ipairs { false, true } do
      local sp = define("op", width)
      local net = supernet.new { space = sp }
      local plain, scaled = { op = "plain", width = width and 2 or nil }, { op = "scaled", width = width and 4 or nil }
      local before = net:run(x, scaled)
      for _ = 1, 2 do net:run(x, plain, { train = true }) end
      assert.is_true(equal(before, net:run(x, scaled)))                    -- its statistics have not moved
      net:run(x, scaled, { train = true })
      local buffers, n = net.graph:buffers(), 0
      for _ in pairs(buffers) do n = n + 1 end
      assert.equal(4, n)
      assert.is_false(equal(buffers["shared.running_mean.plain"], buffers["shared.running_mean.scaled"]))
      for _, arch in ipairs { plain, scaled } do assert.is_true(equal(net:run(x, arch), net:extract(arch):run(x))) end
      assert.is_truthy(sp:network(plain, { 8, 8, 3 }, 10):buffers()["shared.running_mean"])
    end
    assert.error_matches(function() supernet.new { space = define "opp" } end, "batch_norm: per: unknown decision 'opp'; did you mean 'op'")
  end)

  it("refuses what is not of the space, and unsettled what needs one network", function()
    local net = supernet.new { space = toy(), classes = 10 }
    assert.error_matches(function() net:setting { op1 = "conv" } end, "'op2' is missing")
    assert.error_matches(function() net:setting { op1 = "conv", op2 = "cnov" } end, "'op2' is \"cnov\"")
    assert.error_matches(function() vega.cost.count(net.graph) end, "supernet; extract an architecture first")
    assert.error_matches(function() net.graph:fold() end, "supernet; extract an architecture first")
    local x, y = batch({ 8, 8, 3 }, 2)
    assert.error_matches(function() net.graph:run(x, { slots = { 9, 0 } }) end, "has candidates 0 to 2, its slot says 9")
    assert.error_matches(function() trainer(net.graph):step(x, y, {}) end, "at least one path, got 0")
    assert.error_matches(function()
      supernet.new { input = { 4, 4, 1 }, space = space.define { name = "w", build = function(n)
        return n:op("channel_shuffle", n:conv(n:input(), n:width("w", { 4, 8 })), { groups = 2 })
      end } }
    end, "'channel_shuffle' cannot take channels that depend on the architecture")
  end)
end)

describe("samplers", function()
  local function draw(name, sp, steps, options)
    local descriptor = vega.sampler.resolve(vega.sampler[name](options or {}))
    local rng = vega.rng.new(7, "paths", 0)
    local sampler, all = descriptor.class.new(sp, descriptor.params, rng), {}
    for step = 1, steps do all[step] = sampler:draw(step, rng:seek(7, "paths", step)) end
    return all
  end

  it("strict fairness: each option once a step, a permutation in each decision", function()
    local sp = vega.space "spos_mobile"
    for step, archs in ipairs(draw("strict_fair", sp, 50)) do
      assert.equal(6, #archs)
      for _, d in ipairs(sp.decisions) do
        local seen = {}
        for _, arch in ipairs(archs) do seen[arch[d.name]] = true end
        for i = 1, 6 do assert.is_true(seen[d.domain:at(i)], ("step %d, %s"):format(step, d.name)) end
      end
    end
  end)

  it("strict fairness with fewer options: counts within one, equal when the rotation closes", function()
    local sp = space.define { name = "uneven", choices = { a = space.choice { 1, 2, 3, 4 }, b = space.choice { 1, 2, 3 } } }
    local counts = { 0, 0, 0 }
    for step, archs in ipairs(draw("strict_fair", sp, 30)) do
      for _, arch in ipairs(archs) do counts[arch.b] = counts[arch.b] + 1 end
      local least, most = math.min(table.unpack(counts)), math.max(table.unpack(counts))
      assert.is_true(most - least <= 1)
      if step % 3 == 0 then assert.equal(least, most) end
    end
  end)

  it("strict fairness: the 36 outcomes of two decisions with three options are equally likely", function()
    local sp = space.define { name = "three", choices = { a = space.choice { 1, 2, 3 }, b = space.choice { 1, 2, 3 } } }
    local seen, n, steps = {}, 0, 7200
    for _, archs in ipairs(draw("strict_fair", sp, steps)) do
      local key = ""
      for _, arch in ipairs(archs) do key = key .. arch.a .. arch.b end
      if not seen[key] then seen[key], n = 0, n + 1 end
      seen[key] = seen[key] + 1
    end
    assert.equal(36, n)
    local chi2 = 0
    for _, count in pairs(seen) do chi2 = chi2 + (count - steps / 36) ^ 2 / (steps / 36) end
    assert.is_true(chi2 < 66.6, chi2)                          -- 35 degrees of freedom, p = 0.001
  end)

  it("strict fairness refuses spaces where it cannot hold", function()
    local clauses = space.define { name = "c", choices = { a = space.choice { 1, 2 } }, require = function() return true end }
    assert.error_matches(function() draw("strict_fair", clauses, 1) end, "has clauses")
    local nested = space.define { name = "n", choices = { a = space.choice { x = { b = space.bool() }, y = {} } } }
    assert.error_matches(function() draw("strict_fair", nested, 1) end, "not always active")
  end)

  it("sandwich: the largest, the smallest, and others between", function()
    local sp = vega.space "mobile_tiny"
    local archs = draw("sandwich", sp, 1, { random = 3 })[1]
    assert.equal(5, #archs)
    assert.same({ 16, 3, 5 }, { archs[1].stem, archs[1]["stage1.depth"], archs[1]["stage1.block1.kernel"] })
    assert.same({ 8, 1, 3 }, { archs[2].stem, archs[2]["stage1.depth"], archs[2]["stage1.block1.kernel"] })
  end)

  it("counts what it trained and goes on after an interruption with the same paths", function()
    local helper = dofile((debug.getinfo(1, "S").source:match "^@(.*)supernet_spec%.lua$") .. "helper.lua")
    local x, y = batch({ 8, 8, 3 }, 4)
    local function loader()
      local at = 0
      return setmetatable({}, { __index = { seek = function(_, _, b) at = b - 1 end, batches = function() return 6 end, close = function() end,
        next = function()
          at = at + 1
          if at <= 6 then return x:copy(), y:copy() end
        end } })
    end
    local function run(stop, checkpoint, net)
      net = net or supernet.new { space = toy(), classes = 10 }
      assert(net:fit { data = loader(), sampler = vega.sampler.strict_fair {}, epochs = 1, checkpoint = checkpoint, checkpoint_steps = 1, resume = checkpoint and true,
        on_step = stop and function(s) return s.step < stop end })
      return net
    end
    local whole, path = run(), helper.scratch "supernet.ckpt.safetensors"
    run(3, path)
    local resumed = run(nil, path)
    assert_equal_params(whole.graph:params(), resumed.graph:params())
    assert.same({ none = 6, skip = 6, conv = 6 }, whole.counts.op1)
  end)
end)
