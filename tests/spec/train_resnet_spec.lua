local core = require "vega.core"
local helper = require "spec.helper"

--- A record of CIFAR-10's binary files: a label and three planes; the class is the brightness of two of them.
local function record(label, rng)
  local bytes = { string.char(label) }
  for plane = 0, 2 do
    local level = plane == 0 and 40 + 40 * (label % 5) or plane == 1 and 60 + 120 * (label // 5) or 128
    for _ = 1, 1024 do bytes[#bytes + 1] = string.char(level + rng:int(0, 30)) end
  end
  return table.concat(bytes)
end

local function cifar_folder()
  local folder, rng = helper.scratch "cifar", core.rng.new(1, "images")
  assert(core.sys.make_dirs(folder))
  local function file(name, n)
    local records = {}
    for i = 1, n do records[i] = record(i % 10, rng) end
    helper.write(folder .. "/" .. name, table.concat(records))
  end
  for i = 1, 5 do file(("data_batch_%d.bin"):format(i), 20) end
  file("test_batch.bin", 40)
  return folder
end

local function train(options)
  return helper.run("OMP_NUM_THREADS=1 %s examples/train_resnet.lua " .. options)
end

--- The example, stopped after its third epoch as a power cut would.
local CUT = [[
  local train = require("vega").train
  local fit = train.fit
  function train.fit(o)
    local told = o.on_epoch
    o.on_epoch = function(e) told(e) if e.epoch == 3 then os.exit(9) end end
    return fit(o)
  end
  dofile "examples/train_resnet.lua"
]]

describe("examples/train_resnet.lua", function()
  it("trains on CIFAR-10's files, and goes on from a checkpoint to the same figures", function()
    local options = ("--data cifar10 --path %s --epochs 4 --batch 10 --rate 0.03 --precision f32 --checkpoint "):format(cifar_folder())
    local code, out, err = train(options .. helper.scratch "whole.safetensors")
    assert.equal(0, code, err)
    assert.matches("^resnet20_cifar: 269722 parameters; 100 training images, 40 test images of 32x32x3\n", out)
    assert.is_true(tonumber(out:match "\ntest accuracy ([%d.]+) %% after 4 epochs\n$") >= 30, out)

    options = options .. helper.scratch "cut.safetensors"
    assert.equal(9, (helper.run(("OMP_NUM_THREADS=1 %%s %s %s"):format(helper.write(helper.scratch "cut.lua", CUT), options))))
    local again_code, again = train(options .. " --resume")
    assert.equal(0, again_code)
    assert.falsy(again:find("epoch   3", 1, true))
    local function figures(text) return text:match "epoch   4  (loss .- %%)" end
    assert.truthy(figures(out))
    assert.equal(figures(out), figures(again))
  end)

  it("trains on the first images of Fashion-MNIST", function()
    if not require "vega".data "fashion-mnist" then return pending "the data set is not installed" end
    local code, out, err = train("--data fashion-mnist --limit 64 --batch 32 --epochs 1 --checkpoint " .. helper.scratch "net.safetensors")
    assert.equal(0, code, err)
    assert.matches("269434 parameters; 64 training images, 64 test images of 28x28x1\n", out)
  end)

  it("trains on folders of pictures", function()
    local file = io.open((os.getenv "VEGA_SHARED" or "../shared") .. "/data/cifar10-jpeg75/test10k.cjpk", "rb")
    if not file then return pending "the pictures are not there" end
    local bytes, root = file:read(200000), helper.scratch "pictures"
    file:close()
    local _, _, _, n, at = string.unpack("<I4I4I4I4", bytes, 9)
    local header = bytes:sub(at, at + n - 1)
    at = at + n
    for i = 1, 80 do
      local label, data
      label, data, at = string.unpack("<Bs2", bytes, at)
      local folder = ("%s/%s/%d"):format(root, i <= 40 and "train" or "test", label)
      assert(core.sys.make_dirs(folder))
      helper.write(("%s/%d.jpg"):format(folder, i), header .. data)
    end
    local code, out, err = train(("--data folder --path %s --size 16 --batch 20 --epochs 1 --checkpoint %s"):format(root, helper.scratch "net.safetensors"))
    assert.equal(0, code, err)
    assert.matches("40 training images, 40 test images of 16x16x3\n", out)
  end)

  it("refuses an unknown option", function()
    local code, _, err = train "--epoch 3"
    assert.equal(2, code)
    assert.matches("unknown option %-%-epoch; did you mean %-%-epochs%?", err)
  end)
end)
