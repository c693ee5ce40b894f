--- What holds for the whole program: help, verbosity, colour, signals, closed and full outputs, no secrets.
local core = require "vega.core"
local helper = require "spec.helper"
local studies = dofile "tests/stores/studies.lua"
local vega = require "vega"

local STUDY_WORDS = { "list", "show", "best", "trials", "export", "import", "resume", "repair", "gc", "migrate", "rm" }

-- Every command there is, as its words: the modules of vega.command that --help of the program names.
local function commands()
  local list, help = {}, select(2, helper.run "%s --help")
  for name in help:match "commands:\n(.*)":gmatch "\n?  (%l+) " do
    if package.searchpath("vega.command." .. name, package.path) then list[#list + 1] = name end
  end
  for _, word in ipairs(STUDY_WORDS) do list[#list + 1] = "study " .. word end
  return list
end

local function lines_of(text)
  local list = {}
  for line in text:gmatch "([^\n]*)\n" do list[#list + 1] = line end
  return list
end

describe("--help", function()
  it("of the program and of each command begins with two examples, fits 100 columns and ends with 0 (U2)", function()
    local list = commands()
    assert.is_true(#list >= 16)
    list[#list + 1] = ""
    for _, command in ipairs(list) do
      local code, out, err = helper.run("%s " .. command .. " --help")
      assert.same({ 0, "" }, { code, err }, command)
      local lines = lines_of(out)
      for i = 1, 2 do assert.matches("^  .*vega%-lua", lines[i], command) end
      assert.equal("", lines[3], command)
      assert.matches("^usage: vega%-lua", lines[4])
      for _, line in ipairs(lines) do assert.is_true(utf8.len(line) <= 100, line) end
    end
  end)

  it("has examples that the command line takes", function()
    local path = helper.scratch "x.db"
    local study <close> = vega.study(studies.plain(path, 5))
    study:run()
    for _, command in ipairs(commands()) do
      local out = select(2, helper.run("%s " .. command .. " --help"))
      for i = 1, 2 do
        local line = lines_of(out)[i]
        if line:find "vega%-lua study" and not line:find "postgresql" then
          line = line:gsub("runs/[%w_]+%.db", path):gsub("quickstart ", "plain "):gsub("|.*", ""):gsub(">.*", ""):gsub("^.*vega%-lua", "%%s")
          local code, _, err = helper.run("cd " .. helper.folder .. " && " .. line)
          assert.is_true(code ~= 2, ("%s: %s"):format(line, err))
        end
      end
    end
  end)

  it("of a script is a usage line that is broken before it is too wide", function()
    local defaults = {}
    for i = 1, 30 do defaults[#defaults + 1] = ("option_%d = %d"):format(i, i) end
    local code, out = helper.script(("require('vega').arguments { %s }"):format(table.concat(defaults, ", ")), "--help")
    assert.equal(0, code)
    for _, line in ipairs(lines_of(out)) do assert.is_true(#line <= 100, line) end
    assert.matches("%[%-%-option%-30 30%]", out)
  end)
end)

describe("a wrong command line", function()
  it("ends with 2, the nearest option and one usage line, whatever the command", function()
    for _, command in ipairs(commands()) do
      if command ~= "study" then
        local code, out, err = helper.run("%s " .. command .. (command == "list" and " ops" or "") .. " --hepl")
        assert.same({ 2, "" }, { code, out }, command)
        assert.matches("unknown option --hepl; did you mean --help?\nusage: vega-lua ", err, 1, true)
        assert.equal(2, #lines_of(err), err)
      end
    end
  end)

  it("of a value says what is expected, also in the form --name=value", function()
    local code, _, err = helper.run "%s study best --k=many --store=x.db"
    assert.equal(2, code)
    assert.matches("option --k wants a whole number, got 'many'", err, 1, true)
    code, _, err = helper.run "%s study rm a --yes=1 --store x.db"
    assert.equal(2, code)
    assert.matches("option --yes takes no value", err, 1, true)
    assert.equal(2, (helper.run "%s study rm --store x.db"))
    assert.equal(2, (helper.run "%s --color=sometimes -e ''"))
    assert.equal(2, (helper.run "%s doctor --color sometimes"))
    code, _, err = helper.run "VEGA_LOG=loud %s -e ''"
    assert.equal(2, code)
    assert.matches("VEGA_LOG: unknown level loud", err, 1, true)
  end)
end)

describe("a password in a store's URL (X6)", function()
  it("is in no output, error, log or process title, of any command", function()
    local secret = "geh31mnis"
    local log = helper.scratch "log"
    for _, url in ipairs { "postgresql://me:%s@nowhere.invalid/db", "postgresql://nowhere.invalid/db?password=%s", "mysql://a:%s@b/c" } do
      url = url:format(secret)
      for _, command in ipairs { "study list", "study show x", "study best", "study trials", "study export", "study import /dev/null", "study resume",
        "study repair", "study gc", "report", "serve", "worker", "study migrate", "study migrate --to '" .. url .. "'", "study rm x" } do
        local code, out, err = helper.run(("%%s %s --log-file %s --store '%s'"):format(command, log, url))
        assert.equal(2, code, command .. err)
        assert.is_nil((out .. err):find(secret, 1, true), command .. err)
        code, out, err = helper.run(("VEGA_STORE='%s' %%s %s --log-file %s"):format(url, command, log))
        assert.equal(2, code, command)
        assert.is_nil((out .. err):find(secret, 1, true), command .. err)
      end
      local out = select(2, helper.script("local f = io.open '/proc/self/cmdline' print((f:read 'a':gsub('%z', ' ')), #arg[1])", ("'%s'"):format(url)))
      assert.is_nil(out:find(secret, 1, true), out)
      assert.matches("\t" .. #url .. "\n$", out)                           -- the script still has its word
    end
    assert.is_nil(helper.read(log):find(secret, 1, true))
    assert.is_true(#lines_of(helper.read(log)) > 20)
  end)
end)

describe("output", function()
  local path = helper.scratch "x.db"
  do
    local study <close> = vega.study(studies.plain(path, 40))
    study:run()
  end

  it("has no escape codes when it is piped (U5), and colours when they are asked for", function()
    for _, words in ipairs { "doctor", "study list --store " .. path, "study trials --store " .. path } do
      local out = select(2, helper.run("TERM=xterm %s " .. words .. " 2>&1 | cat"))
      assert.is_nil(out:find("\27", 1, true), words)
      assert.is_truthy(select(2, helper.run("CLICOLOR_FORCE=1 %s " .. words)):find("\27[3", 1, true), words)
      assert.is_truthy(select(2, helper.run("NO_COLOR=1 %s " .. words .. " --color always")):find("\27[3", 1, true), words)
      assert.is_nil(select(2, helper.run("CLICOLOR_FORCE=1 NO_COLOR=1 %s " .. words)):find("\27", 1, true), words)
      assert.is_nil(select(2, helper.run("CLICOLOR_FORCE=1 %s --color never " .. words)):find("\27", 1, true), words)
    end
  end)

  it("is cut to a terminal's width, and coloured there", function()
    if not os.execute "command -v script >/dev/null" then return pending "script(1) is not installed" end
    for _, columns in ipairs { 40, 80, 200 } do
      local out = select(2, helper.run(("TERM=xterm COLUMNS=%d script -qec '%s study trials --limit 9 --store %s' /dev/null"):format(columns,
        helper.program(), path)))
      assert.is_truthy(out:find("trial", 1, true), out)
      for _, line in ipairs(lines_of(out)) do
        local text = line:gsub("\27%[[%d;]*m", ""):gsub("\r", "")
        if not text:find "columns do not fit" then assert.is_true(#text <= columns, ("%d columns: %s"):format(columns, text)) end
      end
    end
    local dumb = select(2, helper.run(("TERM=dumb script -qec '%s study list --store %s' /dev/null"):format(helper.program(), path)))
    assert.is_nil(dumb:find("\27", 1, true))
  end)

  it("that nobody reads is no error; that cannot be written is one", function()
    local code, _, err = helper.run("(%s study trials --format csv --store " .. path .. "; echo $? >&2) | head -1")
    assert.same({ 0, "0\n" }, { code, err })
    code, _, err = helper.run("(%s study export --store " .. path .. "; echo $? >&2) | head -1")
    assert.same({ 0, "0\n" }, { code, err })
    for _, words in ipairs { "study list", "study trials --format json", "study export", "study show" } do
      code, _, err = helper.run(("%%s %s --store %s >/dev/full"):format(words, path))
      assert.equal(5, code, words .. err)
      code = helper.run(("%%s %s --store %s >&-"):format(words, path))
      assert.is_true(code == 1 or code == 5, words)
    end
    assert.equal("ok\n", (select(2, helper.run("%s study repair --store " .. path .. " | grep -q 'nothing to mend' && echo ok"))))
  end)

  it("does not need HOME, a locale or a folder that can be written (U6)", function()
    local code, out = helper.run("cd /proc && env -i LANG=C " .. "%s study list --format csv --store " .. path)
    assert.equal(0, code)
    assert.matches("\nplain,DONE", out)
    code, out = helper.run("cd /proc && env -i LC_ALL=C %s -l vega -e 'print(vega.version, utf8.len \"ä\")'")
    assert.equal(0, code)
    assert.matches("\t1\n$", out)
  end)
end)

describe("signals", function()
  local KILL = "io.popen('kill -%s ' .. io.open('/proc/self/stat'):read('n')):close() "

  it("USR1 prints what goes on, and the program goes on", function()
    local code, out, err = helper.script(KILL:format "USR1" .. "\nfor i = 1, 3 do end print 'done'")
    assert.same({ 0, "done\n" }, { code, out })
    assert.matches("^vega%-lua: no study runs; at [^\n]*script.lua:%d+\n$", err)
    local text = ([[
      local vega = require "vega"
      local n = 0
      local study = vega.study { space = vega.space.define { name = "x", choices = function(s) s:int("a", 1, 99) end }, objectives = { a = "min" },
        strategy = vega.strategy.random {}, budget = { trials = 5 }, quiet = true, evaluate = function(arch)
          n = n + 1
          if n == 3 then %s end
          return { a = arch.a }
        end }
      study:run()
      print(#study:trials()) ]]):format(KILL:format "USR1")
    code, out, err = helper.script(text)
    assert.same({ 0, "5\n" }, { code, out })
    assert.matches("^study: 2/5 trials, a %d+\n$", err)
  end)

  it("USR1 in a coroutine and in the middle of a stop does no harm", function()
    assert.equal(0, (helper.script("local co = coroutine.wrap(function() " .. KILL:format "USR1" .. " for i = 1, 10 do coroutine.yield(i) end end) for _ = 1, 10 do co() end")))
    local code, _, err = helper.script(KILL:format "TERM" .. KILL:format "USR1" .. " while true do end")
    assert.equal(143, code)
    assert.matches("interrupted!", err, 1, true)
  end)

  it("HUP asks to stop, unless nohup said no", function()
    assert.equal(129, (helper.script(KILL:format "HUP" .. "while true do end")))
    local path = helper.write(helper.scratch "s.lua", KILL:format "HUP" .. "print 'on'")
    local code, out = helper.run("nohup %s " .. path)
    assert.same({ 0, "on\n" }, { code, out })
  end)
end)

describe("descriptors that are closed at the start", function()
  it("are not taken by files that the program opens", function()
    local path = helper.scratch "x.db"
    local script = helper.write(helper.scratch "s.lua", [[
      local f = io.open(arg[1], "w")
      print "not into the file"
      io.stderr:write "nor this"
      f:write "right"
      f:close() ]])
    helper.run(("%%s %s %s >&- 2>&- <&-"):format(script, path))
    assert.equal("right", helper.read(path))
  end)
end)

describe("settings", function()
  it("come from the environment, then vega.json; a script's own come first", function()
    local folder = helper.scratch "folder"
    assert(core.sys.make_dirs(folder))
    helper.write(folder .. "/vega.json", '{ "threads": 1, "seed": 7 }')
    local script = helper.write(helper.scratch "s.lua", [[
      local vega = require "vega"
      local function seed(given)
        return vega.study { space = vega.space.define { choices = function(s) s:int("a", 1, 9) end }, strategy = vega.strategy.random {}, seed = given,
          objectives = { a = "max" }, evaluate = function(arch) return arch end, store = "mem:" }.seed
      end
      print(vega.threads(), seed(), seed(3)) ]])
    local function run(before) return select(2, helper.run(("cd %s && %s %%s %s"):format(folder, before, script))) end
    assert.equal("1\t7\t3\n", run "")
    assert.equal("2\t9\t3\n", run "VEGA_THREADS=2 VEGA_SEED=9")
    local code, _, err = helper.run("VEGA_SEED=many %s " .. script)
    assert.equal(2, code)
    assert.matches("VEGA_SEED: a whole number expected, got 'many'", err, 1, true)
    assert.equal(2, (helper.run(("cd %s && echo '[1' > vega.json && %%s %s"):format(folder, script))))
  end)
end)

describe("start-up", function()
  it("of a command on a store takes little memory and no time to speak of", function()
    local begin = core.sys.clock()
    for _ = 1, 5 do assert.equal(0, (helper.run "%s -e ''")) end
    assert.is_true((core.sys.clock() - begin) / 5 < 1)                   -- 8 ms where nothing else runs (U7: 20 ms)
  end)
end)
