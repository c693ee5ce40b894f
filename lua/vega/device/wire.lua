--- What vega.cost.device and `vega-lua agent` say to each other: JSON objects, each one message of vega.core.net, on a connection for each
-- measurement.
--
--     agent    { protocol = 1, vega = "0.1.0", device = { cpu =, threads =, ... } }         or an error, such as EBUSY
--     device   { protocol = 1, network = { nodes =, output = }, batch = 1, repeats = 0, max_seconds = 1.0, precision = "f32" }
--     agent    { protocol = 1, latency = { median_ms =, ... }, load = 0.1 }                  or { protocol = 1, error = "EREFUSED", message = "..." }
--
-- Errors by name: EBUSY another network is being measured; EVERSION another protocol; EFORMAT no such message; EREFUSED a network that the agent does
-- not build; ENOMEM one too large for it; ETIMEDOUT one too slow for its limit; EDIED the program that measured it ended.
local core = require "vega.core"
local json = core.json

local wire = {
  PROTOCOL = 1,                       -- changes with the messages, not with the program
  PORT = 8342,                        -- VEGA on the keys of a telephone
  LONGEST_REQUEST = 4 << 20,          -- a network of 2 000 nodes takes 400 KB
  LONGEST_ANSWER = 64 << 10,
}

local TAG = { nonfinite = "tag" }

--- The text of a message.
function wire.encode(message)
  message.protocol = wire.PROTOCOL
  return json.encode(message, TAG)
end

--- @return true | nil, message, code
function wire.send(socket, message, seconds) return socket:send(wire.encode(message), seconds) end

--- The object in a text | nil, message, "EFORMAT" or "EVERSION".
function wire.decode(text)
  local value, message = json.decode(text, TAG)
  if value == nil then return nil, message, "EFORMAT" end
  if type(value) ~= "table" or #value > 0 then return nil, "an object was expected", "EFORMAT" end
  if math.type(value.protocol) ~= "integer" then return nil, "the message names no protocol", "EFORMAT" end
  if value.protocol ~= wire.PROTOCOL then
    return nil, ("protocol %d was expected, got %d: use the same version of vega-lua on both sides"):format(wire.PROTOCOL, value.protocol), "EVERSION"
  end
  return value
end

--- The next message, of at most `most` bytes | nil, message, code.
function wire.receive(socket, seconds, most)
  local text, message, code = socket:receive(seconds, most)
  if not text then return nil, message, code end
  return wire.decode(text)
end

--- Text of the other side that can be shown: cut, and nothing in it that moves a terminal's cursor.
function wire.printable(text)
  text = type(text) == "string" and text or "no message"
  return (text:sub(1, 500):gsub("%c", "?"))
end

return wire
