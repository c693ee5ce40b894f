--- Predicted costs of architectures as functions that an architecture's parameters can be trained by: of the code of an architecture, a list of
-- { name, labels, live, code = tensor [rows, candidates] }, one a decision, code being a row's one-hot (all zeros for an edge that is not there) or the
-- weights of a mixture. Any function of such a list that gives a tensor of one number by vega.op will do.
--    local function macs(arch) return vega.cost.count(space:network(arch, { 28, 28, 1 }, 10)).macs end
--    local learned = assert(latency.measured(space, macs, { samples = 300, kind = "ridge" }))
--    print(learned.error, learned.tau)                              -- on the held-out tenth: mean relative error, Kendall's tau
--    vega.differentiable.search { preset = "la_darts", set = { cost = learned.cost, lambda = 0.5 }, ... }
local core = require "vega.core"
local predictor = require "vega.cost.predictor"
local stats = require "vega.stats"
local util = require "vega.util"
local op = core.op

local latency = {}

--- The sum of what the operations cost: costs[name][row][label], 0 where it says nothing.
function latency.additive(costs)
  local made = {}
  local function vector(d)
    if not made[d.name] then
      local rows = {}
      for r, live in ipairs(d.live) do
        rows[r] = {}
        for i, k in ipairs(live) do rows[r][i] = ((costs[d.name] or {})[r] or {})[d.labels[k]] or 0.0 end
      end
      made[d.name] = core.tensor.new(rows)
    end
    return made[d.name]
  end
  return function(codes)
    local sum
    for _, d in ipairs(codes) do
      local term = op.sum(op.mul(d.code, vector(d)))
      sum = sum and op.add(sum, term) or term
    end
    return sum
  end
end

--- Which operation stands on which edge of an architecture: a list of { name, row, label }. A choice has one edge.
function latency.edges(space, arch)
  local list = {}
  for _, d in ipairs(space.decisions) do
    local node = d.name:match "^(.+)%.inputs$"
    if node then
      for i, state in ipairs(arch[d.name]) do list[#list + 1] = { name = node, row = state, label = arch[("%s.op%d"):format(node, i)] } end
    elseif not d.name:find "%.op%d+$" then list[#list + 1] = { name = d.name, row = 1, label = arch[d.name] } end
  end
  return list
end

-- Learned from whole networks ---------------------------------------------------------------------------------------------------------

local function key(e) return ("%s#%d#%s"):format(e.name, e.row, e.label) end

-- The columns of a code: a one, then every operation on every edge that the samples have.
local function columns_of(space, samples)
  local column, n = {}, 1
  for _, sample in ipairs(samples) do
    for _, e in ipairs(latency.edges(space, sample[1])) do
      if not column[key(e)] then n, column[key(e)] = n + 1, n + 1 end
    end
  end
  return column, n
end

local function row_of(space, arch, column, n)
  local row = { 1 }
  for i = 2, n do row[i] = 0 end
  for _, e in ipairs(latency.edges(space, arch)) do if column[key(e)] then row[column[key(e)]] = 1 end end
  return row
end

-- The matrix that moves the candidates of a decision, row after row, to their columns.
local function selection(d, column, n)
  local m = core.tensor.zeros { #d.live * #d.live[1], n }
  for row, live in ipairs(d.live) do
    for i, k in ipairs(live) do
      local c = column[key { name = d.name, row = row, label = d.labels[k] }]
      if c then m:set((row - 1) * #live + i, c, 1) end
    end
  end
  return m
end

local function cost_of(model, column, n)
  local made, one = {}, core.tensor.zeros { 1, n }
  one:set(1, 1, 1)
  return function(codes)
    local x = one
    for _, d in ipairs(codes) do
      made[d.name] = made[d.name] or selection(d, column, n)
      x = op.add(x, op.matmul(op.reshape(d.code, { rank = 2, d0 = 1, d1 = made[d.name]:shape()[1] }), made[d.name]))
    end
    return op.sum(model:on_tape(x))
  end
end

--- A predictor learned from networks' costs by their codes. A kind of vega.cost.predictor that has gradients: "ridge" is an additive table, which knows
-- mixtures as well as whole architectures; "mlp", the module of LA-DARTS, is worth its samples where costs do not add up.
-- @param samples a list of { arch, cost > 0 }, at least 20; the last tenth is held out  @param options those of the kind
-- @return { cost = function of codes, predictor, predict = function(arch), error = mean relative error, tau } | nil, message, code
function latency.learned(space, samples, kind, options)
  if #samples < 20 then error(("latency.learned: at least 20 samples expected, got %d"):format(#samples), 2) end
  local n_fitted = #samples - #samples // 10
  local column, n = columns_of(space, table.move(samples, 1, n_fitted, 1, {}))
  local rows, y, predicted, truth = {}, {}, {}, {}
  for i = 1, n_fitted do rows[i], y[i] = row_of(space, samples[i][1], column, n), samples[i][2] end
  local model, message, code = predictor.fit(kind, rows, y, options)
  if not model then return nil, message, code end
  local function predict(arch) return (model:predict(row_of(space, arch, column, n))) end
  local sum = 0.0
  for i = n_fitted + 1, #samples do
    local p, t = predict(samples[i][1]), samples[i][2]
    predicted[#predicted + 1], truth[#truth + 1], sum = p, t, sum + math.abs(p - t) / t
  end
  return { cost = cost_of(model, column, n), predictor = model, predict = predict, error = sum / #truth, tau = (stats.kendall(predicted, truth)) }
end

local MEASURED = { samples = { 300, min = 20 }, seed = { 1 }, kind = { "ridge" }, options = {} }

--- The same from random architectures whose cost `measure(arch)` tells, measured or counted.
-- @param options samples = 300, seed = 1, kind = "ridge", options = of the kind
function latency.measured(space, measure, options)
  local o = util.parameters("latency.measured", MEASURED, options or {}, 2)
  local rng, samples = core.rng.new(o.seed, "latency"), {}
  for i = 1, o.samples do
    local arch = space:random(rng)
    samples[i] = { arch, measure(arch) }
  end
  return latency.learned(space, samples, o.kind, o.options)
end

return latency
