--- What a network costs: counted, looked up in a table of this CPU, bounded by a roofline; then a search that keeps a limit on latency.
-- Half a minute, no data: examples/cost_models.lua [--seconds 0.02] [--trials 40]
local vega = require "vega"
local cost = vega.cost
local o = vega.arguments { seconds = 0.02, trials = 40, networks = 10 }

-- Counting: exact, by the convention of your choice, at any image size.
local mobilenet = vega.zoo "mobilenet_v2"
local c = cost.count(mobilenet)
print(("MobileNetV2: %d parameters, %d multiply-adds; fvcore prints %d, thop %d"):format(c.params, c.macs,
  cost.count(mobilenet, { convention = "fvcore" }), cost.count(mobilenet, { convention = "thop" })))
print(("most memory alive at once: %.1f MB, at %s; at 160 pixels %.1f MB"):format(c.peak_bytes / 1e6, c.peak_at,
  cost.count(mobilenet, { input = { 160, 160, 3 } }).peak_bytes / 1e6))

-- A bound from what the device can do at most, and joules from operations and traffic.
local bound, joules = cost.roofline.latency(mobilenet, "titan_xp"), cost.energy.of(mobilenet)
print(("on a %s not below %.3f ms; %.1f mJ an image at 45 nm, %.0f %% of it for memory"):format(bound.device, bound.ms, 1e3 * joules.joules,
  100 * joules.memory_j / joules.joules))

-- A table of this CPU: every operator that networks of the space run, measured one by one; then whole networks beside its sums.
local space, input = vega.space "fashion_macro", { 28, 28, 1 }
local t = cost.lut.measure { space = space, input = input, classes = 10, seconds = o.seconds, sessions = 1, networks = 6 }
local good, compared = 0, t:compare(space, { input = input, classes = 10, n = o.networks, seconds = 0.1, seed = 2 })
for _, p in ipairs(compared) do if math.abs(p[1] / p[2] - 1) <= 0.1 then good = good + 1 end end
print(("%s: %d of %d whole networks within 10 %%"):format(t, good, #compared))

-- A quota: no strategy is ever given an architecture that the table puts beyond the limit. The median network's time is the limit here.
table.sort(compared, function(a, b) return a[1] < b[1] end)
local limit = compared[(#compared + 1) // 2][1]
local quota = cost.quota.new { space = space, input = input, classes = 10, limits = { latency_ms = { le = limit } },
  costs = { latency_ms = function(graph) return t:latency(graph).ms end } }
local study = vega.study { space = quota:space(), strategy = vega.strategy.aging { population = 10, tournament = 4 }, objectives = { params = "max" },
  evaluate = function(arch)                                       -- the largest network within the limit; put a training here
    local model <close> = space:network(arch, input, 10, 1)
    return { params = model:n_params() }
  end,
  budget = { trials = o.trials }, seed = 1, quiet = true }
local best = assert(study:run()):best()
local model = space:network(best.arch, input, 10, 1)
local measured = vega.evaluate.latency_ms(model)
print(("limit %.3f ms: %d parameters, %.3f ms by the table, %.3f ms measured"):format(limit, best.values.params, t:latency(model).ms, measured))
