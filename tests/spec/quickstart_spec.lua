local core = require "vega.core"
local crew = require "spec.crew_helper"
local helper = require "spec.helper"

--- A folder fashion-mnist of small sets under Fashion-MNIST's names: the class is the row of a bright bar.
local function data_folder()
  local root, rng = helper.scratch "data", core.rng.new(1, "images")
  assert(core.sys.make_dirs(root .. "/fashion-mnist"))
  for _, each in ipairs { { "train", 300 }, { "t10k", 40 } } do
    local part, n = table.unpack(each)
    local pixels, labels = {}, {}
    for i = 1, n do
      labels[i] = string.char(i % 10)
      for row = 0, 27 do
        local level = row // 2 == i % 10 + 2 and 200 or 20
        for _ = 1, 28 do pixels[#pixels + 1] = string.char(level + rng:int(0, 40)) end
      end
    end
    helper.write(("%s/fashion-mnist/%s-images-idx3-ubyte"):format(root, part), string.pack(">I4I4I4I4", 0x803, n, 28, 28) .. table.concat(pixels))
    helper.write(("%s/fashion-mnist/%s-labels-idx1-ubyte"):format(root, part), string.pack(">I4I4", 0x801, n) .. table.concat(labels))
  end
  return root
end

describe("examples/quickstart.lua", function()
  it("searches, reports, retrains, and continues a longer search from its store", function()
    local run = ("VEGA_DATA=%s OMP_NUM_THREADS=1 %%s examples/quickstart.lua --store %s --report %s "):format(data_folder(), helper.scratch "study.db",
      helper.scratch "new" .. "/report.html")
    local code, out, err = helper.run(run .. "--trials 3 --retrain --epochs 2")
    assert.equal(0, code, err)
    assert.matches("^trial +accuracy +latency_ms\n", out)
    local page = helper.read(out:match "\nreport: (%S+)\n")
    assert.matches("^<!DOCTYPE html>", page)
    local trial, params = out:match "\nretraining trial (%d), (%d+) parameters, for 2 epochs\n"
    assert.is_true(tonumber(trial) <= 3 and tonumber(params) < 200000)
    assert.matches("\ntest accuracy [%d.]+ %% of 40 images\n$", out)
    assert.matches("epoch 2 of 2: loss", err)

    local again_code, again, again_err = helper.run(run .. "--trials 4")
    assert.equal(0, again_code, again_err)
    assert.falsy(again:find("retraining", 1, true))
  end)

  it("finds the same front with two workers, one of them killed in the middle, as without", function()
    local data, fronts = data_folder(), {}
    for workers = 0, 2, 2 do
      local url = helper.scratch "study.db"
      local pid, out = crew.start(("--workers %d --deterministic --parallel-window 4 --backoff 0.1"):format(workers),
        ("--trials 8 --cost macs --store %s --report %s/report.html"):format(url, helper.scratch "new"), "run examples/quickstart.lua", "VEGA_DATA=" .. data)
      if workers > 0 then
        crew.await(url, 12)                                          -- two trials have been told of
        assert.is_true(core.process.signal(crew.worker_pids(url)[1], "KILL"))
      end
      assert.equal(0, crew.wait(pid, 60), helper.read(out))
      fronts[workers] = helper.read(out):match "trial +accuracy.-\nreport"
      assert.equal(8, #crew.check_results(url).trials)
    end
    assert.matches("^trial +accuracy +macs\n", fronts[0])
    assert.equal(fronts[0], fronts[2])
  end)

  it("refuses an unknown option with 2", function()
    local code, out, err = helper.run "%s examples/quickstart.lua --retrian"
    assert.equal(2, code)
    assert.equal("", out)
    assert.matches("unknown option %-%-retrian; did you mean %-%-retrain%?", err)
  end)
end)
