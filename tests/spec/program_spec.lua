local helper = require "spec.helper"

describe("vega-lua", function()
  it("runs a script with its arguments and ends with 0", function()
    local code, out = helper.script("print(#arg, arg[1], ...)", "a 'b c'")
    assert.equal(0, code)
    assert.equal("2\ta\ta\tb c\n", out)
  end)

  it("ends a failed script with 1 and a traceback that ends at the user's line", function()
    local code, _, err, path = helper.script "local r = require('vega.core').rng.new(1)\nlocal function f()\n  r:int(3, 1)\nend\nf()\n"
    assert.equal(1, code)
    assert.truthy(err:find("script.lua:3: bad argument", 1, true))
    assert.falsy(err:find("[C]", 1, true))
    assert.truthy(err:match("script%.lua:5: in the main chunk\n$"), path)
  end)

  it("blames the user's line, not the library's", function()
    local code, _, err = helper.script "local vega = require 'vega'\nlocal x = vega.threds\n"
    assert.equal(1, code)
    assert.truthy(err:find("script.lua:2: vega has no member 'threds'; did you mean 'threads'?", 1, true), err)
  end)

  it("refuses an unknown option with 2, a usage line and the nearest one", function()
    local code, out, err = helper.run "%s --vesion"
    assert.equal(2, code)
    assert.equal("", out)
    assert.truthy(err:find("unknown option --vesion; did you mean --version?", 1, true))
    assert.truthy(err:find("usage:", 1, true))
    assert.equal(2, (helper.run "%s -e"))
  end)

  it("runs nothing when a later option is wrong", function()
    local code, out = helper.run "%s -e 'print(1)' --nonsense"
    assert.equal(2, code)
    assert.equal("", out)
  end)

  it("names its libraries", function()
    local code, out = helper.run "%s --version"
    assert.equal(0, code)
    assert.truthy(out:match "^vega%-lua %d+%.%d+%.%d+ %(Lua 5%.4%.%d+, oneDNN [%d.]+, OpenBLAS [%d.]+ %a+, SQLite [%d.]+; [%w_]+%)\n$", out)
  end)

  it("names its libraries as JSON", function()
    local code, out = helper.run "%s --version --format json"
    assert.equal(0, code)
    local v = assert(require("vega.core").json.decode(out))
    assert.equal(require("vega").version, v.vega)
    assert.truthy(v.lua:match "^Lua 5%.4" and v.onednn and v.blas and v.sqlite and v.isa)
    local _, _, err = helper.run "%s --version --format jsn"
    assert.truthy(err:find("unknown format jsn; did you mean json?", 1, true))
    assert.equal(2, (helper.run "%s --version --formt json"))
  end)

  it("names the command that was meant", function()
    local code, _, err = helper.run "%s docter"
    assert.equal(2, code)
    assert.truthy(err:find("no script or command docter; did you mean doctor?", 1, true))
  end)

  it("takes what follows -- as the script", function()
    local path = helper.write(helper.scratch "-e", "print('ran', ...)")
    local code, out = helper.run(("cd %s && %%s -- -e -v"):format(path:match "^(.*)/"):gsub("%-e", path:match "[^/]*$"))
    assert.equal(0, code)
    assert.equal("ran\t-v\n", out)
  end)

  it("goes on interactively after a script with -i, and after -e", function()
    local path = helper.write(helper.scratch "script.lua", "x = 20")
    local code, out = helper.run("echo '=x * 2' | %s -e 'y = 1' -i " .. path)
    assert.equal(0, code)
    assert.equal("40\n", out)
    code, out = helper.run "echo 'y + 1' | %s -e 'y = 1' -i"
    assert.equal(0, code)
    assert.equal("2\n", out)
    assert.equal(1, (helper.run("echo 'y + 1' | %s -e 'error()' -i")))
  end)

  it("says which module -l did not find", function()
    local code, _, err = helper.run "%s -l no_such_module"
    assert.equal(1, code)
    assert.truthy(err:find("module 'no_such_module' not found", 1, true))
  end)

  it("explains names", function()
    local code, out = helper.run "%s help conv2d"
    assert.equal(0, code)
    assert.truthy(out:find("x [N,H,W,Ci], w [Co,Kh,Kw,Ci/groups]", 1, true))
    local err
    code, out, err = helper.run "%s help softmx"
    assert.equal("", out)
    assert.equal(2, code)
    assert.truthy(err:find("did you mean 'softmax'?", 1, true))
  end)

  it("loads nothing of its library before a script asks for it", function()
    local code, out = helper.run "%s -e 'for name in pairs(package.loaded) do if name:find \"vega\" then print(name) end end'"
    assert.equal(0, code)
    assert.equal("", out)
  end)

  it("starts small", function()
    if os.getenv "ASAN_OPTIONS" then return pending "built with sanitizers" end
    local _, out = helper.script [[for line in io.lines "/proc/self/status" do print(line:match "VmHWM:%s*(%d+)") end]]
    out = out:match "%d+"
    assert.is_true(tonumber(out) < 24 * 1024, out)               -- KiB, the libraries' own pages among them; 12 MiB where this was written
  end)

  it("begins its help with two examples", function()
    local code, out = helper.run "%s --help"
    assert.equal(0, code)
    assert.truthy(out:find("  vega-lua examples/quickstart.lua", 1, true))
  end)

  it("reads the script from standard input", function()
    local code, out = helper.run "echo 'print(arg[0], ...)' | %s - x"
    assert.equal(0, code)
    assert.equal("-\tx\n", out)
  end)

  it("requires modules and runs code in order", function()
    local code, out = helper.run "%s -e 'x = 1' -l vega -e 'print(x, vega.version)'"
    assert.equal(0, code)
    assert.truthy(out:match "^1\t%d+%.%d+%.%d+\n$")
  end)

  it("finds modules beside the script", function()
    local path = helper.write(helper.scratch "main.lua", "print(require('beside_me').value)")
    helper.write(path:match "^(.*)/" .. "/beside_me.lua", "return { value = 7 }")
    local code, out = helper.run("%s " .. path)
    assert.equal(0, code)
    assert.equal("7\n", out)
  end)

  it("refuses bytecode", function()
    local path = helper.scratch "code.luac"
    local f = assert(io.open(path, "wb"))
    f:write(string.dump(function() return 1 end))
    f:close()
    local code, _, err = helper.run("%s " .. path)
    assert.equal(1, code)
    assert.truthy(err:find("binary", 1, true))
  end)

  it("says which file cannot be opened", function()
    local code, _, err = helper.run "%s /no/such/script.lua"
    assert.equal(1, code)
    assert.truthy(err:find("/no/such/script.lua", 1, true))
  end)

  it("takes exit code and message from an error table", function()
    local code, _, err = helper.script "error { message = 'no trial succeeded', exit_code = 3 }"
    assert.equal(3, code)
    assert.equal("vega-lua: no trial succeeded\n", err)
  end)

  it("ends with 130 on Ctrl-C, with 75 when the work is saved", function()
    local own_signal = "io.popen('kill -INT ' .. io.open('/proc/self/stat'):read('n')):close() while true do end"
    local code, _, err = helper.script(own_signal)
    assert.equal(130, code)
    assert.truthy(err:match "^vega%-lua: .*interrupted!\n$", err)
    assert.equal(75, (helper.script("require('vega.core').sys.resumable(true) " .. own_signal)))
    assert.equal(143, (helper.script((own_signal:gsub("INT", "TERM")))))
  end)

  it("reads numbers with a point in any locale", function()
    local code, out = helper.run "LC_ALL=de_DE.UTF-8 %s -e 'print(0.5 + tonumber(\"0.25\"))'"
    assert.equal(0, code)
    assert.equal("0.75\n", out)
  end)

  it("sorts by bytes in any locale", function()
    local code, out = helper.run "LC_ALL=C.UTF-8 %s -e 'print(os.setlocale(nil, \"collate\"), os.setlocale(nil, \"numeric\"))'"
    assert.equal(0, code)
    assert.equal("C\tC\n", out)
  end)

  it("is silent when the reader of its output has gone", function()
    local code, _, err = helper.run "%s -e 'for i = 1, 100000 do print(i) end' | head -1"
    assert.equal(0, code)
    assert.equal("", err)
  end)
end)
