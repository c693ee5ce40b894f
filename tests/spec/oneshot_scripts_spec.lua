local helper = require "spec.helper"
local vega = require "vega"

-- The rows of a markdown table, by their first two cells.
local function rows_of(text)
  local rows = {}
  for row in text:gmatch "[^\n]+" do
    local cells = {}
    for cell in row:gmatch "| ([^|]*) " do cells[#cells + 1] = cell end
    if cells[1] then rows[cells[1]] = cells end
    if cells[2] then rows[cells[2]] = cells end
  end
  return rows
end

describe("scripts/oneshot_regret.lua", function()
  it("measures methods on the table, keeps what was trained, and knows random search exactly", function()
    local out = helper.scratch "regret"
    local line = ("%s scripts/oneshot_regret.lua --seeds 1 --images 1000 --passes 3 --scored 100 --finalists 2 --out %s"):format(helper.program(), out)
    local code, said, err = helper.run(line)
    assert.equal(0, code, err)
    local rows = rows_of(said)
    for _, method in ipairs { "spos", "fairnas", "cars" } do
      local regret = tonumber(rows[method][3])
      assert.is_true(regret >= 0 and regret < 90, said)
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

describe("scripts/oneshot_table.lua", function()
  it("looks up what presets find, both read-outs and random search, and searches nothing twice", function()
    if not require "vega.table.shared" "cifar10-jpeg75/train20k.cjpk" then return pending "no shared data" end
    local out = helper.scratch "oneshot_table"
    local line = ("%s scripts/oneshot_table.lua --presets darts,gdas,la_darts,p_darts,random --seeds 1 --images 40 --validation 40 --epochs 3 "
      .. "--channels 4 --out %s --page %s/page.md"):format(helper.program(), out, out)
    local code, said, err = helper.run(line)
    assert.equal(0, code, err)
    assert.equal(said, helper.read(out .. "/page.md"))
    local searches, readouts = rows_of(said:match "^(.-)\nThe read%-outs"), rows_of(said:match "\nThe read%-outs.*")
    for _, preset in ipairs { "darts", "gdas", "la_darts", "p_darts", "random" } do
      local row = searches[preset]
      assert.is_true(tonumber(row[3]) >= 9 and tonumber(row[3]) < 94.4, said)
      assert.is_true(tonumber(row[4]) >= 1 and tonumber(row[4]) <= 15625, said)
      assert.is_true(math.abs(tonumber(row[5]) + tonumber(row[3]) - 94.37) < 0.011, said)
      if preset ~= "random" then assert.is_true(tonumber(row[7]) <= 6 and tonumber(row[11]) <= 1, said) end
    end
    assert.same({ "93.76", "167" }, { searches["most parameters"][3], searches["most parameters"][4] })     -- of the published table
    assert.equal("87.06", searches["a random cell, exact mean"][3])
    assert.is_nil(readouts.gdas)                                      -- no mixture, nothing to take out
    for _, preset in ipairs { "darts", "la_darts", "p_darts" } do assert.is_true(tonumber(readouts[preset][5]) < 94.4, said) end
    assert.matches("Of 3 supernets", said)
    local _, again, errors = helper.run(line)
    assert.equal(said, again)
    assert.equal("", errors)                                          -- no job ran
    local refused, _, why = helper.run(("%s scripts/oneshot_table.lua --presets dart --out %s"):format(helper.program(), out))
    assert.equal(2, refused)
    assert.matches("unknown preset 'dart'; did you mean 'darts'", why)
  end)
end)

describe("scripts/rank_quality.lua", function()
  it("puts supernets beside the trivial predictors", function()
    if not require "vega.table.shared" "cifar10-jpeg75/train20k.cjpk" then return pending "no shared data" end
    local code, said, err = helper.run(("%s scripts/rank_quality.lua --seeds 1 --networks 12 --images 200 --passes 5 --validation 50 --out %s")
      :format(helper.program(), helper.scratch "rank"))
    assert.equal(0, code, err)
    local rows = rows_of(said)
    for _, predictor in ipairs { "params", "macs", "naswot", "zen", "supernet, uniform", "supernet, strict_fair", "supernet, cars" } do
      local tau = tonumber(rows[predictor][3])
      assert.is_true(tau >= -1 and tau <= 1, said)
    end
    assert.is_true(tonumber(rows.macs[3]) > 0.3, said)                -- a property of the published table
  end)
end)
