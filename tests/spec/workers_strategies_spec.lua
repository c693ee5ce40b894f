--- Every strategy asks for the same and finds the same whether its trials are evaluated by the leader's process, by one worker or by three of which one
-- is killed: under --deterministic. The real thing, with processes; strategy_spec and its like shuffle the answers within one.
local crew = require "spec.crew_helper"
local helper = require "spec.helper"
local strategy = require "vega.strategy"

local TRIALS = 18

local function search(name, options, arguments)
  local url = "sqlite:" .. helper.scratch "crew.db" .. "?durability=normal"
  local code, _, err = crew.run("--deterministic --parallel-window 4 --backoff 0.01 " .. options,
    ("--trials %d --ms 0 --strategy %s %s --store '%s'"):format(TRIALS, name, arguments or "", url))
  assert.equal(0, code, err)
  return crew.sequence(url), url
end

describe("with workers, in order,", function()
  for _, name in ipairs(strategy.names()) do
    it(name .. " is what it is alone, also when a worker is killed", function()
      local alone = search(name, "--workers 0")
      assert.equal(TRIALS, #alone)
      local killed, url = search(name, "--workers 3", ("--hit '5 killed %s'"):format(helper.scratch "mark"))
      assert.same(alone, killed)
      local lost = 0
      for _, a in ipairs(crew.check_results(url).attempts) do lost = lost + (a.outcome == "LOST" and 1 or 0) end
      assert.equal(1, lost)
      if os.getenv "VEGA_LONG" then assert.same(alone, (search(name, "--workers 1"))) end
    end)
  end
end)
