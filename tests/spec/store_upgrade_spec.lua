--- Stores of every released schema open, are upgraded after a copy was made, and their studies go on as if nothing had been between.
local core = require "vega.core"
local helper = require "spec.helper"
local studies = dofile "tests/stores/studies.lua"
local vega = require "vega"

local function copy(from)
  local path = helper.scratch "old.db"
  local f <close> = assert(io.open(from, "rb"))
  local g <close> = assert(io.open(path, "wb"))
  g:write(f:read "a")
  return path
end

local function exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

local function results(study)
  local list = {}
  for i, t in ipairs(study:trials()) do
    list[i] = ("%d %s %s %s %s %d"):format(t.id, t.hash, t.state, tostring(t.reason), t.values.loss, #t.curves)
  end
  return list
end

local function version(path)
  local db <close> = assert(core.store.open(path))
  return assert(db:run("meta_get", "schema_version"))[1].value
end

for schema = 1, 1 do
  describe("a store of schema " .. schema, function()
    local file = ("tests/stores/schema_%d.db"):format(schema)

    for _, name in ipairs { "plain", "halving" } do
      it("goes on as the same search: " .. name, function()
        local whole <close> = vega.study(studies[name]("mem:", 20))
        local best = assert(whole:run()):best()
        local path = copy(file)
        local study <close> = vega.study(studies[name](path, 20))
        assert.is_true(#study:trials() > 0)
        local front = assert(study:run())
        assert.same(results(whole), results(study))
        assert.equal(best.hash, front:best().hash)
        assert.equal(best.values.loss, front:best().values.loss)
      end)
    end

    it("leaves a copy of what it was", function()
      local path = copy(file)
      assert.equal("2", version(path))
      local saved = ("%s.bak-v%d"):format(path, schema)
      assert.is_true(exists(saved))
      os.remove(path)
      os.rename(saved, path)
      assert.equal("2", version(path))                               -- the copy is a store of the old schema, whole
      local study <close> = vega.study(studies.plain(path, 20))
      assert.equal(10, #study:trials())
    end)
  end)
end

describe("a store of a newer schema", function()
  it("ends the program with 4 and says who wrote it", function()
    local path = helper.scratch "newer.db"
    do
      local db <close> = assert(core.store.open(path))
      assert(db:run("meta_set", "schema_version", "3"))
      assert(db:run("meta_set", "written_by", "vega-lua 9.9.9"))
    end
    local code, _, err = helper.script([[
      local vega = require "vega"
      vega.study { space = vega.space.define { choices = function(s) s:int("a", 1, 9) end }, strategy = vega.strategy.random {},
        objectives = { a = "max" }, evaluate = function(arch) return arch end, store = arg[1] }]], path)
    assert.equal(4, code)
    assert.matches("vega-lua 9.9.9 (schema 3, this program knows 2)", err, 1, true)
  end)
end)
