local helper = require "spec.helper"
local core = require "vega.core"
local vega = require "vega"

local function raises(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(text, 1, true), message)
end

--- 12 images of 2 x 3 as IDX files, labels 0 to 2.
local function idx_folder()
  local folder = helper.scratch "idx"
  assert(core.sys.make_dirs(folder))
  for _, part in ipairs { "train", "t10k" } do
    local pixels, labels = {}, {}
    for i = 1, 72 do pixels[i] = string.char(i * 3) end
    for i = 1, 12 do labels[i] = string.char(i % 3) end
    helper.write(("%s/%s-images-idx3-ubyte"):format(folder, part), string.pack(">I4I4I4I4", 0x803, 12, 2, 3) .. table.concat(pixels))
    helper.write(("%s/%s-labels-idx1-ubyte"):format(folder, part), string.pack(">I4I4", 0x801, 12) .. table.concat(labels))
  end
  return folder
end

describe("vega.data", function()
  it("names what is unknown", function()
    raises("did you mean 'fashion-mnist'?", vega.data, "fashion-mnits")
    raises("unknown option 'pth'; did you mean 'path'?", vega.data, "mnist", { pth = "x" })
    raises("unknown kind 'idxx'", vega.data, { kind = "idxx", path = "x" })
  end)

  it("returns nil, message, EIO for a missing data set", function()
    local result, message, code = vega.data("fashion-mnist", { path = "/nowhere" })
    assert.is_nil(result)
    assert.equal("EIO", code)
    assert.truthy(message:find("dataset-fashion-mnist", 1, true) and message:find("VEGA_DATA", 1, true), message)
  end)

  it("reads IDX, cuts it and walks it", function()
    local d = assert(vega.data { kind = "idx", path = idx_folder(), name = "toy" })
    local train = d.train
    assert.equal(12, #train)
    assert.equal(3, train.n_classes)
    assert.same({ 2, 3, 1 }, train.shape)
    assert.equal(1, train:label(1))
    raises("expected an index from 1 to 12", train.label, train, 13)
    local a, b = train:split { fraction = 0.5, seed = 3 }
    assert.equal(6, #a)
    assert.equal(6, #b)
    local seen = 0
    local loader <close> = a:loader { batch = 4, shuffle = true, seed = 1, mean = 0.5, std = { 0.5 }, precision = "bf16" }
    assert.equal(2, loader:batches())
    for x, y in loader.next, loader do
      seen = seen + 1
      assert.truthy(x and y)
    end
    assert.equal(2, seen)
    assert.same({ 2, 1 }, { loader:tell() })
    loader:seek(5, 2)
    assert.same({ 5, 2 }, { loader:tell() })
    raises("shufle", train.loader, train, { batch = 4, shufle = true })
    raises("batch must be >= 1", train.loader, train, {})
    raises("n must be in [1, 12]", train.subset, train, { n = 13 })
  end)

  it("says what is wrong with a damaged file", function()
    local folder = idx_folder()
    helper.write(folder .. "/train-images-idx3-ubyte", "nonsense")
    local result, message, code = vega.data { kind = "idx", path = folder }
    assert.is_nil(result)
    assert.equal("EFORMAT", code)
    assert.truthy(message:find("train-images-idx3-ubyte: not an IDX file", 1, true), message)
  end)

  it("finds Debian's Fashion-MNIST", function()
    local d = vega.data "fashion-mnist"
    if not d then return pending "dataset-fashion-mnist is not installed" end
    assert.equal(60000, #d.train)
    assert.equal(10000, d.test.n)
    assert.equal("ankle boot", d.train.class_names[d.train:label(1) + 1])
    local s = d.train:stats()
    assert.near(0.2860, s.mean[1], 1e-4)
    assert.near(0.3530, s.std[1], 1e-4)
  end)
end)

describe("vega.io", function()
  it("saves and loads every format", function()
    local w = vega.tensor.zeros { 2, 3 }
    for _, extension in ipairs { "npz", "safetensors" } do
      local path = helper.scratch("t." .. extension)
      local opts = extension == "safetensors" and { metadata = { step = "12" } } or { deflate = true }
      assert.equal(path, vega.io.save(path, { w = w, v = w }, opts))
      local back, meta = vega.io.load(path)
      assert.truthy(back.w and back.v)
      assert.equal(extension == "safetensors" and "12" or nil, meta.step)
    end
    local path = helper.scratch "t.npy"
    assert(vega.io.save(path, w))
    assert.equal(tostring(w), tostring(vega.io.load(path)))
  end)

  it("refuses what it cannot keep and reports what is not there", function()
    local w = vega.tensor.zeros { 2 }
    raises("ends in .npy, .npz or .safetensors", vega.io.load, "x.pickle")
    raises("'w' must be a tensor, got number", vega.io.save, "x.npz", { w = 1 })
    raises("keeps no metadata", vega.io.save, "x.npz", { w = w }, { metadata = { a = "b" } })
    local back, message, code = vega.io.load "/nowhere/w.safetensors"
    assert.is_nil(back)
    assert.equal("EIO", code)
    assert.truthy(message:find("/nowhere/w.safetensors", 1, true))
  end)
end)
