--- The example and the scripts of cost models, as a user runs them.
local helper = require "spec.helper"
local lut = require "vega.cost.lut"
local shared = require "vega.table.shared"

local PREFIX = "OMP_NUM_THREADS=1 %s "

describe("examples/cost_models.lua", function()
  it("counts, measures, and keeps a limit", function()
    local code, out, err = helper.run(PREFIX .. "examples/cost_models.lua --seconds 0.002 --trials 8 --networks 3")
    assert.equal(0, code, err)
    assert.matches("MobileNetV2: 3504872 parameters, 300774272 multiply%-adds; fvcore prints 314193216, thop 327550720\n", out)
    assert.matches("41 entries, .*: %d of 3 whole networks within 10 %%\n", out)
    local limit, table_ms = out:match "limit ([%d.]+) ms: %d+ parameters, ([%d.]+) ms by the table"
    assert.is_true(tonumber(table_ms) <= tonumber(limit) + 1e-3, out)
  end)
end)

describe("scripts/measure_table.lua", function()
  it("writes a table of this CPU and says how far it is to be trusted", function()
    local path = helper.scratch "t.json"
    local line = PREFIX .. "scripts/measure_table.lua --space fashion_macro --seconds 0.002 --networks 3 --patience 60 --busy --out " .. path
    local code, out, err = helper.run(line)
    assert.equal(0, code, err)
    assert.matches("two sessions: Kendall's tau [%d.]+, median ratio [%d.]+", out)
    assert.matches("sum of the operators over the whole network: [%d.]+; correction t = [%d.]+ sum %+ [%d.]+ ms", out)
    assert.matches("%d of 3 networks within 10 %%", out)
    local t = assert(lut.read(path, { space = require "vega.space" "fashion_macro", device = lut.device(), dtype = "f32", threads = 1 }))
    assert.equal("hot", t.protocol.buffers)
    code, out, err = helper.run(PREFIX .. "scripts/measure_table.lua --dtype int8 --busy")
    assert.equal(2, code)
    assert.equal("", out)
    assert.matches("no 8%-bit kernels", err)
    local two = helper.scratch "two.json"
    code, out, err = helper.run(PREFIX .. "scripts/measure_table.lua --space fashion_macro --dtype bf16 --seconds 0.001 " ..
      "--sessions 1 --networks 2 --patience 60 --busy --out " .. two)
    assert.equal(0, code, err)
    assert.matches("bf16, 1 thread", out)
    assert.equal("bf16", assert(lut.read(two)).dtype)
  end)

  it("leaves a machine alone that another job is measuring on, or that is busy", function()
    local measure = require "vega.cost.measure"
    local lock = helper.scratch "lock"
    local release = assert(measure.quiet { load = math.huge, lock = lock })
    local none, why, code = measure.quiet { load = math.huge, lock = lock }
    assert.same({ nil, "EBUSY" }, { none, code })
    assert.matches("is measuring", why)
    measure.quiet { busy = true, lock = lock } ()                            -- neither asks for the lock nor gives it back
    assert.equal("EBUSY", select(3, measure.quiet { load = math.huge, lock = lock }))
    release()
    assert.is_function(measure.quiet { load = math.huge, lock = lock })
    helper.write(lock, "999999999\n")                                     -- of a process that is gone
    assert.is_function(measure.quiet { load = math.huge, lock = lock })
    local loadavg = tonumber(helper.read "/proc/loadavg":match "^%S+")
    if loadavg > 0 then assert.matches("would be noise", select(2, measure.quiet { load = 0, lock = lock })) end
  end)
end)

describe("scripts/latency_limit.lua", function()
  local LINE = PREFIX .. "scripts/latency_limit.lua --space fashion_macro --busy --networks 4 --rounds 1 "

  it("ends with networks that keep the limit by the table, and as measured", function()
    local code, out, err = helper.run(LINE .. "--seconds 0.002 --trials 12 --winners 3 --slack 3.0")     -- a test's machine is busy
    assert.equal(0, code, err)
    local limit, quota, n = tonumber(out:match "\nlimit ([%d.]+) ms"), tonumber(out:match "the quota is ([%d.]+) ms"), 0
    assert.is_true(quota <= limit)
    for macs, by_table, measured, ratio in out:gmatch "\n +%d+ +(%S+) +([%d.]+) +([%d.]+) +([%d.]+)" do
      assert.is_true(tonumber(macs) > 0 and tonumber(by_table) <= quota + 1e-4, out)
      assert.is_true(math.abs(tonumber(measured) / limit - tonumber(ratio)) < 0.01, out)
      n = n + 1
    end
    local kept, passed = out:match "\n(%d+) networks of at most 3 times the limit as measured, (%d+) passed over\n$"
    assert.equal(n, kept + passed)
    assert.equal("3", kept)
  end)

  it("passes over what takes longer than the limit allows", function()
    local code, out, err = helper.run(LINE .. "--seconds 0.002 --trials 6 --winners 3 --slack 0.01")
    assert.equal(0, code, err)
    assert.matches("  passed over\n", out)
    assert.matches("\n0 networks of at most 0.01 times the limit as measured, 6 passed over\n$", out)
  end)

  it("refuses a table of another space, and a limit that nothing keeps", function()
    local path = helper.scratch "other.json"
    assert(assert(lut.new { space = "nb201:0", device = lut.device(), entries = {} }):save(path))
    local code, out, err = helper.run(LINE .. "--table " .. path)
    assert.same({ 2, "" }, { code, out })
    assert.matches("other.json was measured for space 'nb201:0', not for 'fashion_macro:%x+'", err)
    code, out, err = helper.run(LINE .. "--seconds 0.001 --limit-ms 0.000001")
    assert.not_equal(0, code)
    assert.matches("no architecture of 'fashion_macro' was found within latency_ms <= ", err)
    assert.is_nil(out:find "as measured")
    code, out, err = helper.run(LINE .. "--objective speed")
    assert.same({ 2, "" }, { code, out })
    assert.matches("macs or accuracy expected, got 'speed'", err)
  end)
end)

describe("scripts/measure_device.lua", function()
  it("writes a profile that the roofline takes", function()
    local path = helper.scratch "device.lua"
    local code, _, err = helper.run(PREFIX .. "scripts/measure_device.lua --busy --out " .. path)
    assert.equal(0, code, err)
    local vega = require "vega"
    local profile = dofile(path)
    assert.is_true(profile.flops.f32 > 1e9 and profile.bandwidth > 1e8 and profile.overhead_s < 1e-3)
    local r = vega.cost.roofline.latency(vega.zoo "mobilenet_v2", profile)
    assert.is_true(r.ms > 0.5 and r.ms < 1000)
    assert.equal(lut.device(), r.device)
  end)
end)

describe("scripts/cell_latency.lua", function()
  it("learns cells from their times, and says how well it ranks others", function()
    local line = PREFIX .. "scripts/cell_latency.lua --busy --samples 40 --held 10 --cells 3 --channels 4 --side 8 --seconds 0.001 --kind ridge"
    local code, out, err = helper.run(line)
    assert.equal(0, code, err)
    assert.matches("^50 cells measured, %d blocks anew; the anchors' largest drift that was kept: [%d.]+ %%\n", out)
    local tau, off = out:match "\nridge: of 10 held%-out cells, Kendall's tau (%-?[%d.]+), mean relative error ([%d.]+) %%\n$"
    assert.is_true(math.abs(tonumber(tau)) <= 1 and tonumber(off) < 200, out)
    code, out, err = helper.run(PREFIX .. "scripts/cell_latency.lua --samples 3")
    assert.same({ 2, "" }, { code, out })
    assert.matches("%-%-samples 20 and %-%-held 2 at least", err)
  end)
end)

describe("scripts/predict_latency.lua", function()
  it("refuses parts, models and splits that there are not", function()
    for options, reason in pairs { ["--only transfr"] = "unknown word 'transfr'; did you mean 'transfer'", ["--models ridge"] = "unknown word 'ridge'",
      ["--seeds 0"] = "%-%-seeds must be 1 or more, got 0" } do
      local code, out, err = helper.run("%s scripts/predict_latency.lua " .. options)
      assert.same({ 2, "" }, { code, out })
      assert.matches(reason, err)
    end
  end)

  local check = shared "device-latency/help_nasbench201_latency_ms.csv.gz" and it or pending

  check("reaches what was measured before", function()
    local code, out, err = helper.run(PREFIX .. "scripts/predict_latency.lua --only ncnn")
    assert.equal(0, code, err)
    local below = tonumber(out:match "Below 10 %% with twelve columns: (%d+) of %d+ boards")
    assert.is_true(below >= 5, out)
    for board, seven, twelve, target in out:gmatch "\n| (Raspberry[^|]-) | [%d.]+ %% | ([%d.]+) %% | ([%d.]+) %% | ([%d.]+) %% |" do
      assert.is_true(tonumber(twelve) < tonumber(seven) and tonumber(twelve) < tonumber(target), board)
    end
  end)

  check("prunes as the compiled runtime of a Raspberry Pi does", function()
    local code, out, err = helper.run(PREFIX .. "scripts/predict_latency.lua --only cells --quick --seeds 1 --models none")
    assert.equal(0, code, err)
    local within = {}
    for prune, share in out:gmatch "| raspi4 | ridge, prune ([%w_]+) | ([%d.]+)" do within[prune] = tonumber(share) end
    assert.is_true(within.dead_ends > within.unreached and within.unreached > within.nothing, out)
    assert.is_true(within.dead_ends > 54.6, out)
  end)

  check("ranks networks by accuracy, and reaches the transformers' rows", function()
    local code, out, err = helper.run(PREFIX .. "scripts/predict_latency.lua --only accel,hat --seeds 1 --quick")
    assert.equal(0, code, err)
    local tau = tonumber(out:match "| accuracy, top%-1 | mlp | [%d.]+ | [%d.]+ | [%d.]+ | ([%d.]+)")
    assert.is_true(tau > 0.90, out)
    assert.is_true(tonumber(out:match "Xeon, WMT'14 En%-De | all | ([%d.]+)") > 84, out)
    assert.is_true(tonumber(out:match "Titan Xp, WMT'14 En%-Fr | all | ([%d.]+)") > 98, out)
  end)
end)
