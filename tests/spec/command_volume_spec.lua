--- Looking at a large study takes no time to speak of. VEGA_LONG=1: 100,000 trials and the limits of a machine where nothing else runs (S11).
local core = require "vega.core"
local helper = require "spec.helper"

local is_long = os.getenv "VEGA_LONG" ~= nil
local TRIALS = is_long and 100000 or 3000

describe("a study of many trials", function()
  local path = helper.scratch "large.db"
  local code, _, err = helper.run(("%%s scripts/fill_store.lua --trials %d --store %s"):format(TRIALS, path))
  assert(code == 0, err)

  local function seconds(words)
    local best = math.huge
    for _ = 1, 3 do
      local begin = core.sys.clock()
      assert.equal(0, (helper.run(("%%s study %s --store %s"):format(words, path))))
      best = math.min(best, core.sys.clock() - begin)
    end
    return best
  end

  it("is listed, and its best found, at once", function()
    local limits = is_long and { list = 0.5, best = 0.2, ["best --k 100"] = 0.3, show = 0.6 } or { list = 2, best = 2 }
    for words, limit in pairs(limits) do
      local s = seconds(words)
      assert.is_true(s <= limit, ("study %s: %.3f s for %d trials"):format(words, s, TRIALS))
    end
  end)

  it("has the same best as all its trials have", function()
    local all = assert(core.json.decode((select(2, helper.run("%s study trials --format json --store " .. path))), { nonfinite = "tag" }))
    local best
    for _, t in ipairs(all) do if t.state == "COMPLETE" and (not best or t.values.loss < best.values.loss) then best = t end end
    local found = assert(core.json.decode((select(2, helper.run("%s study best --format json --store " .. path)))))[1]
    assert.equal(TRIALS, #all)
    assert.same({ best.trial, best.values.loss }, { found.trial, found.values.loss })
  end)
end)
