--- Measuring a look-up table on this machine: vega.cost.lut.measure, operators and compare.
local core = require "vega.core"
local lut = require "vega.cost.lut"
local util = require "vega.util"

local measure = {}

-- One network for each new operator: adds to `known` what an architecture runs that is not there yet. @return how many
local function collect(known, order, space, arch, o)
  local model <close> = space:network(arch, o.input, o.classes, 1)
  if o.dtype ~= "f32" then model:precision(o.dtype) end
  local keys, small, places = lut.keys(model)
  local new, used = 0, false
  for i, key in ipairs(keys) do
    if not known[key] then
      known[key], order[#order + 1], new, used = { graph = small, node = places[i] }, key, new + 1, true
    end
  end
  if not used then small:close() end
  return new
end

--- The operators that architectures of a space run: key -> { graph, node }, and the keys in order of appearance. Architectures are drawn until
-- `patience` in a row bring nothing new.
function measure.operators(space, options)
  local o = util.parameters("lut.operators", { input = {}, classes = {}, dtype = { "f32", one_of = { "f32", "bf16" } }, patience = { 200, min = 1 },
    limit = { 20000, min = 1 }, seed = { 1 } }, options or {}, 2)
  o.input = o.input or space.input
  if not o.input then error("lut.operators: option 'input' is missing, and the space states none", 2) end
  local rng, known, order, idle = core.rng.new(o.seed, "lut"), {}, {}, 0
  for _ = 1, o.limit do
    idle = collect(known, order, space, space:random(rng), o) > 0 and 0 or idle + 1
    if idle >= o.patience then break end
  end
  return known, order
end

local MEASURE = { space = true, input = true, classes = true, dtype = true, batch = true, seconds = true, sessions = true, networks = true,
  patience = true,
  limit = true, seed = true, progress = true }

local GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
local function first_line(path)
  local file = io.open(path)
  local line = file and file:read "l"
  if file then file:close() end
  return line or "unknown"
end

local function median(list)
  local sorted = { table.unpack(list) }
  table.sort(sorted)
  return 0.5 * (sorted[(#sorted + 1) // 2] + sorted[#sorted // 2 + 1])
end

-- Every operator once in each session, in an order of its own each time, so that a drift of the clock is no ranking.
local function measure_all(known, order, o, rng)
  local times = {}
  for _, key in ipairs(order) do times[key] = {} end
  for session = 1, o.sessions do
    local left = { table.unpack(order) }
    for i = 1, #order do
      local key = table.remove(left, rng:int(1, #left))
      local at = known[key]
      local t = assert(core.cost.latency(at.graph, { node = at.node, batch = o.batch, max_seconds = o.seconds }))
      table.insert(times[key], t)
      if o.progress then o.progress(session, i, #order) end
    end
  end
  return times
end

--- Measures every operator of a space on this machine: hot buffers, batches of runs of a millisecond, medians; then a few whole networks for the
-- correction of the sum. The engine has no 8-bit kernels: dtype is f32 or bf16.
-- @param options space, input, classes, dtype = "f32", batch = 1, seconds = 0.05 an operator and session, sessions = 2, networks = 8, patience,
-- limit,
--   seed = 1, progress(session, i, n)
-- @return table; its entries have ms, sd (between timings), count, and between = the larger over the smaller session median
function measure.table_of(options)
  util.check_options("lut.measure", options, MEASURE, 2)
  local o, space = {}, options.space
  for key, value in pairs(options) do o[key] = value end
  if type(space) == "string" then space = require("vega.space")(space) end
  if type(space) ~= "table" or not space.random then error("lut.measure: option 'space' must be a search space", 2) end
  o.dtype, o.batch, o.seconds, o.sessions, o.networks = o.dtype or "f32", o.batch or 1, o.seconds or 0.05, o.sessions or 2, o.networks or 8
  if o.dtype == "int8" then error("lut.measure: the engine has no 8-bit kernels; dtype is f32 or bf16", 2) end
  o.input, o.seed = o.input or space.input, o.seed or 1
  local rng = core.rng.new(o.seed, "lut order")
  local known, order = measure.operators(space, { input = o.input, classes = o.classes, dtype = o.dtype, patience = o.patience, limit = o.limit,
    seed = o.seed })
  local times, entries, sessions = measure_all(known, order, o, rng), {}, {}
  for i = 1, o.sessions do sessions[i] = {} end
  for _, key in ipairs(order) do
    local medians, spread, count = {}, 0.0, 0
    for i, t in ipairs(times[key]) do
      medians[i], spread, count = t.median_ms, math.max(spread, t.iqr_ms / 1.349), count + t.count
      table.insert(sessions[i], t.median_ms)
    end
    entries[key] = { ms = median(medians), sd = spread, count = count, between = math.max(table.unpack(medians)) / math.min(table.unpack(medians)) }
  end
  local versions = core.sys.versions()
  local self = assert(lut.new { name = space.name, device = lut.device(), date = os.date "!%Y-%m-%d", source = "measured by vega-lua "
    .. versions.vega,
    protocol = { sessions = o.sessions, seconds = o.seconds, buffers = "hot", statistic = "median", governor = first_line(GOVERNOR) },
      dtype = o.dtype, batch = o.batch,
    threads = core.sys.threads(), library = "oneDNN " .. tostring(versions.onednn or versions.dnnl), space = lut.fingerprint(space),
      entries = entries })
  self.sessions = sessions                                                  -- each one's medians, in one order: what two sessions agree in; not saved
  if o.networks > 1 then self:correct(self:compare(space, { n = o.networks, input = o.input, classes = o.classes, seed = o.seed })) end
  return self
end

local COMPARE = { n = { 30, min = 1 }, input = {}, classes = {}, seed = { 1 }, seconds = { 0.5, min = 0 } }
--- Networks drawn from a space, as the table has them and measured whole. @return list of { table's ms, measured ms }
function measure.compare(self, space, options)
  local o, result = util.parameters("lut:compare", COMPARE, options or {}, 2), {}
  local rng = core.rng.new(o.seed, "lut networks")
  for i = 1, o.n do
    local model <close> = space:network(space:random(rng), o.input or space.input, o.classes, 1)
    if self.dtype and self.dtype ~= "f32" then model:precision(self.dtype) end
    local small <close> = model:fold()
    local measured = assert(core.cost.latency(small, { batch = self.batch or 1, max_seconds = o.seconds }))
    result[i] = { self:latency(model).ms, measured.median_ms }
  end
  return result
end

-- A quiet machine ------------------------------------------------------------------------------------------------------------------------

local function is_running(pid) return first_line(("/proc/%s/stat"):format(pid)) ~= "unknown" end

--- Takes the lock of timing jobs, if the machine is quiet: one such job at a time, and no load beside it.
-- @param options load = 0.5, the most that may run beside (the load average of a minute); lock = its file's name; busy = true: neither is asked for
-- @return function that gives the lock back | nil, why, "EBUSY"
function measure.quiet(options)
  local o = util.parameters("measure.quiet", { load = { 0.5, min = 0 }, busy = { false },
    lock = { (os.getenv "TMPDIR" or "/tmp") .. "/vega-measure.lock" } }, options or {}, 2)
  if o.busy then return function() end end
  local load = tonumber(first_line "/proc/loadavg":match "^%S+") or 0
  if load > o.load then
    return nil, ("the load average is %.2f, more than %.2f: what is measured now would be noise"):format(load, o.load), "EBUSY"
  end
  local owner = first_line(o.lock)
  if owner ~= "unknown" and is_running(owner) then return nil, ("process %s is measuring (%s)"):format(owner, o.lock), "EBUSY" end
  local file, why = io.open(o.lock, "w")
  if not file then return nil, why, "EIO" end
  file:write(first_line "/proc/self/stat":match "^%d+" or "0", "\n")
  file:close()
  return function() os.remove(o.lock) end
end

return measure
