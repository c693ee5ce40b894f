--- Cells: their encodings and the form that is the same for isomorphic graphs; and the encodings of everything else.
-- VEGA_LONG=1 takes all micro-cells.
local core_rng = require("vega.core").rng
local space = require "vega.space"

local LONG = os.getenv "VEGA_LONG" ~= nil
local OPS = { "none", "skip", "c1", "c3", "pool" }
local function micro(identity, canonical) return space { e = space.edge_dag { nodes = 4, ops = OPS, identity = identity, canonical = canonical } } end

local function micro_arch(ops)                             -- in the order (1,2), (1,3), (2,3), (1,4), (2,4), (3,4)
  local arch, i = {}, 0
  for to = 2, 4 do
    for from = 1, to - 1 do
      i = i + 1
      arch[("e.edge_%d_%d"):format(from, to)] = ops[i]
    end
  end
  return arch
end

local function ones(x)
  local list = {}
  for i, v in ipairs(x) do if v ~= 0 then list[#list + 1] = i end end
  return list
end

local function distinct(s, form)
  local seen, n = {}, 0
  for i = 1, s.size do
    local key = s:hash(s:unrank(i), form)
    if not seen[key] then seen[key], n = true, n + 1 end
  end
  return n
end

describe("path encoding", function()
  it("of three cells drawn by hand", function()
    local s = micro()
    -- paths 1-4, 1-2-4, 1-3-4, 1-2-3-4; codes: first op counts 1, second 5, third 25; blocks begin at 0, 5, 30
    assert.same({ 4, 5 + 0 + 1, 30 + 0 + 1 }, ones(s:encode(micro_arch { "none", "none", "none", "c3", "none", "none" }, "path")))
    assert.same({ 2, 5 + 2 + 5 * 1 + 1, 5 + 4 + 5 * 3 + 1, 30 + 2 + 5 * 0 + 25 * 3 + 1 },
      ones(s:encode(micro_arch { "c1", "pool", "none", "skip", "skip", "c3" }, "path")))
    local v = space { g = space.vertex_dag { vertices = 7, ops = { "conv1", "conv3", "pool" } } }
    local arch = v:unrank(1)
    for name, value in pairs(arch) do if value == true then arch[name] = false end end
    arch["g.op_2"], arch["g.op_3"], arch["g.op_4"] = "conv3", "pool", "conv1"
    for _, edge in ipairs { "1_7", "1_2", "2_7", "2_3", "3_4", "4_7", "1_5" } do arch["g.edge_" .. edge] = true end
    assert.same({ 1, 1 + 1 + 1, 1 + 3 + 9 + (1 + 3 * 2 + 9 * 0) + 1 }, ones(v:encode(arch, "path")))
  end)

  it("has the known lengths", function()
    assert.equal(155, #micro():encode(micro():unrank(1), "path"))
    local v = space { g = space.vertex_dag { vertices = 7, ops = { "conv1", "conv3", "pool" } } }
    assert.equal(364, #v:encode(v:unrank(1), "path"))
    assert.equal(2 ^ 21 * 3 ^ 5 // 1, v.size)
    assert.equal(21 + 5 * 3, #v:encode(v:unrank(v.size), "adjacency"))
    local d = space { n = space.cell { nodes = 4, ops = { "a", "b", "c" } }, lr = space.float(0, 1) }
    assert.equal(2 * (3 + 9 + 27 + 81) + 1, #d:encode(d:random(core_rng.new(1, "darts")), "path"))
    assert.equal((2 + 3 + 4 + 5) * 4 + 1, #d:encode(d:random(core_rng.new(1, "darts")), "adjacency"))
  end)

  it("follows the edges of a cell with picked predecessors", function()
    local s = space { n = space.cell { nodes = 2, inputs = 2, ops = { "a", "b" } } }
    local arch = { ["n.node1.inputs"] = { 1, 2 }, ["n.node1.op1"] = "b", ["n.node1.op2"] = "a", ["n.node2.inputs"] = { 1, 3 }, ["n.node2.op1"] = "a",
      ["n.node2.op2"] = "b" }
    assert(s:check(arch))
    -- from input 1: b, a, b-b; from input 2: a, a-b; blocks of 2 + 4 bits
    assert.same({ 1, 2, 2 + 1 + 2 + 1, 6 + 1, 6 + 2 + 0 + 2 + 1 }, ones(s:encode(arch, "path")))
    assert.same({ 1, 3, 4, 5, 7, 8, 13, 15 }, ones(s:encode(arch, "adjacency")))
  end)
end)

describe("the graph form", function()
  it("makes 136 of 256 single-block cells", function()
    local s = space { b = space.cell { nodes = 1, inputs = 2, edges_per_node = 2, distinct = false, ops = { 1, 2, 3, 4, 5, 6, 7, 8 },
      canonical = "graph" } }
    assert.same({ 256, 136 }, { s.size, distinct(s) })
    local ordered = space { b = space.cell { nodes = 1, inputs = 2, edges_per_node = 2, distinct = false, ops = { 1, 2, 3, 4, 5, 6, 7, 8 },
      commutative = false } }
    assert.equal(256, distinct(ordered, "graph"))
  end)

  -- Edges that do something, the two inner nodes in the better of both orders: an exact canonical form for four nodes.
  local function exact(arch)
    local on, needed = { true }, { [4] = true }
    local function op(from, to) return arch[("e.edge_%d_%d"):format(from, to)] end
    for to = 2, 4 do for from = 1, to - 1 do if on[from] and op(from, to) ~= "none" then on[to] = true end end end
    for from = 3, 1, -1 do for to = from + 1, 4 do if needed[to] and op(from, to) ~= "none" then needed[from] = true end end end
    local forms = {}
    for _, order in ipairs { { 1, 2, 3, 4 }, { 1, 3, 2, 4 } } do
      local edges = {}
      for to = 2, 4 do
        for from = 1, to - 1 do
          if on[from] and on[to] and needed[from] and needed[to] and op(from, to) ~= "none" then
            edges[#edges + 1] = order[from] .. op(from, to) .. order[to]
          end
        end
      end
      table.sort(edges)
      forms[#forms + 1] = table.concat(edges, " ")
    end
    return forms[1] < forms[2] and forms[1] or forms[2]
  end

  it("is that of isomorphism on all micro-cells", function()
    local s, of_hash, of_form = micro(), {}, {}
    for i = 1, s.size, LONG and 1 or 4 do
      local arch = s:unrank(i)
      local hash, form = s:hash(arch, "graph"), exact(arch)
      assert.equal(of_hash[hash] or form, form)
      assert.equal(of_form[form] or hash, hash)
      of_hash[hash], of_form[form] = form, hash
    end
  end)

  it("joins through identity only what computes the same", function()
    local s, value_of, n = micro("skip", "graph"), {}, 0
    local apply = { skip = function(x) return x end, c1 = function(x) return math.sin(3 * x + 1) end,
      c3 = function(x) return 1.7 * math.cos(2 * x * x + 0.3) end,
      pool = function(x) return math.exp(-x) + 0.1 * x end }
    for i = 1, s.size, LONG and 1 or 4 do
      local arch, v = s:unrank(i), { 0.377 }
      for to = 2, 4 do
        for from = 1, to - 1 do
          local f = apply[arch[("e.edge_%d_%d"):format(from, to)]]
          if f and v[from] then v[to] = (v[to] or 0) + f(v[from]) end
        end
      end
      local hash, value = s:hash(arch), v[4] and ("%.9f"):format(v[4]) or "nothing"
      if not value_of[hash] then n = n + 1 end
      assert.equal(value_of[hash] or value, value)
      value_of[hash] = value
    end
    if LONG then assert.is_true(n == 5425, n) end        -- 4930 values are different; equal ones may still differ in whether weights are shared
  end)

  it("leaves the plain hash alone unless declared, and has no collisions there", function()
    local s = micro()
    assert.equal(15625, distinct(s))
    assert.is_true(s:canonical(s:unrank(7)):find("e.edge_1_2=s:", 1, true) ~= nil)
    assert.is_true(micro(nil, "graph"):canonical(s:unrank(7)):find("^e=g:%x+$") ~= nil)
  end)

  it("is known for the recorded space of NAS-Bench-201", function()
    local s = space "nb201"
    local arch = s.parse "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    local same = s.parse "|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert.same({ 15625, 155, 36 }, { s.size, #s:encode(arch, "path"), #s:encode(arch, "adjacency") })
    assert.is_true(s:hash(arch) ~= s:hash(same))
    assert.equal(s:hash(arch, "graph"), s:hash(same, "graph"))          -- the first edge leads nowhere
  end)
end)

describe("encoding", function()
  local function rich()
    return space { op = space.choice { conv = { k = space.choice { 1, 3, 5 } }, skip = {} }, perm = space.permutation { "a", "b", "c" },
      sub = space.subset({ 1, 2, 3, 4 }, { min = 1, max = 3 }),
      seq = space.sequence({ "x", "y" }, 3), log = space.int(1, 64, { log = true }), step = space.float(0, 1, { step = 0.125 }),
        ord = space.ordinal { 8, 4, 2 }, flag = space.bool(),
      depth = space.repeated(space.bool(), space.int(0, 2)), c = space.const "z" }
  end

  it("gives back what it was given, in both forms", function()
    local s, rng = rich(), core_rng.new(1, "encode")
    for i = 1, 2000 do
      local arch = i % 2 == 0 and s:random(rng) or s:unrank(rng:int(1, s.size))
      for _, form in ipairs { "unit", "onehot" } do
        local x, active = s:encode(arch, form)
        assert.same(arch, s:decode(x, form))
        for k, d in ipairs(s.decisions) do assert.equal(arch[d.name] ~= nil, active[k]) end
        for _, v in ipairs(x) do assert.is_true(v == -1 or v >= 0 and v <= 1) end
      end
    end
    local columns = s:columns "onehot"
    assert.equal(#s:encode(s:unrank(1), "onehot"), columns[#columns].last)
    assert.equal(#s.decisions, #s:columns())
  end)

  it("keeps continuous values to the last digits", function()
    local s, rng = space { x = space.float(-3, 5), l = space.float(1e-5, 10, { log = true }), n = space.normal(2, 3, { lo = -1, hi = 30 }),
      m = space.normal(0.01, 2, { log = true }) },
      core_rng.new(2, "floats")
    for _ = 1, 2000 do
      local arch = s:random(rng)
      local back = s:decode((s:encode(arch)))
      for name, v in pairs(arch) do assert.is_true(math.abs(back[name] - v) <= 1e-9 * math.max(1, math.abs(v)), name) end
    end
    assert(s:check(s:decode { 0, 0, 0, 0 }))
    assert(s:check(s:decode { 1, 1, 1, 1 }))
  end)

  it("has the quantiles of the normal distribution", function()
    local unit = space { n = space.normal(0, 1) }.by_name.n.domain
    local known = { { 0.5, 0 }, { 0.975, 1.959963984540054 }, { 0.0013498980316300946, -3 }, { 1e-10, -6.361340902404056 },
      { 0.8413447460685429, 1 } }
    for _, pair in ipairs(known) do
      assert.is_true(math.abs(unit:from_unit(pair[1]) - pair[2]) < 1e-9)
      assert.is_true(math.abs(unit:unit(pair[2]) - pair[1]) < 1e-12)
    end
    local far = space { n = space.normal(0, 1, { lo = 10, hi = 11 }) }.by_name.n.domain
    for _, u in ipairs { 0.01, 0.5, 0.99 } do assert.is_true(math.abs(far:unit(far:from_unit(u)) - u) < 1e-6) end
  end)

  it("takes any point, also for values without number", function()
    local s, rng = space { p = space.permutation { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25 },
      q = space.sequence({ "a", "b", "c" }, 50), r = space.subset((function() local t = {} for i = 1, 80 do t[i] = i end return t end)(),
        { min = 30, max = 40 }) }, core_rng.new(3, "huge")
    for _ = 1, 50 do
      local arch = s:random(rng)
      assert(s:check(arch))
      assert.same(arch, s:decode(s:encode(arch, "onehot"), "onehot"))
      local x = s:encode(arch)
      local near = assert(s:decode(x))
      for i, u in ipairs(s:encode(near)) do assert.is_true(math.abs(u - x[i]) < 1e-12) end
      assert(s:check(assert(s:decode { rng:uniform(), rng:uniform(), rng:uniform() })))
    end
    assert(s:check(s:decode { 0, 0, 0 }))
    assert(s:check(s:decode { 1, 1, 1 }))
  end)

  it("numbers choices from one in the index form, and marks what is inactive", function()
    local s = space { a = space.choice { x = { k = space.choice { "p", "q" } }, y = {} }, o = space.ordinal { 1, 2 } }
    assert.same({ 2, -1, 0.75 }, (s:encode({ a = "y", o = 2 }, "index")))
    assert.same({ 0, 1, 0, 0, 0.25 }, (s:encode({ a = "y", o = 1 }, "onehot")))
    assert.same({ 0.75, -1, 0.25 }, (s:encode { a = "y", o = 1 }))
    assert.error_matches(function() s:encode({ a = "y", o = 1 }, "one-hot") end, "unknown form 'one%-hot'; did you mean 'onehot'")
    assert.error_matches(function() s:decode({}, "index") end, "unknown form 'index'")
  end)

  it("snaps close values together", function()
    local s = space { x = space.float(0, 1), l = space.float(1, 100, { log = true }), k = space.int(1, 9) }
    local a, b, c = { x = 0.501, l = 10.1, k = 3 }, { x = 0.549, l = 11, k = 3 }, { x = 0.501, l = 10.1, k = 4 }
    assert.equal(s:hash(s:snap(a, 0.1)), s:hash(s:snap(b, 0.1)))
    for _, other in ipairs { s:snap(c, 0.1), s:snap(a, 0.01), a } do assert.is_true(s:hash(s:snap(b, 0.1)) ~= s:hash(other)) end
    assert(s:check(s:snap({ x = 1, l = 100, k = 1 }, 0.3)))
  end)

  it("draws encoded rows as it encodes draws", function()
    local s = space { a = space.choice { x = { k = space.float(1e-3, 1, { log = true }) }, y = {} }, i = space.int(1, 99, { log = true }),
      g = space.float(0, 1, { step = 0.1 }),
      n = space.normal(0, 1, { lo = -1 }), m = space.normal(1, 1, { log = true }), b = space.bool(), o = space.ordinal { 1, 2, 4 } }
    local rows, archs = s:sample(500, core_rng.new(4, "rows"), { encoded = true }), s:sample(500, core_rng.new(4, "rows"))
    for i, arch in ipairs(archs) do
      for k, u in ipairs((s:encode(arch))) do assert.is_true(math.abs(u - rows[i][k]) < 1e-12) end
    end
    local forbidden = space { a = space.int(1, 3), b = space.subset({ 1, 2, 3 }, 2) }:forbid { a = 2 }
    for _, row in ipairs(forbidden:sample(50, core_rng.new(5, "rows"), { encoded = true })) do assert.is_true(math.abs(row[1] - 0.5) > 0.1) end
  end)
end)
