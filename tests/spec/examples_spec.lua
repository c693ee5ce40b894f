--- Every file of examples/ is run by a test: those here, and those that have a spec of their own.
local core = require "vega.core"
local helper = require "spec.helper"

-- Another spec runs it.
local ELSEWHERE = { multi_fidelity = "scheduler_examples", own_table = "study_tables", pretrained = "pretrained", quickstart = "quickstart",
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
    assert.matches("trained alone for 1 epochs: %d+%.%d %%, %d+ parameters\n$", out)
  end
end

function HERE.engine_tour()
  local out = run "engine_tour.lua"
  local losses, accuracy = {}, nil
  for loss, percent in out:gmatch "mean loss (%S+), test accuracy (%S+) %%" do losses[#losses + 1], accuracy = tonumber(loss), tonumber(percent) end
  assert.equal(3, #losses)
  assert.is_true(losses[1] > losses[2] and losses[2] > losses[3])
  assert.is_true(accuracy > 70, out)
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
