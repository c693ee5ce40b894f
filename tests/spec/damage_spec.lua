--- Damaged text and stores: a value or nil and a message, whatever the bytes. Files of numbers and pictures: tests/c/test_fuzz.c.
local core = require "vega.core"
local helper = require "spec.helper"
local vega = require "vega"

--- The text with one to three accidents.
local function damage(rng, text)
  for _ = 1, rng:int(1, 3) do
    local at, kind = rng:int(1, math.max(1, #text)), rng:int(1, 5)
    if kind == 1 then text = text:sub(1, at - 1)
    elseif kind == 2 then text = text:sub(1, at - 1) .. text:sub(at + rng:int(1, 9))
    elseif kind == 3 then text = text:sub(1, at) .. text:sub(at - 8 > 0 and at - 8 or 1)
    else text = text:sub(1, at - 1) .. string.char(rng:int(0, 255)) .. text:sub(at + 1) end
  end
  return text
end

describe("JSON", function()
  it("is read or refused, whatever the text", function()
    local rng = core.rng.new(1, "json")
    local text = core.json.encode { a = { 1, -2.5e10, true, core.json.null, "gr\u{fc}n \"x\" \\ \n" }, b = { c = { d = core.json.array {} } }, n = math.mininteger }
    local read, refused = 0, 0
    for _ = 1, 5000 do
      local value, message, code = core.json.decode(damage(rng, text), { nonfinite = "tag" })
      if value == nil then
        assert.equal("EFORMAT", code)
        assert.matches("^json: ", message)
        refused = refused + 1
      else
        core.json.encode(value, { nonfinite = "tag" })
        read = read + 1
      end
    end
    assert.is_true(read > 50 and refused > 1000)
  end)

  it("refuses depth and length that would exhaust the stack", function()
    for _, deep in ipairs { ("["):rep(100000), ('{"a":'):rep(100000), ("["):rep(600) .. ("]"):rep(600) } do
      local value, message, code = core.json.decode(deep)
      assert.is_nil(value)
      assert.equal("EFORMAT", code, message)
    end
  end)
end)

describe("a store", function()
  local function study(path)
    return vega.study { space = vega.space.define { name = "s", choices = function(s) for i = 1, 3 do s:choice("e" .. i, { 1, 2, 3 }) end end },
      strategy = vega.strategy.random {}, evaluate = function(arch) return { acc = arch.e1 + arch.e2 * 0.1 } end, objectives = { acc = "max" },
      budget = { trials = 6 }, seed = 1, quiet = true, store = path }
  end

  local function outcome(path)
    local s = study(path)
    local front = assert(s:run())
    local list = {}
    for i, t in ipairs(s:trials()) do list[i] = ("%d %s %s"):format(t.id, t.hash, t.values.acc) end
    s:close()
    return table.concat(list, "\n"), front:best().id
  end

  it("gives its study or a message, whatever was done to the file", function()
    local path = helper.scratch "whole.db"
    local whole = outcome(path)
    local file = assert(io.open(path, "rb"))
    local bytes = file:read "a"
    file:close()
    local rng, damaged, same, refused = core.rng.new(2, "store"), helper.scratch "damaged.db", 0, 0
    for _ = 1, 150 do
      for _, tail in ipairs { "", "-wal", "-shm" } do os.remove(damaged .. tail) end
      local at = rng:int(1, #bytes)
      local n = rng:int(1, 4)
      file = assert(io.open(damaged, "wb"))
      if rng:int(1, 4) == 1 then file:write(bytes:sub(1, at))
      else
        file:write(bytes:sub(1, at - 1))
        for _ = 1, n do file:write(string.char(rng:int(0, 255))) end
        file:write(bytes:sub(at + n))
      end
      file:close()
      local ok, message = pcall(outcome, damaged)
      if not ok then
        refused = refused + 1
        assert.is_true(#tostring(message) > 20)
      elseif message == whole then same = same + 1 end
      collectgarbage()
    end
    assert.is_true(refused > 10 and same > 10, ("%d refused, %d the same"):format(refused, same))
  end)
end)
