--- The interactive session without a terminal, completion, help. tests/c/test_repl.c has the session on a terminal.
local complete = require "vega.repl.complete"
local core = require "vega.core"
local help = require "vega.help"
local helper = require "spec.helper"
local show = require "vega.repl.show"

local function session(text)
  return helper.run("%s repl <" .. helper.write(helper.scratch "typed", text))
end

describe("repl", function()
  it("prints expressions, runs statements, joins lines, without prompts in a pipe", function()
    local code, out, err = session "1 + 1\n= 2 * 3\nx = 5\nfor i = 1, 2 do\n  print(i * x)\nend\n'a', nil, true\nlocal y = 1\n\nf = function()\n return\n7 end f()\n"
    assert.equal("", err)
    assert.equal("2\n6\n5\n10\na\tnil\ttrue\n", out)
    assert.equal(0, code)
  end)

  it("knows vega, summarises tensors and shows tables", function()
    local _, out = session "vega.tensor.ones { 2, 3 }\n{ b = { 1, 'two' }, a = {} }\n"
    assert.truthy(out:find("tensor f32 [2, 3], min 1, max 1, mean 1\n", 1, true))
    assert.truthy(out:find('{ a = {}, b = { 1, "two" } }\n', 1, true))
  end)

  it("goes on after errors and tells them by its exit code", function()
    local code, out, err = session "error 'one'\n1 +* 2\nlocal t; t.x = 1\nerror { message = 'a table' }\n'still here'\n"
    assert.equal(1, code)
    assert.equal("still here\n", out)
    assert.truthy(err:match "^stdin:1: one\nstdin:1: unexpected symbol near '1'\nstdin:1: attempt to index a nil value %(local 't'%)\ntable: ")
  end)

  it("says what is missing when the input ends within a statement", function()
    local code, _, err = session "for i = 1, 2 do\n"
    assert.equal(1, code)
    assert.truthy(err:find("'end' expected near <eof>", 1, true))
  end)

  it("shows the last error's frames with their variables", function()
    local _, out = session "function inner(a) local list = { 1, 2 } error 'deep' end\nfunction outer(n) inner(n + 1) return n end\nlocal x = 2; outer(x + 1)\n??\n"
    assert.truthy(out:match "stdin:1: deep\n  stdin:1 in %a+\n    a = 4\n    list = { 1, 2 }\n  stdin:1 in %a+\n    n = 3\n  stdin:1 in the main chunk\n    x = 2\n")
  end)

  it("ends on a signal when nobody sits at it", function()
    local code, out, err = session "vega.sys.start { 'sh', '-c', 'kill -INT $PPID' }\nwhile true do end\nprint 'not reached'\n"
    assert.equal(130, code)
    assert.falsy(out:find("not reached", 1, true))
    assert.equal("vega-lua: interrupted!\n", err)
  end)

  it("can be opened inside a script", function()
    local path = helper.write(helper.scratch "script.lua", "state = 41 require('vega').repl() print 'after'")
    local code, out = helper.run("echo 'state + 1' | %s " .. path)
    assert.equal(0, code)
    assert.equal("42\nafter\n", out)
  end)
end)

describe("completion", function()
  local environment = { vega = require "vega", alpha = { beta = 1, better = { gamma = 2 }, _hidden = 3 }, t = core.tensor.ones { 2 }, s = "text",
    methods = setmetatable({ own = function() end, field = 1 }, { __index = { inherited = function() end } }) }
  local function at(text) return { complete(text, environment) } end

  it("inserts what is certain and lists the rest", function()
    assert.same({ "ha" }, at "x = alp")
    assert.same({ "", "beta    better" }, at "alpha.bet")
    assert.same({ "mma" }, at "f(alpha.better.ga")
    assert.same({ "et" }, at "alpha.b")
    assert.same({ "" }, at "alpha.zzz")
    assert.same({ "" }, at "nothing.x")
    assert.same({ "" }, at "1 + ")
    assert.same({ "tion" }, at "local func")
  end)

  it("knows methods, also those of engine objects", function()
    assert.truthy(complete("methods:inh", environment) == "erited")
    assert.same({ "", "inherited  own" }, at "methods:")
    assert.same({ "able" }, at "t:tot")
    assert.same({ "" , "relu   relu6" }, at "t:relu")
    assert.same({ "r" }, at "s:uppe")
  end)

  it("knows members of vega that are not loaded yet", function() assert.same({ "aluate" }, at "vega.ev") end)
end)

describe("show", function()
  it("cuts what is long, deep or circular", function()
    local circle = {}
    circle.self = circle
    assert.equal("{ self = { self = { self = { ... } } } }", show(circle))
    local many = {}
    for i = 1, 1000 do many[i] = i end
    assert.truthy(#show(many) < 1000 and show(many):find("...", 1, true))
    assert.equal('{ 1, ["a b"] = "x\\\ny" }', (show { 1, ["a b"] = "x\ny" }:gsub("%s+", " "):gsub("x\\ y", "x\\\ny")))
  end)
end)

describe("help", function()
  it("explains operators, functions in Lua and in C, methods, modules, strategies", function()
    for name, text in pairs { conv2d = "options: stride", ["vega.op.relu"] = "x:relu", ["vega.tensor.randn"] = "randn(shape, rng",
      ["vega.util.nearest"] = "util.nearest(word, names)", ["t:fill"] = "t:fill(value)", ["vega.study"] = "A study:", aging = "options: population = 100",
      ["vega.json"] = "functions: ", ["vega.train.fit"] = "Trains `model`" } do
      assert.truthy(assert(help.text(name, setmetatable({ t = core.tensor.ones { 1 }, vega = require "vega" }, { __index = _G }))):find(text, 1, true), name)
    end
    assert.same({ nil, "nothing is known about 'softmx'; did you mean 'softmax'?" }, { help.text "softmx" })
  end)

  it("finds a description of every function that a script can reach", function()
    local vega, undescribed = require "vega", {}
    for _, part in ipairs(vega.members()) do
      local member = vega[part]
      for name, f in pairs(type(member) == "table" and part ~= "op" and member or {}) do
        if type(name) == "string" and type(f) == "function" and not name:find "^_" then
          local text = help.text(("vega.%s.%s"):format(part, name))
          if not text or text:find("(no description)", 1, true) or text:find("without a description", 1, true) then
            undescribed[#undescribed + 1] = part .. "." .. name
          end
        end
      end
    end
    table.sort(undescribed)
    assert.same({}, undescribed)
  end)
end)
