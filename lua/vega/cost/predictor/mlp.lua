--- Perceptrons in the engine, on logarithms of targets, trained by Adam on batches; `models` of them from their own first weights: their mean is the
-- prediction, their spread and the error on what was held out the error bar. Differentiable in the row: what LA-DARTS wants of its latency module
-- (Xu et al. 2020, arXiv:2001.06392).
local core = require "vega.core"
local nn = require "vega.nn"
local residual = require "vega.cost.residual"

local op, tensor = core.op, core.tensor

local Mlp = { params = { models = { 3, min = 1 }, width = { 64, min = 1 }, layers = { 2, min = 1 }, epochs = { 150, min = 1 },
  batch = { 32, min = 1 },
  lr = { 3e-3, min = 0 }, weight_decay = { 1e-4, min = 0 }, seed = { 1 } } }
Mlp.__index = Mlp

local function train(x, y, p, rng)
  local n = #x
  local batch = math.min(p.batch, n)
  local graph = nn.network({ #x[1] }, function(net)
    local z = net:input()
    for _ = 1, p.layers do z = net:relu(net:linear(z, p.width)) end
    return net:linear(z, 1)
  end, { seed = rng:int(1, 1 << 30) })
  local trainer <close> = core.train.new(graph, { loss = "mse_loss", optimiser = "adamw", lr = p.lr, weight_decay = p.weight_decay,
    schedule = "cosine", total_steps = p.epochs * (n // batch) })
  local order = {}
  for i = 1, n do order[i] = i end
  for _ = 1, p.epochs do
    rng:shuffle(order)
    for first = 1, n - batch + 1, batch do
      local bx, by = {}, {}
      for i = 1, batch do bx[i], by[i] = x[order[first + i - 1]], { y[order[first + i - 1]] } end
      local loss, why, code = trainer:step(tensor.new(bx), tensor.new(by))
      if not loss then return nil, why, code end
    end
  end
  return graph
end

-- Means and deviations of columns and targets.
local function standardise(rows, logs)
  local mean, scale = {}, {}
  for j = 1, #rows[1] do
    local m, v = 0.0, 0.0
    for _, row in ipairs(rows) do m = m + row[j] / #rows end
    for _, row in ipairs(rows) do v = v + (row[j] - m) ^ 2 / #rows end
    mean[j], scale[j] = m, v > 1e-20 * m * m and 1 / math.sqrt(v) or 0.0                    -- a constant column says nothing
  end
  local m, v = 0.0, 0.0
  for _, t in ipairs(logs) do m = m + t / #logs end
  for _, t in ipairs(logs) do v = v + (t - m) ^ 2 / #logs end
  return mean, scale, m, v > 0 and math.sqrt(v) or 1
end

local function scaled(self, rows)
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = {}
    for j, v in ipairs(row) do list[i][j] = (v - self.mean[j]) * self.scale[j] end
  end
  return list
end

-- Logarithms that each perceptron predicts: lists, one a perceptron.
local function logs_of(self, rows)
  local x, lists = tensor.new(scaled(self, rows)), {}
  for k, graph in ipairs(self.graphs) do
    lists[k] = {}
    for i, v in ipairs(graph:run(x):totable()) do lists[k][i] = self.middle + self.spread * v[1] end
  end
  return lists
end

function Mlp.fit(rows, y, p)
  local logs = {}
  for i, v in ipairs(y) do logs[i] = math.log(v) end
  local self = setmetatable({ graphs = {} }, Mlp)
  self.mean, self.scale, self.middle, self.spread = standardise(rows, logs)
  local targets = {}
  for i, v in ipairs(logs) do targets[i] = (v - self.middle) / self.spread end
  local x = scaled(self, rows)
  local held, some, some_targets = {}, {}, {}                         -- every tenth row says how large errors are, and is not seen by the first
  for i = 1, #x do
    if #x >= 30 and i % 10 == 0 then held[#held + 1] = i else some[#some + 1], some_targets[#some_targets + 1] = x[i], targets[i] end
  end
  for k = 1, p.models do
    local rng = core.rng.new(p.seed, "mlp", k)
    local graph, why, code = train(k == 1 and some or x, k == 1 and some_targets or targets, p, rng)
    if not graph then return nil, why, code end
    self.graphs[k] = graph
  end
  local sum = 0.0
  if #held > 0 then
    local first = setmetatable({ graphs = { self.graphs[1] } }, { __index = self })
    local tested = {}
    for k, i in ipairs(held) do tested[k] = rows[i] end
    for k, v in ipairs(logs_of(first, tested)[1]) do sum = sum + (v - logs[held[k]]) ^ 2 / #held end
  end
  self.error = math.sqrt(sum)
  return self
end

function Mlp:predict(rows)
  local lists, means, deviations = logs_of(self, rows), {}, {}
  for i = 1, #rows do
    local m, v = 0.0, 0.0
    for _, list in ipairs(lists) do m = m + list[i] / #lists end
    for _, list in ipairs(lists) do v = v + (list[i] - m) ^ 2 / math.max(1, #lists - 1) end
    means[i], deviations[i] = m, math.sqrt(v + self.error ^ 2)
  end
  return residual.back({ values = function(some)
    local ones = {}
    for i = 1, #some do ones[i] = 1 end
    return ones
  end }, rows, means, deviations)
end

function Mlp:on_tape(x)
  local z = (x - tensor.new(self.mean)) * tensor.new(self.scale)
  local sum
  for _, graph in ipairs(self.graphs) do
    local y = graph:run(z)
    sum = sum and sum + y or y
  end
  return op.reshape(op.exp(sum * (self.spread / #self.graphs) + self.middle), { rank = 1, d0 = -1 })
end

return Mlp
