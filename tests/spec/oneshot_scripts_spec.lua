local helper = require "spec.helper"
local vega = require "vega"

-- The rows of a markdown table, by their first two cells.
local function rows_of(text)
  local rows = {}
  for row in text:gmatch "[^\n]+" do
    local cells = {}
    for cell in row:gmatch "| ([^|]*) " do cells[#cells + 1] = cell end
    rows[cells[1]] = cells
    if cells[2] then rows[cells[2]] = cells end
  end
  return rows
end

describe("scripts/oneshot_regret.lua", function()
  it("measures methods on the table, keeps what was trained, and knows random search exactly", function()
    local out = helper.scratch "regret"
    local line = ("%s scripts/oneshot_regret.lua --seeds 1 --passes 3 --scored 100 --finalists 2 --out %s"):format(helper.program(), out)
    local code, said, err = helper.run(line)
    assert.equal(0, code, err)
    local rows = rows_of(said)
    for _, method in ipairs { "spos", "fairnas" } do
      local regret = tonumber(rows[method][3])
      assert.is_true(regret >= 0 and regret < 30, said)
    end
    -- Random search over the table itself, by simulation, as many trainings as the script says.
    local bench, rng, n = assert(vega.table.fashion_macro()), vega.rng.new(1, "random"), tonumber(rows["random search, exact mean"][4])
    local best, sum, runs = bench:best "test_accuracy", 0, 4000
    for _ = 1, runs do
      local drawn, top = {}, nil
      while #drawn < n do
        local i = rng:int(1, 243)
        if not drawn[i] then
          drawn[i], drawn[#drawn + 1] = true, i
          local values = bench:evaluate(bench.space:unrank(i))
          if not top or values.accuracy > top.accuracy then top = values end
        end
      end
      sum = sum + best - top.test_accuracy
    end
    assert.is_true(math.abs(100 * sum / runs - tonumber(rows["random search, exact mean"][3])) < 0.1)
    local _, again = helper.run(line)
    assert.equal(said, again)                                         -- nothing is trained twice: same files, same table
    local refused, _, why = helper.run(("%s scripts/oneshot_regret.lua --methods spoz --out %s"):format(helper.program(), out))
    assert.equal(2, refused)
    assert.matches("unknown method 'spoz'", why)
  end)
end)

describe("scripts/rank_quality.lua", function()
  it("puts supernets beside the trivial predictors", function()
    if not require "vega.table.shared" "cifar10-jpeg75/train20k.cjpk" then return pending "no shared data" end
    local code, said, err = helper.run(("%s scripts/rank_quality.lua --seeds 1 --networks 30 --images 300 --passes 5 --validation 100 --out %s")
      :format(helper.program(), helper.scratch "rank"))
    assert.equal(0, code, err)
    local rows = rows_of(said)
    for _, predictor in ipairs { "params", "macs", "supernet, uniform", "supernet, strict_fair" } do
      local tau = tonumber(rows[predictor][3])
      assert.is_true(tau >= -1 and tau <= 1, said)
    end
    assert.is_true(tonumber(rows.macs[3]) > 0.3, said)                -- a property of the published table
  end)
end)
