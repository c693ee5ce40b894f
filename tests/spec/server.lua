--- A PostgreSQL server of the tests' own (tests/postgres), on a socket in a scratch folder. Ends with the program.
local helper = require "spec.helper"
local server = {}

--- Starts it and returns its URL, or nil when none is installed.
function server.start()
  local folder = helper.scratch "server"
  local code, out, err = helper.run(("bash tests/postgres start %s"):format(folder))
  if code == 77 then return nil end
  assert(code == 0, err)
  server.folder = folder
  return (out:gsub("\n$", ""))
end

--- It crashes and comes back. Returns at once: "stop" and "start" take place in the background.
function server.restart() assert(require("vega.core").sys.start { "bash", "tests/postgres", "restart", server.folder }) end

--- An empty database behind the same URL.
function server.clear(url)
  local code, _, err = helper.run(("psql -q '%s' -c 'DROP SCHEMA public CASCADE; CREATE SCHEMA public'"):format(url))
  assert(code == 0, err)
end

function server.stop()
  if server.folder then helper.run(("bash tests/postgres remove %s"):format(server.folder)) end
  server.folder = nil
end

return server
