--- The engine as a module of a stock Lua, and the program installed under a prefix of its own.
local core = require "vega.core"
local helper = require "spec.helper"

local build = helper.program():match "^(.*)/[^/]*$"
local source = package.searchpath("vega.init", package.path):match "^(.*)/vega/init%.lua$"

local STOCK = [[
local vega = require "vega"
local tape = vega.tape()
local w = vega.tensor.ones { 2, 3 }:param()
tape:backward(vega.op.sum(vega.op.relu(w * 2)))
assert(w.grad:get(2, 3) == 2)
local study = vega.study { space = vega.space.define { choices = function(s) s:choice("a", { 1, 2, 3 }) end }, strategy = vega.strategy.random {},
  evaluate = function(arch) return { acc = arch.a } end, objectives = { acc = "max" }, budget = { trials = 3 }, quiet = true }
print(study:run():best().values.acc, vega.space "nb201".name)
]]

--- A stock Lua cannot load an engine built with sanitizers.
local function no_stock_lua() return os.getenv "ASAN_OPTIONS" ~= nil or (helper.run "command -v lua5.4") ~= 0 end

--- Runs the script in a stock Lua that finds the engine below two folders.
local function stock(lua, c, script, arguments)
  local path = helper.write(helper.scratch "stock.lua", script)
  return helper.run(("cd / && LUA_PATH='%s/?.lua;%s/?/init.lua;;' LUA_CPATH='%s/?.so;;' lua5.4 %s %s"):format(lua, lua, c, path, arguments or ""))
end

describe("the module", function()
  it("works in a stock Lua", function()
    if no_stock_lua() then return pending "no lua5.4 that can load the engine" end
    local code, out, err = stock(source, build, STOCK)
    assert.equal("", err)
    assert.equal(0, code)
    assert.equal("3\tnb201\n", out)
  end)

  it("raises there with the user's line", function()
    if no_stock_lua() then return pending "no lua5.4 that can load the engine" end
    local code, _, err = stock(source, build, 'local vega = require "vega"\nlocal y = vega.op.relu(nil)')
    assert.equal(1, code)
    assert.matches("stock%.lua:2: relu: input 1 is missing", err)
  end)
end)

describe("the installed program", function()
  local prefix = helper.scratch "prefix"
  local function installed(line) return helper.run(("cd / && %s/bin/vega-lua %s"):format(prefix, line)) end

  setup(function()
    local code, out, err = helper.run(("cmake --install %s --prefix %s"):format(build, prefix))
    assert(code == 0, out .. err)
  end)

  it("runs its own Lua files, spaces and engine", function()
    local code, out, err = installed(([[-e '
      local vega = require "vega"
      print(vega.space "nb201".name, vega.tensor.ones({ 2 }):sum():item())
      require "vega.study"
      require "vega.train"
      assert(#require "vega.report.document".scripts() == 2)
      for name, module in pairs(package.loaded) do
        local path = name:find "^vega" and package.searchpath(name, package.path)
        if path and path:sub(1, %d) ~= "%s" then print("not installed:", path) end
      end']]):format(#prefix, prefix))
    assert.equal("", err)
    assert.equal(0, code)
    assert.equal("nb201\t2.0\n", out)
  end)

  it("explains operators, Lua functions and engine functions, and looks at the machine", function()
    for name, text in pairs { conv2d = "x [N,H,W,Ci]", ["vega.tensor.randn"] = "randn(shape, rng", ["vega.train.fit"] = prefix } do
      local code, out = installed("help " .. name)
      assert.equal(0, code)
      assert.truthy(out:find(text, 1, true), out)
    end
    local _, out = helper.run(("cd %s && bin/vega-lua doctor --format json"):format(prefix))
    for _, check in ipairs(assert(core.json.decode(out))) do
      if check.name == "engine" or check.name == "store" then assert.equal("ok", check.level, check.text) end
    end
  end)

  it("brings the module for a stock Lua", function()
    if no_stock_lua() then return pending "no lua5.4 that can load the engine" end
    local code, out, err = stock(prefix .. "/share/vega-lua/lua", prefix .. "/lib/lua/5.4", STOCK)
    assert.equal("", err)
    assert.equal(0, code)
    assert.equal("3\tnb201\n", out)
  end)
end)
