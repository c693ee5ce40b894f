--- Times taken on another machine: networks of a space are measured by an agent there, as an objective of a search. docs/device_agent.md says how one
-- is run on an Arm board; without --host the agent is started here.
-- Run: scripts/run examples/device.lua                                   (a few seconds)
--      scripts/run examples/device.lua --host 127.0.0.1 --port 8342      (an agent that runs already, or the end of a tunnel to one)
local vega = require "vega"
local o = vega.arguments { host = "", port = 8342, trials = 24, precision = "f32", limit_ms = 0.5 }

local own <close> = setmetatable({}, { __close = function(agent) if agent.pid then vega.net.stop(agent.pid) end end })
if o.host == "" then
  o.host = "127.0.0.1"
  own.pid = select(2, assert(vega.net.spawn { "/proc/self/exe", "agent", "--listen", o.host .. ":" .. o.port, "--threads", "1" }))
end

local device = vega.cost.device { host = o.host, port = o.port, retries = 8 }
local about = assert(device:describe())
print(("%s, %s, %d threads, %s, vega-lua %s"):format(about.cpu, about.isa, about.threads, about.onednn, about.vega))

local space = vega.space "mobile_tiny"
local study = vega.study {
  space = space, strategy = vega.strategy.nsga2 { population = 8 }, quiet = true,
  evaluate = function(arch)
    local graph <close> = space:network(arch, { 28, 28, 1 }, 10)
    local r, message, code = device:measure(graph, { precision = o.precision, max_seconds = 0.2 })
    if not r then return nil, message, code end                            -- a failed trial with this reason; the search goes on
    local counts = vega.cost.count(graph)
    return { latency_ms = r.median_ms, spread = r.iqr_ms / r.median_ms, macs = counts.macs, params = counts.params }
  end,
  objectives = { { name = "latency_ms", goal = "min" }, { name = "params", goal = "max" } }, constraints = { latency_ms = { le = o.limit_ms } },
  budget = { trials = o.trials }, store = ":memory:", seed = 1,
}
print(assert(study:run()))

--- Does the count tell what the clock does? Kendall's tau says how well one ranks the other.
local times, macs, spreads = {}, {}, {}
for i, trial in ipairs(study:trials()) do
  assert(trial.values.macs, trial.reason)
  times[i], macs[i], spreads[i] = trial.values.latency_ms, trial.values.macs, trial.values.spread
end
table.sort(spreads)
print(("%d networks measured, half of them with a spread of less than %.1f %%; Kendall's tau of multiply-adds and milliseconds: %.2f"):format(#times,
  100 * spreads[#spreads // 2 + 1], (vega.stats.kendall(macs, times))))
