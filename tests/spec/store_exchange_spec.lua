--- Export and import: a study moved to another store is the same study and goes on as if it had stayed.
local core = require "vega.core"
local helper = require "spec.helper"
local studies = dofile "tests/stores/studies.lua"
local vega = require "vega"

local function half(name, path)
  local study <close> = vega.study(studies[name](path, 9))
  study:run()
end

local function lines_of(url, name)
  local list = {}
  assert(vega.study.export(url, name, function(line) list[#list + 1] = line end))
  return list
end

describe("an exported study", function()
  for _, name in ipairs { "plain", "halving" } do
    it("is the same elsewhere, and goes on: " .. name, function()
      local here, there, file = helper.scratch "here.db", helper.scratch "there.db", helper.scratch "x.jsonl"
      half(name, here)
      local n = assert(vega.study.export(here, name, file))
      local got, trials = assert(vega.study.import(there, file))
      assert.equal(name, got)
      local expected = lines_of(here, name)
      assert.equal(n, #expected)
      assert.same(expected, lines_of(there, name))                    -- to the last bit
      assert.equal(#expected, 1 + trials + #assert(assert(core.store.open(there)):run("event_list", 1)))
      local stayed <close> = vega.study(studies[name](here, 20))
      local moved <close> = vega.study(studies[name](there, 20))
      stayed:run()
      moved:run()
      local a, b = stayed:trials(), moved:trials()
      assert.is_true(#a > 9 or name == "halving")
      for _, list in ipairs { a, b } do for _, t in ipairs(list) do t.seconds, t.message = nil, nil end end
      assert.equal(core.json.encode(a, { nonfinite = "tag" }), core.json.encode(b, { nonfinite = "tag" }))
    end)
  end

  it("of an older schema is one of the newest", function()
    local path = helper.write(helper.scratch "old.db", helper.read "tests/stores/schema_1.db")
    assert.is_true(#lines_of(path, "halving") > 20)
  end)

  it("keeps what workers left: attempts, needs, artifacts, metrics, abandoned trials", function()
    local path, there = helper.scratch "w.db", helper.scratch "there.db"
    do
      local db <close> = assert(core.store.open(path))
      db:backoff(0)
      assert(db:run("study_create", "w", "[]", "{}", "0", "random", "{}", math.maxinteger, 0, "{}", "{}"))
      for number = 1, 3 do assert(db:run("trial_enqueue", 1, number, '{"a":1}', "ff" .. number, 2.5, number, 3, nil)) end
      assert(db:run("trial_need", 1, "mpi"))
      local t = assert(db:claim { study = 1, owner = "me", host = "h" })[1]
      assert.is_true(db:metrics(t.trial_id, t.epoch, { { name = "loss", step = 1, value = 1 / 0 }, { name = "loss", step = 2, value = 0.1 } }))
      assert.is_true(db:artifact { trial_id = t.trial_id, epoch = t.epoch, kind = "checkpoint", locator = "x.1", bytes = 5 })
      assert.equal("WAITING", db:fail { trial_id = t.trial_id, epoch = t.epoch, cause = "crash", signal = 11, message = "it \"fell\"\n" })
      t = assert(db:claim { study = 1, owner = "me" })[1]
      assert.equal("ABANDONED", db:fail { trial_id = t.trial_id, epoch = t.epoch, cause = "oom", max_rss_kb = 7 })
      t = assert(db:claim { study = 1, owner = "me" })[1]
      assert.is_true(db:finish { trial_id = t.trial_id, epoch = t.epoch, state = "COMPLETE", values = { 0 / 0, [3] = 2 }, event = '{"x":[]}' })
    end
    local file = helper.write(helper.scratch "w.jsonl", table.concat(lines_of(path, "w")))
    assert.equal("copy", (assert(vega.study.import(there, file, { name = "copy" }))))
    local expected = lines_of(path, "w")
    expected[1] = expected[1]:gsub('"name":"w"', '"name":"copy"')
    assert.same(expected, lines_of(there, "copy"))
    local db <close> = assert(core.store.open(there))
    assert.equal(0, #assert(db:claim { study = 1, owner = "me" }))     -- the one that waits needs mpi
    assert.equal(1, #assert(db:claim { study = 1, owner = "me", capabilities = { "avx512", "mpi" } }))
  end)
end)

describe("an import", function()
  local function try(text, options)
    local path = helper.scratch "t.db"
    local name, message, code = vega.study.import(path, helper.write(helper.scratch "t.jsonl", text), options)
    local db <close> = assert(core.store.open(path))
    return name, message, code, #assert(db:run("study_list"))
  end

  it("takes all or nothing, and names the line", function()
    local path = helper.scratch "here.db"
    half("plain", path)
    local lines = lines_of(path, "plain")
    local wrong = {
      { 1, "{}", "line 1: this is no study" }, { 1, '{"format":"vega-study","version":2}', "line 1: version 2 of the format, this program knows 1" },
      { 1, '{"format":"vega-study","version":1,"study":{"name":5}}', "line 1: the study has no name" },
      { 3, "{", "line 3: json: " }, { 3, "[]", "line 3: an object 'event' expected" }, { 4, lines[3], "line 4: store: trial_import: " },
      { 2, '{"trial":{"number":1.5}}', "line 2: a trial's number expected, got 1.5" },
      { 2, '{"trial":{"number":1}}', "line 2: store: trial_import: " },
      { 2, (lines[2]:gsub('"state":"%u+"', '"state":"GREAT"')), "line 2: store: trial_settle: " },
      { 2, (lines[2]:gsub('"tries":%[', '"tries":[5,')), "line 2: 'tries' holds a number" },
      { 12, '{"event":{"trial":99,"kind":"ask","at":1.0,"payload":{}}}', "line 12: an event of trial 99, which is not there" },
    }
    for _, w in ipairs(wrong) do
      local copy = table.move(lines, 1, #lines, 1, {})
      copy[w[1]] = w[2]:gsub("\n$", "") .. "\n"
      local name, message, code, studies_there = try(table.concat(copy))
      assert.is_nil(name)
      assert.matches("study import: " .. w[3], message, 1, true)
      assert.equal("EFORMAT", code)
      assert.equal(0, studies_there)
    end
    assert.matches("the file is empty", select(2, try ""), 1, true)
    assert.equal("EIO", select(3, vega.study.import(helper.scratch "t.db", "/nowhere/at/all")))
    assert.matches("already; give it another name", select(2, vega.study.import(path, function() return table.remove(lines, 1) end)), 1, true)
    assert.error_matches(function() vega.study.import("mem:", "x", { nmae = "y" }) end, "did you mean 'name'")
  end)

  it("reads or refuses, whatever the bytes", function()
    local path = helper.scratch "here.db"
    half("halving", path)
    local text, rng, read, refused = table.concat(lines_of(path, "halving")), core.rng.new(3, "import"), 0, 0
    for _ = 1, 300 do
      local at, kind = rng:int(1, #text), rng:int(1, 3)
      local bad = kind == 1 and text:sub(1, at) or kind == 2 and text:sub(1, at - 1) .. text:sub(at + rng:int(1, 9))
        or text:sub(1, at - 1) .. string.char(rng:int(0, 255)) .. text:sub(at + 1)
      local name, message, code = vega.study.import("mem:", bad:gmatch "[^\n]+")
      if name then read = read + 1
      else
        assert.equal("EFORMAT", code)
        assert.matches("^study import: line %d+: ", message)
        refused = refused + 1
      end
    end
    assert.is_true(read > 20 and refused > 100, ("%d read, %d refused"):format(read, refused))
  end)
end)

describe("an export", function()
  it("of a study that is not there names those that are", function()
    local path = helper.scratch "here.db"
    half("plain", path)
    local n, message, code = vega.study.export(path, "plane", helper.scratch "x")
    assert.is_nil(n)
    assert.matches("unknown study 'plane'; did you mean 'plain'?", message, 1, true)
    assert.equal("EFORMAT", code)
    assert.equal("EIO", select(3, vega.study.export(path, "plain", "/nowhere/at/all.jsonl")))
  end)
end)
