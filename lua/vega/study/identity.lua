--- Who a process is: a text that names it for good, on all machines, and from which another process of the same machine can tell that it is gone.
-- HOST:PID:START:BOOT:NAMESPACE, where START is when it began (pids are given again) and NAMESPACE whose pids they are (of a container, say).
local process = require("vega.core").process

local identity = {}

local function text_of(about, pid, start)
  return ("%s:%d:%d:%s:%s"):format(about.host:gsub(":", "_"), pid, start, about.boot_id:sub(1, 8), about.namespace:match "%d+" or "0")
end

--- This process, or one that it started and has not waited for. Nil when there is no such process.
function identity.of(pid)
  local about = process.about()
  local start = pid and process.start_time(pid) or about.start
  if pid and not process.start_time(pid) then return nil end
  return text_of(about, pid or about.pid, start)
end

--- Has that process ended, for all one can know here? False for one of another machine.
function identity.is_gone(text)
  local host, pid, start, boot, namespace = text:match "^(.*):(%d+):(%d+):(%x+):(%d+)$"
  if not host then return false end
  local about = process.about()
  local here = text_of(about, about.pid, about.start)
  local my_host, my_boot, my_namespace = here:match "^(.*):%d+:%d+:(%x+):(%d+)$"
  if host ~= my_host or boot ~= my_boot or namespace ~= my_namespace then return false end
  return process.start_time(math.tointeger(pid)) ~= math.tointeger(start)
end

--- For people: "process 4711 on HOST".
function identity.shown(text)
  local host, pid = text:match "^(.*):(%d+):%d+:%x+:%d+$"
  return host and ("process %s on %s"):format(pid, host) or text
end

return identity
