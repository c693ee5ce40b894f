--- Every file of examples/ is run by a test: those here, and those that have a spec of their own.
local core = require "vega.core"
local helper = require "spec.helper"

-- Another spec runs it.
local ELSEWHERE = { cost_models = "cost_scripts", multi_fidelity = "scheduler_examples", own_table = "study_tables", pretrained = "pretrained", quickstart = "quickstart",
  spaces = "space_language", train_resnet = "train_resnet" }
local FOLDERS = { schedulers = "scheduler_examples", strategies = "examples_strategies", zoo = "zoo" }

local function has_data() return require("vega.data").find "fashion-mnist" ~= nil end

--- Runs an example on one thread; returns what it printed.
local function run(line)
  local code, out, err = helper.run("OMP_NUM_THREADS=1 %s examples/" .. line)
  assert.equal(0, code, err)
  return out
end

local HERE = {}

function HERE.cars()
  local line = ("cars.lua --images 256 --epochs 3 --warmup 1 --interval 1 --population 4 --checkpoint %s --report %s"):format(
    helper.scratch "cars.ckpt.safetensors", helper.scratch "cars.html")
  local out = run(line)
  assert.matches("^accuracy +params +macs\n", out)
  assert.matches("after epoch 2: %d of 4 children survive.*after epoch 3: ", out)
  assert.matches("to train from scratch: %d+ parameters, Genotype%(normal=", out)
  assert.matches("<svg", helper.read(out:match "report: (%S+)"))
  assert.equal(out, run(line))                                                 -- from the checkpoint: nothing is left to train
end

function HERE.custom_strategy()
  local out = run "custom_strategy.lua --trials 6 --images 128"
  assert.matches("^trial %d: accuracy 0%.%d+\n$", out)
  assert.equal(out, run "custom_strategy.lua --trials 6 --images 128")           -- the same seed, the same climb
end

function HERE.darts()
  for _, preset in ipairs { "darts", "pc_darts" } do
    local out = run("darts.lua --images 128 --epochs 2 --retrain 1 --preset " .. preset)
    assert.matches("epoch 2: loss %d%.%d+, mixture", out)
    assert(require("vega.genotype").parse(out:match "(Genotype[^\n]*)\n"))
    assert.matches("the cell trained alone for 1 epochs: %d+%.%d %%, %d+ parameters\n$", out)
  end
  assert.matches("mean of 1 random cells: %d+%.%d %%\n$", run "darts.lua --images 64 --epochs 1 --retrain 1 --random 1")
end

function HERE.data_parallel()
  local out = run "data_parallel.lua --images 1920 --epochs 1"
  local loss = out:match "^undisturbed:\nepoch 1  loss (%d%.%d+)  test accuracy %d+%.%d %%\n"
  assert.is_truthy(loss, out)
  assert.matches("rank 1 dies before step 26:\ncomm.gang: rank 1 was ended by signal 9; its gang of 2 was ended\nepoch 1  loss " .. loss, out)
end

function HERE.densenas()
  local line = ("densenas.lua --images 160 --epochs 2 --warmup 1 --retrain 1 --checkpoint %s"):format(helper.scratch "densenas.safetensors")
  local out = run(line)
  assert.matches("epoch  2: loss %d%.%d+, expected cost %d+%.?%d* kmacs, derived network %d+%.?%d*, mixture", out)
  assert(require("vega.densenas").read(out:match "(%[%[8, [^\n]*)\n"))
  assert.matches("derived trained alone: %d+%.%d %%, %d+ multiply%-adds, %d+ parameters\nrandom trained alone:", out)
  assert.equal(out:match "derived trained[^\n]*", run(line):match "derived trained[^\n]*")       -- from the checkpoint: nothing is left to search
end

function HERE.device()
  local listener <close> = assert(core.net.listen("127.0.0.1", 0))              -- a port that is free
  local port = listener:port()
  listener:close()
  local out = run("device.lua --trials 8 --limit-ms 100.0 --port " .. port)
  assert.matches("^listening on 127%.0%.0%.1:" .. port .. "\n", out)
  assert.matches("1 threads, oneDNN", out)
  assert.matches("\n8 networks measured, half of them with a spread", out)
end

function HERE.engine_tour()
  local out = run "engine_tour.lua"
  local losses, accuracy = {}, nil
  for loss, percent in out:gmatch "mean loss (%S+), test accuracy (%S+) %%" do losses[#losses + 1], accuracy = tonumber(loss), tonumber(percent) end
  assert.equal(3, #losses)
  assert.is_true(losses[1] > losses[2] and losses[2] > losses[3])
  assert.is_true(accuracy > 70, out)
end

function HERE.fairnas()
  local line = ("fairnas.lua --images 128 --passes 6 --trials 12 --population 6 --alone 3 --epochs 1 --report %s"):format(helper.scratch "fairnas.html")
  local out = run(line)
  assert.matches("report: ", out)
  for _, name in ipairs { "shared weights", "macs", "params" } do
    local tau = tonumber(out:match(name .. " +Kendall's tau with 3 networks trained alone: +(%S+)"))
    assert.is_true(tau == nil or math.abs(tau) <= 1, out)
  end
  assert.equal(3, select(2, out:gsub("multiply%-adds: shared", "")))
end

function HERE.own_oneshot_method()
  local out = run "own_oneshot_method.lua --images 128 --epochs 2 --channels 4"
  assert.matches("epoch 2: mixture %d+%.%d %%, entropy %d%.%d+", out)
  assert(require("vega.space")("nb201").parse(out:match "(|[^\n]*)\n"))
end

function HERE.pc_darts()
  local out, n = run "pc_darts.lua --images 128 --epochs 2 --retrain 1", 0
  for percent in out:gmatch "[%a_ ,]+ (%d+%.%d) %% alone, +%d+ parameters  Genotype" do
    assert.is_true(tonumber(percent) >= 0)
    n = n + 1
  end
  assert.equal(5, n)                                                           -- two read-outs of two supernets, and one at random
end

function HERE.proxies()
  local out = run "proxies.lua --trials 12 --networks 3 --images 200"
  assert.matches("naswot", out)
  local n = 0
  for name, tau in out:gmatch "(%l+) +Kendall's tau with the accuracy of 3 trained networks +(%S+)" do
    assert.is_table(require("vega.proxy")[name])
    assert.is_true(math.abs(tonumber(tau)) <= 1 or tau:find "nan" ~= nil, out)
    n = n + 1
  end
  assert.equal(#require("vega.proxy").names(), n)
end

function HERE.supernet_workers()
  local weights = helper.scratch "weights.safetensors"
  local line = "%%s run examples/supernet_workers.lua %s --deterministic -- --trials 16 --batch 4 --images 256 --store %s --weights " .. weights
  local fronts = {}
  for workers = 0, 2, 2 do
    local code, out, err = helper.run(line:format("--workers " .. workers, helper.scratch "study.db"))
    assert.equal(0, code, err)
    assert.matches("^trial +accuracy +macs\n", out)
    fronts[workers] = out
  end
  assert.equal(fronts[0], fronts[2])                                           -- batches of 4 by two workers, or one by one
end

function HERE.supernet()
  local out = run "supernet.lua --images 512 --epochs 3 --candidates 4"
  local plain, other = out:match "'layer1' trained (%d+) times as plain, (%d+) as k5_e4"
  assert.equal("24", plain)                                                    -- 8 steps an epoch, each option once a step
  assert.equal(plain, other)
  assert.is_true(tonumber(out:match "shared weights: (%S+) %%") > 10, out)
end

describe("examples", function()
  for _, name in ipairs(require("vega.util").sorted_keys(HERE)) do
    it(name .. ".lua", function()
      if not has_data() then return pending "no Fashion-MNIST" end
      HERE[name]()
    end)
  end

  it("are all run by a test", function()
    for _, entry in ipairs(assert(core.sys.list "examples")) do
      local name = entry:match "^(.*)%.lua$"
      local spec = name and ELSEWHERE[name] or FOLDERS[entry]
      assert.is_true(HERE[name] ~= nil or spec ~= nil, entry .. " is not run by any spec; add it here")
      if spec then
        local text = helper.read(("tests/spec/%s_spec.lua"):format(spec))
        assert.truthy(text:find(name and "examples/" .. entry or entry, 1, true), spec .. "_spec does not run " .. entry)
      end
    end
  end)

  it("begin with what they show and how they are run, in at most 150 columns", function()
    for _, entry in ipairs(assert(core.sys.list "examples")) do
      if entry:find "%.lua$" then
        local text = helper.read("examples/" .. entry)
        assert.matches("^%-%-%- %u", text, entry)
        for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 150, entry .. ": " .. line) end
      end
    end
  end)
end)
