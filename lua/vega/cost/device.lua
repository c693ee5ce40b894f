--- The time a network takes on another machine, on which `vega-lua agent` runs (docs/device_agent.md).
--
--     local device = vega.cost.device { host = "127.0.0.1", port = 8342, timeout = 90 }
--     local r, message, code = device:measure(graph, { batch = 1, precision = "f32" })
--     if r then print(r.median_ms, r.iqr_ms, r.device.cpu) end
--
-- As an objective of a study:
--
--     evaluate = function(arch)
--       local graph <close> = space:network(arch, shape, classes)
--       local r, message, code = device:measure(graph)
--       if not r then return nil, message, code end                    -- a failed trial, with its reason
--       return { latency_ms = r.median_ms, accuracy = ... }
--     end
--
-- The network goes as its nodes, without the values of its parameters: the agent draws its own, since times do not depend on them.
local core = require "vega.core"
local machine = require "vega.device.machine"
local network = require "vega.device.network"
local util = require "vega.util"
local wire = require "vega.device.wire"

local net, clock = core.net, core.sys.clock

local FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2

local OPTIONS = {
  host = { "127.0.0.1" }, port = { wire.PORT, min = 1, max = 65535 },
  timeout = { 90.0, min = 0.001, about = "seconds for one attempt, from the connection to the answer" },
  retries = { 3, min = 0, max = 100, about = "new attempts when there is no connection, or it is lost" },
  patience = { 60.0, min = 0, about = "seconds to wait while the agent measures for others" },
  fingerprint = { "", about = "of the device that is meant; by default the first that answers" },
}
local MEASURE = {
  batch = { 1, min = 1, max = 4096 }, repeats = { 0, min = 0, max = 10000 }, max_seconds = { 1.0, min = 0, max = 3600 },
  precision = {}, fold = { true },
}

local PRECISIONS = { "f32", "bf16" }

local Device = {}
Device.__index = Device

-- Answers -----------------------------------------------------------------------------------------------------------------------------

local function garbage(...) return nil, "the agent's answer makes no sense: " .. (...):format(select(2, ...)), "EFORMAT" end

--- An error that the agent reports | nil when the answer is none.
local function reported(answer)
  if answer.error == nil then return nil end
  local code = type(answer.error) == "string" and answer.error:match "^E%u+$" or "EFORMAT"
  return ("the agent says: %s"):format(wire.printable(answer.message)), code
end

local function is_positive(x) return type(x) == "number" and x > 0 and x < math.huge end

--- The device in a greeting, checked | nil, message, code.
local function device_of(greeting)
  local message, code = reported(greeting)
  if message then return nil, message, code end
  local device = greeting.device
  if type(device) ~= "table" then return garbage "it names no device" end
  for _, field in ipairs { "cpu", "isa", "vega", "onednn", "blas" } do
    if type(device[field]) ~= "string" then return garbage("the device's %s is a %s", field, type(device[field])) end
    device[field] = wire.printable(device[field])
  end
  if math.type(device.threads) ~= "integer" or device.threads < 1 then return garbage("it runs on %s threads", tostring(device.threads)) end
  if device.fingerprint ~= machine.fingerprint(device) then return garbage "the fingerprint is not that of the device" end
  return device
end

--- The times in an answer, checked | nil, message, code.
local function latency_of(answer)
  local message, code = reported(answer)
  if message then return nil, message, code end
  local t, result = answer.latency, { load = tonumber(answer.load) }
  if type(t) ~= "table" then return garbage "it holds no times" end
  for _, name in ipairs { "median_ms", "min_ms", "mean_ms", "p90_ms" } do
    if not is_positive(t[name]) then return garbage("%s is %s", name, wire.printable(tostring(t[name]))) end
    result[name] = t[name]
  end
  if t.iqr_ms ~= 0 and not is_positive(t.iqr_ms) then return garbage("iqr_ms is %s", wire.printable(tostring(t.iqr_ms))) end
  if math.type(t.count) ~= "integer" or t.count < 1 then return garbage("count is %s", wire.printable(tostring(t.count))) end
  if t.min_ms > t.median_ms or t.median_ms > t.p90_ms then return garbage "min_ms, median_ms and p90_ms are not in order" end
  result.iqr_ms, result.count, result.rejected = t.iqr_ms, t.count, math.tointeger(t.rejected)
  return result
end

-- One attempt -------------------------------------------------------------------------------------------------------------------------

--- Says which step failed where, and, of waiting, how long it was.
local function step(self, what, message, code)
  if code == "ETIMEDOUT" then message = ("no answer within %g s"):format(self.timeout) end
  return nil, ("%s at %s:%d: %s"):format(what, self.host, self.port, message), code
end

--- The first device that answered is the one: times of two are not comparable.
local function recognise(self, device)
  if self.fingerprint and device.fingerprint ~= self.fingerprint then
    return nil, ("another device answers at %s:%d: %s with %d threads, vega-lua %s, fingerprint %s; it was %s"):format(self.host, self.port,
      device.cpu, device.threads, device.vega, device.fingerprint, self.fingerprint), "EDEVICE"
  end
  self.fingerprint = device.fingerprint
  return device
end

--- Connects and reads the greeting: socket, device | nil, message, code.
local function greet(self, deadline)
  local socket, message, code = net.connect(self.host, self.port, self.timeout)
  if not socket then return step(self, "no connection to an agent", message, code) end
  local greeting, device
  greeting, message, code = wire.receive(socket, math.max(0, deadline - clock()), wire.LONGEST_ANSWER)
  if not greeting then
    socket:close()
    return step(self, "no greeting of an agent", message, code)
  end
  device, message, code = device_of(greeting)
  if device then device, message, code = recognise(self, device) end
  if device then return socket, device end
  socket:close()
  return nil, message, code
end

--- One connection, one measurement.
local function attempt(self, request)
  local deadline = clock() + self.timeout
  local socket <close>, device, code = greet(self, deadline)
  if not socket then return nil, device, code end
  local sent, answer, result, message
  sent, message, code = socket:send(request, math.max(0, deadline - clock()))
  if sent then answer, message, code = wire.receive(socket, math.max(0, deadline - clock()), wire.LONGEST_ANSWER) end
  if not answer then return step(self, "the measurement", message, code) end
  result, message, code = latency_of(answer)
  if not result then return nil, message, code end
  result.device = device
  return result
end

--- Calls work(self, ...) again while the connection fails, at most `retries` times, and while the agent is busy, for `patience` seconds.
local function persist(self, work, ...)
  local until_busy, failures, pause = clock() + self.patience, 0, FIRST_PAUSE
  while true do
    local result, message, code = work(self, ...)
    if result then return result, message end
    if code == "EIO" then failures = failures + 1 end
    if code == "EIO" and failures > self.retries or code == "EBUSY" and clock() + pause > until_busy or code ~= "EIO" and code ~= "EBUSY" then
      return nil, failures > 1 and ("%s (after %d attempts)"):format(message, failures) or message, code
    end
    local slept, why, reason = net.wait({}, pause)
    if slept == nil then return nil, why, reason end
    pause = math.min(2 * pause, LONGEST_PAUSE)
  end
end

-- The device --------------------------------------------------------------------------------------------------------------------------

--- What the agent runs on: { cpu, cores, isa, threads, vega, onednn, blas, governor, fingerprint } | nil, message, code.
function Device:describe()
  return persist(self, function()
    local socket, device, code = greet(self, clock() + self.timeout)
    if not socket then return nil, device, code end
    socket:close()
    return device
  end)
end

--- The time of one run of `graph` on the device, by the protocol of vega.cost.latency. Networks of a supernet are extracted first.
-- Raises for wrong options. What the machine, the network between or the agent can do wrong is returned; docs/device_agent.md lists the codes.
-- @param options batch = 1; repeats = 0 (as many as it takes); max_seconds = 1.0; precision "f32" or "bf16", by default the graph's;
--   fold = true: batch norms become part of the layers before them, as in a network in use; false: the graph as it stands
-- @return { median_ms, min_ms, mean_ms, p90_ms, iqr_ms, count, rejected, batch, precision, load (of the device as it began), device = as describe() }
--   | nil, message, code
function Device:measure(graph, options)
  local o = util.parameters("device:measure", MEASURE, options or {}, 2)
  local precision = o.precision or graph:precision()
  if not util.contains(PRECISIONS, precision) then
    error(("device:measure: precision must be f32 or bf16 (there are no 8-bit kernels), got %s"):format(tostring(precision)), 2)
  end
  local folded <close> = o.fold and graph:fold() or nil
  local data, wrong = network.describe(folded or graph)
  if not data then error("device:measure: " .. wrong, 2) end
  local request = wire.encode { network = data, batch = o.batch, repeats = o.repeats, max_seconds = o.max_seconds, precision = precision }
  if #request > wire.LONGEST_REQUEST then
    return nil, ("the network's description has %d bytes, an agent takes %d"):format(#request, wire.LONGEST_REQUEST), "EREFUSED"
  end
  local result, message, code = persist(self, attempt, request)
  if not result then return nil, message, code end
  result.batch, result.precision = o.batch, precision
  return result
end

Device.__tostring = function(self) return ("device at %s:%d"):format(self.host, self.port) end

--- @param options host = "127.0.0.1"; port = 8342; timeout = 90, seconds for an attempt; retries = 3, when there is no connection or it is lost;
--   patience = 60, seconds to wait while the agent measures for others; fingerprint, of the device that is meant. Nothing is connected yet.
return function(options)
  local self = setmetatable(util.parameters("device", OPTIONS, options or {}, 2), Device)
  if self.fingerprint == "" then self.fingerprint = nil end
  return self
end
