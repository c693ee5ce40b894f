local here = debug.getinfo(1, "S").source:match("^@(.*)list_spec%.lua$")
local core = require "vega.core"
local helper = dofile(here .. "helper.lua")

local function listed(what)
  local code, out, err = helper.run(("%%s list %s --format json"):format(what))
  assert.equal(0, code, err)
  local by_name, list = {}, assert(core.json.decode(out))
  for _, item in ipairs(list) do by_name[item.name] = item end
  return by_name, list
end

local function option(item, name)
  for _, o in ipairs(item.options) do if o.name == name then return o end end
end

describe("vega-lua list", function()
  it("names every strategy, scheduler and proxy, with a sentence about it", function()
    for kind, family in pairs { strategies = require "vega.strategy", schedulers = require "vega.scheduler", proxies = require "vega.proxy" } do
      local by_name, list = listed(kind)
      assert.equal(#family.names(), #list)
      for _, name in ipairs(family.names()) do
        assert.is_true(#by_name[name].about > 20, name)
        assert.equal(#require("vega.util").sorted_keys(family[name].class.params or {}), #by_name[name].options)
      end
    end
  end)

  it("says what each option of a scheduler is, its default and range", function()
    local by_name = listed "schedulers"
    for name, item in pairs(by_name) do
      for _, o in ipairs(item.options) do assert.is_string(o.about, ("%s: %s"):format(name, o.name)) end
    end
    local eta = option(by_name.asha, "eta")
    assert.same({ 3, 2 }, { eta.default, eta.min })
    assert.same({ "promotion", "stopping" }, option(by_name.asha, "mode").one_of)
  end)

  it("counts the spaces that are installed", function()
    local by_name = listed "spaces"
    assert.same({ 6, 15625 }, { by_name.nb201.decisions, by_name.nb201.size })
  end)

  it("gives the options of operators in the units of Lua", function()
    local by_name = listed "ops"
    assert.same({ default = 1, min = 1, max = 64, name = "stride", required = false }, option(by_name.conv2d, "stride"))
    assert.is_true(option(by_name.concat, "axis").required)
    assert.is_truthy(option(by_name.batch_norm, "act").one_of[1])
    assert.same({}, by_name.relu.options)
  end)

  it("prints the same for people", function()
    local code, out = helper.run "%s list schedulers"
    assert.equal(0, code)
    assert.matches("\nhyperband +Hyperband: brackets of successive halving", out)
    assert.matches("mode +promotion +promotion | stopping", out)
    assert.matches("several objectives", (select(2, helper.run "%s list strategies")))
    assert.matches("15625 architectures", (select(2, helper.run "%s list spaces")))
  end)

  it("helps with a wrong word", function()
    local code, _, err = helper.run "%s list schedulrs"
    assert.equal(2, code)
    assert.matches("unknown word 'schedulrs'; did you mean 'schedulers'", err)
    code, _, err = helper.run "%s list"
    assert.equal(2, code)
    assert.matches("one of ops, proxies, schedulers, spaces, strategies must follow", err)
    assert.equal(2, (helper.run "%s list ops --format yaml"))
  end)
end)
