--- Restricted code: what it cannot reach, cannot outlast and cannot use up; and what it still can do.
local core = require "vega.core"
local helper = require "spec.helper"
local vega = require "vega"

local escapes, runaways, bombs = dofile "tests/spec/sandbox/escapes.lua", dofile "tests/spec/sandbox/runaways.lua", dofile "tests/spec/sandbox/bombs.lua"
local sanitized = os.getenv "VEGA_SANITIZE"
local SMALL = { memory = 32 << 20, tensors = 32 << 20, seconds = sanitized and 20 or 5 }
local GRACE = sanitized and 20 or 2

local function options(more)
  local o = {}
  for _, t in ipairs { SMALL, more or {} } do for k, v in pairs(t) do o[k] = v end end
  return o
end

local function run(text, more) return vega.sandbox.run(text, options(more)) end

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

describe("an escape", function()
  it("is tried by at least 60 scripts, most of which get out of trusted Lua", function()
    assert.is_true(#escapes >= 60)
    local path = helper.write(helper.scratch "trusted.lua", [[
      local text = dofile "tests/spec/sandbox/escapes.lua"[tonumber(arg[1])]:gsub("OUT", arg[2])
      os.exit, print, warn = function() return true end, function() end, function() end
      local f = load(text, "=x", "t")
      local ok, got = pcall(f)
      if ok and got then io.stdout:write "x" end]])
    local _, out = helper.run(("for i in $(seq %d); do %%s %s $i %s; done"):format(#escapes, path, helper.scratch "out"))
    assert.is_true(#out >= #escapes * 0.75, #out .. " of them get out")
  end)

  for i, text in ipairs(escapes) do
    it(("%d does not get out: %s"):format(i, text:sub(1, 100)), function()
      local out = helper.scratch "out"
      local got, message = run("local got = (function() " .. text:gsub("OUT", (out:gsub("%%", "%%%%"))) .. "\nend)() return got and true or nil")
      assert.is_nil(got, message)
      for _, ending in ipairs { "", ".db", ".html", ".json", ".jsonl", ".lua" } do assert.is_false(exists(out .. ending)) end
    end)
  end

  it("leaves this state as it was", function()
    assert.equal("xx", ("x"):rep(2))
    assert.equal(string, getmetatable("").__index)
    assert.is_function(io.open)
    assert.is_nil(debug.gethook())
  end)
end)

describe("a script that does not end", function()
  it("is one of at least 20", function() assert.is_true(#runaways.hooked + #runaways.in_c >= 20) end)

  for _, text in ipairs(runaways.hooked) do
    it("is stopped: " .. text:sub(1, 100), function()
      local began = core.sys.clock()
      local got, message, code = run(text, { seconds = 0.1 })
      assert.is_nil(got)
      assert.equal("EBUDGET", code, message)
      assert.matches("its time of 0.1 s is over", message, 1, true)
      assert.is_true(core.sys.clock() - began < 0.1 + GRACE)
    end)
  end

  it("is stopped after its instructions", function()
    local _, message, code = run("while true do end", { instructions = 100000 })
    assert.equal("EBUDGET", code)
    assert.matches("its 100000 instructions are used up", message, 1, true)
    assert.equal("EBUDGET", select(3, run("while true do pcall(function() while true do end end) end", { instructions = 100000 })))
    assert.equal(5050, (run("local n = 0 for i = 1, 100 do n = n + i end return n", { instructions = 100000 })))
  end)

  for _, text in ipairs(runaways.in_c) do
    it("within C ends with its process: " .. text:sub(1, 100), function()
      local path = helper.write(helper.scratch "script.lua", text)
      local began = core.sys.clock()
      local code, _, err = helper.run("%s --sandbox=seconds=0.2 " .. path)
      assert.equal(5, code, err)
      assert.matches("its time of 0.2 s is over", err, 1, true)
      assert.is_true(core.sys.clock() - began < 0.2 + GRACE)
    end)
  end
end)

describe("a script that takes memory", function()
  it("is one of at least 20", function() assert.is_true(#bombs >= 20) end)

  for _, text in ipairs(bombs) do
    it("gets an error: " .. text:sub(1, 100), function()
      local got, message, code = run(text, { seconds = sanitized and 5 or 1 })
      assert.is_nil(got)
      assert.is_truthy(code, message)
      assert.is_true(code == "ENOMEM" or code == "ESCRIPT" or code == "EBUDGET", tostring(code))
    end)
  end

  it("gives it back, and took no more than it may", function()
    collectgarbage()
    local _, _, code = run("local t = {} for i = 1, math.huge do t[i] = i end")
    assert.equal("ENOMEM", code)
    assert.equal(3e6, (run("return #('x'):rep(3e6)", { memory = 8 << 20 })))
    assert.is_nil((run("return #('x'):rep(9e6)", { memory = 8 << 20 })))
    assert.matches("string.rep would take 9000000 bytes", select(2, run("return #('x'):rep(9000000)", { memory = 8 << 20 })), 1, true)
  end)

  it("has a budget of tensors", function()
    local text = "local x, why, code = require 'vega'.tensor.zeros { 1024, 1024, 16 } return { got = x ~= nil, code = code }"
    assert.same({ got = false, code = "ENOMEM" }, (run(text)))
    assert.same({ got = true }, (run(text, { tensors = 80 << 20 })))
    assert.is_truthy(core.tensor.zeros { 1024, 1024, 16 })
  end)
end)

describe("vega.sandbox.run", function()
  it("takes and gives plain data", function()
    assert.same({ sum = 6, text = "ä", list = { 1, 2 } }, (run("local a = ... return { sum = a[1] + a[2] + a[3], text = 'ä', list = { 1, 2 } }", { argument = { 1, 2, 3 } })))
    assert.is_nil((run "return nil"))
    assert.equal(1 / 0, (run "return 1 / 0"))
    local _, message, code = run "return print"
    assert.equal("EFORMAT", code)
    assert.matches("no plain data", message, 1, true)
  end)

  it("names the script in its errors", function()
    local _, message, code = run("local x = nil\nreturn x.y", { name = "theirs" })
    assert.equal("ESCRIPT", code)
    assert.matches("^theirs:2: attempt to index", message)
    _, message, code = run("return return", { name = "theirs" })
    assert.equal("EFORMAT", code)
    assert.matches("^theirs:1: ", message)
    assert.matches("boom", select(2, run "error { message = 'boom' }"))
    assert.matches("no text", select(2, run "error(setmetatable({}, { __tostring = function() error {} end }))"))
  end)

  it("refuses bytecode", function()
    local _, message, code = run(string.dump(function() end))
    assert.equal("EFORMAT", code)
    assert.matches("binary", message)
  end)

  it("shares nothing between two runs", function()
    run "x = 1 string.len = nil table.concat = nil"
    assert.equal("3nil", (run "return table.concat { ('abc'):len(), tostring(x) }"))
  end)

  it("lets Lua be Lua", function()
    assert.same({ ok = false, message = "e", handled = "h:e" }, (run [[
      local ok, message = pcall(error, "e")
      local _, handled = xpcall(error, function(m) return "h:" .. m end, "e")
      return { ok = ok, message = message, handled = handled }]]))
    assert.same({ 1, 2, 3, "end" }, (run [[
      local co = coroutine.wrap(function() for i = 1, 3 do pcall(coroutine.yield, i) end return "end" end)
      return { co(), co(), co(), co() }]]))
    assert.same({ "a", "b" }, (run "local t = setmetatable({ 'a' }, { __index = { 'x', 'b' } }) return { t[1], t[2] }"))
    assert.is_true((run "local m = { __index = {} } return getmetatable(setmetatable({}, m)) == m"))
    assert.equal("x", (run "return getmetatable(setmetatable({}, { __metatable = 'x' }))"))
    assert.equal(7, (run "return load('return a + 3', 'c', 't', { a = 4 })()"))
    assert.equal("1, 2", (run "return ('%d, %d'):format(1, 2)"))
    assert.equal("a-b", (run "return table.concat({ 'a', 'b' }, '-')"))
  end)

  it("runs a search in it", function()
    local n = run([[
      local vega = require "vega"
      local s = vega.space { x = vega.space.float(0, 1) }
      local study = vega.study { space = s, strategy = vega.strategy.random {}, objectives = { y = "min" }, budget = { trials = 5 }, quiet = true,
        evaluate = function(arch) return { y = arch.x } end }
      assert(study:run())
      return #study:trials()]])
    assert.equal(5, n)
  end)

  it("opens the stores it is given, and no others", function()
    local path = helper.scratch "given.db"
    local text = [[
      local vega = require "vega"
      local s = vega.space { x = vega.space.float(0, 1) }
      local study = vega.study { space = s, strategy = vega.strategy.random {}, objectives = { y = "min" }, budget = { trials = 2 }, quiet = true,
        evaluate = function(arch) return { y = arch.x } end, store = ... }
      assert(study:run())
      return #study:trials()]]
    local given = { argument = path, stores = { path }, folders = { (path:match "^(.*)/") } }
    local n, message = run(text, given)
    assert.equal(2, n, message)
    assert.is_true(exists(path))
    given.argument = path .. "2"
    assert.matches("the store .- is not allowed", select(2, run(text, given)))
    assert.is_false(exists(path .. "2"))
  end)

  it("says what is wrong with its options", function()
    assert.has_error(function() vega.sandbox.run("", { second = 1 }) end,
      "sandbox.run: unknown option 'second'; did you mean 'seconds'? (known: argument, folders, instructions, memory, name, prepare, seconds, stores, "
      .. "tensors, value)")
    assert.has_error(function() vega.sandbox.run(1) end, "sandbox.run: a text expected, got number")
    assert.has_error(function() vega.sandbox.run("", { seconds = 0 }) end)
  end)
end)

describe("a search-space file", function()
  local function load(text) return vega.space(helper.write(helper.scratch "own.lua", text)) end

  it("is restricted", function()
    for _, text in ipairs { "return io.open 'x'", "os.execute 'true'", "return require 'vega.study'", "return require 'vega.core'", "getmetatable('').x = 1",
      "return require 'vega'.study" .. ".new" } do
      assert.is_false((pcall(load, text)), text)
    end
  end)

  it("has its budgets, also in build", function()
    local guarded = vega.sandbox.guard("x", function(n) if n == 1 then return ("x"):rep(1e9) end return n end)
    assert.equal(2, guarded(2))
    local ok, message = pcall(guarded, 1)
    assert.is_false(ok)
    assert.matches("string.rep would take", tostring(message))
    assert.equal(string, getmetatable("").__index)
  end)

  it("reports its own mistakes as before", function()
    local ok, message = pcall(load, "local space = require 'vega.space'\nreturn space.define { name = 'x' }")
    assert.is_false(ok)
    assert.matches("neither choices nor build", message)
    assert.matches("does not return a space", select(2, pcall(load, "return 1")))
  end)
end)

describe("vega-lua --sandbox", function()
  local function program(text, limits, arguments)
    local path = helper.write(helper.scratch "script.lua", text)
    return helper.run(("%%s --sandbox%s %s %s"):format(limits or "", path, arguments or ""))
  end

  it("runs a script, which prints to standard error", function()
    local code, out, err = program("#!/usr/bin/env vega-lua\nprint('hello', ..., arg[1])", "", "world")
    assert.equal(0, code, err)
    assert.equal("", out)
    assert.equal("hello\tworld\tworld\n", err)
  end)

  it("ends with the exit codes of the program", function()
    local code, _, err = program "error 'wrong'"
    assert.equal(1, code)
    assert.matches("wrong", err)
    code, _, err = program("while true do end", "=instructions=1e6")
    assert.equal(5, code)
    assert.matches("1000000 instructions are used up", err)
    assert.equal(5, (program("local t = {} while true do t = { t } end", "=memory=16M")))
    assert.equal(1, (program "return io.open 'x'"))
    code, _, err = program("", "=memory=much")
    assert.equal(2, code)
    assert.matches("--sandbox=memory=256M", err, 1, true)
    assert.equal(2, (helper.run "%s --sandbox"))
    assert.equal(2, (helper.run "%s --sandbox -e 'print(1)'"))
  end)

  it("is said to be no security boundary", function()
    local _, out = helper.run "%s --help"
    assert.matches("restricted", out)
    assert.matches("no security boundary", out)
  end)
end)

describe("bytecode", function()
  local function compiled(name)
    local path = helper.scratch(name)
    local file = assert(io.open(path, "wb"))
    file:write(string.dump(function() return 42 end))
    file:close()
    return path
  end

  it("is loaded nowhere", function()
    local path = compiled "bytecode.lua"
    assert.is_nil((load(string.dump(function() end))))
    assert.is_nil((load(string.dump(function() end), "x", "bt")))
    assert.has_error(function() load("", "x", "b") end)
    assert.is_nil((loadfile(path)))
    assert.is_false((pcall(dofile, path)))
    assert.equal(1, (helper.run("%s " .. path)))
    local folder, module = path:match "^(.*)/(.*)%.lua$"
    local code, _, err = helper.run(("%%s -e 'package.path=\"%s/?.lua;\" .. package.path require \"%s\"'"):format(folder, module))
    assert.equal(1, code)
    assert.matches("attempt to load a binary chunk", err)
    assert.is_false((pcall(vega.space, path)))
  end)

  it("is loaded when it is asked for, and never under --sandbox", function()
    local path = compiled "bytecode.lua"
    assert.equal(0, (helper.run("%s --allow-bytecode " .. path)))
    local code, out = helper.run(("%%s --allow-bytecode -e 'print(loadfile(\"%s\")())'"):format(path))
    assert.equal("0 42\n", code .. " " .. out)
    assert.equal(1, (helper.run("%s --allow-bytecode --sandbox " .. path)))
  end)
end)

describe("the engine's objects", function()
  it("hide their metatables", function()
    local registry, n = debug.getregistry(), 0
    for name, meta in pairs(registry) do
      if type(name) == "string" and name:find "^vega%." and type(meta) == "table" and meta.__name == name then
        n = n + 1
        assert.is_false(meta.__metatable, name)
        if type(meta.__index) == "table" then
          for key in pairs(meta.__index) do assert.is_falsy(key:find "^__", name) end
        end
      end
    end
    assert.is_true(n >= 25)
  end)

  it("raise when they are closed", function()
    for _, text in ipairs { "local g = require 'vega'.nn.network({ 4 }, function(net) return net:input() end) g:close() g:nodes()",
      "local t = require 'vega'.tape() t:close() t:reset()" } do
      local _, message, code = run(text)
      assert.equal("ESCRIPT", code)
      assert.matches("closed", message)
    end
  end)
end)
