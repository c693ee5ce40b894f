--- The report: what is in it, that no name of a study becomes a part of the page, its limits at 10,000 trials (specs 6.1, 10.6 X5, X6). What a browser
-- makes of it scripts/check_report looks at.
local core = require "vega.core"
local exchange = require "vega.study.exchange"
local facts_of = require "vega.report.facts"
local helper = require "spec.helper"
local importance_of = require "vega.report.importance"
local random = require "vega.report.random"
local report = require "vega.report"
local source_of = require "vega.report.source"
local stored = require "vega.study.stored"
local studies = dofile "tests/spec/report_studies.lua"
local text = require "vega.report.text"
local vega = require "vega"

local hash = core.hash

local function count(page, plain)
  local n, at = 0, 1
  while true do
    local from, to = page:find(plain, at, true)
    if not from then return n end
    n, at = n + 1, to + 1
  end
end

local function run(options)
  local study = vega.study(options)
  study:run()
  return study
end

local function data_of(page) return assert(core.json.decode(page:match '<script type="application/json" id="data">(.-)</script>')) end

local function column(data, key, title)
  for i, c in ipairs(data.columns) do if c.key == key and (not title or c.title == title) then return i end end
end

describe("the files that a report carries", function()
  it("are the ones that were bundled, and end no script element", function()
    local bundle = helper.read "share/echarts/echarts.min.js"
    assert.equal(helper.read "share/echarts/echarts.min.js.sha256":match "^%x+", hash.hex(hash.sha256(bundle)))
    assert.is_truthy(helper.read "share/echarts/package.json":find('"echarts": "6.1.0"', 1, true))
    for _, code in ipairs { bundle, helper.read "share/report/report.js" } do
      assert.is_nil(code:lower():find("</script", 1, true) or code:find("<!--", 1, true))
      assert.is_nil(code:find("eval(", 1, true) or code:find("new Function", 1, true) or code:find("innerHTML=`", 1, true))
    end
    assert.is_nil(helper.read "share/report/report.js":find("innerHTML", 1, true))
  end)
end)

describe("the report of a study", function()
  local path, page, study = helper.scratch "many.db", nil, nil
  setup(function()
    study = run(studies.many(path, 120))
    local s <close> = assert(stored.open(path))
    page = report.html(s)
  end)
  teardown(function() study:close() end)

  it("has its parts, all of them without a script", function()
    for _, part in ipairs { "<h2>Summary</h2>", "<h2>Search progress</h2>", "<h2>Pareto front</h2>", "<h2>Results</h2>", "<h2>Architectures</h2>",
      "<h2>Decisions</h2>", "<h2>Search cost</h2>", "<h2>How to run it again</h2>", "Apache License, Version 2.0", "Knee: <a href=\"#trial-", "Hypervolume <b",
      "120 trials: 113 complete, 7 failed", "95 % interval", "a mistake in trial 5", "|nor_conv_3x3~0|" } do
      assert.is_truthy(page:find(part, 1, true), part)
    end
    assert.matches("^<!DOCTYPE html>.*</html>\n$", page)
    assert.is_true(count(page, '<details class="card"') == 20 and count(page, 'class="cell"') == 20)
    for _, id in ipairs { "progress-trial", "progress-wall", "front", "importance", "frequency" } do
      assert.matches('id="chart%-' .. id:gsub("%-", "%%-") .. '"><svg', page)
    end
  end)

  it("asks for nothing and allows nothing but its own scripts and style", function()
    local markup = page:gsub("<script.->.-</script>", "")
    for url in markup:gmatch "https?://[^\"' )]*" do assert.matches("^https://www%.apache%.org/", url) end
    assert.is_nil(markup:find "%ssrc=" or markup:find "<script" or markup:find "%sstyle=" or markup:find "%son%w+=")
    local policy = page:match '<meta http%-equiv="Content%-Security%-Policy" content="([^"]*)">'
    assert.matches("^default%-src 'none'; script%-src 'sha256%-", policy)
    assert.is_nil(policy:find "unsafe")
    local function allows(code) return policy:find("'sha256-" .. hash.base64(hash.sha256(code)) .. "'", 1, true) ~= nil end
    for code in page:gmatch "<script>(.-)</script>" do assert.is_true(allows(code)) end
    assert.is_true(allows(page:match "<style>(.-)</style>"))
    assert.equal(2, count(page, "<script>"))
  end)

  it("has the trials as data, and the whole study to take along", function()
    local data = data_of(page)
    assert.equal(120, #data.rows)
    local accuracy = column(data, "value", "accuracy")
    for i, t in ipairs(study:trials()) do
      assert.equal(t.id, data.rows[i][1])
      if t.state == "COMPLETE" then assert.is_true(math.abs(t.values.accuracy - data.rows[i][accuracy]) < 1e-8) end
    end
    local ids = {}
    for i, t in ipairs(study:front().trials) do ids[i] = t.id end
    assert.same(ids, data.front)
    local packed = helper.write(helper.scratch "study.base64", page:match 'href="data:application/jsonl;base64,([^"]*)"')
    local code, lines = helper.run("base64 -d " .. packed)
    assert.equal(0, code)
    local copy = helper.scratch "copy.db"
    assert(exchange.import(copy, helper.write(helper.scratch "study.jsonl", lines)))
    local s <close> = assert(stored.open(copy))
    assert.equal(core.json.encode(study:trials(), { nonfinite = "tag" }), core.json.encode(s:trials(), { nonfinite = "tag" }))
  end)

  it("is the same of the running study, but for how to run it again", function()
    local running = report.html(study)
    assert.equal(core.json.encode(data_of(page)), core.json.encode(data_of(running)))
    assert.is_truthy(running:find("The same command continues", 1, true))
    local file = helper.scratch "new" .. "/report.html"
    assert.equal(file, study:front():report(file))
    assert.is_truthy(helper.read(file):find("<h2>Search cost</h2>", 1, true))
    assert.is_nil((report.write(study, "/proc/none/report.html")))
  end)

  it("is written by the command, with charts as files", function()
    local out, folder = helper.scratch "out.html", helper.scratch "svg"
    local code, said, err = helper.run(("%%s report many --store %s --out %s --svg %s"):format(path, out, folder))
    assert.equal("", err)
    assert.equal(0, code)
    assert.equal(out, said:match "^[^\n]*")
    for _, name in ipairs { "progress-trial", "progress-wall", "front", "importance", "frequency", "workers" } do
      local picture = helper.read(("%s/%s.svg"):format(folder, name))
      assert.matches('^<svg xmlns="http://www.w3.org/2000/svg" viewBox.*</svg>\n$', picture)
    end
    local json_code, json = helper.run(("VEGA_STORE=%s %%s report --format json"):format(path))
    assert.equal(0, json_code)
    assert.equal(120, #assert(core.json.decode(json)).rows)
    for line, expected in pairs { ["report"] = 2, ["report --store " .. path .. " --format xml"] = 2, ["report other --store " .. path] = 4,
      ["report --store /nowhere/x.db"] = 4, ["report --stroe x"] = 2, ["report --store " .. path .. " --out /proc/none/x.html"] = 5 } do
      assert.equal(expected, (helper.run("%s " .. line)), line)
    end
  end)

  it("names no password", function()                                -- X6
    local code, said, err = helper.run "%s report --store 'postgresql://user:geheim@localhost/db' --out /dev/null"
    assert.equal(2, code)
    assert.is_nil((said .. err):find("geheim", 1, true))
    assert.is_truthy(err:find("user:***@", 1, true))
  end)
end)

describe("the report of little", function()
  it("is a page without a trial, with one, and with failures only", function()
    for trials, make in pairs { [0] = studies.many, [1] = studies.many } do
      local path = helper.scratch "few.db"
      local study <close> = vega.study(make(path, 1))
      if trials == 1 then study:run() end
      local s <close> = assert(stored.open(path))
      assert.matches("</html>\n$", report.html(s))
      assert.equal(trials, #data_of(report.html(study)).rows)
    end
    local study <close> = run(studies.many(helper.scratch "bad.db", 3, { evaluate = function() error("no", 0) end }))
    local page = report.html(study)
    assert.is_truthy(page:find("3 trials: 3 failed", 1, true))
  end)

  it("is one objective under a scheduler, too", function()
    local kept = dofile "tests/stores/studies.lua"
    local study <close> = run(kept.halving(helper.scratch "x.db", 30))
    local page = report.html(study)
    assert.is_truthy(page:find("under the scheduler <b>asha</b>", 1, true))
    assert.is_nil(page:find("<h2>Pareto front</h2>", 1, true))
    assert.is_truthy(page:find("against random search: this is one", 1, true))
  end)
end)

describe("the report of a hostile study", function()
  local path = helper.scratch "hostile.db"
  setup(function() run(studies.hostile(path, 24)):close() end)

  local function check(page, scripts)
    assert.equal(scripts, count(page:lower(), "</script"))
    for _, raw in ipairs { "<img", "<svg onload", "<style>*", "]]><!--", "window.hacked='script'</script>", "\u{202e}", "\u{2066}", "\u{200f}", ("L"):rep(4100) } do
      assert.is_nil(page:find(raw, 1, true), raw:sub(1, 40))
    end
  end

  it("has all texts as texts, and short", function()
    local s <close> = assert(stored.open(path))
    local page = report.html(s)
    check(page, 3)
    assert.is_true(#page < 2 << 20)
    assert.is_truthy(page:find("&lt;img src=x onerror=&quot;window.hacked=&#39;img&#39;&quot;&gt;", 1, true))
    assert.is_truthy(page:find("(1048576 bytes)", 1, true))
    local data = data_of(page)
    assert.equal(24, #data.rows)
    assert.equal("</script><script>window.hacked='script'<...", data.objectives[1].name)
  end)

  it("has them so in its files", function()
    local s <close> = assert(stored.open(path))
    for _, picture in ipairs(assert(report.write_charts(s, helper.scratch "svg"))) do check(helper.read(picture), 0) end
  end)
end)

describe("10,000 trials", function()
  it("are a page of 5 MB in 10 s", function()
    local path = helper.scratch "long.db"
    run(studies.many(path, 10000, { strategy = vega.strategy.random {} })):close()
    local began = os.clock()                                         -- the processor's time: other tests run beside this one
    local s <close> = assert(stored.open(path))
    local page = report.html(s)
    local seconds = os.clock() - began
    assert.is_true(#page <= 5e6, #page)
    if not os.getenv "VEGA_SANITIZE" then assert.is_true(seconds <= 10, seconds) end
    assert.is_truthy(page:find("the front and a sample of 2000 are drawn", 1, true))
    assert.equal(10000, #data_of(page).rows)
  end)
end)

describe("texts of the report", function()
  it("show what is hidden, broken or long", function()
    assert.equal("a<202E>b", text.show "a\u{202e}b")
    assert.equal("a\u{fffd}b\u{fffd}\u{fffd}", text.show "a\xffb\xe2\x82")
    assert.equal("\u{fffd}\u{fffd}", text.show "\xc0\x80")
    assert.equal("<0000><000A><001B>é", text.show "\0\n\27é")
    assert.equal("\n", text.show("\n", 10, true))
    assert.equal("ééé...", text.show("éééé", 3))
    assert.equal("xx... (5000 bytes)", text.show(("x"):rep(5000), 2))
    assert.equal("&lt;&amp;&quot;&#39;&gt;", text.html "<&\"'>")
  end)

  it("are JSON that no element ends", function()
    local value = { n = 4, 1, nil, "</script>&\"\\\n", 0.1 }
    local coded = text.json { list = value, none = { n = 0 }, nan = 0 / 0, inf = -math.huge, whole = 3.0, yes = true }
    assert.is_nil(coded:find("<", 1, true))
    local back = assert(core.json.decode(coded))
    assert.equal("</script>&\"\\<000A>", back.list[3])
    assert.equal(0.1, back.list[4])
    assert.equal(core.json.null, back.nan)
    assert.equal(core.json.null, back.list[2])
    assert.equal(0, #back.none)
    assert.equal(3, back.whole)
  end)
end)

describe("against random search", function()
  it("has the interval of Clopper and Pearson", function()
    local low, high = random.interval(0, 20)
    assert.equal(0, low)
    assert.is_true(math.abs(high - (1 - 0.025 ^ (1 / 20))) < 1e-9)
    low, high = random.interval(3, 20)                               -- R: binom.test(3, 20)$conf.int
    assert.is_true(math.abs(low - 0.03207094) < 1e-7 and math.abs(high - 0.37892683) < 1e-7)
    low, high = random.interval(20, 20)
    assert.equal(1, high)
    assert.is_true(math.abs(low - 0.025 ^ (1 / 20)) < 1e-9)
  end)

  it("has the quantiles of the best of n draws", function()
    local list = {}
    for i = 1, 1000 do list[i] = i / 1000 end                        -- uniform: the best of n is above x with probability (1 - x)^n
    for _, n in ipairs { 1, 10, 100 } do
      for _, q in ipairs { 0.025, 0.5, 0.975 } do
        assert.is_true(math.abs(random.best_of(list, n, q) - (1 - (1 - q) ^ (1 / n))) <= 0.0011)
      end
    end
  end)

  it("uses the random study of the same store", function()
    local path = helper.scratch "two.db"
    run(studies.many(path, 60, { name = "baseline", strategy = vega.strategy.random {}, seed = 9 })):close()
    run(studies.many(path, 40)):close()
    local s <close> = assert(stored.open(path, "many"))
    local c = random.compare(facts_of.of(source_of.of(s)), 1)
    assert.equal("baseline", c.origin.study)
    assert.is_true(c.median > 0.5 and c.low <= c.median and c.median <= c.high or c.high <= c.median and c.median <= c.low)
    assert.is_truthy(report.html(s):find("the study &#39;baseline&#39; of this store", 1, true))
  end)
end)

describe("the cost of a search", function()
  local cost = require "vega.report.cost"
  local attempts = { { trial = 1, owner = "w1", started_at = 100, ended_at = 130, outcome = "COMPLETE" },
    { trial = 2, owner = "w2", started_at = 100, ended_at = 110, outcome = "LOST" }, { trial = 2, owner = "w1", started_at = 130, ended_at = 150, outcome = "COMPLETE" },
    { trial = 3, owner = "w2", started_at = 150, ended_at = 160, outcome = "FAILED" }, { trial = 4, owner = "w2", started_at = 160 } }

  it("is told by outcome, phase and worker", function()
    local trials = { {}, {}, {}, {} }
    local c = cost.of({ attempts = attempts, created_at = 100, strategy = "tpe", params = { initial = 2 }, env = { threads = 4 } }, trials)
    assert.same({ 5, 1, 70.0, 20.0, 4 }, { c.attempts, c.retries, c.seconds, c.wasted, c.threads })
    assert.same({ { name = "COMPLETE", n = 2, seconds = 50.0 }, { name = "FAILED", n = 1, seconds = 10.0 }, { name = "LOST", n = 1, seconds = 10.0 },
      { name = "running", n = 1, seconds = 0.0 } }, c.outcomes)
    assert.same({ 60.0, 10.0 }, { c.phases[1].seconds, c.phases[2].seconds })
    assert.same({ "w1", "w2" }, { c.lines[1].name, c.lines[2].name })
    assert.equal("COMPLETE", c.lines[1].bins[1])
    assert.equal("LOST", c.lines[2].bins[10])
    assert.is_nil(c.lines[2].bins[100])
    assert.equal("FAILED", c.lines[2].bins[280])
  end)

  it("counts what a scheduler pauses as no retry", function()
    local c = cost.of({ attempts = { { trial = 1, started_at = 0, ended_at = 1, outcome = "RELEASED" }, { trial = 1, started_at = 1, ended_at = 2, outcome = "COMPLETE" } },
      created_at = 0, strategy = "random", scheduler = { name = "asha" } }, { {} })
    assert.equal(0, c.retries)
  end)
end)

describe("importance", function()
  local space = vega.space.define { name = "six", choices = function(s)
    for i = 1, 6 do s:choice("d" .. i, { "a", "b", "c" }) end
    s:float("x", 0, 1)
  end }
  local LEVEL = { a = 0, b = 1, c = 2 }

  local function trials(n, value)
    local rng, list = core.rng.new(5, "importance"), {}
    for i = 1, n do
      local arch = space:random(rng)
      list[i] = { arch = arch, costs = { value(arch) } }
    end
    return list
  end

  it("finds what matters, in its share", function()
    local found = assert(importance_of(space, trials(600, function(arch) return 3 * LEVEL[arch.d2] + LEVEL[arch.d5] end)))
    assert.equal("d2", found.list[1].name)
    assert.equal("d5", found.list[2].name)
    assert.is_true(math.abs(found.list[1].share - 0.9) < 0.06 and math.abs(found.list[2].share - 0.1) < 0.06)
    for i = 3, #found.list do assert.is_true(found.list[i].share < 0.02) end
    assert.is_true(found.r2 > 0.95)
  end)

  it("says that it knows nothing of noise, or says why there is none", function()
    local rng = core.rng.new(6, "noise")
    local found = assert(importance_of(space, trials(300, function() return rng:uniform() end)))
    assert.is_true(found.r2 < 0.2)
    assert.is_nil((importance_of(nil, {})))
    assert.is_nil((importance_of(space, trials(5, function() return 1 end))))
    assert.is_nil((importance_of(space, trials(50, function() return 1 end))))
  end)
end)
