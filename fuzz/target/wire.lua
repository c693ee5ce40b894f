--- What comes over the agent's wire: a message, and the network in it, built as the agent's worker builds it (without values).
local network = require "vega.device.network"
local wire = require "vega.device.wire"

local CODES = { EFORMAT = true, EVERSION = true }

return function(text)
  local value, message, code = wire.decode(text)
  if not value then
    assert(CODES[code] and message ~= "", message)
    return
  end
  assert(not wire.printable(value.message):find "%c", "a control character is shown")
  if value.network ~= nil then
    local graph, why = network.build(value.network)
    if graph then graph:close() else assert(not why:find "attempt to %l+ a ", why) end
  end
end
