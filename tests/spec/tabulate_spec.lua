local helper = require "spec.helper"
local vega = require "vega"


local function tabulate(out, more)
  return helper.run(("%s scripts/tabulate.lua --images 300 --epochs 1 --seeds 1 --out %s %s"):format(helper.program(), out, more))
end

local function lines_of(path)
  local list = {}
  for line in helper.read(path):gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

describe("the table of fashion_macro", function()
  it("has three trainings of every network, with the counts of the network", function()
    local bench = assert(vega.table.fashion_macro())
    assert.equal(243, #bench.members)
    for _, member in ipairs(bench.members) do
      local values = bench:evaluate(member.arch)
      local counts = vega.cost.count(bench.space:network(member.arch, { 28, 28, 1 }, 10))
      assert.same({ counts.params, counts.macs }, { values.params, values.macs })
      assert.equal(bench.space.text(member.arch), bench.space.text(assert(bench.space.parse(bench.space.text(member.arch)))))
    end
    assert.same({ nil, "fashion_macro: five digits 0 to 2 expected, got '0123'", "EFORMAT" }, { bench.space.parse "0123" })
  end)
end)

describe("scripts/tabulate.lua", function()
  it("goes on after what is there, making a line that was cut short anew", function()
    local out = helper.scratch "t.csv"
    local code, said = tabulate(out, "--jobs 2 --limit 1")
    assert.equal(0, code)
    assert.matches("2 of 243 rows", said)
    local whole = lines_of(out)
    helper.write(out, table.concat(whole, "\n", 1, 2) .. "\n" .. whole[3]:sub(1, 12))
    assert.equal(0, (tabulate(out, "--jobs 1 --limit 1")))
    local again = lines_of(out)
    assert.equal(3, #again)
    for i = 1, 3 do assert.equal(whole[i]:match "^(.*),", again[i]:match "^(.*),") end          -- all but the seconds
  end)

  it("refuses a file of other columns and leaves it as it was", function()
    local out = helper.scratch "other.csv"
    helper.write(out, "a,b\n1,2\n")
    local code, _, err = tabulate(out, "")
    assert.equal(2, code)
    assert.matches("begins with 'a,b'", err, 1, true)
    assert.equal("a,b\n1,2\n", helper.read(out))
  end)
end)
