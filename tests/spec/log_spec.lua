--- What is printed beside the data: levels, the log file, how much of it.
local core = require "vega.core"
local helper = require "spec.helper"
local progress = require "vega.study.progress"

local function entries(path)
  local list = {}
  for line in io.lines(path) do list[#list + 1] = assert(core.json.decode(line)) end
  return list
end

local ALL = "local log = require 'vega.log' for _, level in ipairs { 'error', 'warn', 'info', 'debug', 'trace' } do log[level]('%s says %d', level, 7) end"

describe("the log", function()
  it("prints down to the level that -q, -v, -vv or VEGA_LOG say", function()
    local path = helper.write(helper.scratch "s.lua", ALL)
    for line, n in pairs { ["%s "] = 3, ["%s -q "] = 1, ["%s -v "] = 4, ["%s -vv "] = 5, ["VEGA_LOG=warn %s "] = 2, ["VEGA_LOG=trace %s -q "] = 1 } do
      local code, out, err = helper.run(line .. path)
      assert.same({ 0, "" }, { code, out })
      assert.equal(n, select(2, err:gsub(" says 7\n", "")), line)
    end
  end)

  it("goes as JSON lines to the file of --log-file, from started programs, too", function()
    local path, file = helper.write(helper.scratch "s.lua", ALL), helper.scratch "log"
    helper.run(("%%s --log-file %s %s"):format(file, path))
    local list = entries(file)
    assert.equal(3, #list)
    assert.same({ "warn", "warn says 7" }, { list[2].level, list[2].message })
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", list[2].at)
    assert.is_true(list[2].pid > 1)
    helper.run(("%%s -q --log-file=%s -e \"os.execute('%s -v %s')\""):format(file, helper.program(), path))
    list = entries(file)
    assert.equal(7, #list)
    assert.equal("debug says 7", list[7].message)
    assert.is_true(list[7].pid ~= list[1].pid)
  end)

  it("has the error that ended the program, and any bytes as JSON", function()
    local file = helper.scratch "log"
    helper.run(("%%s --log-file %s -e 'error(\"a \\\"b\\\" \\\\ \\1 \\255 ä \\237\\160\\128\", 0)'"):format(file))
    local list = entries(file)
    assert.equal("error", list[1].level)
    assert.matches('^a "b" \\ \1 \u{FFFD} ä \u{FFFD}\u{FFFD}\u{FFFD}', list[1].message)
    local code, _, err = helper.run "%s --log-file /no/such/folder/x -e 'print(1)'"
    assert.equal(5, code)
    assert.matches("log file '/no/such/folder/x': No such file", err, 1, true)
  end)

  it("turns when it is full, and keeps two older files, with several writers", function()
    local file = helper.scratch "log"
    local path = helper.write(helper.scratch "s.lua", [[
      local log = require "vega.log"
      log.level "error"
      assert(log.open(arg[1], 20000))
      for i = 1, 300 do log.file("info", arg[2] .. " " .. i) end ]])
    local parts = {}
    for writer = 1, 4 do parts[writer] = ("%%s %s %s %d &"):format(path, file, writer) end
    helper.run(table.concat(parts, " ") .. " wait")
    local total, last = 0, {}
    for _, ending in ipairs { ".2", ".1", "" } do
      local list = entries(file .. ending)
      assert.is_true(#helper.read(file .. ending) <= 20000)
      for _, entry in ipairs(list) do
        local writer, i = entry.message:match "^(%d) (%d+)$"
        assert.is_true(tonumber(i) > (last[writer] or 0))               -- in order, none twice
        last[writer] = tonumber(i)
      end
      total = total + #list
    end
    assert.is_nil(io.open(file .. ".3"))
    assert.is_true(total > 350 and total < 1200, total)                 -- the older ones have gone
  end)
end)

describe("progress", function()
  -- A study that is `told` trials far, at a clock of our own.
  local function watched(budget)
    local state = { told = 0, now = 0 }
    local study = { name = "x", budget = budget, elapsed = 0, driver = { objectives = {}, stats = function() return { told = state.told, failed = 0 } end,
      best = function() end } }
    return state, study, progress.new(study, function() return state.now end)
  end

  local function lines_printed(fn)
    local file = helper.scratch "log"
    local level = core.log.level()
    assert(core.log.open(file))
    core.log.level "error"                                              -- standard error is this test's report
    local shows = require("vega.log").shows
    require("vega.log").shows = function() return true end
    fn()
    require("vega.log").shows = shows
    core.log.level(level)
    core.log.close()
    local list = {}
    for _, entry in ipairs(entries(file)) do list[#list + 1] = entry.message end
    return list
  end

  it("is a line when 10 % and 60 s have passed, and one at the end", function()
    local list = lines_printed(function()
      local state, _, bar = watched { trials = 1000 }
      bar.rewrites = false
      for i = 1, 1000 do
        state.told, state.now = i, i                                    -- 1000 s: 100 for 10 %
        bar:update()
      end
      bar:finish()
    end)
    assert.equal(11, #list)
    assert.equal("x: 100/1000 trials", list[1])
    list = lines_printed(function()
      local state, _, bar = watched { trials = 1000 }
      bar.rewrites = false
      for i = 1, 1000 do
        state.told, state.now = i, i / 10                               -- 100 s in all
        bar:update()
      end
      bar:finish()
    end)
    assert.same({ "x: 600/1000 trials", "x: 1000/1000 trials" }, list)
    list = lines_printed(function()
      local state, _, bar = watched {}                                  -- how far it is nobody knows
      bar.rewrites = false
      for i = 1, 600 do
        state.told, state.now = i, i
        bar:update()
      end
    end)
    assert.equal(10, #list)
  end)

  it("of a 1,000-trial run that is no terminal's is at most 40 lines (U3)", function()
    local text = [[
      local vega = require "vega"
      local n = 0
      local study = vega.study { space = vega.space.define { name = "x", choices = function(s) s:int("a", 1, 9999) end }, objectives = { a = "min" },
        strategy = vega.strategy.random {}, dedup = "allow", budget = { trials = 1000 }, store = "mem:", evaluate = function(arch)
          if arch.a %% 10 == 0 then error "no luck" end
          return { a = arch.a }
        end }
      study:run() ]]
    local _, out, err = helper.script((text:gsub("%%%%", "%%")))
    local _, lines = (out .. err):gsub("\n", "")
    assert.is_true(lines >= 1 and lines <= 40, out .. err)
    assert.matches("1000/1000 trials, %d+ failed, a %d+\n$", err)
    assert.is_nil(err:find "[\27\r]")
    local _, _, quiet = helper.run("VEGA_LOG=error %s " .. helper.write(helper.scratch "s.lua", (text:gsub("%%%%", "%%"))))
    assert.equal("", quiet)
  end)

  it("on a terminal is one line, rewritten at most 5 times a second", function()
    if not os.execute "command -v script >/dev/null" then return pending "script(1) is not installed" end
    local path = helper.write(helper.scratch "s.lua", [[
      local vega = require "vega"
      local study = vega.study { space = vega.space.define { name = "x", choices = function(s) s:int("a", 1, 9999) end }, objectives = { a = "min" },
        strategy = vega.strategy.random {}, dedup = "allow", budget = { trials = 3000 }, evaluate = function(arch) return arch end }
      local begin = os.time()
      study:run()
      print("seconds", os.time() - begin + 1) ]])
    local out = select(2, helper.run(("TERM=xterm script -qec '%s %s' /dev/null"):format(helper.program(), path)))
    local _, rewrites = out:gsub("\r\27%[K", "")
    assert.is_true(rewrites >= 1 and rewrites <= 5 * tonumber(out:match "seconds%s+(%d+)") + 1, out)
    out = select(2, helper.run(("TERM=dumb script -qec '%s %s' /dev/null"):format(helper.program(), path)))
    assert.is_nil(out:find("\27", 1, true))
  end)
end)
