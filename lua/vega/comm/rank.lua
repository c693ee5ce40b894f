--- What a rank of vega.comm.gang { module = ... } does: joins, calls the module's function, leaves. A failure ends the gang at once.
local comm = require "vega.comm"
local core = require "vega.core"

local function read(path)
  local file = assert(io.open(path, "r"))
  local text = file:read "a"
  file:close()
  return text
end

-- The first failure is the one that counts: those after it may be of ranks that are being ended.
local function fail(world, path, message, code)
  require("vega.log").error("rank %d of %d: %s", world.rank, world.size, message)
  local before <close> = io.open(path .. ".failure", "r")
  if not before then core.sys.write_file(path .. ".failure", core.json.encode { message = message, code = code }) end
  world:abort(1)
end

-- Rank 0 alone reads the file: the others may be on another machine.
local function argument_of(world, path)
  local text, message = world:broadcast(world.rank == 0 and read(path) or "")
  if not text then error(message, 0) end
  return core.json.decode(text).argument
end

return function(name, path)
  local world = assert(comm.world())
  local is_first = world.rank == 0                                 -- the function may close it
  local ok, result, message, code = xpcall(function() return require(name)(world, argument_of(world, path)) end, debug.traceback)
  if not ok then fail(world, path, result)
  elseif result == nil and message then fail(world, path, message, code) end
  if is_first then
    local written, why = core.sys.write_file(path .. ".result", core.json.encode { result = result })
    if not written then fail(world, path, why) end
  end
  world:close()
end
