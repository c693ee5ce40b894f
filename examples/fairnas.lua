--- FairNAS: a supernet trained by strict fairness ranks networks for a multi-objective search; a handful trained alone say how well it ranked.
-- Run: scripts/run examples/fairnas.lua             (three minutes; --sampler uniform or expectation_fair for the baselines of the paper)
local vega = require "vega"
local o = vega.arguments { sampler = "strict_fair", images = 4000, passes = 120, trials = 96, population = 24, alone = 10, epochs = 6, seed = 1,
  report = "runs/fairnas.html" }
local data = assert(vega.data "fashion-mnist").train
local train, rest = data:split { n = o.images, seed = 1 }
local validation, test = rest:subset { n = math.min(#rest, math.max(100, o.images)), seed = 1 }, assert(vega.data "fashion-mnist").test
test = test:subset { n = math.min(#test, o.images * 2), seed = 1 }

--- Six layers without skips, as in the paper, but smaller: kernel 3 or 5, expansion 1, 3 or 6: 46,656 networks.
local space = vega.space.define { name = "fair", build = function(net)
  local function block(channels, kernel, expand)
    return function(x, stride) return net:inverted_residual(x, channels, { kernel = kernel, expand = expand, stride = stride }) end
  end
  local y = net:conv_bn(net:input(), 8, { kernel = 3, stride = 2, act = "relu6" })
  for layer, channels in ipairs { 12, 12, 16, 16, 24, 24 } do
    local choices = {}
    for _, kernel in ipairs { 3, 5 } do
      for _, expand in ipairs { 1, 3, 6 } do
        table.insert(choices, { ("k%d_e%d"):format(kernel, expand), block(channels, kernel, expand) })
      end
    end
    y = net:choice("layer" .. layer, choices)(y, layer == 3 and 2 or 1)
  end
  return net:linear(net:global_avg_pool(net:conv_bn(y, 64, { act = "relu6" })), net.classes)
end }

-- Every image goes `passes` times through a path, whatever the sampler: strict fairness takes six paths a step.
local supernet = vega.supernet.new { space = space, input = train.shape, classes = train.n_classes, seed = o.seed }
local history = assert(supernet:fit { data = train, sampler = vega.sampler[o.sampler] {}, batch = 64, seed = o.seed, clip = 10,
  epochs = o.sampler == "uniform" and o.passes or math.max(1, o.passes // 6), schedule = { name = "cosine" },
  optimiser = { name = "sgd", lr = 0.1, momentum = 0.9, weight_decay = 4e-5 } })
print(("%s; loss %.3f"):format(supernet, history[#history].loss))

local study = vega.study {
  space = space, strategy = vega.strategy.fairnas { population = o.population }, budget = { trials = o.trials }, seed = o.seed, quiet = true,
  objectives = { { name = "accuracy", goal = "max" }, { name = "macs", goal = "min" }, { name = "params", goal = "max" } },
  evaluate = function(arch)
    local recalibrate = { data = train, batches = 5, batch = 64 }              -- the statistics of this path, on training images
    local score = assert(supernet:evaluate({ arch }, validation, { normalise = history.normalise, recalibrate = recalibrate }))[1]
    local counts = vega.cost.count(supernet:extract(arch))
    return { accuracy = score.accuracy, macs = counts.macs, params = counts.params }
  end,
}
local front = assert(study:run())
print(front)
print("report: " .. assert(front:report(o.report)))

-- A few of all that were scored, evenly over multiply-adds, trained from scratch.
local trials, alone, x = study:trials(), {}, { ["shared weights"] = {}, params = {}, macs = {} }
table.sort(trials, function(a, b) return a.values.macs < b.values.macs or a.values.macs == b.values.macs and a.id < b.id end)
for i = 1, math.min(o.alone, #trials) do
  local trial = trials[1 + (i - 1) * (#trials - 1) // math.max(1, o.alone - 1)]
  local model = space:network(trial.arch, train.shape, train.n_classes, i)
  local own = assert(vega.train.fit { model = model, data = train, epochs = o.epochs, batch = 64, seed = i, schedule = { name = "cosine" },
    optimiser = { name = "sgd", lr = 0.05, momentum = 0.9, weight_decay = 4e-5 } })
  alone[i] = assert(vega.train.evaluate(model, test, { normalise = own.normalise })).accuracy
  x["shared weights"][i], x.params[i], x.macs[i] = trial.values.accuracy, trial.values.params, trial.values.macs
  print(("%8d multiply-adds: shared %.3f, alone %.3f"):format(trial.values.macs, trial.values.accuracy, alone[i]))
end
for _, name in ipairs { "shared weights", "macs", "params" } do
  local tau, about = vega.stats.kendall(x[name], alone)
  print(("%-15s Kendall's tau with %d networks trained alone: %5.2f [%.2f, %.2f]"):format(name, #alone, tau, about.low, about.high))
end
