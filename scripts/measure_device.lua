--- Measures a roofline profile of this machine and writes it as a Lua table, which vega.cost.roofline takes: dofile "runs/device.lua".
--
--    vega-lua scripts/measure_device.lua --out runs/device.lua          --busy: although the machine has a load, or another job measures
local vega = require "vega"
local lut = require "vega.cost.lut"
local measure = require "vega.cost.measure"
local nn = require "vega.nn"

local o = vega.arguments { out = "runs/device.lua", busy = false }

local release, why = measure.quiet { busy = o.busy }
if not release then error({ message = "measure_device: " .. why .. " (--busy measures all the same)", exit_code = 2 }, 0) end

-- Milliseconds of a ReLU over so many bytes of f32.
local function relu_ms(bytes)
  local graph <close> = nn.network({ bytes // 4 }, function(net) return net:relu(net:input()) end)
  return assert(vega.cost.latency(graph, { node = 2, max_seconds = 0.3 })).min_ms
end

local function cache_bytes()
  local last = 0
  for i = 0, 5 do
    local file = io.open(("/sys/devices/system/cpu/cpu0/cache/index%d/size"):format(i))
    local size = file and file:read "l" or ""
    if file then file:close() end
    local n, unit = size:match "^(%d+)([KM])"
    if n then last = math.max(last, tonumber(n) * (unit == "M" and 1 << 20 or 1 << 10)) end
  end
  return last
end

local f32 = assert(vega.cost.peak "f32")
local bf16 = vega.cost.peak "bf16"
local cache = cache_bytes()
local small, overhead = relu_ms(256 << 10), relu_ms(256)
local text = ([[
--- Measured by scripts/measure_device.lua. The engine has no 8-bit kernels, so nothing is said of int8.
return {
  name = %q, threads = %d,
  flops = { f32 = %.4g%s },
  bandwidth = %.4g,
  cache_bytes = %d, cache_bandwidth = %.4g,
  overhead_s = %.3g,
  prunes = "dead_ends",
  source = "measured by vega-lua %s", date = %q,
}
]]):format(lut.device(), vega.threads(), f32.flops, bf16 and (", bf16 = %.4g"):format(bf16.flops) or "", f32.copy_bytes, cache,
  2 * (256 << 10) / (1e-3 * (small - overhead)), 1e-3 * overhead, vega.version, os.date "!%Y-%m-%d")
local folder = o.out:match "^(.*)/"
if folder then vega.sys.make_dirs(folder) end
local file = assert(io.open(o.out, "w"))
file:write(text)
file:close()
release()
io.write(text)
