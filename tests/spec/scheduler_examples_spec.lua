--- The pages of examples/schedulers run, save work and end near the best.
local here = debug.getinfo(1, "S").source:match("^@(.*)scheduler_examples_spec%.lua$")
local core = require "vega.core"
local helper = dofile(here .. "helper.lua")
local scheduler = require "vega.scheduler"

describe("examples/schedulers", function()
  it("has a page for each scheduler", function()
    local pages = {}
    for i, file in ipairs(core.sys.list "examples/schedulers") do pages[i] = file:match "^(.*)%.lua$" end
    assert.same(scheduler.names(), pages)
  end)

  for _, name in ipairs(scheduler.names()) do
    it("runs: " .. name, function()
      local code, out, err = helper.run(("%%s examples/schedulers/%s.lua"):format(name))
      assert.equal(0, code, err)
      if name == "pbt" then
        assert.is_true(tonumber(out:match "q (%S+)") > 1.15)
        assert.matches("to 100:", out)
      else
        local trained, all = out:match "(%d+) %a+ [%a ]+; all to the end would be (%d+)"
        assert.is_true(tonumber(trained) < tonumber(all) / 2, out)
        assert.matches("best: trial %d+", out)
      end
    end)
  end
end)

describe("examples/multi_fidelity.lua", function()
  it("trains, pauses and resumes real networks", function()
    if not pcall(function() return assert(require("vega.data") "fashion-mnist") end) then
      pending "Fashion-MNIST is not installed"
      return
    end
    local code, out, err = helper.run "OMP_NUM_THREADS=1 %s examples/multi_fidelity.lua --epochs 6 --limit 100 --store mem:"
    assert.equal(0, code, err)
    assert.matches("on rungs 1, 3, 9: 4, 1, 0", out)
  end)
end)
