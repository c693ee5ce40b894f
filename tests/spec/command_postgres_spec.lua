--- vega-lua study on a PostgreSQL store says the same as on an SQLite file.
local core = require "vega.core"
local helper = require "spec.helper"
local server = require "spec.server"
local studies = dofile "tests/stores/studies.lua"
local util = require "vega.util"
local vega = require "vega"

local url = server.start()

local function study(words, store) return helper.run(("%%s study %s --store '%s'"):format(words, store)) end
local function json(text) return assert(core.json.decode(text, { nonfinite = "tag" })) end

local function ran(name, store, options)
  local s <close> = vega.study(util.merge(studies[name](store, 25), options or {}))
  s:run()
end

describe("vega-lua study on PostgreSQL", function()
  if not url then return pending "no PostgreSQL server is installed" end

  teardown(server.stop)

  it("lists, shows and compares as on SQLite", function()
    server.clear(url)
    local path = helper.scratch "x.db"
    for _, store in ipairs { path, url } do
      ran("plain", store, { objectives = { loss = "min", params = "max" }, strategy = vega.strategy.random {} })
      ran("halving", store)
    end
    for _, words in ipairs { "best plain --format csv", "best plain --k 3 --objective params --format json", "best halving --format tsv" } do
      local code, out, err = study(words, url)
      assert.equal(0, code, err)
      assert.equal((select(2, study(words, path))), out)
    end
    local mine, theirs = json((select(2, study("list --format json", path)))), json((select(2, study("list --format json", url))))
    for i = 1, 2 do
      for _, name in ipairs { "name", "trials", "counts", "best", "status" } do assert.same(mine[i][name], theirs[i][name]) end
    end
    local code, out, err = study("show halving --format json", url)
    assert.equal(0, code, err)
    assert.equal(json((select(2, study("show halving --format json", path)))).trials, json(out).trials)
    assert.equal(#json((select(2, study("trials plain --format json", path)))), #json((select(2, study("trials plain --format json", url)))))
  end)

  it("copies from one kind to the other and back, mends and removes", function()
    server.clear(url)
    local path, back = helper.scratch "x.db", helper.scratch "back.db"
    ran("plain", path)
    local code, out, err = study(("migrate --to '%s'"):format(url), path)
    assert.equal(0, code, err)
    assert.matches("study 'plain': 25 trials, now in", out, 1, true)
    assert.equal(0, (study("migrate --to " .. back, url)))
    assert.equal((select(2, study("export", path))), (select(2, study("export", back))))
    code, out, err = study("repair", url)
    assert.equal(0, code, err)
    assert.matches("whole, and nothing to mend", out, 1, true)
    code, out, err = study("migrate", url)
    assert.equal(0, code, err)
    assert.matches("schema %d+, written by", out)
    assert.equal(2, (study("gc", url)))
    assert.equal(0, (study("rm plain --yes", url)))
    assert.equal("[]\n", (select(2, study("list --format json", url))))
  end)

  it("says what is wrong when there is no server", function()
    local code, out, err = study("list", "postgresql:///?host=/nowhere")
    assert.same({ 4, "" }, { code, out })
    assert.matches("/nowhere", err, 1, true)
  end)
end)
