--- A search with a limit on latency, and whether the limit holds: nothing is trained that a table of this machine puts beyond it (vega.cost.quota),
-- and the best networks are measured whole at the end. One that takes more than 1.05 times the limit is passed over for the next best.
--
--    vega-lua scripts/latency_limit.lua --table runs/cpu_f32.json     of scripts/measure_table.lua; measured here and now when none is given
--    --limit-ms X       0: what the table says of the median of random networks      --space mobile_tiny --input 28,28,1 --classes 10
--    --objective macs   the most multiply-adds within the limit, in seconds; or accuracy: each network trained on --images of Fashion-MNIST
--    --trials N (60)    --winners N (5)      --networks N   measured whole before the search, for how far the table is to be trusted today (16)
--    --busy             measure although the machine has a load, or another job measures: for tests, not for figures
--
-- A search for the best within a limit finds where the table is too low. The quota is therefore the limit over the ratio of measured to looked-up
-- times that nine in ten of those networks keep.
local vega = require "vega"
local lut = require "vega.cost.lut"
local measure = require "vega.cost.measure"

local o = vega.arguments { table = "", limit_ms = 0.0, space = "mobile_tiny", input = "28,28,1", classes = 10, objective = "macs", images = 2000,
  trials = 60, winners = 5, networks = 16, seconds = 0.05, rounds = 5, slack = 1.05, seed = 1, busy = false }

local function fail(message, ...) error({ message = "latency_limit: " .. message:format(...), exit_code = 2 }, 0) end

if o.objective ~= "macs" and o.objective ~= "accuracy" then fail("--objective macs or accuracy expected, got '%s'", o.objective) end
if o.networks < 4 or o.winners < 1 or o.rounds < 1 then fail "--networks 4, --winners 1 and --rounds 1 at least" end
local space, input = vega.space(o.space), {}
for n in o.input:gmatch "%d+" do input[#input + 1] = tonumber(n) end
local release, why = measure.quiet { busy = o.busy }
if not release then fail("%s (--busy measures all the same)", why) end

local function share(list, part)
  table.sort(list)
  return list[math.max(1, math.ceil(part * #list))]
end

-- The table, and of networks that are measured now: the median time, and how often over the table's nine in ten of them stay.
local function table_of_today()
  local t
  if o.table ~= "" then
    t, why = lut.read(o.table, { space = space, device = lut.device(), threads = vega.threads() })
    if not t then fail("%s", why) end
    t.correction = nil                                                        -- of another hour
  else
    t = lut.measure { space = space, input = input, classes = o.classes, seconds = o.seconds, networks = 0, seed = o.seed }
  end
  t:correct(t:compare(space, { n = o.networks, input = input, classes = o.classes, seed = o.seed }))
  local ratios, times = {}, {}
  for i, p in ipairs(t:compare(space, { n = o.networks, input = input, classes = o.classes, seed = o.seed + 1 })) do
    ratios[i], times[i] = p[2] / p[1], p[1]
  end
  return t, share(times, 0.5), math.max(1, share(ratios, 0.9))
end

local t, middle, trust = table_of_today()
local limit = o.limit_ms > 0 and o.limit_ms or middle
local quota = vega.cost.quota.new { space = space, input = input, classes = o.classes, limits = { latency_ms = { le = limit / trust } },
  costs = { latency_ms = function(graph) return t:latency(graph).ms end } }
print(("%s; correction t = %.3f sum + %.4f ms"):format(t, t.correction[1], t.correction[2]))
print(("limit %.4f ms; nine in ten networks take at most %.3f times what the table says, so the quota is %.4f ms"):format(limit, trust, limit / trust))

local function count(arch)
  local graph <close> = space:network(arch, input, o.classes)
  return { macs = vega.cost.count(graph).macs }
end

local evaluate = count
if o.objective == "accuracy" then
  local data = assert(vega.data "fashion-mnist")
  evaluate = vega.evaluate.train { data = data, epochs = 1, limit = o.images, batch = 32, latency = false,
    optimiser = { name = "sgd", lr = 0.1, momentum = 0.9, nesterov = true } }
end
local study = vega.study { space = quota:space(), strategy = vega.strategy.aging { population = 16, tournament = 6 },
  objectives = { [o.objective] = "max" }, budget = { trials = o.trials }, store = ":memory:", seed = o.seed, evaluate = evaluate }
assert(study:run())

-- The median of medians over rounds, so that one disturbed round does not count.
local function measured_ms(model)
  local small <close> = model:fold()
  local medians = {}
  for round = 1, o.rounds do medians[round] = assert(vega.cost.latency(small, { max_seconds = 0.3 })).median_ms end
  return share(medians, 0.5)
end

local function by_objective(a, b)
  local x, y = a.values[o.objective], b.values[o.objective]
  return x > y or x == y and a.id < b.id
end

local trials, kept, beyond = {}, 0, 0
for _, trial in ipairs(study:trials()) do if trial.values[o.objective] then trials[#trials + 1] = trial end end
table.sort(trials, by_objective)
print(("trial %12s  table ms  measured ms  of the limit"):format(o.objective))
for _, trial in ipairs(trials) do
  if kept == o.winners then break end
  local model <close> = space:network(trial.arch, input, o.classes, 1)
  local ms = measured_ms(model)
  local good = ms <= o.slack * limit
  kept, beyond = kept + (good and 1 or 0), beyond + (good and 0 or 1)
  print(("%5d %12.6g %9.4f %12.4f %13.3f%s"):format(trial.id, trial.values[o.objective], quota:values(trial.arch).latency_ms, ms, ms / limit,
    good and "" or "  passed over"))
end
print(("%d networks of at most %g times the limit as measured, %d passed over"):format(kept, o.slack, beyond))
release()
