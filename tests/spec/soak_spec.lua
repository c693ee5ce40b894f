--- scripts/soak.lua: workers killed and frozen at random, on both kinds of store.
local core = require "vega.core"
local helper = require "spec.helper"
local server = require "spec.server"

local function soak(arguments)
  local code, out, err = helper.run("%s scripts/soak.lua " .. arguments)
  assert.equal(0, code, out .. err)
  local found = assert(core.json.decode(out))
  assert.same({ 0, 0, 0, "ok", 0 }, { found.lost, found.duplicates, found.wrong_epoch, found.integrity, found.exit_code })
  return found
end

describe("workers killed and frozen at random", function()
  teardown(server.stop)

  it("lose nothing and count nothing twice, in a file", function()
    local found = soak "--trials 400 --kills 50 --stops 20 --workers 8 --lease 1.5"
    assert.equal(400, found.trials)
    assert.is_true(found.kills >= 50 and found.stops >= 20, "too few blows")
    assert.is_true(found.attempts > 400)
  end)

  it("lose nothing and count nothing twice, on a server", function()
    local url = server.start()
    if not url then return pending "no PostgreSQL server" end
    local found = soak(("--trials 120 --kills 15 --stops 6 --workers 4 --lease 1.5 --store '%s'"):format(url))
    assert.equal(120, found.trials)
    assert.is_true(found.kills >= 12 and found.stops >= 4, "too few blows")
  end)
end)
