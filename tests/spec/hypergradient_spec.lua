local core = require "vega.core"
local hypergradient = require "vega.hypergradient"
local mixed = require "vega.supernet.mixed"
local shared = require "spec.supernet_helper"
local vega = require "vega"

local T = vega.tensor
local NOTHING = T.zeros { 1, 1 }                                        -- toys read no batch
local TRAIN, VALIDATION = T.new { { 1 }, { 0 } }, T.new { { 0 }, { 1 } }      -- which of a toy's two losses: output [1, 2] times this

local function make(s, spec)
  local h = hypergradient.new(spec, { graph = s.graph, arch = s.arch, weights = s.weights })
  return h                                                             -- no tail call, so that errors are blamed on this file
end

local function fails(message, call)                                     -- at a line of this file
  local ok, got = pcall(call)
  assert.is_false(ok)
  assert.match("hypergradient_spec%.lua:%d+: " .. message, got)
end

-- Toys: graphs whose output is (L_train, L_val) and whose labels choose between them.
local function toy(build, options)
  local g = core.graph.new { 1 }
  local losses = build(g)
  g:output(g:op("concat", losses, { axis = 2 })):materialise(1)
  local o = { lr = 0.25, loss = "matmul", group = "weights" }
  for k, v in pairs(options or {}) do o[k] = v end
  local weights = core.train.new(g, o)
  local arch = core.train.new(g, { group = "arch", lr = 0.1, loss = "matmul" })
  return { graph = g, weights = weights, arch = arch, w = (g:arena "weights"), alpha = (g:arena "arch"), gradient = select(2, g:arena "arch"),
    new = make, take = function(_, h)
      local loss, message, code = h:gradient(NOTHING, VALIDATION, NOTHING, TRAIN)
      return loss, message, code
    end }
end

-- The scalar problem of the DARTS paper: L_train = (w - a)^2, L_val = a w - 2 a + 1.
local function scalar()
  return toy(function(g)
    local w, a = g:param("w", { 1, 1 }, "zeros", 1, true), g:param("alpha", { 1, 1 }, "zeros", 1, true, "arch")
    return { g:op("square", { g:op("sub", { w, a }) }), g:op("add", { g:op("mul", { a, w }), g:op("scale", { a }, { factor = -2, bias = 1 }) }) }
  end)
end

-- L_train = w'Aw / 2 - w'(Ba + c), L_val = |w - t|^2 / 2 + rho |a - a0|^2 / 2; matrices by rows.
local function quadratic(p, options)
  local n, k = #p.A, #p.B[1]
  local t = toy(function(g)
    local function constant(name, values)
      local id = g:buffer(name, T.new(values):shape(), 0)
      return id
    end
    local w, a = g:param("w", { 1, n }, "zeros", 1, true), g:param("alpha", { 1, k }, "zeros", 1, true, "arch")
    local function product(u, v) return g:op("linear", { u, v }) end
    local off_t, off_a = g:op("sub", { w, constant("t", { p.t }) }), g:op("sub", { a, constant("a0", { p.a0 }) })
    local curved, pull = product(product(w, constant("A", p.A)), w), product(g:op("linear", { a, constant("B", p.B), constant("c", p.c) }), w)
    local train = g:op("sub", { g:op("scale", { curved }, { factor = 0.5 }), pull })
    local far, off = g:op("scale", { product(off_t, off_t) }, { factor = 0.5 }), g:op("scale", { product(off_a, off_a) }, { factor = p.rho / 2 })
    return { train, g:op("add", { far, off }) }
  end, options)
  for name, values in pairs { A = p.A, B = p.B, c = p.c, t = { p.t }, a0 = { p.a0 } } do t.graph:buffers()[name]:assign(T.new(values)) end
  t.w:assign(T.new(p.w))
  t.alpha:assign(T.new(p.a))
  return t
end

local function apply(M, v)
  local y = {}
  for i, row in ipairs(M) do
    y[i] = 0.0
    for j, m in ipairs(row) do y[i] = y[i] + m * v[j] end
  end
  return y
end

local function transposed(M)
  local R = {}
  for j = 1, #M[1] do
    R[j] = {}
    for i = 1, #M do R[j][i] = M[i][j] end
  end
  return R
end

local function along(a, f, b)                                          -- a + f * b
  local y = {}
  for i = 1, #a do y[i] = a[i] + f * b[i] end
  return y
end

local function distance(got, want)                                     -- relative to `want`
  local d, size = 0.0, 0.0
  for i = 1, #want do d, size = d + (got[i] - want[i]) ^ 2, size + want[i] ^ 2 end
  return math.sqrt(d / size)
end

local PROBLEM = { A = { { 2, 0.5, 0 }, { 0.5, 1.5, 0.25 }, { 0, 0.25, 1 } }, B = { { 1, -0.5 }, { 0.25, 1 }, { -1, 2 } }, c = { 0.5, -1, 0.25 },
  t = { 0.3, -0.6, 0.9 }, rho = 0.7, a0 = { 0.2, -0.4 }, w = { 1, -2, 0.5 }, a = { 0.8, -1.2 } }

describe("the scalar problem of two levels", function()
  local function fixed_point(spec)
    local t = scalar()
    t.alpha:fill(2)
    t.w:fill(-2)
    local h = t:new(spec)
    for _ = 1, 200 do
      for _ = 1, 30 do assert(t.weights:step(NOTHING, TRAIN)) end       -- to the bottom: w = a
      assert(t:take(h))
      assert(t.arch:update())
    end
    assert.equal(0, h.skipped)
    return t.alpha:get(1)
  end

  for _, case in ipairs { { "first", 2 }, { { name = "unrolled", rate = 0.5 }, 1 }, { { name = "unrolled", rate = 0.1 }, 2 / 1.2 },
    { { name = "unrolled", rate = 1 }, 2 / 3 }, { "unrolled", 2 / 1.5 }, { "amended", 2 / 1.4 }, { { name = "amended", eta = 0.25 }, 1 },
    { { name = "neumann", terms = 40, gamma = 0.3 }, 1 }, { { name = "neumann", terms = 3, gamma = 0.5 }, 1 },
    { { name = "neumann", terms = 0, gamma = 0.1 }, 2 / 1.2 } } do
    local spec, want = table.unpack(case)
    it(("ends where %s says: %.4f"):format(type(spec) == "table" and spec.name or spec, want), function()
      local got = fixed_point(spec)
      assert.is_true(math.abs(got - want) < 3e-6, got)
    end)
  end
end)

describe("the quadratic problem", function()
  local p = PROBLEM
  local Bt, direct = transposed(p.B), {}
  for i = 1, 2 do direct[i] = p.rho * (p.a[i] - p.a0[i]) end

  it("has its exact gradient after one step, with momentum, Nesterov's or not, and decay", function()
    for _, more in ipairs { {}, { momentum = 0.9 }, { momentum = 0.9, nesterov = true }, { momentum = 0.5, weight_decay = 0.3 } } do
      more.clip = 0.5                                                  -- which the virtual step leaves out
      local t = quadratic(p, more)
      assert(t.weights:step(NOTHING, TRAIN))
      local w, b = t.w:totable(), more.momentum and t.weights:momentum():totable() or { 0, 0, 0 }
      local mu, xi, gain = more.momentum or 0, 0.4, more.nesterov and 0.4 * 1.9 or 0.4
      local grad = along(along(apply(p.A, w), -1, apply(p.B, p.a)), -1, p.c)
      grad = along(grad, more.weight_decay or 0, w)
      local m = along(grad, mu, b)
      local ahead = along(w, -xi, more.nesterov and along(grad, mu, m) or m)
      local want = along(direct, gain, apply(Bt, along(ahead, -1, p.t)))
      assert(t:take(t:new { name = "unrolled", rate = xi }))
      assert.is_true(distance(t.gradient:totable(), want) < 2e-5, distance(t.gradient:totable(), want))
    end
  end)

  it("has its exact amended gradient", function()
    local t = quadratic(p)
    local want = along(direct, 0.2, apply(Bt, apply(p.A, along(p.w, -1, p.t))))
    assert(t:take(t:new { name = "amended", eta = 0.2 }))
    assert.is_true(distance(t.gradient:totable(), want) < 2e-5)
  end)

  it("comes to the implicit gradient, each term nearer by |1 - gamma lambda|", function()
    local diagonal = { A = { { 4, 0, 0 }, { 0, 1, 0 }, { 0, 0, 2 } }, rho = 0, B = { { 1, 1 }, { 1, 2 }, { 1, 3 } } }
    for key, value in pairs(p) do diagonal[key] = diagonal[key] or value end
    local gamma = 0.3
    for i, lambda in ipairs { 4, 1, 2 } do
      diagonal.w = along(p.t, 1, { i == 1 and 1 or 0, i == 2 and 1 or 0, i == 3 and 1 or 0 })
      local t, before = quadratic(diagonal), nil
      local want = { diagonal.B[i][1] / lambda, diagonal.B[i][2] / lambda }
      for terms = 0, 5 do
        local h = t:new { name = "neumann", terms = terms, gamma = gamma }
        assert(t:take(h))
        local off = distance(t.gradient:totable(), want)
        assert.is_true(math.abs(off - math.abs(1 - gamma * lambda) ^ (terms + 1)) < 2e-5, off)
        assert.is_true(math.abs(h.remainder - math.abs(1 - gamma * lambda) ^ terms) < 2e-5)
        assert.is_true(not before or off < before)
        before = off
      end
    end
    local t = quadratic(p)
    assert(t:take(t:new { name = "neumann", terms = 60, gamma = 0.5 }))
    local solved = { 0, 0, 0 }                                         -- of A s = w - t, by the iteration of Richardson
    for _ = 1, 300 do solved = along(solved, 0.5, along(along(p.w, -1, p.t), -1, apply(p.A, solved))) end
    assert.is_true(distance(t.gradient:totable(), along(direct, 1, apply(Bt, solved))) < 2e-5)
    local h = t:new { name = "neumann", terms = 8, gamma = 2 }          -- above 2 / lambda
    assert(t:take(h))
    assert.is_true(h.remainder > 1)
  end)

  it("tells a correction that points away from the true one", function()
    local t = quadratic { A = { { 1, 0 }, { 0, 100 } }, B = { { -1 }, { 1 } }, c = { 0, 0 }, t = { 0, 0 }, w = { 1, 1 }, rho = 0, a0 = { 0 },
      a = { 0 } }
    local h, exact = t:new { name = "amended", eta = 1 }, { name = "neumann", terms = 600, gamma = 0.019 }
    local function cosine(of, with) return of:cosine(NOTHING, VALIDATION, NOTHING, TRAIN, with) end
    assert(t:take(h))
    assert.is_true(math.abs(t.gradient:get(1) - 99) < 1e-2)
    assert(t:take(t:new(exact)))
    assert.is_true(math.abs(t.gradient:get(1) + 0.99) < 1e-4)
    assert.equal(-1, cosine(h, exact))
    assert.equal(1, cosine(t:new(exact), { name = "unrolled", rate = 0.001 }))
    local _, message, code = cosine(h, "first")
    assert.same({ "hypergradient 'first': no correction to compare", "ENAN" }, { message, code })
    assert.same({ 1, 1 }, t.w:totable())
  end)

  it("is of first order, and counted, where there is nothing to correct with", function()
    local t = quadratic(p)
    t.w:assign(T.new(p.t))                                             -- dL_val/dw = 0
    for _, name in ipairs { "amended", "neumann" } do
      local h = t:new(name)
      assert(t:take(h))
      assert(t:take(h))
      assert.equal(2, h.skipped)
      assert.is_true(distance(t.gradient:totable(), direct) < 1e-6)
    end
    local flat = { A = { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } } }
    for key, value in pairs(p) do flat[key] = flat[key] or value end
    t = quadratic(flat)                                                -- H v = 0 after a pass of the weights
    local before, h = t.alpha:totable(), t:new "amended"
    assert(t:take(h))
    assert.equal(1, h.skipped)
    assert(t.arch:update())
    assert.is_true(distance(t.alpha:totable(), along(before, -0.1, direct)) < 1e-6)
  end)
end)

-- A small smooth supernet: mixtures with batch norms inside, tanh, dropout.
local function conv(net, x)
  return net:batch_norm(net:op("tanh", net:conv(x, net:channels(x), { kernel = 3 })), { affine = false })
end

local function smooth(dropout, rate)
  local ops = { { "none", function() return false end }, { "skip", function(_, x) return x end }, { "conv", conv },
    { "mean", function(net, x) return net:batch_norm(net:avg_pool(x, { kernel = 3, stride = 1, pad = 1 }), { affine = false }) end } }
  local net = mixed.new { input = { 6, 6, 3 }, classes = 4, seed = 1, build = function(net)
    local y = net:batch_norm(net:conv(net:input(), 6, { kernel = 3 }))
    y = net:cell_node("a", { y, { net:op("tanh", y), 1 } }, ops, 2)
    y = net:cell_node("b", { net:op("tanh", y) }, ops, 1)
    if dropout then y = net:op("dropout", y, { p = 0.3 }) end
    return net:linear(net:global_avg_pool(y), net.classes)
  end }
  local g = net.graph
  local values = g:arena "arch"
  values:assign(T.randn(values:shape(), vega.rng.new(7, "alpha")) * 0.5)
  local weights = core.train.new(g, { lr = rate or 1, momentum = 0.9, weight_decay = 3e-3, total_steps = 100, seed = 4 })
  local arch = core.train.new(g, { group = "arch", optimiser = "adam", lr = 0.01, beta1 = 0.5, weight_decay = 1e-3, total_steps = 100, seed = 5 })
  local self = { graph = g, weights = weights, arch = arch, w = (g:arena "weights"), alpha = values, gradient = select(2, g:arena "arch") }
  self.x_val, self.y_val = shared.batch({ 6, 6, 3 }, 16, 1, 4)
  self.x_train, self.y_train = shared.batch({ 6, 6, 3 }, 16, 2, 4)
  self.new = make
  function self.take(of, h)
    local loss, message, code = h:gradient(of.x_val, of.y_val, of.x_train, of.y_train)
    return loss, message, code
  end
  for _ = 1, 3 do assert(weights:step(self.x_train, self.y_train)) end  -- so that there is momentum
  return self
end

-- Everything that a step of the architecture must leave alone.
local function state(s)
  local all = { weights = s.w:copy(), alpha = s.alpha:copy(), momentum = s.weights:momentum():copy() }
  for name, t in pairs(s.graph:buffers()) do all[name] = t:copy() end
  return all
end

local function assert_same_state(s, before)
  for name, t in pairs(state(s)) do assert.same(before[name]:totable(), t:totable(), name) end
  assert.equal("f32", s.graph:precision())
  assert.equal(3, (s.weights:place()))
  assert.equal(0, (s.arch:place()))
end

local ALL = { "first", { name = "unrolled", rate = 0.3 }, { name = "amended", eta = 0.05 }, { name = "neumann", terms = 2, gamma = 0.1 } }

describe("hypergradient of a smooth supernet", function()
  -- Central differences of order six of L_val at the weights after a real step, the direct dependence left out, so that all is correction.
  local function correction_by_differences(s)
    local alpha, w, m = s.alpha:copy(), s.w:copy(), s.weights:momentum():copy()
    local function loss_at(i, shift)
      s.alpha:set(i, alpha:get(i) + shift)
      assert(s.weights:step(s.x_train, s.y_train))
      s.alpha:assign(alpha)
      local loss = assert(s.arch:gradients(s.x_val, s.y_val, { frozen = true }))
      s.w:assign(w)
      s.weights:momentum():assign(m)
      return loss
    end
    local found, h = {}, 0.15
    for i = 1, #alpha do
      local d = {}
      for k = 1, 3 do d[k] = loss_at(i, k * h) - loss_at(i, -k * h) end
      found[i] = (45 * d[1] - 9 * d[2] + d[3]) / (60 * h)
    end
    return found
  end

  local function correction_of(s, h)
    assert(s:take(h))
    return along(s.gradient:totable(), -1, h.direct:totable())
  end

  it("is what central differences over a real step of the weights give, its correction on its own", function()
    local s = smooth()
    local want, h = correction_by_differences(s), s:new "unrolled"
    local off = distance(correction_of(s, h), want)
    assert.is_true(off < 1e-3, off)
    -- At a common rate the whole gradient would not show a correction that is lost, as by (p - n) / 2 * eps; the correction does.
    local product, usual = h.product, s:new { name = "unrolled", rate = 0.025 }
    local right = correction_of(s, usual)
    local whole = s.gradient:totable()
    usual.product = function(self, group, vector, r)
      local R = r / math.sqrt(vector:dot(vector))
      local found = product(self, group, vector, r)
      return found:blend(R * R, 0, found)
    end
    assert.is_true(distance(correction_of(s, usual), right) > 0.9)
    assert.is_true(distance(s.gradient:totable(), whole) < 0.01)
    -- Nor is it the product at the weights after the step.
    h.product = function(self, ...)
      self.saved, self.kept.weights = self.values:copy(), nil
      return product(self, ...)
    end
    local before = s.w:copy()
    off = distance(correction_of(s, h), want)
    s.w:assign(before)
    assert.is_true(off > 0.01, off)
  end)

  it("has products with second derivatives that agree with differences of order four", function()
    local s = smooth()
    local h, seen = s:new(ALL[3]), {}
    local product = h.product
    h.product = function(self, group, vector, r)
      local found = product(self, group, vector, r)
      seen[group] = { vector = vector:copy(), found = found:totable() }
      return found
    end
    assert(s:take(h))
    local w = s.w:copy()
    for group, case in pairs(seen) do
      local _, gradient = s.graph:arena(group)
      local e, at = 0.04 / math.sqrt(case.vector:dot(case.vector)), {}
      for side = -2, 2 do
        s.w:assign(w):blend(1, side * e, case.vector)
        assert(s.weights:gradients(s.x_train, s.y_train, { group = group, frozen = true }))
        at[side] = gradient:totable()
      end
      local want = along(along(along(at[-2], -1, at[2]), 8, at[1]), -8, at[-1])
      local off = distance(along(want, 12 * e - 1, want), along(case.found, (12 * e) ^ 2 - 1, case.found))
      assert.is_true(off < 1e-3, group .. off)
    end
    assert.is_not_nil(seen.weights and seen.arch)
  end)

  it("with nothing of the correction is of first order, to the bit", function()
    local s = smooth(true)
    assert(s:take(s:new "first"))
    local first = s.gradient:totable()
    for _, spec in ipairs { { name = "unrolled", rate = 0 }, { name = "amended", eta = 0 }, { name = "neumann", gamma = 0 } } do
      local h = s:new(spec)
      assert(s:take(h))
      assert.same(first, s.gradient:totable(), spec.name)
      assert.equal(0, h.skipped)
    end
    for _, spec in ipairs { ALL[2], ALL[3], ALL[4] } do
      assert(s:take(s:new(spec)))
      assert.not_same(first, s.gradient:totable(), spec.name)
    end
  end)

  it("leaves weights, momentum, running statistics and the dropout of the next steps alone", function()
    local s = smooth(true)
    local before, seen = state(s), {}
    for i, spec in ipairs(ALL) do
      local h = s:new(spec)
      assert(s:take(h))
      seen[i] = s.gradient:totable()
      assert(s:take(h))
      assert.same(seen[i], s.gradient:totable())
      assert_same_state(s, before)
    end
    assert(s.weights:step(s.x_train, s.y_train))
    local other = smooth(true)
    assert(other.weights:step(s.x_train, s.y_train))
    assert.same(other.w:totable(), s.w:totable())
  end)

  it("has the bits of f32 where the network computes in bf16", function()
    local s = smooth()
    for i = 2, 4 do
      assert(s:take(s:new(ALL[i])))
      local want = s.gradient:totable()
      s.graph:precision "bf16"
      assert(s:take(s:new(ALL[i])))
      assert.equal("bf16", s.graph:precision())
      s.graph:precision "f32"
      assert.same(want, s.gradient:totable())
    end
  end)

  it("gives a message where it diverges, and leaves everything as it was", function()
    local s = smooth()
    local before, nan = state(s), s.x_val:copy():fill(0 / 0)
    local function diverges(h, x_val, x_train)
      local loss, message, code = h:gradient(x_val, s.y_val, x_train, s.y_train)
      assert.same({ "nil", "ENAN" }, { type(loss), code })
      assert.matches("^architecture step: train: the loss is %-?nan at step %d$", message)
      assert_same_state(s, before)
    end
    for _, spec in ipairs(ALL) do
      diverges(s:new(spec), nan, s.x_train)
      if spec ~= "first" then diverges(s:new(spec), s.x_val, nan) end
      local h = s:new(spec)
      local function take_with(batch) return function() s.take(setmetatable(batch, { __index = s }), h) end end
      fails(".*graph: input %[%-1, 6, 6, 3%] expected as f32", take_with { x_val = s.x_val:reshape { 16, 108 } })
      if spec ~= "first" then fails(".*cross_entropy", take_with { y_train = s.y_train:rows(1, 3) }) end
      assert_same_state(s, before)
    end
    local h = s:new { name = "amended", eta = 1e300 }                   -- the loss is fine, the gradient not
    assert.same({ nil, "architecture step: its gradient is not finite", "ENAN" }, { s:take(h) })
    assert_same_state(s, before)
  end)

  it("trains a supernet beside the weights", function()
    for _, spec in ipairs(ALL) do
      local s = smooth(false, 0.05)
      local h, first, last = s:new(spec), nil, nil
      s.x_val, s.y_val = s.x_train, s.y_train                           -- labels are random: nothing carries over to another batch
      for _ = 1, 25 do
        last = assert(s:take(h))
        assert(s.arch:update())
        assert(s.weights:step(s.x_train, s.y_train))
        first = first or last
      end
      assert.equal(0, h.skipped)
      assert.is_true(last < 0.8 * first, ("%s: %g, then %g"):format(h.name, first, last))
    end
  end)
end)

describe("hypergradient.new", function()
  it("refuses what it does not know, at the caller's line", function()
    local s = scalar()
    assert.same({ "amended", "first", "neumann", "unrolled" }, hypergradient.names())
    fails("hypergradient: unknown estimate 'unroled'; did you mean 'unrolled'", function() s:new "unroled" end)
    fails("hypergradient 'amended': unknown option 'eata'; did you mean 'eta'", function() s:new { name = "amended", eata = 1 } end)
    fails("hypergradient 'unrolled': rate must be a number, got string", function() s:new { name = "unrolled", rate = "x" } end)
    fails("hypergradient 'unrolled': rate must be >= 0, got %-1", function() s:new { name = "unrolled", rate = -1 } end)
    fails("hypergradient 'neumann': terms must be a whole number, got 1.5", function() s:new { name = "neumann", terms = 1.5 } end)
    fails("hypergradient 'amended': r must be >= 1e%-08, got 0", function() s:new { name = "amended", r = 0 } end)
    fails("hypergradient 'amended': 'weights' is missing", function() hypergradient.new("amended", { graph = s.graph, arch = s.arch }) end)
    fails("hypergradient.new: unknown option 'grph'; did you mean 'graph'", function() hypergradient.new("first", { grph = s.graph }) end)
    assert.is_false(hypergradient.new("first", { graph = s.graph, arch = s.arch }).needs_training_batch)
    local h = s:new "unrolled"
    assert.is_true(h.needs_training_batch)
    fails("hypergradient 'unrolled': a training batch is needed", function() h:gradient(NOTHING, VALIDATION) end)
    fails("hypergradient: unknown estimate 'exact'", function() h:cosine(NOTHING, VALIDATION, NOTHING, TRAIN, "exact") end)
    local adam = core.train.new(s.graph, { optimiser = "adam", loss = "matmul" })
    h = hypergradient.new("unrolled", { graph = s.graph, arch = s.arch, weights = adam })
    fails(".*trainer: a virtual step wants the optimiser 'sgd'", function() s:take(h) end)
  end)
end)

describe("an estimate of one's own", function()
  it("is a file on package.path", function()
    local folder, path = os.tmpname(), package.path
    os.remove(folder)
    assert(os.execute(("mkdir -p '%s/vega/hypergradient'"):format(folder)))
    local file = assert(io.open(folder .. "/vega/hypergradient/twice.lua", "w"))
    file:write("return { params = { by = { 2.0 } }, needs_training_batch = true, estimate = function(h, p) return h:validate(), p.by, h.direct end }")
    file:close()
    package.path = folder .. "/?.lua;" .. path
    local ok, message = pcall(function()
      local t = quadratic(PROBLEM)
      assert(t:take(t:new "first"))
      local first = t.gradient:totable()
      assert(t:take(t:new { name = "twice", by = 3.0 }))
      assert.is_true(distance(t.gradient:totable(), along(first, -3, first)) < 1e-6)
    end)
    package.path, package.loaded["vega.hypergradient.twice"] = path, nil
    os.execute(("rm -r '%s'"):format(folder))
    assert(ok, message)
  end)
end)

-- A supernet of three paths under an architecture parameter.
local function paths(average)
  local g = core.graph.new { 2 }
  local slot, in_use = g:slot(0), {}
  for i = 1, 3 do in_use[i] = g:op("linear", { 1, g:param("w" .. i, { 2, 2 }, "uniform", 2, true) }) end
  local alpha = g:param("alpha", { 1, 2 }, "ones", 1, true, "arch")
  g:output(g:op("mul", { g:sum("sum", { g:choice("c", slot, in_use) }, in_use[1]), alpha })):materialise(1)
  return g, core.train.new(g, { lr = 0.1, momentum = 0.9, weight_decay = 0.1, loss = "mse_loss", average = average })
end

describe("a step in two parts", function()
  it("is a step, with the paths of a supernet too; what no path reaches reads as zeros and is left alone", function()
    local rng = vega.rng.new(1, "x")
    local x, y = T.randn({ 8, 2 }, rng), T.randn({ 8, 2 }, rng)
    for _, average in ipairs { false, true } do
      local settings = { { 0 }, { 2 }, { 2 } }
      local a, whole = paths(average)
      local b, parts = paths(average)
      for _ = 1, 3 do
        local want, rate, norm = assert(whole:step(x, y, settings))
        local idle = b:params().w2:totable()
        assert.equal(rate, parts:rate())
        assert.equal(want, assert(parts:gradients(x, y, { settings = settings })))
        local values, gradients = b:arena "weights"
        assert.same({ 0, 0, 0, 0 }, gradients:rows(5, 8):totable())
        assert.is_true(gradients:rows(1, 4):dot(gradients:rows(1, 4)) > 0)
        assert.same({ rate, norm }, { parts:update() })
        assert.same((a:arena "weights"):totable(), values:totable())
        assert.same(whole:momentum():totable(), parts:momentum():totable())
        assert.same(idle, b:params().w2:totable())
      end
    end
  end)

  it("passes the paths on from a hypergradient", function()
    local g, weights = paths(true)
    local arch = core.train.new(g, { group = "arch", loss = "mse_loss", average = true })
    local h = hypergradient.new("amended", { graph = g, arch = arch, weights = weights })
    local rng = vega.rng.new(1, "x")
    local x, y = T.randn({ 8, 2 }, rng), T.randn({ 8, 2 }, rng)
    local function direct(settings)
      assert(h:gradient(x, y, x, y, settings))
      return h.direct:totable()
    end
    local first, third, both = direct { { 0 } }, direct { { 2 } }, direct { { 0 }, { 2 } }
    assert.not_same(first, third)
    assert.is_true(distance(both, along(along(first, 1, third), -0.5, along(first, 1, third))) < 1e-6)
  end)

  it("gives a group's parameters as one tensor that shares memory", function()
    local s = scalar()
    s.w:fill(3)
    assert.equal(3, s.graph:params().w:item())
    assert.is_nil(s.weights:momentum())
    assert.is_nil((select(2, core.graph.new({ 1 }):output(1):materialise(1):arena "arch")))
    assert.error_matches(function() s.weights:gradients(NOTHING, TRAIN, { group = "w" }) end, "unknown group 'w'; did you mean 'weights'")
    assert.error_matches(function() s.weights:gradients(NOTHING, TRAIN, { settings = {} }) end, "settings are empty")
    assert.error_matches(function() core.graph.new({ 1 }):arena "arch" end, "no parameters yet")
    assert.error_matches(function() s.w:blend(1, 1, NOTHING:rows(1, 1):reshape { 1 }:to "bf16") end, "two f32 tensors of equal count")
    assert.equal(-1, s.w:fill(2):blend(0.5, -2, T.ones { 1 }):item())
  end)
end)
