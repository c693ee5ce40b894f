local core_rng = require("vega.core").rng
local space = require "vega.space"
local util = require "vega.util"

local OPS = { "none", "skip", "conv1x1", "conv3x3", "avgpool3x3" }
local function nested()
  return space.define { name = "nested", choices = {
    block = space.choice { conv = { k = space.choice { 1, 3, 5 } }, mb = { k = space.choice { 3, 5, 7 }, se = space.bool() }, skip = {} },
    pick = space.subset({ "a", "b", "c", "d" }, 2), flag = space.bool(), width = space.int(16, 32, { step = 8 }) } }
end

describe("space", function()
  it("counts exactly", function()
    local cells = space.define { name = "cells", choices = function(s) for i = 1, 6 do s:choice("e" .. i, OPS) end end }
    assert.equal(15625, cells.size)
    assert.equal((3 + 6 + 1) * 6 * 2 * 3, nested().size)
    local big = space.define { name = "big", choices = function(s) for i = 1, 96 do s:choice("e" .. i, { 1, 2, 3, 4, 5, 6 }) end end }
    assert.is_nil(big.size)
    assert.is_true(math.abs(big.bits - 96 * math.log(6, 2)) < 1e-6)
  end)

  it("ranks and unranks every member, and hashes them apart", function()
    local s, seen = nested(), {}
    for i = 1, s.size do
      local arch = s:unrank(i)
      assert.equal(i, s:rank(arch))
      assert.same(arch, (s:finish(arch)))
      local hash = s:hash(arch)
      assert.is_nil(seen[hash])
      seen[hash] = true
    end
  end)

  it("has the known FNV-1a answers", function()
    assert.equal("cbf29ce484222325", ("%016x"):format(util.fnv("")))
    assert.equal("af63dc4c8601ec8c", ("%016x"):format(util.fnv("a")))
    assert.equal("c694012e8685c338", ("%016x"):format(util.fnv("conv3x3|skip")))
  end)

  it("draws, mutates and crosses inside the space", function()
    local s, rng = nested(), core_rng.new(5, "test", 1)
    for _ = 1, 300 do
      local a, b = s:random(rng), s:random(rng)
      local m, changed = s:mutate(a, rng)
      assert.equal(1, #changed)
      assert.not_equal(s:hash(a), s:hash(m))
      for _, arch in ipairs { a, m, s:crossover(a, b, rng), (s:mutate(a, rng, { rate = 0.5 })) } do assert(s:check(arch)) end
      assert.equal(s:hash(a), s:hash(s:crossover(a, a, rng)))
    end
  end)

  it("names what is wrong with a configuration", function()
    local s = nested()
    local arch = s:unrank(1)
    arch.widht = 3
    assert.error_matches(function() s:finish(arch) end, "unknown label 'widht'; did you mean 'width'")
    arch.widht, arch.width = nil, 17
    assert.error_matches(function() s:finish(arch) end, "'width' is 17, expected int %[16, 32%] step 8")
    arch.width = nil
    assert.error_matches(function() s:finish(arch) end, "'width' is missing")
  end)

  it("keeps its clauses in every producer", function()
    local s = space.define { name = "c", choices = { a = space.choice { 1, 2, 3 }, b = space.choice { 1, 2, 3 } }, forbid = { { a = 1, b = 1 } },
      require = function(arch) return arch.a + arch.b < 6 end }
    local rng = core_rng.new(1, "test", 2)
    for _ = 1, 200 do
      local a = s:random(rng)
      for _, arch in ipairs { a, s:mutate(a, rng), (s:crossover(a, s:random(rng), rng)) } do assert(s:check(arch)) end
      for _, near in ipairs(s:neighbours(a)) do assert(s:check(near)) end
    end
    local none = space.define { name = "none", choices = { a = space.bool() }, require = function() return false end }
    assert.error_matches(function() none:random(rng) end, "is empty: of 1000 draws 1000 break clause")
  end)

  it("keeps number types and floats in their bounds", function()
    local s = space.define { name = "n", choices = { i = space.int(1, 100, { log = true }), x = space.float(1e-4, 1, { log = true }),
      q = space.float(0, 1, { step = 0.25 }) } }
    local arch = s:finish { i = 3.0, x = 1, q = 0.5 }
    assert.same({ "integer", "float" }, { math.type(arch.i), math.type(arch.x) })
    local rng = core_rng.new(2, "test", 3)
    for _ = 1, 500 do assert(s:check(s:mutate(s:crossover(s:random(rng), s:random(rng), rng), rng))) end
    assert.is_nil(s.size)
    assert.is_false(s.finite)
  end)

  it("decodes what it encodes, and takes any point of the cube", function()
    local s = nested()
    for i = 1, s.size do
      local arch = s:unrank(i)
      assert.same(arch, s:decode((s:encode(arch))))
    end
    local rng, x = core_rng.new(6, "test", 4), {}
    for _ = 1, 200 do
      for i = 1, #s.decisions do x[i] = rng:uniform(-0.1, 1.1) end
      assert(s:check(assert(s:decode(x))))
    end
    for _, d in ipairs(s.decisions) do assert.is_string(d.domain.kind) end
    local gone, message = s:decode {}
    assert.is_nil(gone)
    assert.matches("'block' %(number 1%) is nil", message)
  end)

  it("records a build function and answers it from an architecture", function()
    local function build(net)
      local y = net:input()
      for i = 1, net:depth("depth", { 1, 2, 3 }) do
        y = net:conv(y, net:width("width_" .. i, { 8, 16 }), net:kernel("kernel_" .. i, { 3, 5 }))
        y = net:choice("act_" .. i, { "relu", "swish" }) == "relu" and net:relu(y) or y
      end
      return y
    end
    local s = space.define { name = "net", build = build }
    assert.equal(3 * 8 ^ 3, s.size)
    local log = {}
    local net = { input = function() return "in" end, relu = function(_, y) return y end,
      conv = function(_, y, w, k) log[#log + 1] = { w, k } return y .. "c" end }
    local arch = s:unrank(1)
    arch.depth, arch.width_2 = 2, 16
    assert.equal("incc", s:construct(net, arch))
    assert.same({ { 8, 3 }, { 16, 3 } }, log)
  end)
end)
