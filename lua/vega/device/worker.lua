--- The program that the agent starts for each network: builds it, measures it, answers and ends. What a network does to the process that runs it,
-- it does to this one.
local core = require "vega.core"
local machine = require "vega.device.machine"
local network = require "vega.device.network"
local wire = require "vega.device.wire"

local MOST = { batch = 4096, repeats = 10000, max_seconds = 3600 }

local function failure(code, ...) return { error = code, message = (...):format(select(2, ...)) } end

local function options_of(request)
  local o = { batch = request.batch, repeats = request.repeats, max_seconds = request.max_seconds }
  for _, name in ipairs { "batch", "repeats", "max_seconds" } do
    local value, least = o[name], name == "batch" and 1 or 0
    if math.type(value) ~= "integer" and (name ~= "max_seconds" or type(value) ~= "number") then
      return nil, failure("EFORMAT", "%s must be a number, whole unless it is seconds, got %s", name, type(value))
    end
    if not (value >= least and value <= MOST[name]) then
      return nil, failure("EREFUSED", "%s must be from %d to %d, got %s", name, least, MOST[name], value)
    end
  end
  if request.precision ~= "f32" and request.precision ~= "bf16" then return nil, failure("EREFUSED", "precision must be f32 or bf16") end
  return o
end

--- The seed of the values is always the same: they do not matter, as long as they are neither tiny nor infinite.
local function measure(request)
  local o, wrong = options_of(request)
  if not o then return wrong end
  local graph, message = network.build(request.network)
  if not graph then return failure("EREFUSED", "%s", message) end
  local load, result = machine.load(), nil
  local ready, why, code = graph:materialise(1)
  if ready then ready, why, code = graph:precision(request.precision) end
  if ready then result, why, code = core.cost.latency(graph, o) end
  if not result then return failure(code, "%s", why) end
  return { latency = result, load = load }
end

local function answer(text)
  local request, message, code = wire.decode(text)
  if not request then return failure(code, "%s", message) end
  local ok, result = pcall(measure, request)
  return ok and result or failure("EREFUSED", "%s", tostring(result):gsub("^[^\n]-:%d+: ", ""))
end

--- @param threads of the kernels
return function(threads)
  local agent = core.net.parent()
  core.sys.threads(threads)
  local text = assert(agent:receive(10, wire.LONGEST_REQUEST))
  assert(wire.send(agent, answer(text), 10))
  return 0
end
