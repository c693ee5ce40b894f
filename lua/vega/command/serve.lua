--- vega-lua serve --store URL [--port 8080] [--bind ADDRESS --token auto] [--host-name NAME]: the studies of a store as pages that follow them, read
-- only, at http://127.0.0.1:8080. With --bind others can see them, too, who have the token; `auto` makes one, which
-- no list of processes shows.
local core = require "vega.core"
local live = require "vega.report.live"
local opened = require "vega.command.opened"
local options = require "vega.arguments"
local stored = require "vega.study.stored"
local util = require "vega.util"

local DEFAULTS = { store = "", port = 8080, bind = "", token = "", host_name = "" }
local WAIT = 1.0
local ABOUT = { command = "serve", about = "The studies of a store as pages that follow them, read only, for this machine. With --bind others see them,"
    .. " too, who have the token.",
  examples = { "vega-lua serve --store runs/quickstart.db", "vega-lua serve --store postgresql://db/vega --bind 0.0.0.0 --token auto" },
  values = { store = " URL", bind = " ADDRESS", host_name = " NAME" },
  options = { store = opened.OPTIONS.store, port = "where; 0: a free one, which is printed", bind = "another address than 127.0.0.1",
    token = "what others must know; auto makes one that no list of processes shows", host_name = "the name under which this machine is reached" } }

local function fail(code, message, ...) error(util.failure(code, "serve: " .. message, ...), 0) end

local function new_token()
  local file <close> = assert(io.open("/dev/urandom", "rb"))
  return core.hash.hex(file:read(24))
end

local LOOPBACK = { [""] = true, ["127.0.0.1"] = true, ["::1"] = true, localhost = true }

local function token_of(o)
  if o.token == "" and not LOOPBACK[o.bind] then
    fail(2, "--bind %s lets others see the studies: it wants --token auto, or a token of yours", o.bind)
  end
  if o.token == "" then return nil end
  local token = o.token == "auto" and new_token() or o.token
  if not token:find "^[%w_.~-]+$" or #token < 16 or #token > 255 then fail(2, "a token is 16 to 255 letters, digits, '_', '.', '~' or '-'") end
  return token
end

local function hosts_of(o)
  local hosts = { o.host_name ~= "" and o.host_name or nil }
  if not LOOPBACK[o.bind] then hosts[#hosts + 1] = o.bind:find ":" and "[" .. o.bind .. "]" or o.bind end
  return hosts
end

local function check(o)
  o.store = opened.url("serve", o.store)
  local list, message, code = stored.list(o.store)
  if not list then error(util.failure(code, "%s", message), 0) end
  local ok, why = core.serve.available()
  if not ok then fail(1, "%s", why:gsub("^serve: ", "")) end
end

local function start(o, token)
  local server, message, code = core.serve.start { port = o.port, address = o.bind ~= "" and o.bind or nil, token = token, hosts = hosts_of(o),
    policy = live.policy() }
  if not server then fail(code == "EIO" and 5 or 1, "%s", message) end
  return server
end

-- One request, when there is one.
local function step(server, view)
  local id, route, name, after = server:next(WAIT)
  if id == nil then fail(1, "%s", route) end
  if not id then return end
  local status, kind, tag, body, fault = view:answer(route, name, after)
  if fault then io.stderr:write("vega-lua serve: ", fault, "\n") end
  server:answer(id, status, kind, tag, body)
end

return function(words)
  local o = options(DEFAULTS, words, ABOUT)
  if o.port < 0 or o.port > 65535 then fail(2, "a port from 0 to 65535 expected, got %d", o.port) end
  check(o)
  local token = token_of(o)
  local server <close> = start(o, token)
  local view <close> = live.new(o.store, core.sys.clock)
  local host = LOOPBACK[o.bind] and "127.0.0.1" or hosts_of(o)[#hosts_of(o)]
  print(("http://%s:%d/%s"):format(host, server:port(), token and "?token=" .. token or ""))
  io.stdout:flush()
  while not core.sys.interrupted() do
    local ok, fault = pcall(step, server, view)
    if not ok and not core.sys.interrupted() then error(fault, 0) end
  end
  return 128 + core.sys.interrupted()
end
