--- Look-up tables of latencies: a table maps the text that describes an operator to its milliseconds.
--    local t = assert(vega.cost.lut.read("cpu.json", { space = space }))        -- refused when it was measured for another space
--    t:latency(graph)                 --> { ms = 0.181, sd = 0.002, entries = 43, provenance = "table", device = ..., date = ... }
--    t:ms "conv2d-input:14x14x16-output:14x14x96-kernel:1x1-bias:1"             -- raises, naming the key, when it is not there
--    t:sum { key, key, ... }          -- the same of a list of keys, each as often as it stands there
--    vega.cost.lut.measure { space = space, input = { 28, 28, 1 }, classes = 10 }:save "cpu.json"
-- Published tables are read by vega.cost.published. Own tables hold operators of the folded graph, as vega.cost.lut.keys names them.
local core = require "vega.core"
local util = require "vega.util"

local lut, Lut = {}, {}
Lut.__index = Lut
lut.Lut = Lut

local FORMAT, VERSION = "vega-lut", 1

-- Tables ------------------------------------------------------------------------------------------------------------------------------

local function is_time(v) return type(v) == "number" and v == v and v >= 0 and v < math.huge end

-- What is wrong with an entry, or nil.
local function fault(key, entry)
  if type(key) ~= "string" or key == "" then return ("a key must be a text, got %s"):format(tostring(key)) end
  if type(entry) ~= "table" or entry.ms == nil then return ("the entry '%s' has no time"):format(key) end
  if not is_time(entry.ms) then return ("the entry '%s' has the time %s; a number >= 0 expected"):format(key, tostring(entry.ms)) end
  if entry.sd ~= nil and not is_time(entry.sd) then return ("the entry '%s' has the deviation %s"):format(key, tostring(entry.sd)) end
end

-- What is wrong with a list of times, `n` of them when that is given, or nil.
local function wrong_times(list, what, n)
  if type(list) ~= "table" or n and #list ~= n then return ("%s: a list of %stimes expected"):format(what, n and n .. " " or "") end
  for j, ms in ipairs(list) do
    if not is_time(ms) then return ("%s, column %d has the time %s; a number >= 0 expected"):format(what, j, tostring(ms)) end
  end
end

-- What is wrong with a table's fields, or nil.
local function wrong_fields(t)
  for _, key in ipairs(util.sorted_keys(t.entries)) do
    local wrong = fault(key, t.entries[key])
    if wrong then return wrong end
  end
  if t.rows ~= nil and type(t.rows) ~= "table" then return "rows: a list of lists of times expected" end
  for i, row in ipairs(t.rows or {}) do
    local wrong = wrong_times(row, ("row %d"):format(i))
    if wrong then return wrong end
  end
  if t.overhead_ms ~= nil and not is_time(t.overhead_ms) then return "overhead_ms: a number >= 0 expected" end
  return t.correction ~= nil and wrong_times(t.correction, "correction", 2) or nil
end

local FIELDS = { device = true, date = true, source = true, protocol = true, dtype = true, batch = true, threads = true, library = true, space = true,
  entries = true, rows = true, candidates = true, overhead_ms = true, correction = true, name = true }
--- A table. Fields: entries = { key = { ms =, sd =, count =, macs = } } (or rows, a list of lists of ms: a positional table, whose columns candidates
-- names); device, date, source, protocol, dtype, batch, threads, library, space (a fingerprint): where it comes from; overhead_ms that a network has
-- beside its operators; correction = { scale, ms }: of the sum, fitted to whole networks.
-- @return table | nil, message, "EFORMAT" where an entry is missing, negative or no number
function lut.new(fields)
  util.check_options("lut.new", fields, FIELDS, 2)
  local self = setmetatable({}, Lut)
  for key, value in pairs(fields) do self[key] = value end
  self.entries, self.name = fields.entries or {}, fields.name or "table"
  local wrong = wrong_fields(self)
  if wrong then return nil, ("lut '%s': %s"):format(self.name, wrong), "EFORMAT" end
  return self
end

local function refuse_key(self, key, level)
  local names = util.sorted_keys(self.entries)
  local near = util.nearest(key, names)
  error(("lut '%s' has no entry '%s'%s"):format(self.name, tostring(key), near and ("; the nearest is '%s'"):format(near) or ""), level + 1)
end

--- The milliseconds of a key. Raises where there is none.
function Lut:ms(key)
  local entry = self.entries[key]
  if not entry then refuse_key(self, key, 2) end
  return entry.ms
end

-- Missing keys: interpolation ------------------------------------------------------------------------------------------------------------

local SIZES = { input = true, output = true, expand = true, kernel = true, groups = true }

-- "op-a:1-b:2" -> { op = "op", a = "1", b = "2" }; kept, as a search asks for the same keys again and again
local PARTS = setmetatable({}, { __mode = "v" })
local function parts_of(key)
  local parts = PARTS[key]
  if not parts then
    parts = { op = key:match "^[^%-]+" }
    for name, value in key:gmatch "%-(%w+):([^%-]+)" do parts[name] = value end
    PARTS[key] = parts
  end
  return parts
end

local function number_of(value)
  local product = 1
  for n in value:gmatch "%d+" do product = product * tonumber(n) end
  return product
end

-- The one attribute in which two keys differ, when it is a size; groups go with the channels of a depthwise convolution.
local function differs_in(a, b)
  local found = {}
  for name in pairs(a) do if a[name] ~= b[name] then found[#found + 1] = name end end
  for name in pairs(b) do if a[name] == nil then return nil end end
  return #found > 0 and SIZES[found[1]] and found
end

-- log(time) on a straight line in log(size) between the two nearest entries that differ in one attribute; nil where there are none, or where the
-- size lies more than twice beyond them.
local function interpolate(self, key)
  local want, best = parts_of(key), nil
  local by_name = {}
  for known, entry in pairs(self.entries) do
    local parts = parts_of(known)
    local differences = parts.op == want.op and entry.ms > 0 and differs_in(want, parts)
    if differences and #differences == 1 then
      local name = differences[1]
      by_name[name] = by_name[name] or {}
      table.insert(by_name[name], { size = number_of(parts[name]), ms = entry.ms })
    end
  end
  for _, name in ipairs(util.sorted_keys(by_name)) do
    local list, x = by_name[name], math.log(number_of(want[name]))
    for _, e in ipairs(list) do e.x = math.log(e.size) end
    table.sort(list, function(a, b) return math.abs(a.x - x) < math.abs(b.x - x) or math.abs(a.x - x) == math.abs(b.x - x) and a.size < b.size end)
    local first, second = list[1], nil
    for _, e in ipairs(list) do if not second and e.x ~= first.x then second = e end end
    if second then
      local beyond = math.max(x - math.max(first.x, second.x), math.min(first.x, second.x) - x)
      local slope = (math.log(second.ms) - math.log(first.ms)) / (second.x - first.x)
      if beyond <= math.log(2) + 1e-9 and (not best or beyond < best.beyond) then
        best = { beyond = beyond, ms = math.exp(math.log(first.ms) + slope * (x - first.x)) }
      end
    end
  end
  return best and best.ms
end

-- Sums ------------------------------------------------------------------------------------------------------------------------------------

local SUM = { missing = { "fail", one_of = { "fail", "interpolate" } } }
--- The sum over keys. An identity has no key, and costs nothing.
-- @param options missing = "fail" (raises at the caller) or "interpolate": between entries that differ in one size; the result then lists them
-- @return { ms =, sd = (of the sum of independent entries), entries =, interpolated = { keys }, provenance =, device =, date =, source = }
function Lut:sum(keys, options)
  local o = util.parameters("lut:sum", SUM, options or {}, 2)
  local ms, variance, interpolated = 0.0, 0.0, {}
  for _, key in ipairs(keys) do
    local entry = self.entries[key]
    if entry then
      ms, variance = ms + entry.ms, variance + (entry.sd or 0) ^ 2
    else
      local guess = o.missing == "interpolate" and type(key) == "string" and interpolate(self, key)
      if not guess then refuse_key(self, key, 2) end
      ms, interpolated[#interpolated + 1] = ms + guess, key
    end
  end
  return { ms = ms, sd = math.sqrt(variance), entries = #keys, interpolated = interpolated, provenance = "table", device = self.device,
    date = self.date, source = self.source }
end

--- The latency of a network: of its operators after folding, with the table's overhead and correction. Options as those of sum. Raises for a network
-- in bf16 and a table in f32; one that is in f32, as every network that is only described, is looked up in either.
function Lut:latency(graph, options)
  if graph:precision() == "bf16" and self.dtype and self.dtype ~= "bf16" then
    error(("lut '%s' was measured in %s, the network is in bf16"):format(self.name, self.dtype), 2)
  end
  local ok, result = pcall(self.sum, self, lut.keys(graph), options)
  if not ok then error((tostring(result):gsub("^[^:]+:%d+: ", "")), 2) end
  result.ms = result.ms + (self.overhead_ms or 0)
  if self.correction then
    result.ms, result.sd = self.correction[1] * result.ms + self.correction[2], self.correction[1] * result.sd
  end
  return result
end

--- Fits the correction t = a * sum + b to networks that were measured whole; least squares of relative errors, a and b not negative.
-- @param pairs_of list of { sum's ms, measured ms }. @return the table
function Lut:correct(pairs_of)
  if #pairs_of < 2 then error("lut:correct: at least two networks expected, got " .. #pairs_of, 2) end
  local rows, ones = {}, {}
  for i, p in ipairs(pairs_of) do
    if not (is_time(p[1]) and is_time(p[2]) and p[2] > 0) then error(("lut:correct: network %d: two times expected"):format(i), 2) end
    rows[i], ones[i] = { p[1] / p[2], 1 / p[2] }, 1
  end
  self.correction = require("vega.cost.solve").nonnegative(rows, ones)
  return self
end

-- Keys ------------------------------------------------------------------------------------------------------------------------------------

local function sizes(shape) return table.concat(shape, "x", math.min(2, #shape)) end     -- without the batch

local DATA_INPUTS = { conv2d = 1, linear = 1, batch_norm = 1 }
local HIDDEN = { eps = true, momentum = true, p = true, frozen = true }                  -- change no time

--- The key of an operator's node. @param nodes those of graph:nodes()
function lut.key(node, nodes)
  local inputs, weight = {}, DATA_INPUTS[node.op] and nodes[node.inputs[2]]
  for k, from in ipairs(node.inputs) do
    if from and k <= (DATA_INPUTS[node.op] or #node.inputs) then inputs[#inputs + 1] = sizes(nodes[from].shape) end
  end
  local parts = { node.op, "input:" .. table.concat(inputs, "+"), "output:" .. sizes(node.shape) }
  if node.op == "conv2d" then parts[#parts + 1] = ("kernel:%dx%d"):format(weight.shape[2], weight.shape[3]) end
  if node.op == "conv2d" or node.op == "linear" then parts[#parts + 1] = "bias:" .. (node.inputs[3] and 1 or 0) end
  for _, name in ipairs(util.sorted_keys(node.args)) do
    if not HIDDEN[name] then parts[#parts + 1] = ("%s:%g"):format(name:gsub("_", ""), node.args[name]) end
  end
  return table.concat(parts, "-")
end

-- The nodes that run for the output.
local function live(graph, nodes)
  local needed = { [graph:output()] = true }
  for i = graph:output(), 1, -1 do
    if needed[i] then for _, from in ipairs(nodes[i].inputs or {}) do if from then needed[from] = true end end end
  end
  return needed
end

-- The network as a device would run it. A network without weights is given some: folding needs them.
local function folded(graph)
  if not next(graph:params()) and graph:n_params() > 0 then graph:materialise(1) end
  return graph:fold()
end

--- The keys of the operators that a network runs once its norms are folded, in order. Draws weights for a network that has none.
-- @return list of keys, the folded graph, list of its nodes' numbers
function lut.keys(graph)
  local small = folded(graph)
  local nodes, keys, places = small:nodes(), {}, {}
  local needed = live(small, nodes)
  for i, node in ipairs(nodes) do
    if node.kind == "op" and needed[i] then keys[#keys + 1], places[#places + 1] = lut.key(node, nodes), i end
  end
  return keys, small, places
end

-- Files ------------------------------------------------------------------------------------------------------------------------------------

--- A text that is equal for equal spaces: what a table says it was measured for.
function lut.fingerprint(space)
  return ("%s:%016x"):format(space.name, util.fnv(core.json.encode(space:signature())))
end

--- This machine's CPU, as a table names its device.
function lut.device()
  local file = io.open "/proc/cpuinfo"
  local text = file and file:read "a" or ""
  if file then file:close() end
  return text:match "model name%s*:%s*([^\n]*)" or text:match "Hardware%s*:%s*([^\n]*)" or "unknown CPU"
end

local SAVED = { "device", "date", "source", "protocol", "dtype", "batch", "threads", "library", "space", "entries", "rows", "candidates",
  "overhead_ms", "correction", "name" }
--- Writes the table as JSON, by way of a temporary name. @return true | nil, message, "EIO"
function Lut:save(path)
  local data = { format = FORMAT, version = VERSION, unit = "ms" }
  for _, key in ipairs(SAVED) do data[key] = self[key] end
  local temporary = path .. ".new"
  local file, why = io.open(temporary, "w")
  if not file then return nil, "lut: " .. why, "EIO" end
  local ok = file:write(core.json.encode(data), "\n")
  ok = file:close() and ok
  if not ok then return nil, ("lut: %s could not be written"):format(temporary), "EIO" end
  ok, why = os.rename(temporary, path)
  if not ok then return nil, "lut: " .. why, "EIO" end
  return true
end

--- The text of a file | nil, message, "EIO".
function lut.read_text(path)
  local file, why = io.open(path, "r")
  if not file then return nil, "lut: " .. why, "EIO" end
  local text = file:read "a"
  file:close()
  if not text then return nil, ("lut: %s cannot be read"):format(path), "EIO" end
  return text
end

local EXPECTED = { "device", "space", "dtype", "batch", "threads" }

-- What the file says must be what is wanted.
local function mismatch(path, data, wanted)
  for _, key in ipairs(EXPECTED) do
    local want = wanted[key]
    if key == "space" and type(want) == "table" then want = lut.fingerprint(want) end
    if want ~= nil and data[key] ~= want then
      return ("lut: %s was measured for %s '%s', not for '%s'"):format(path, key, tostring(data[key]), tostring(want))
    end
  end
end

local READ = { device = true, space = true, dtype = true, batch = true, threads = true }
--- Reads a table that save wrote. @param wanted what it must be for: device, space (or its fingerprint), dtype, batch, threads
-- @return table | nil, message, code: "EIO", or "EFORMAT" for damage, another format, or a table for something else
function lut.read(path, wanted)
  util.check_options("lut.read", wanted or {}, READ, 2)
  local text, why, code = lut.read_text(path)
  if not text then return nil, why, code end
  local data, wrong = core.json.decode(text)
  if type(data) ~= "table" then return nil, ("lut: %s: %s"):format(path, wrong or "an object expected"), "EFORMAT" end
  if data.format ~= FORMAT or data.version ~= VERSION or data.unit ~= "ms" or type(data.entries) ~= "table" then
    return nil, ("lut: %s is no %s of version %d in ms"):format(path, FORMAT, VERSION), "EFORMAT"
  end
  local other = mismatch(path, data, wanted or {})
  if other then return nil, other, "EFORMAT" end
  local fields = { name = path:match "[^/]+$" }
  for _, key in ipairs(SAVED) do fields[key] = data[key] ~= core.json.null and data[key] or fields[key] end
  return lut.new(fields)
end

-- Measuring is in a file of its own.
function lut.operators(...) return require("vega.cost.measure").operators(...) end
function lut.measure(...) return require("vega.cost.measure").table_of(...) end
function Lut:compare(...) return require("vega.cost.measure").compare(self, ...) end

function Lut:__tostring()
  local n = 0
  for _ in pairs(self.entries) do n = n + 1 end
  for _, row in ipairs(self.rows or {}) do n = n + #row end
  return ("latency table '%s': %d entries, %s"):format(self.name, n, self.device or "device unknown")
end

return lut
