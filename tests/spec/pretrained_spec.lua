local helper = require "spec.helper"
local vega = require "vega"

local DATA = (os.getenv "VEGA_SHARED" or "../shared") .. "/data/"
local WEIGHTS, IMAGES = DATA .. "reference-models/resnet20_cifar10.json", DATA .. "cifar10-jpeg75/test10k.cjpk"

local function exists(path)
  local file = io.open(path, "rb")
  return file and file:close()
end

--- Runs the example in this process; returns its network and the line it printed.
local function example(...)
  local words, said, real = arg, {}, print
  _G.arg, _G.print = { [0] = "examples/pretrained.lua", ... }, function(text) said[#said + 1] = text end
  local ok, model = pcall(dofile, "examples/pretrained.lua")
  _G.arg, _G.print = words, real
  assert(ok, model)
  return model, said[1]
end

describe("examples/pretrained.lua", function()
  local check = exists(WEIGHTS) and exists(IMAGES) and it or pending

  check("gives the accuracy and the logits that the weights had where they were trained", function()
    local model, line = example("--weights", WEIGHTS, "--images", IMAGES)
    local accuracy, n = line:match "^accuracy ([%d.]+) %% of (%d+) images$"
    assert.equal("10000", n)
    assert.is_true(math.abs(tonumber(accuracy) - 81.03) <= 0.1, line)

    local expected = assert(vega.json.decode(helper.read(DATA .. "reference-models/resnet20_expected_logits.json"))).logits
    local rows = assert(vega.data.decode(helper.read(DATA .. "cifar10-lossless-1k/cifar10_batch_0.png"))):rows(1, #expected)
    local set = vega.data.from_tensors("lossless", rows:reshape { -1, 32, 32, 3 }, vega.tensor.zeros({ #expected }, { dtype = "i32" }), 10)
    local loader <close> = set:loader { batch = #expected, mean = { 0.485, 0.456, 0.406 }, std = { 0.229, 0.224, 0.225 } }
    local logits = model:run((loader:next())):totable()
    for i, row in ipairs(expected) do
      for k, want in ipairs(row) do assert.is_true(math.abs(logits[i][k] - want) < 1e-3, ("image %d, class %d"):format(i, k)) end
    end
  end)

  check("says which tensor a network of another depth lacks", function()
    assert.error_matches(function() example("--network", "resnet32_cifar", "--weights", WEIGHTS, "--images", IMAGES, "--limit", "1") end, "no weights for layer")
  end)
end)

describe("vega.data.decode", function()
  it("refuses what is no picture, with the name", function()
    assert.same({ nil, "cat.png: neither PNG nor JPEG", "EFORMAT" }, { vega.data.decode("GIF89a", "cat.png") })
  end)
end)

describe("vega.arguments", function()
  local DEFAULTS = { trials = 48, rate = 0.5, store = "", retrain = false }

  local function refused(...)
    local ok, message = pcall(vega.arguments, DEFAULTS, { ... })
    assert.is_false(ok)
    assert.equal(2, message.exit_code)
    return message.message
  end

  it("reads numbers, texts and switches", function()
    assert.same({ trials = 3, rate = 2, store = "mem:", retrain = true }, vega.arguments(DEFAULTS, { "--rate", "2", "--trials", "3", "--retrain", "--store", "mem:" }))
    assert.same(DEFAULTS, vega.arguments(DEFAULTS, {}))
    assert.same({ batch_size = 8 }, vega.arguments({ batch_size = 4 }, { "--batch-size", "8" }))
  end)

  it("refuses what it does not know, with the nearest option", function()
    assert.matches("unknown option %-%-trails; did you mean %-%-trials%?\nusage: .*%[%-%-rate 0.5%] %[%-%-retrain%] %[%-%-store TEXT%]", refused("--trails", "3"))
    assert.matches("unknown option 7", refused "7")
    assert.matches("option %-%-trials wants a value", refused "--trials")
    assert.matches("option %-%-trials wants a whole number, got '2.5'", refused("--trials", "2.5"))
    assert.matches("option %-%-rate wants a number, got 'fast'", refused("--rate", "fast"))
  end)

  it("ends a script with 2", function()
    local code, out, err = helper.script("require 'vega'.arguments { x = 1 } print 'never'", "--y 2")
    assert.equal(2, code)
    assert.equal("", out)
    assert.matches("^vega%-lua: script.lua: unknown option %-%-y", (err:gsub("%d+_script", "script")))
  end)
end)
