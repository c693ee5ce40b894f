--- Latency from rates and bandwidths: each kernel takes as long as the slower of its arithmetic and its traffic, and an overhead.
--    t = max(2 macs / (efficiency * P), bytes / BW) + t0            Williams, Waterman & Patterson 2009, doi:10.1145/1498765.1498785
--    vega.cost.roofline.latency(graph, "titan_xp", { batch = 32 })  --> { ms =, arithmetic_ms =, traffic_ms =, overhead_ms =, ... }
-- It is a bound that ranks, not a prediction: what is fitted to measurements is vega.cost.predictor.
local devices = require "vega.cost.devices"
local layers = require "vega.cost.layers"
local util = require "vega.util"

local roofline = {}

local BYTES = { f32 = 4, bf16 = 2, f16 = 2, int8 = 1 }

-- The profile, by name or as it is; checked.
local function profile_of(device, dtype, level)
  local p = device
  if type(device) == "string" then
    p = devices[device]
    if type(p) ~= "table" then
      local names = {}
      for _, name in ipairs(util.sorted_keys(devices)) do if type(devices[name]) == "table" then names[#names + 1] = name end end
      error(util.unknown("roofline", "device", device, names), level + 1)
    end
  end
  if type(p) ~= "table" or type(p.flops) ~= "table" then error("roofline: a device's name or profile expected, got " .. type(device), level + 1) end
  local peak, bandwidth = p.flops[dtype], p.bandwidth
  if not peak then
    error(("roofline: the profile of '%s' says nothing of %s (it has %s)"):format(p.name or "?", dtype,
      table.concat(util.sorted_keys(p.flops), ", ")), level + 1)
  end
  for name, v in pairs { flops = peak, bandwidth = bandwidth or false } do
    if type(v) ~= "number" or v <= 0 or v ~= v then
      error(("roofline: %s of '%s' must be above 0, got %s"):format(name, p.name or "?", tostring(v)), level + 1)
    end
  end
  return p
end

-- Seconds that the operands of a layer take to move.
local function traffic_s(p, l, list, size, batch)
  local slow, fast = (l.weights + l.outputs * batch) * size, 0
  local inputs = l.inputs * batch * size
  local just_made = l.from[1] and list[l.from[1]].outputs * batch * size == inputs
  if p.cache_bytes and just_made and inputs <= p.cache_bytes then fast = inputs else slow = slow + inputs end
  return slow / p.bandwidth + fast / (p.cache_bandwidth or p.bandwidth)
end

--- The seconds of one layer (an entry of vega.cost.layers.of): arithmetic and traffic.
function roofline.kernel(l, device, options)
  local o = util.parameters("roofline.kernel", { dtype = { "f32" }, batch = { 1, min = 1 } }, options or {}, 2)
  local p = profile_of(device, o.dtype, 2)
  return 2 * l.macs * o.batch / (p.flops[o.dtype] * (p.efficiency and p.efficiency[l.kind] or 1)), traffic_s(p, l, {}, BYTES[o.dtype] or 4, o.batch)
end

local LATENCY = { dtype = { "f32" }, batch = { 1, min = 1 }, prune = {} }
--- The latency of a network. Norms and activations behind a layer count as part of it, as a device runtime makes them.
-- @param device a name in vega.cost.devices or a profile. @param options dtype = "f32", batch = 1, prune (default: as the profile says)
function roofline.latency(graph, device, options)
  local o = util.parameters("roofline.latency", LATENCY, options or {}, 2)
  local p = profile_of(device, o.dtype, 2)
  local size = BYTES[o.dtype] or error("roofline: dtype must be one of " .. table.concat(util.sorted_keys(BYTES), ", "), 2)
  local list = layers.of(graph, { prune = o.prune or p.prunes or "dead_ends" })
  local total, arithmetic, traffic, kernels = 0.0, 0.0, 0.0, 0
  for _, l in ipairs(list) do
    if not l.fused and l.kind ~= "free" then
      local a = 2 * l.macs * o.batch / (p.flops[o.dtype] * (p.efficiency and p.efficiency[l.kind] or 1))
      local b = traffic_s(p, l, list, size, o.batch)
      total, kernels = total + math.max(a, b) + (p.overhead_s or 0), kernels + 1
      arithmetic, traffic = arithmetic + a, traffic + b
    end
  end
  return { ms = 1e3 * total, arithmetic_ms = 1e3 * arithmetic, traffic_ms = 1e3 * traffic, overhead_ms = 1e3 * kernels * (p.overhead_s or 0),
    kernels = kernels, provenance = "roofline", device = p.name, source = p.source, date = p.date, dtype = o.dtype, batch = o.batch }
end

--- Operations a byte at which a device's arithmetic and traffic take equally long: layers below it are bound by memory.
function roofline.ridge(device, dtype)
  local p = profile_of(device, dtype or "f32", 2)
  return p.flops[dtype or "f32"] / p.bandwidth
end

return roofline
