--- The planted linear supernet: signals of length 48 on a circle, three nodes, edges 1 <- 0, 2 <- 0, 2 <- 1, output e2(x) + e3(e1(x)); five fixed
-- operators. The target is one of the 125 cells plus noise; architecture parameters alone are trained, and arg max must find that function again.
-- VEGA_LONG=1 runs all cells, twice.
local core = require "vega.core"
local mixed = require "vega.supernet.mixed"
local op = core.op

local N, BATCH, STEPS, NOISE = 48, 64, 600, 0.05
local OPS = { "none", "identity", "blur", "difference", "shift" }
local TAPS = { identity = { [0] = 1 }, blur = { [-1] = 0.25, [0] = 0.5, [1] = 0.25 }, difference = { [-1] = -0.5, [1] = 0.5 }, shift = { [5] = 1 } }

-- y = x M: circulant matrices.
local function matrix(taps)
  local m = core.tensor.zeros { N, N }
  for i = 0, N - 1 do for k, w in pairs(taps) do m:set((i + k) % N + 1, i + 1, w) end end
  return m
end

local function supernet(seed)
  local net = mixed.new { input = { 1, N }, seed = seed, build = function(b)
    local of = {}
    for _, name in ipairs(OPS) do
      local node = TAPS[name] and b.graph:buffer("op." .. name, { N, N })
      of[#of + 1] = { name, function(x) return node and (name == "identity" and x or b:op("matmul", { x, node })) or false end }
    end
    local x = b:input()
    return b:add(b:choice("e2", of)(x), b:choice("e3", of)(b:choice("e1", of)(x)))
  end }
  for name, taps in pairs(TAPS) do net.graph:buffers()["op." .. name]:assign(matrix(taps)) end
  return net
end

-- The taps of a cell's linear map, by distance: two cells are the same function when these are.
local function map(cell)
  local sum = {}
  local function add(taps, by)
    for k, w in pairs(taps or {}) do
      for j, v in pairs(by or {}) do
        local at = (k + j) % N
        sum[at] = (sum[at] or 0) + w * v
      end
    end
  end
  add(TAPS[cell[2]], { [0] = 1 })
  add(TAPS[cell[3]], TAPS[cell[1]])
  for k, w in pairs(sum) do if w == 0 then sum[k] = nil end end
  return sum
end

local function run(cell, seed)
  local net, target = supernet(seed), matrix(map(cell))
  local arch = core.train.new(net.graph, { group = "arch", optimiser = "adam", lr = 0.05, beta1 = 0.5, beta2 = 0.999, loss = "mse_loss",
    total_steps = STEPS, seed = seed })
  local rng, last = core.rng.new(seed, "signals"), 0
  for step = 1, STEPS do
    local x <close> = core.tensor.randn({ BATCH, 1, N }, rng)
    local noise <close> = core.tensor.randn({ BATCH, 1, N }, rng)
    local y <close> = op.matmul(x, target):blend(1, NOISE, noise)
    local loss = assert(arch:step(x, y))
    if step > STEPS - 50 then last = last + loss / 50 end
  end
  local read = {}
  for _, d in ipairs(net:weights()) do
    local best = 1
    for k, w in ipairs(d.rows[1]) do if w > d.rows[1][best] then best = k end end
    read[d.name] = d.labels[best]
  end
  local found = { read.e1, read.e2, read.e3 }
  local same = pcall(require("luassert").same, map(cell), map(found))
  return same, last, found, net
end

-- Mean squared error of a cell that is settled, against the target.
local function settled_error(net, cell, found)
  for i, name in ipairs { "e1", "e2", "e3" } do net:keep(name, 1, found[i]) end
  local x = core.tensor.randn({ 256, 1, N }, core.rng.new(7, "test"))
  local difference = net.graph:run(x) - op.matmul(x, matrix(map(cell)))
  return op.mean(op.square(difference)):item()
end

describe("the planted linear supernet", function()
  it("gives the planted function back in easy cells", function()
    for _, cell in ipairs { { "identity", "none", "shift" }, { "shift", "difference", "shift" }, { "none", "difference", "none" },
      { "identity", "shift", "difference" } } do
      local same, last, found = run(cell, 1)
      assert.is_true(same, table.concat(cell, " ") .. " became " .. table.concat(found, " "))
      assert.is_true(last < 0.01, last)
    end
  end)

  it("gives at least 90 % of the 125 cells back; where it fails, a mixture imitates the target (long)", function()
    if not os.getenv "VEGA_LONG" then return pending "VEGA_LONG is not set" end
    local n, good, misses = 0, 0, {}
    for _, a in ipairs(OPS) do
      for _, b in ipairs(OPS) do
        for _, c in ipairs(OPS) do
          for seed = 1, 2 do
            local cell = { a, b, c }
            local same, last, found, net = run(cell, seed)
            n, good = n + 1, good + (same and 1 or 0)
            if not same then misses[#misses + 1] = { cell = cell, found = found, loss = last, gap = settled_error(net, cell, found) } end
          end
        end
      end
    end
    for _, miss in ipairs(misses) do
      io.stderr:write(("planted %s, read %s: loss %.4f, settled %.4f\n"):format(table.concat(miss.cell, " "), table.concat(miss.found, " "),
        miss.loss, miss.gap))
      assert.is_true(miss.gap > miss.loss - NOISE ^ 2)
    end
    io.stderr:write(("%d of %d\n"):format(good, n))
    assert.is_true(good >= 0.9 * n, good)
  end)
end)
