local core = require "vega.core"
local tensor, rng = core.tensor, core.rng

--- it(), or pending when this build lacks one of the operators.
local function it_with(ops, name, body)
  for op in ops:gmatch "%S+" do
    if not core.op[op] then return pending(name .. " (no operator " .. op .. ")") end
  end
  it(name, body)
end

describe("tensor", function()
  it("is made with a shape, a dtype and a value", function()
    local t = tensor.zeros({ 2, 3 }, { dtype = "i32" })
    assert.same({ 2, 3 }, t:shape())
    assert.equal("i32", t.dtype)
    assert.equal(6, #t)
    assert.equal(6, t:count())
    assert.same({ { 0, 0, 0 }, { 0, 0, 0 } }, t:totable())
    assert.same({ 1.0, 1.0 }, tensor.ones({ 2 }):totable())
    assert.same({ 7, 7 }, tensor.full({ 2 }, 7, { dtype = "u8" }):totable())
    assert.same({ 1.0, 1.5, 2.0 }, tensor.arange(1, 2, 0.5):totable())
  end)

  it("is made from nested tables, a flat list with a shape, or a number", function()
    assert.same({ { 1.0, 2.0 }, { 3.0, 4.0 } }, tensor.new({ { 1, 2 }, { 3, 4 } }):totable())
    local flat = tensor.new({ 1, 2, 3, 4, 5, 6 }, { 3, 2 }, { dtype = "i32" })
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, flat:totable())
    assert.equal(5.0, tensor.new(5):item())
    assert.same({}, tensor.new(5):shape())
    assert.same({ 0 }, tensor.new({}):shape())
  end)

  it("refuses tables that are not even", function()
    assert.error_matches(function() tensor.new { { 1, 2 }, { 3 } } end, "2 elements expected, got 1")
    assert.error_matches(function() tensor.new { { 1 }, 2 } end, "a table expected, got number")
    assert.error_matches(function() tensor.new { 1, "x" } end, "a number expected, got string")
    assert.error_matches(function() tensor.new({ 1, 2, 3 }, { 2, 2 }) end, "3 values for a shape of 4")
  end)

  it("names an unknown option and the nearest one", function()
    assert.error_matches(function() tensor.zeros({ 1 }, { dtyp = "f32" }) end, "unknown option 'dtyp', did you mean 'dtype'")
    assert.error_matches(function() tensor.zeros({ 1 }, { dtype = "f64" }) end, "f32, bf16, i32 or u8 expected, got 'f64'")
    assert.error_matches(function() tensor.zeros { -1 } end, "whole number >= 0")
    assert.error_matches(function() tensor.zeros { 1, 1, 1, 1, 1, 1, 1 } end, "at most 6 axes")
  end)

  it("reads and writes elements, counting from 1", function()
    local t = tensor.zeros { 2, 3 }
    t:set(2, 3, 5)
    assert.equal(5.0, t:get(2, 3))
    assert.equal(0.0, t:get(1, 3))
    assert.error_matches(function() t:get(3, 1) end, "position 1 must be from 1 to 2, got 3")
    assert.error_matches(function() t:get(1) end, "2 positions expected, got 1")
    assert.error_matches(function() t:item() end, "one element expected")
  end)

  it("shares memory in views and not in copies", function()
    local t = tensor.arange(1, 6)
    local view, copy = t:reshape { 2, -1 }, t:copy()
    view:set(2, 1, 40)
    assert.equal(40.0, t:get(4))
    assert.equal(4.0, copy:get(4))
    local rows = view:rows(2, 2)
    assert.same({ { 40.0, 5.0, 6.0 } }, rows:totable())
    rows:fill(0)
    assert.same({ 1.0, 2.0, 3.0, 0.0, 0.0, 0.0 }, t:totable())
    assert.error_matches(function() t:reshape { 4 } end, "does not fit")
    assert.error_matches(function() view:rows(2, 3) end, "outside 1 to 2")
  end)

  it("lets the gradient through views that a tape records", function()
    local tape <close> = core.tape.new()
    local w = tensor.arange(1, 6):param()
    local y = (w * 2):reshape { 3, -1 }
    tape:backward(core.op.sum(y:rows(2, 3) * y:rows(2, 3)))
    assert.same({ 0.0, 0.0, 24.0, 32.0, 40.0, 48.0 }, w.grad:totable())
    assert.same({ { 1.0, 2.0 } }, tape:no_grad(function() return w:reshape { 3, 2 }:rows(1, 1) end):totable())
  end)

  it("keeps a view alive when the tensor it came from is gone", function()
    local view = tensor.full({ 1000, 100 }, 3):rows(7)
    for _ = 1, 3 do collectgarbage() end
    assert.equal(3.0, view:get(1, 100))
  end)

  it("converts, bf16 to the nearest even", function()
    local t = tensor.new { 1.00390625, 1.01171875, -2.5 }  -- halves between neighbours of 8 bits
    assert.same({ 1.0, 1.015625, -2.5 }, t:to("bf16"):totable())
    assert.same({ 1, 1 }, tensor.new({ 1, 1 }):to("i32"):totable())
    assert.same({ 9.0, 9.0 }, tensor.zeros({ 2 }):assign(tensor.full({ 2 }, 9, { dtype = "u8" })):totable())
  end)

  it("draws the same numbers for the same stream", function()
    local a, b = tensor.randn({ 5, 7 }, rng.new(1, "w")), tensor.randn({ 5, 7 }, rng.new(1, "w"))
    assert.same(a:totable(), b:totable())
    local u = tensor.uniform({ 1000 }, rng.new(2), -1, 1):totable()
    for _, x in ipairs(u) do assert.truthy(x >= -1 and x < 1) end
  end)

  it("prints what it is, its range and its first values", function()
    local text = tostring(tensor.arange(1, 300):reshape { 20, 15 })
    assert.truthy(text:find("tensor f32 [20, 15], min 1, max 300, mean 150.5", 1, true))
    local _, lines = text:gsub("\n", "")
    assert.equal(11, lines)
    assert.truthy(tostring(tensor.new { 0 / 0, 1 }):find("1 not finite", 1, true))
    assert.truthy(tostring(tensor.zeros { 0, 3 }):find("[0, 3]", 1, true))
  end)

  it("frees its memory when it is closed or collected", function()
    collectgarbage()
    collectgarbage()
    local before = core.sys.memory()
    do
      local t <close> = tensor.zeros { 1024, 1024 }
      assert.truthy(core.sys.memory() >= before + 4 * 1024 * 1024 and t)
    end
    assert.equal(before, (core.sys.memory()))
  end)

  it("keeps the memory of dead tensors low without being asked", function()
    local before, most = core.sys.memory(), 0
    for _ = 1, 300 do
      tensor.zeros { 512, 512 }
      most = math.max(most, (core.sys.memory()) - before)
    end
    assert.truthy(most < 64 * 1024 * 1024, "live bytes reached " .. most)
  end)

  it("says that it is out of memory, and goes on", function()
    core.sys.memory_limit((core.sys.memory()) + 1024 * 1024)
    local t, message, code = tensor.zeros { 1024, 1024 }
    core.sys.memory_limit(0)
    assert.is_nil(t)
    assert.equal("string", type(message))
    assert.equal("ENOMEM", code)
    assert.truthy(tensor.zeros { 1024, 1024 })
  end)

  it("names an unknown member", function()
    assert.error_matches(function() return tensor.zeros({ 1 }).nonsense end, "no member 'nonsense'")
  end)
end)

describe("tensor arithmetic", function()
  it_with("add sub mul div", "works element by element and broadcasts", function()
    local a, b = tensor.new { { 1, 2 }, { 3, 4 } }, tensor.new { 10, 20 }
    assert.same({ { 11.0, 22.0 }, { 13.0, 24.0 } }, (a + b):totable())
    assert.same({ { -9.0, -18.0 }, { -7.0, -16.0 } }, (a - b):totable())
    assert.same({ { 10.0, 40.0 }, { 30.0, 80.0 } }, (a * b):totable())
    assert.same({ { 10.0, 10.0 }, { 10.0, 5.0 } }, (tensor.new { { 10, 20 }, { 30, 20 } } / a):totable())
    assert.error(function() return a + tensor.new { 1, 2, 3 } end)
  end)

  it_with("scale div", "takes numbers on either side", function()
    local a = tensor.new { 1, 2, 4 }
    assert.same({ 2.0, 3.0, 5.0 }, (a + 1):totable())
    assert.same({ 0.0, -1.0, -3.0 }, (1 - a):totable())
    assert.same({ 3.0, 6.0, 12.0 }, (3 * a):totable())
    assert.same({ 0.5, 1.0, 2.0 }, (a / 2):totable())
    assert.same({ 4.0, 2.0, 1.0 }, (4 / a):totable())
    assert.same({ -1.0, -2.0, -4.0 }, (-a):totable())
  end)

  it_with("sum mean", "reduces through methods", function()
    local a = tensor.new { { 1, 2 }, { 3, 4 } }
    assert.equal(10.0, a:sum():item())
    assert.equal(2.5, a:mean():item())
    assert.same({ 4.0, 6.0 }, a:sum({ axis = 1 }):reshape({ 2 }):totable())
  end)

  it_with("matmul", "multiplies matrices", function()
    local a, b = tensor.new { { 1, 2 }, { 3, 4 } }, tensor.new { { 0, 1 }, { 1, 0 } }
    assert.same({ { 2.0, 1.0 }, { 4.0, 3.0 } }, a:matmul(b):totable())
  end)

  it_with("mul sum", "is recorded on the tape", function()
    local tape = core.tape.new()
    local w = tensor.new({ 1, 2, 3 }):param()
    tape:backward((w * w):sum())
    assert.same({ 2.0, 4.0, 6.0 }, w.grad:totable())
    assert.is_nil(w:zero_grad().grad)
    tape:close()
  end)
end)
