--- Joules: from operations and traffic, from power and time, or from the machine's own counter.
--    vega.cost.energy.of(graph, { dtype = "f32" })         --> { joules =, arithmetic_j =, cache_j =, memory_j =, provenance = "model" }
--    vega.cost.energy.fit_power(points)                    --> { idle_w =, compute_w =, memory_w = } with P = idle + compute u_c + memory u_m
--    vega.cost.energy.measure(fn)                          --> joules of the package while fn runs | nil, why, "EIO" where it cannot be read
local layers = require "vega.cost.layers"
local util = require "vega.util"

local energy = {}

--- Picojoules at 45 nm, 0.9 V: Horowitz 2014, doi:10.1109/ISSCC.2014.6757323. mac: multiply and add; cache and memory: an access of 32 bits.
energy.HOROWITZ_45NM = { name = "45 nm, 0.9 V", mac = { f32 = 4.6, f16 = 1.5, bf16 = 1.5, int32 = 3.2, int8 = 0.23 }, cache = 50, memory = 975,
  cache_bytes = 1 << 20, source = "doi:10.1109/ISSCC.2014.6757323" }

local BYTES = { f32 = 4, f16 = 2, bf16 = 2, int32 = 4, int8 = 1 }

local OF = { dtype = { "f32", one_of = util.sorted_keys(BYTES) }, batch = { 1, min = 1 }, profile = {}, seconds = {}, static_w = { 0.0, min = 0 } }
--- E = n_mac e_mac + accesses e_access + P_static t, an image. Weights come from memory once a batch; an activation passes the cache when it fits
-- there, and memory otherwise; each is written and read. Norms and activations behind a layer cost nothing.
-- @param options dtype, batch, profile (default HOROWITZ_45NM), static_w and seconds (of an image) for the last term
function energy.of(graph, options)
  local o = util.parameters("energy.of", OF, options or {}, 2)
  local p, word = o.profile or energy.HOROWITZ_45NM, BYTES[o.dtype] / 4
  local mac = p.mac[o.dtype]
  if not mac then error(("energy: the profile '%s' says nothing of %s"):format(p.name or "?", o.dtype), 2) end
  if o.static_w > 0 and type(o.seconds) ~= "number" then error("energy: static_w needs seconds, the time of an image", 2) end
  local macs, cached, fetched = 0, 0.0, 0.0
  for _, l in ipairs(layers.of(graph)) do
    if not l.fused and l.kind ~= "free" then
      macs, fetched = macs + l.macs, fetched + l.weights * word / o.batch
      for _, n in ipairs { l.inputs, l.outputs } do
        if n * BYTES[o.dtype] <= p.cache_bytes then cached = cached + n * word else fetched = fetched + n * word end
      end
    end
  end
  local result = { arithmetic_j = 1e-12 * macs * mac, cache_j = 1e-12 * cached * p.cache, memory_j = 1e-12 * fetched * p.memory,
    static_j = o.static_w * (o.seconds or 0), provenance = "model", device = p.name, source = p.source }
  result.joules = result.arithmetic_j + result.cache_j + result.memory_j + result.static_j
  return result
end

--- Fits P = idle + compute * u_c + memory * u_m to { { watts =, compute = utilisation 0 to 1, memory = } }; no coefficient below 0.
-- @return { idle_w =, compute_w =, memory_w =, predict = function(compute, memory) -> watts }
function energy.fit_power(points)
  local rows, watts = {}, {}
  for i, p in ipairs(points) do
    if type(p.watts) ~= "number" or p.watts <= 0 or p.watts ~= p.watts then
      error(("energy.fit_power: point %d has no watts above 0"):format(i), 2)
    end
    rows[i], watts[i] = { 1, p.compute or 0, p.memory or 0 }, p.watts
  end
  if #rows < 3 then error("energy.fit_power: at least three points expected, got " .. #rows, 2) end
  local x = require("vega.cost.solve").nonnegative(rows, watts)
  return { idle_w = x[1], compute_w = x[2], memory_w = x[3], predict = function(c, m) return x[1] + x[2] * c + x[3] * m end }
end

--- The point of least energy among measurements { limit_w =, watts =, seconds = } of one job at several power limits.
-- @return the entry, its joules, whether it lies inside the range of limits
function energy.best_limit(points)
  if #points == 0 then error("energy.best_limit: no points", 2) end
  local low, high, best = math.huge, -math.huge, nil
  for _, p in ipairs(points) do
    low, high = math.min(low, p.limit_w), math.max(high, p.limit_w)
    if not best or p.watts * p.seconds < best.watts * best.seconds then best = p end
  end
  return best, best.watts * best.seconds, best.limit_w > low and best.limit_w < high
end

-- The package's counter ------------------------------------------------------------------------------------------------------------------------

energy.FOLDER = "/sys/class/powercap/intel-rapl:0"

local function read_number(name)
  local file, why = io.open(energy.FOLDER .. "/" .. name)
  if not file then return nil, why end
  local n = tonumber((file:read "l"))
  file:close()
  if not n then return nil, name .. " holds no number" end
  return n
end

--- Joules between two readings of a counter of microjoules that starts anew beyond its range.
function energy.between(before, after, range) return 1e-6 * (after >= before and after - before or after - before + range) end

--- Joules that the processor's package takes while fn runs, less what it takes idle (idle_w watts, measured the same day). fn should run for a second
-- at least, and less than it takes the counter to come round. Containers usually cannot read the counter: then there is only the model.
-- @return { joules =, seconds =, provenance = "measured" } | nil, why, "EIO"
function energy.measure(fn, options)
  local o = util.parameters("energy.measure", { idle_w = { 0.0, min = 0 } }, options or {}, 2)
  local clock = require("vega.core").sys.clock
  local range, why = read_number "max_energy_range_uj"
  local before
  if range then before, why = read_number "energy_uj" end
  if not before then return nil, ("energy: the counter cannot be read (%s); use the model, energy.of"):format(why), "EIO" end
  local start = clock()
  fn()
  local seconds, after = clock() - start, read_number "energy_uj"
  if not after then return nil, "energy: the counter can no longer be read", "EIO" end
  return { joules = energy.between(before, after, range) - o.idle_w * seconds, seconds = seconds, provenance = "measured" }
end

return energy
