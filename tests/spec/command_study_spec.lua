--- vega-lua study: what is in a store, seen, moved and mended from the command line.
local core = require "vega.core"
local helper = require "spec.helper"
local studies = dofile "tests/stores/studies.lua"
local util = require "vega.util"
local vega = require "vega"

local function ran(path, name, options)
  local study <close> = vega.study(util.merge(studies[name or "plain"](path, 25), options or {}))
  study:run()
  return study:trials(), study:front()
end

local function study(words, ...) return helper.run(("%%s study " .. words):format(...)) end
local function json(text) return assert(core.json.decode(text, { nonfinite = "tag" })) end

local function lines_of(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

-- A reader of RFC 4180, to hold the writer to it: rows of fields.
local function read_csv(text)
  local rows, row, at = {}, {}, 1
  while at <= #text do
    local field, stop
    if text:sub(at, at) == '"' then
      local from = at + 1
      stop = from
      while true do
        stop = assert(text:find('"', stop, true))
        if text:sub(stop + 1, stop + 1) ~= '"' then break end
        stop = stop + 2
      end
      field, stop = text:sub(from, stop - 1):gsub('""', '"'), stop + 1
    else
      stop = text:find("[,\n]", at) or #text + 1
      field = text:sub(at, stop - 1)
    end
    row[#row + 1] = field
    if text:sub(stop, stop) ~= "," then
      rows[#rows + 1], row = row, {}
    end
    at = stop + 1
  end
  return rows
end

describe("study list", function()
  local path = helper.scratch "x.db"
  local trials, front = ran(path)
  ran(path, "halving")

  it("has a line for each study, in every format", function()
    local code, out, err = study("list --store %s", path)
    assert.equal(0, code, err)
    assert.equal("", err)
    assert.equal(3, #lines_of(out))
    assert.matches("^name +status +strategy +trials +complete", out)
    assert.matches("\nplain +DONE +aging +25 ", out)
    local list = json((select(2, study("list --store %s --format json", path))))
    assert.equal("plain", list[1].name)
    assert.equal(front:best().id, list[1].best.trial)
    assert.equal(front:best().values.loss, list[1].best.values.loss)
    assert.same({ { name = "loss", goal = "min" } }, list[1].objectives)
    local n = 0
    for _, count in pairs(list[1].counts) do n = n + count end
    assert.same({ #trials, #trials }, { n, list[1].trials })
    local rows = read_csv((select(2, study("list --store %s --format csv", path))))
    assert.same({ "name", "status", "strategy", "trials" }, table.move(rows[1], 1, 4, 1, {}))
    assert.equal(11, #rows[2])
    assert.equal("halving", rows[3][1])
    assert.equal(10, select(2, (lines_of((select(2, study("list --store %s --format tsv", path))))[2]):gsub("\t", "")))
  end)

  it("takes the store from VEGA_STORE and vega.json, a flag before both", function()
    local folder = helper.scratch "project"
    assert(core.sys.make_dirs(folder))
    local empty = helper.scratch "empty.db"
    assert(core.store.open(empty)):close()
    helper.write(folder .. "/vega.json", core.json.encode { store = path })
    local code, out, err = helper.run(("cd %s && %%s study list --format json"):format(folder))
    assert.equal(0, code, err)
    assert.equal(2, #json(out))
    code, out = helper.run(("cd %s && VEGA_STORE=%s %%s study list --format json"):format(folder, empty))
    assert.equal(0, code)
    assert.equal("[]\n", out)
    code, out = helper.run(("cd %s && VEGA_STORE=%s %%s study list --format json --store %s"):format(folder, empty, path))
    assert.same({ 0, 2 }, { code, #json(out) })
    helper.write(folder .. "/vega.json", '{ "stroe": "x" }')
    code, out, err = helper.run(("cd %s && %%s study list"):format(folder))
    assert.same({ 2, "" }, { code, out })
    assert.matches("did you mean 'store'?", err, 1, true)
  end)

  it("ends with 4 where there is no store, and makes none", function()
    local code, out, err = study("list --store %s/none.db", helper.folder)
    assert.same({ 4, "" }, { code, out })
    assert.matches("there is no such file", err, 1, true)
    assert.is_nil(io.open(helper.folder .. "/none.db"))
    code, out, err = study "list"
    assert.same({ 2, "" }, { code, out })
    assert.matches("which store?", err, 1, true)
  end)

  it("prints nothing that moves a cursor, whatever a study is called", function()
    local evil = helper.scratch "evil.db"
    ran(evil, "plain", { name = "a\27[2Jb\nc\194\155d" })
    local out = select(2, study("list --store %s", evil))
    assert.is_nil(out:find "[%z\1-\9\11-\31\127]")
    assert.is_nil(out:find("\194\155", 1, true))
    assert.equal(2, #lines_of(out))
    out = select(2, study("list --format tsv --store %s", evil))
    assert.matches("\na\27[2Jb\\nc", out, 1, true)
  end)
end)

describe("study best", function()
  it("is the best trial, the k best, by any objective", function()
    local path = helper.scratch "x.db"
    local _, front = ran(path)
    local list = json((select(2, study("best --store %s --format json", path))))
    assert.equal(1, #list)
    local best = front:best()
    assert.same({ best.id, best.hash, best.values.loss }, { list[1].trial, list[1].hash, list[1].values.loss })
    assert.same(best.arch, list[1].arch)
    list = json((select(2, study("best plain --k 4 --store %s --format json", path))))
    assert.equal(4, #list)
    for i = 2, 4 do assert.is_true(list[i - 1].values.loss <= list[i].values.loss) end
  end)

  it("is the front of several objectives, as the study has it", function()
    for _, more in ipairs { {}, { constraints = { params = { le = 250 } } } } do
      local path = helper.scratch "x.db"
      local trials, front = ran(path, "plain", util.merge(more, { objectives = { loss = "min", params = "max" }, strategy = vega.strategy.random {} }))
      local list = json((select(2, study("best --store %s --format json", path))))
      assert.is_true(#list > 1 and #list == #front.trials)
      for i, t in ipairs(front.trials) do assert.equal(t.id, list[i].trial) end
      list = json((select(2, study("best --store %s --objective params --k 2 --format json", path))))
      local most = 0
      for _, t in ipairs(trials) do
        local p = t.state == "COMPLETE" and t.values.params or 0
        if not more.constraints or p <= 250 then most = math.max(most, p) end
      end
      assert.equal(most, list[1].values.params)
    end
  end)

  it("compares what was trained furthest, under a scheduler", function()
    local path = helper.scratch "x.db"
    local _, front = ran(path, "halving", { budget = { trials = 60 } })
    local list = json((select(2, study("best --store %s --format json", path))))
    assert.equal(front:best().id, list[1].trial)
    assert.equal(front:best().fidelity, list[1].fidelity)
  end)

  it("refuses what is not there", function()
    local path = helper.scratch "x.db"
    ran(path)
    local code, _, err = study("best --objective los --store %s", path)
    assert.equal(2, code)
    assert.matches("unknown objective 'los'; did you mean 'loss'?", err, 1, true)
    code, _, err = study("best plane --store %s", path)
    assert.equal(4, code)
    assert.matches("unknown study 'plane'; did you mean 'plain'?", err, 1, true)
    code, _, err = study("best --store %s --format yaml", path)
    assert.equal(2, code)
    assert.matches("--format is one of table, json, csv, tsv, got 'yaml'", err, 1, true)
    assert.equal(2, (study("best --k -1 --store %s", path)))
    assert.equal(2, (study("best a b --store %s", path)))
    assert.equal(2, (study "bset"))
    assert.equal(2, (study ""))
  end)

  it("ends with 3 when no trial has succeeded", function()
    local path = helper.scratch "x.db"
    local s <close> = vega.study(util.merge(studies.plain(path, 3), { evaluate = function() return nil, "no" end }))
    s:run()
    local code, out = study("best --store %s --format json", path)
    assert.same({ 3, "[]\n" }, { code, out })
  end)
end)

describe("study trials", function()
  local path = helper.scratch "x.db"
  local trials = ran(path)

  it("are all trials, with all that was measured", function()
    local list = json((select(2, study("trials --store %s --format json", path))))
    assert.equal(#trials, #list)
    for i, t in ipairs(trials) do
      local got = list[i]
      assert.same({ t.id, t.state, t.hash, t.values.loss ~= t.values.loss and "nan" or t.values.loss or "none" },
        { got.trial, got.state, got.hash, got.values.loss ~= got.values.loss and "nan" or got.values.loss or "none" })
      assert.same(t.arch, got.arch)
    end
  end)

  it("are filtered and counted off", function()
    local failed = 0
    for _, t in ipairs(trials) do if t.state == "FAILED" then failed = failed + 1 end end
    assert.is_true(failed > 0)
    assert.equal(failed, #json((select(2, study("trials --store %s --state failed --format json", path)))))
    local list = json((select(2, study("trials --store %s --from 5 --limit 3 --format json", path))))
    assert.same({ 5, 6, 7 }, { list[1].trial, list[2].trial, list[3].trial })
    local code, _, err = study("trials --store %s --state DONE", path)
    assert.equal(2, code)
    assert.matches("unknown state 'DONE'", err, 1, true)
  end)

  it("keep every bit and every quote in CSV", function()
    local rows = read_csv((select(2, study("trials --store %s --format csv", path))))
    assert.equal(#trials + 1, #rows)
    local column = {}
    for k, name in ipairs(rows[1]) do column[name] = k end
    for i, t in ipairs(trials) do
      assert.equal(#rows[1], #rows[i + 1])
      local loss = rows[i + 1][column.loss]
      if t.state == "COMPLETE" then assert.equal(t.values.loss, tonumber(loss)) end
      assert.same(t.arch, json(rows[i + 1][column.arch]))
    end
  end)
end)

describe("study show", function()
  it("says what the store knows", function()
    local path = helper.scratch "x.db"
    local trials = ran(path)
    local _, out = study("show plain --store %s", path)
    assert.matches("\nstrategy +aging", out)
    assert.matches("\nbest +trial %d+: loss ", out)
    local o = json((select(2, study("show --store %s --format json", path))))
    assert.equal(#trials, o.trials)
    assert.equal(5, o.seed)
    assert.equal("aging", o.strategy)
    local attempts = 0
    for _, each in pairs(o.attempts) do attempts = attempts + each.attempts end
    assert.equal(#trials, attempts)
    assert.equal("what,is", lines_of((select(2, study("show --store %s --format csv", path))))[1])
  end)
end)

describe("a study", function()
  it("is exported and imported, through files and pipes", function()
    local path, copy, file = helper.scratch "x.db", helper.scratch "copy.db", helper.scratch "x.jsonl"
    ran(path)
    assert.equal(0, (study("export plain --out %s --store %s", file, path)))
    local code, out, err = study("import %s --store %s", file, copy)
    assert.same({ 0, "" }, { code, out })
    assert.matches("study 'plain': 25 trials", err, 1, true)
    assert.equal(0, (helper.run(("%%s study export --store %s | %%s study import - --name again --store %s"):format(path, copy))))
    local _, mine = study("trials plain --format csv --store %s", path)
    for _, name in ipairs { "plain", "again" } do
      assert.equal(mine, (select(2, study("trials %s --format csv --store %s", name, copy))))
    end
    code, out, err = study("import %s --store %s", file, copy)
    assert.same({ 4, "" }, { code, out })
    assert.matches("there is a study 'plain' already", err, 1, true)
    assert.equal(5, (study("export --out /nowhere/x.jsonl --store %s", path)))
    assert.equal(5, (study("import /nowhere/x.jsonl --store %s", copy)))
  end)

  it("is copied to another store, and left", function()
    local path, there = helper.scratch "x.db", helper.scratch "there.db"
    ran(path)
    ran(path, "halving")
    local code, out = study("migrate --to %s --store %s", there, path)
    assert.equal(0, code)
    assert.matches("study 'halving': ", out, 1, true)
    for _, name in ipairs { "plain", "halving" } do
      assert.equal((select(2, study("export %s --store %s", name, path))), (select(2, study("export %s --store %s", name, there))))
    end
    assert.equal(0, (study("migrate plain --name third --to %s --store %s", there, path)))
    assert.equal(3, #json((select(2, study("list --format json --store %s", there)))))
    assert.equal(2, (study("migrate --name x --to %s --store %s", there, path)))
  end)

  it("is removed only when told twice, with its checkpoints", function()
    local path = helper.scratch "x.db"
    ran(path)
    ran(path, "halving")
    local folder = path:gsub("%.db$", "") .. "-checkpoints/plain"
    assert(core.sys.make_dirs(folder))
    helper.write(folder .. "/1.ckpt", "x")
    local code, out = study("rm plain --store %s", path)
    assert.equal(0, code)
    assert.matches("^would: remove study 'plain' with 25 trials", out)
    assert.matches("nothing was done; %-%-yes does it\n$", out)
    assert.equal(2, #json((select(2, study("list --format json --store %s", path)))))
    assert.equal(0, (study("rm plain --yes --store %s", path)))
    local left = json((select(2, study("list --format json --store %s", path))))
    assert.same({ 1, "halving" }, { #left, left[1].name })
    assert.is_nil(io.open(folder .. "/1.ckpt"))
    assert.equal(2, (study("rm --yes --store %s", path)))                  -- never the only one by default
  end)

  it("that runs is not removed, resumed or copied", function()
    local path = helper.scratch "x.db"
    ran(path)
    local db <close> = assert(core.store.open(path))
    local id = assert(db:run("study_find", "plain"))[1].study_id
    local epoch = assert(db:lead(id, "somebody"))
    for _, words in ipairs { "rm plain --yes", "migrate --to " .. helper.scratch "there.db" } do
      local code, _, err = study("%s --store %s", words, path)
      assert.equal(1, code, words)
      assert.matches("is running: somebody leads it", err, 1, true)
    end
    db:resign(id, epoch)
    assert.equal(0, (study("rm plain --yes --store %s", path)))
  end)
end)

describe("study resume", function()
  -- A study whose row says what began it.
  local function recorded(env, script)
    local path = helper.scratch "x.db"
    local db <close> = assert(core.store.open(path))
    assert(db:run("study_create", "r", '[[{"goal":"min","name":"a"}],[]]', "{}", "0", "random", "[{},false,false]", 1, 0, "{}", core.json.encode(env)))
    if script then assert(db:run("study_script", 1, core.hash.hex(core.hash.sha256(script)), script)) end
    return path
  end

  it("starts the recorded command in its folder", function()
    local text = "print(require('vega.core').sys.list('.')[1], arg[0], ...)"
    local script = helper.write(helper.scratch "s.lua", text)
    local folder = helper.scratch "folder"
    assert(core.sys.make_dirs(folder))
    helper.write(folder .. "/here", "")
    local path = recorded({ command = { "vega-lua", script, "a", "b c" }, folder = folder, script = script }, text)
    local code, out, err = study("resume --store %s", path)
    assert.equal(0, code, err)
    assert.equal(("here\t%s\ta\tb c\n"):format(script), out)
    assert.equal(("cd %s && vega-lua %s a b c\n"):format(folder, script), (select(2, study("resume --print --store %s", path))))
    helper.write(script, text .. " -- changed")
    code, out, err = study("resume --store %s", path)
    assert.same({ 1, "" }, { code, out })
    assert.matches("has changed since the study began", err, 1, true)
    assert.equal(0, (study("resume --changed --store %s", path)))
    os.remove(script)
    assert.matches("is not there any more", (select(3, study("resume --store %s", path))), 1, true)
  end)

  it("refuses when nothing was recorded, or the folder has gone", function()
    local code, _, err = study("resume --store %s", recorded {})
    assert.equal(1, code)
    assert.matches("does not say what command began it", err, 1, true)
    code, _, err = study("resume --store %s", recorded { command = { "vega-lua", "x.lua" }, folder = "/no/such/folder" })
    assert.equal(1, code)
    assert.matches("/no/such/folder", err, 1, true)
  end)
end)

describe("study repair", function()
  it("says what a crash has left, and mends it when told", function()
    local path = helper.scratch "x.db"
    local id
    do
      local db <close> = assert(core.store.open(path))
      id = assert(db:run("study_create", "w", '[[{"goal":"min","name":"a"}],[]]', "{}", "0", "random", "[{},false,false]", 1, 0, "{}", "{}"))[1].study_id
      for number = 1, 3 do assert(db:run("trial_enqueue", id, number, '{"a":1}', "f" .. number, nil, 0, 3, nil)) end
      assert.equal(2, #assert(db:claim { study = id, owner = "me", host = "h", n = 2 }))
      assert(db:run "lease_forget")                                        -- both leases are over
      assert(db:run("trial_create", id, 4, '{"a":1}', "f4"))               -- a run in one process held this one
    end
    local code, out = study("repair --store %s", path)
    assert.equal(0, code)
    assert.matches("would: study 'w': release 2 trials whose worker is gone: 1, 2", out, 1, true)
    assert.matches("would: study 'w': release 1 trial that nobody holds", out, 1, true)
    assert.matches("would: study 'w': count on from trial 5, not 1", out, 1, true)
    assert.matches("would: study 'w': call it paused", out, 1, true)
    local before = json((select(2, study("list --format json --store %s", path))))[1]
    assert.equal(3, before.counts.RUNNING)
    assert.equal(0, (study("repair --yes --store %s", path)))
    local after = json((select(2, study("list --format json --store %s", path))))[1]
    assert.same({ 4, "PAUSED" }, { after.counts.WAITING, after.status })
    out = select(2, study("repair --store %s", path))
    assert.matches("whole, and nothing to mend", out, 1, true)
  end)

  it("leaves what is alive alone", function()
    local path = helper.scratch "x.db"
    local db <close> = assert(core.store.open(path))
    local id = assert(db:run("study_create", "w", '[[{"goal":"min","name":"a"}],[]]', "{}", "0", "random", "[{},false,false]", 1, 0, "{}", "{}"))[1].study_id
    assert(db:run("trial_enqueue", id, 1, '{"a":1}', "f1", nil, 0, 3, nil))
    assert(db:run("study_next", 2, id))
    assert(db:claim { study = id, owner = "me" })
    assert.matches("nothing to mend", (select(2, study("repair --yes --store %s", path))), 1, true)
  end)

  it("ends with 4 on a damaged file, and never crashes (S14, short)", function()
    local path = helper.scratch "x.db"
    ran(path)
    do
      local _ <close> = assert(core.store.open(path))                      -- the last to close takes the log in
    end
    local whole, rng = helper.read(path), core.rng.new(7, "damage")
    local bad, codes = helper.scratch "bad.db", {}
    for _ = 1, os.getenv "VEGA_LONG" and 2000 or 25 do
      local bytes = whole
      for _ = 1, rng:int(1, 8) do
        local at = rng:int(1, #bytes)
        bytes = bytes:sub(1, at - 1) .. string.char(rng:int(0, 255)) .. bytes:sub(at + 1)
      end
      helper.write(bad, bytes)
      for _, ending in ipairs { "-wal", "-shm" } do os.remove(bad .. ending) end
      local code, _, err = helper.run(("%%s study repair --store %s && %%s study trials plain --store %s >/dev/null"):format(bad, bad))
      assert.is_true(code == 0 or code == 4, ("%d: %s"):format(code, err))
      codes[code] = (codes[code] or 0) + 1
    end
    assert.is_truthy(codes[4])
  end)
end)

describe("study gc", function()
  it("removes what no trial points to, when told", function()
    local path = helper.scratch "x.db"
    local trials = ran(path)
    local root = path:gsub("%.db$", "") .. "-checkpoints"
    local failed, complete
    for _, t in ipairs(trials) do
      if t.state == "FAILED" then failed = t.id elseif t.state == "COMPLETE" then complete = t.id end
    end
    assert(core.sys.make_dirs(root .. "/plain"))
    assert(core.sys.make_dirs(root .. "/gone"))
    local keep, drop = { complete .. ".2.ckpt", complete .. ".2.ckpt.prev", "notes.txt" }, { failed .. ".ckpt", "99.ckpt", complete .. ".1.ckpt" }
    for _, list in ipairs { keep, drop } do for _, name in ipairs(list) do helper.write(root .. "/plain/" .. name, "x") end end
    helper.write(root .. "/gone/1.ckpt", "x")
    local code, out = study("gc --store %s", path)
    assert.equal(0, code)
    for _, text in ipairs { ("%d.ckpt: the trial failed"):format(failed), "99.ckpt: there is no such trial", ".1.ckpt: a later attempt", "gone: there is no such study" } do
      assert.matches(text, out, 1, true)
    end
    assert.equal(6, #core.sys.list(root .. "/plain"))
    assert.equal(0, (study("gc --yes --store %s", path)))
    table.sort(keep)
    assert.same(keep, core.sys.list(root .. "/plain"))
    assert.same({ "plain" }, core.sys.list(root))
    assert.matches("nothing to remove", (select(2, study("gc --store %s", path))), 1, true)
  end)
end)

describe("every released schema", function()
  local newest = 1
  it("opens, is upgraded after a copy, and has the same best trial (S12)", function()
    for schema = 1, newest do
      local path = helper.write(helper.scratch "old.db", helper.read(("tests/stores/schema_%d.db"):format(schema)))
      local code, out = study("migrate --store %s", path)
      assert.equal(0, code)
      assert.matches("schema %d+, written by vega%-lua", out)
      assert.matches("upgraded now; what it was is in " .. path .. ".bak-v" .. schema, out, 1, true)
      local best = json((select(2, study("best plain --format json --store %s", path))))[1]
      assert.same({ 7, "b488814154061e87" }, { best.trial, best.hash })
      best = json((select(2, study("best halving --format json --store %s", path))))[1]
      assert.equal(4, best.trial)
    end
  end)

  it("and a newer one is refused with 4, by every word", function()
    local path = helper.scratch "newer.db"
    do
      local db <close> = assert(core.store.open(path))
      assert(db:run("meta_set", "schema_version", "99"))
      assert(db:run("meta_set", "written_by", "vega-lua 9.9.9"))
    end
    for _, words in ipairs { "list", "show", "best", "trials", "export", "import " .. helper.write(helper.scratch "f", "{}"), "resume", "repair", "gc", "migrate", "rm x" } do
      local code, out, err = study("%s --store %s", words, path)
      assert.same({ 4, "" }, { code, out }, words)
      assert.matches("written by a newer version: vega-lua 9.9.9 (schema 99, this program knows", err, 1, true)
    end
  end)
end)
