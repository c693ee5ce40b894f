--- Measures a latency table of this CPU: every operator that networks of a space run, and how well its sums predict whole networks.
--
--    vega-lua scripts/measure_table.lua --space mobile_tiny --out runs/cpu_f32.json
--    --dtype f32|bf16|all   (the engine has no 8-bit kernels: int8 is said to be missing)     --input 28,28,1 --classes 10
--    --seconds S    an operator and session (0.05)        --sessions N (2)        --networks N   measured whole, to compare (30)
--    --busy         measure although the machine has a load, or another job measures: for tests, not for figures
--
-- The process should have cores of its own: taskset -c 0 env OMP_NUM_THREADS=1 vega-lua scripts/measure_table.lua ...
local vega = require "vega"
local measure = require "vega.cost.measure"
local lut = require "vega.cost.lut"
local metrics = require "vega.cost.metrics"

local o = vega.arguments { space = "mobile_tiny", dtype = "f32", input = "28,28,1", classes = 10, seconds = 0.05, sessions = 2, networks = 30,
  patience = 200,
  out = "runs/latency_table.json", busy = false, seed = 1 }

local function fail(message, ...) error({ message = "measure_table: " .. message:format(...), exit_code = 2 }, 0) end

local input = {}
for n in o.input:gmatch "%d+" do input[#input + 1] = tonumber(n) end
if o.dtype == "int8" then fail "the engine has no 8-bit kernels; --dtype f32 or bf16" end
if o.dtype ~= "f32" and o.dtype ~= "bf16" and o.dtype ~= "all" then fail("--dtype f32, bf16 or all expected, got '%s'", o.dtype) end
local release, why = measure.quiet { busy = o.busy }
if not release then fail("%s (--busy measures all the same)", why) end

local function progress(session, i, n)
  if i % 20 == 0 or i == n then io.stderr:write(("\rsession %d: %d of %d operators   "):format(session, i, n)) end
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

-- How two sessions agree: rank correlation, and the median ratio of their times.
local function agreement(t)
  if #t.sessions < 2 then return 1, 1 end
  local ratios = {}
  for i, ms in ipairs(t.sessions[1]) do ratios[i] = t.sessions[2][i] / ms end
  return (vega.stats.kendall(t.sessions[1], t.sessions[2])), median(ratios)
end

local function run(dtype)
  local t = lut.measure { space = o.space, input = input, classes = o.classes, dtype = dtype, seconds = o.seconds, sessions = o.sessions,
    patience = o.patience,
    seed = o.seed, progress = progress }
  io.stderr:write "\n"
  local tau, ratio = agreement(t)
  local raw, sum, within = t:compare(vega.space(o.space), { n = o.networks, input = input, classes = o.classes, seed = o.seed + 1 }), 0.0, 0
  local truths, guesses = {}, {}
  for i, p in ipairs(raw) do
    guesses[i], truths[i] = p[1], p[2]
    local plain = (p[1] - t.correction[2]) / t.correction[1]
    sum, within = sum + plain / p[2] / #raw, within + (math.abs(p[1] / p[2] - 1) <= 0.1 and 1 or 0)
  end
  print(("%s, %s, %d thread(s)"):format(t, dtype, t.threads))
  print(("two sessions: Kendall's tau %.3f, median ratio %.3f%s"):format(tau, ratio, (tau < 0.95 or math.abs(ratio - 1) > 0.05) and "  UNSTABLE"
    or ""))
  print(("sum of the operators over the whole network: %.3f; correction t = %.3f sum + %.4f ms"):format(sum, t.correction[1], t.correction[2]))
  print(("%d of %d networks within 10 %%, rank correlation %.3f"):format(within, #raw, #raw > 1 and metrics.spearman(truths, guesses) or 1))
  local path = o.dtype == "all" and o.out:gsub("(%.?%w*)$", "_" .. dtype .. "%1", 1) or o.out
  local folder = path:match "^(.*)/"
  if folder then vega.sys.make_dirs(folder) end
  assert(t:save(path))
  print("table: " .. path)
end

for _, dtype in ipairs(o.dtype == "all" and { "f32", "bf16" } or { o.dtype }) do run(dtype) end
if o.dtype == "all" then print "int8: missing, the engine has no 8-bit kernels" end
release()
