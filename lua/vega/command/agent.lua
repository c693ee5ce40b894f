--- vega-lua agent [--listen 127.0.0.1:8342] [--threads N] [--limit 60] [--max-load L] [--verbose]: measures networks that vega.cost.device sends,
-- one at a time. There is no authentication: whoever reaches the port can use it. It listens at this machine alone unless told otherwise; docs/device_agent.md.
-- This program only carries messages, and never looks into a request; each network is measured by a program of its own (vega.device.worker), which is
-- ended when it takes longer than --limit seconds or when the sender goes away. Whoever calls meanwhile is told EBUSY.
-- Departs from the measuring protocol (a load above 0.5 refuses): that is for whoever starts the agent to say, by --max-load 0.5, as a board's other
-- services or a search on the same machine may be part of what is wanted. The load goes with every answer.
local core = require "vega.core"
local machine = require "vega.device.machine"
local options = require "vega.arguments"
local util = require "vega.util"
local wire = require "vega.device.wire"

local net, clock = core.net, core.sys.clock

local SAY = 1             -- seconds that a caller may take to read an answer; it fits in the system's buffer, so none is needed
local HEAR = 10           -- and to send its network

local Agent = {}
Agent.__index = Agent

function Agent:log(...) if self.verbose then io.stderr:write("agent: ", (...):format(select(2, ...)), "\n") end end

--- Tells a caller why there is no answer.
function Agent:refuse(client, code, message)
  self:log("%s: %s", code, message)
  wire.send(client, { error = code, message = message }, SAY)
end

--- Accepts a caller only to send it away.
function Agent:turn_away()
  local client <close> = self.listener:accept(0)
  if client then self:refuse(client, "EBUSY", "another network is being measured") end
end

--- The load of the last minute beside what this agent's own measurements made of it, or 0 where the kernel tells none.
function Agent:others()
  self:account(0)
  return math.max(0, (machine.load() or 0) - self.own)
end

--- Brings the agent's own part of the load average up to now, `running` threads having run since the last time.
function Agent:account(running)
  local now = clock()
  self.own, self.since = machine.average(self.own, running, now - self.since), now
end

--- Waits for the worker's answer: its text | nil, message, code; nil alone when the client is gone.
function Agent:await(client, worker)
  local deadline = clock() + self.limit
  while true do
    local ready, message, code = net.wait({ worker, client, self.listener }, math.max(0, deadline - clock()))
    if ready == nil then return nil, message, code end
    if ready == false then return nil, ("it took longer than the agent's limit of %g s"):format(self.limit), "ETIMEDOUT" end
    if ready == 1 then return worker:receive(HEAR, wire.LONGEST_ANSWER) end
    if ready == 2 then return nil end                             -- it may only wait now: what can be read is its end
    self:turn_away()
  end
end

--- Has a network measured and passes the answer on.
function Agent:measure(client, request)
  self:account(0)
  local worker <close>, pid, failed = net.spawn { "/proc/self/exe", "agent", "--worker", tostring(self.device.threads) }
  if not worker then return self:refuse(client, failed, pid) end
  local answer, message, code
  local sent = worker:send(request, HEAR)
  if sent then answer, message, code = self:await(client, worker) end
  local ended = net.stop(pid)
  self:account(self.device.threads)
  if answer then
    client:send(answer, SAY)
    self:log("answered %d bytes with %d", #request, #answer)
  elseif code == "ETIMEDOUT" then
    self:refuse(client, code, message)
  elseif code or not sent then
    self:refuse(client, "EDIED", ("the program that measured the network ended with code %d"):format(ended or -1))
  else
    self:log "the sender went away"
  end
end

--- One caller, from greeting to answer.
function Agent:serve(client)
  local others = self.max_load > 0 and self:others() or 0
  if others > self.max_load then
    return self:refuse(client, "EBUSY", ("the load beside its own is %.2f, more than %g: what is measured now would be noise"):format(others,
      self.max_load))
  end
  wire.send(client, { vega = self.device.vega, device = self.device }, SAY)
  local request, message, code = client:receive(HEAR, wire.LONGEST_REQUEST)
  if request then return self:measure(client, request) end
  if code == "EFORMAT" or code == "ETIMEDOUT" then self:refuse(client, code, message) end
end

--- Waits for a caller, an hour at most, and serves it.
function Agent:turn()
  local client <close>, message, code = self.listener:accept(3600)
  if client then return self:serve(client) end
  if code == "ETIMEDOUT" or code == "EINTR" then return end
  io.stderr:write("vega-lua agent: ", message, "\n")             -- no more descriptors, no memory: of the moment
  net.wait({}, 1)
end

--- Serves until a signal asks to stop; returns its exit code.
function Agent:run()
  while not core.sys.interrupted() do
    local ok, fault = pcall(self.turn, self)
    if not ok and not core.sys.interrupted() then io.stderr:write("vega-lua agent: ", tostring(fault), "\n") end
  end
  return 128 + core.sys.interrupted()
end

local function parse_address(text)
  local host, port = text:match "^%[(.+)%]:(%d+)$"
  if not host then host, port = text:match "^([^:]+):(%d+)$" end
  port = math.tointeger(tonumber(port))
  if not port or port > 65535 then
    error(util.failure(2, "agent: --listen wants HOST:PORT, such as 127.0.0.1:%d or [::1]:%d, got '%s'", wire.PORT, wire.PORT, text), 0)
  end
  return host, port
end

local function is_loopback(host) return host == "localhost" or host == "::1" or host:find "^127%.%d+%.%d+%.%d+$" ~= nil end

local ABOUT = { command = "agent", about = "Measures networks that vega.cost.device sends from other machines, one at a time. There is no authentication:"
    .. " whoever reaches the port can use it.",
  examples = { "vega-lua agent", "vega-lua agent --listen 127.0.0.1:8342 --threads 2 --max-load 0.5 --verbose" }, values = { listen = " HOST:PORT" },
  options = { limit = "seconds that a network may take", listen = "where", max_load = "refuse above this load of others, 0: any",
    threads = "of the networks", verbose = "a line for each network" } }

return function(words)
  if words[1] == "--worker" then return require "vega.device.worker"(math.tointeger(tonumber(words[2])) or 1) end
  local o = options({ listen = "127.0.0.1:" .. wire.PORT, threads = core.sys.threads(), limit = 60.0, max_load = 0.0, verbose = false }, words, ABOUT)
  if o.threads < 1 or o.threads > 1024 then error(util.failure(2, "agent: --threads must be from 1 to 1024, got %d", o.threads), 0) end
  if o.limit <= 0 or o.limit ~= o.limit then error(util.failure(2, "agent: --limit must be more than 0 seconds, got %g", o.limit), 0) end
  if o.max_load < 0 or o.max_load ~= o.max_load then error(util.failure(2, "agent: --max-load must be 0 (any) or more, got %g", o.max_load), 0) end
  local host, port = parse_address(o.listen)
  local listener, message = net.listen(host, port)
  if not listener then error(util.failure(1, "agent: %s", message), 0) end
  if not is_loopback(host) then
    io.stderr:write("vega-lua agent: warning: anyone who reaches ", host, " can use this agent; a tunnel to 127.0.0.1 is safer\n")
  end
  print(("listening on %s"):format((o.listen:gsub("%d+$", tostring(listener:port())))))
  io.stdout:flush()
  return setmetatable({ listener = listener, device = machine.describe(o.threads), limit = o.limit, max_load = o.max_load,
    verbose = o.verbose, own = 0.0, since = clock() }, Agent):run()
end
