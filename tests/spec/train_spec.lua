local core = require "vega.core"
local train = require "vega.train"
local evaluate = require "vega.evaluate"

-- A data set in Lua with the methods of the engine's: 4 numbers a sample, the class is whether the first two have the same sign.
local Set = {}
Set.__index = Set
Set.__len = function(self) return self.n end

local function make_set(n, seed) return setmetatable({ n = n, seed = seed, n_classes = 2, shape = { 4 } }, Set) end
function Set:stats() return { mean = { 0 }, std = { 1 }, n = self.n } end
function Set:split(o) return make_set(o.n, 90), make_set(self.n - o.n, self.seed) end
function Set:subset(o) return make_set(o.n, self.seed) end

local function make_batch(size, rng)
  local rows, labels = {}, {}
  for i = 1, size do
    local row = {}
    for k = 1, 4 do row[k] = rng:normal() end
    for k = 1, 2 do row[k] = row[k] + (row[k] > 0 and 0.2 or -0.2) end
    rows[i], labels[i] = row, (row[1] > 0) == (row[2] > 0) and 1 or 0
  end
  return core.tensor.new(rows), core.tensor.new(labels, { dtype = "i32" })
end

function Set:loader(options)
  local epoch, batch, set = 1, 1, self
  local count = set.n // options.batch
  return {
    batches = function() return count end,
    seek = function(l, e, b) epoch, batch = e, b; return l end,
    next = function()
      if batch > count then
        epoch, batch = epoch + 1, 1
        return
      end
      local rng = core.rng.new(set.seed, options.shuffle and "epoch " .. epoch or "fixed", batch)
      batch = batch + 1
      return make_batch(options.batch, rng)
    end,
    close = function() end,
  }
end

local function network(seed)
  local g = core.graph.new { 4 }
  local function linear(x, name, from, to)
    local w = g:param(name .. ".weight", { to, from }, "kaiming_normal", from, true)
    local b = g:param(name .. ".bias", { to }, "zeros", from, false)
    return g:op("linear", { x, w, b }, nil, name)
  end
  local hidden = g:op("relu", { linear(1, "hidden", 4, 32) }, nil, "relu")
  return g:output(linear(hidden, "head", 32, 2)):materialise(seed)
end

local SGD = { name = "sgd", lr = 0.1, momentum = 0.9, nesterov = true }
local function fit(model, more)
  local options = { model = model, data = make_set(1280, 3), epochs = 8, batch = 64, optimiser = SGD, schedule = { name = "cosine", warmup = 5 },
    validation = make_set(512, 77), clip = 1, seed = 4 }
  for key, value in pairs(more or {}) do options[key] = value end
  return train.fit(options)
end

describe("train.fit", function()
  it("learns, and tells it an epoch at a time", function()
    local history = assert(fit(network(1)))
    assert.equal(8, #history)
    assert.is_true(history[8].accuracy > 0.95)
    assert.is_true(history[8].loss < history[1].loss)
  end)

  it("gives the same weights for the same seed", function()
    local a, b = network(1), network(1)
    fit(a)
    fit(b)
    assert.same(a:params()["hidden.weight"]:totable(), b:params()["hidden.weight"]:totable())
  end)

  it("calls back once a step, and stops on false", function()
    local steps = 0
    local history = assert(fit(network(1), { on_step = function(info)
      steps = steps + 1
      assert.equal(steps, info.step)
      return info.step < 30
    end }))
    assert.equal(30, steps)
    assert.is_true(history.stopped)
    assert.equal(1, #history)
  end)

  it("resumes in the middle of an epoch with the same weights", function()
    local path = os.tmpname()
    os.remove(path)
    local whole, model = network(1), network(1)
    local threads = core.sys.threads()
    core.sys.threads(1)
    fit(whole)
    fit(model, { checkpoint = path, on_step = function(info) return info.step < 33 end })
    local history = assert(fit(model:materialise(5), { checkpoint = path, resume = true }))
    core.sys.threads(threads)
    os.remove(path)
    assert.equal(8, #history)
    assert.same(whole:params()["head.weight"]:totable(), model:params()["head.weight"]:totable())
  end)

  it("trains in bf16", function()
    assert.is_true(assert(fit(network(1), { precision = "bf16" }))[8].accuracy > 0.95)
  end)

  it("names an unknown option and its neighbour", function()
    assert.error_matches(function() fit(network(1), { epoch = 3 }) end, "unknown option 'epoch'; did you mean 'epochs'")
    assert.error_matches(function() fit(network(1), { optimiser = { name = "sgdd" } }) end, "did you mean 'sgd'")
  end)

  it("returns a diverged run as a failure", function()
    local ok, message, code = fit(network(1), { optimiser = { name = "sgd", lr = 1e30 }, clip = 0 })
    assert.is_nil(ok)
    assert.matches("step", message)
    assert.equal("ENAN", code)
  end)
end)

describe("train.evaluate", function()
  it("counts", function()
    local result = assert(train.evaluate(network(1), make_set(512, 5), { batch = 64 }))
    assert.equal(512, result.n)
    assert.equal(result.correct / 512, result.accuracy)
  end)
end)

describe("evaluate.train", function()
  it("trains an architecture and measures it", function()
    local told = {}
    local space = { network = function(_, arch, _, _, seed) assert.equal("a", arch.kind); return network(seed) end }
    local run = evaluate.train { data = make_set(1600, 3), validation = 320, limit = 1280, epochs = 2, optimiser = SGD }
    local trial = { seed = 9, report = function(step, values) told[step] = values.accuracy end }
    local result = assert(run({ kind = "a" }, trial, space))
    assert.equal(2, #told)
    assert.equal(told[2], result.accuracy)
    assert.equal(4 * 32 + 32 * 2, result.macs)
    assert.equal(4 * 32 + 32 + 32 * 2 + 2, result.params)
    assert.is_true(result.latency_ms > 0)
  end)
end)
