--- Device profiles of the roofline and energy models: plain tables, one a device. A profile of one's own is a table with the same fields:
--    name; flops = { f32 =, bf16 =, f16 =, int8 = }      operations a second at most, a multiply-add being two
--    bandwidth                                           bytes a second from and to memory
--    cache_bytes, cache_bandwidth                        optional: the last-level cache; a tensor that was just made and fits is read from there
--    overhead_s                                          of each kernel; 0 when not given
--    efficiency = { KIND = share of the peak }           optional, by kind of layer (vega.cost.layers); 1 where nothing is said
--    prunes                                              what its runtime leaves out: "nothing", "dead_ends" or "unreached"
--    idle_w, busy_w                                      optional: watts
--    source, date
-- scripts/measure_device.lua writes one of the machine it runs on.
local devices = {}

--- The peak of a CPU from what it is made of: cores * GHz * (SIMD bits / 32) lanes * FMA units * 2. @return operations a second in f32
function devices.cpu_flops(cores, ghz, simd_bits, fma_units) return cores * ghz * 1e9 * simd_bits / 32 * fma_units * 2 end

-- Makers' sheets: TFLOP/s in f32, GB/s.
local function gpu(name, tflops, gbytes)
  return { name = name, flops = { f32 = tflops * 1e12 }, bandwidth = gbytes * 1e9, overhead_s = 5e-6, prunes = "nothing", source = "maker's sheet" }
end

devices.gtx_1080_ti = gpu("NVIDIA GTX 1080 Ti", 11.3, 484)
devices.titan_xp = gpu("NVIDIA Titan Xp", 12.1, 548)
devices.v100_pcie = gpu("NVIDIA V100-PCIe", 14, 900)
devices.t4 = gpu("NVIDIA T4", 8.1, 320)
devices.rtx_3090 = gpu("NVIDIA RTX 3090", 35.6, 936)
devices.rtx_4090 = gpu("NVIDIA RTX 4090", 82.6, 1008)

-- By scripts/measure_device.lua, on a machine that others were using: arithmetic and copies in processor time.
devices.epyc_zen_one_thread = { name = "AMD EPYC (AVX512-BF16, 1 MiB L2), one thread", threads = 1, flops = { f32 = 1.11e11, bf16 = 2.07e11 },
  bandwidth = 2.5e10, cache_bytes = 33554432, cache_bandwidth = 1.1e11, overhead_s = 4.5e-7, prunes = "dead_ends",
    source = "measured by vega-lua 0.1.0",
  date = "2026-11-26" }

-- One thread each; rates by kind from fits to 24 networks (ncnn's published benchmark, scripts/predict_latency.lua), GMAC/s; traffic is in them.
local function board(name, peak, rates)
  local efficiency = {}
  for kind, gmacs in pairs(rates) do efficiency[kind] = gmacs * 2e9 / peak end
  return { name = name, flops = { f32 = peak }, bandwidth = math.huge, efficiency = efficiency, prunes = "dead_ends",
    source = "fitted to ncnn's benchmark" }
end

devices.raspberry_pi_4 = board("Raspberry Pi 4 (Cortex-A72 1.8 GHz), one thread", devices.cpu_flops(1, 1.8, 128, 1),
  { pointwise = 5.8, winograd = 13.8, spatial = 13.8, depthwise = 5.7 })
devices.raspberry_pi_3 = board("Raspberry Pi 3B+ (Cortex-A53 1.4 GHz), one thread", devices.cpu_flops(1, 1.4, 128, 1),
  { pointwise = 3.3, winograd = 5.9, spatial = 5.9, depthwise = 3.6 })

return devices
