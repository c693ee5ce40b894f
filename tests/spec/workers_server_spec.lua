--- Workers of a study on a PostgreSQL server: they join by its URL, are woken by it, and go on when it crashes and comes back.
local core = require "vega.core"
local crew = require "spec.crew_helper"
local helper = require "spec.helper"
local server = require "spec.server"

describe("workers on a server", function()
  local url
  setup(function() url = server.start() end)
  teardown(server.stop)
  before_each(function() if url then server.clear(url) end end)

  local function quoted() return "'" .. url .. "'" end
  local function expected(trials)
    local file = helper.scratch "whole.db"
    assert.equal(0, (crew.run("--deterministic", ("--trials %d --ms 1 --store %s"):format(trials, file))))
    return crew.sequence(file)
  end

  it("find what one process finds, with a worker that joins", function()
    if not url then return pending "no PostgreSQL server" end
    local pid = crew.start("--workers 1 --deterministic", "--trials 30 --ms 60 --store " .. quoted())
    crew.await(url, 2)
    local code, _, err = helper.run("%s worker --store " .. quoted())
    assert.equal(0, code, err)
    assert.equal(0, crew.wait(pid, 30))
    assert.same(expected(30), crew.sequence(url))
    local owners, n = {}, 0
    for _, a in ipairs(crew.check_results(url).attempts) do
      if not owners[a.owner] then owners[a.owner], n = true, n + 1 end
    end
    assert.equal(2, n)
  end)

  it("go on when it crashes and comes back", function()
    if not url then return pending "no PostgreSQL server" end
    local pid, out = crew.start("--workers 2 --deterministic --lease 20 --backoff 0.1", "--trials 40 --ms 60 --store " .. quoted())
    crew.await(url, 20)
    server.restart()
    assert.equal(0, crew.wait(pid, 60), helper.read(out))
    assert.same(expected(40), crew.sequence(url))
    crew.check_results(url)
  end)

  it("lose their leader, and one of them leads", function()
    if not url then return pending "no PostgreSQL server" end
    local pid = crew.start("--workers 2 --deterministic --may-lead --lease 2", "--trials 30 --ms 40 --store " .. quoted())
    crew.await(url, 12)
    core.process.signal(pid, "KILL")
    crew.wait(pid, 5)
    for _ = 1, 1500 do
      if crew.read(url).status == "DONE" then break end
      core.process.sleep(0.02)
    end
    assert.same(expected(30), crew.sequence(url))
    crew.check_results(url)
  end)
end)
