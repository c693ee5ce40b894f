--- A search that is killed at any moment goes on with the same bits; one that diverges says so and keeps what it has.
local core = require "vega.core"
local files = require "spec.helper"
local helper = require "spec.differentiable_helper"

-- Presets with more than the architecture parameters to bring back: noise, slots, stages, an optimiser's second moment that matters.
local CASES = {
  darts = {}, darts_second = {}, gdas = {}, smooth_darts = {}, snas = {}, proxyless = { every = 1, warmup = 0 }, darts_minus = {},
  p_darts = { dropout = { 0.2, 0.2 }, drop = { 1 }, warmup = 0.3 },
}

local function without_time(history)
  local list = {}
  for i, entry in ipairs(history) do
    list[i] = {}
    for key, value in pairs(entry) do if key ~= "seconds" then list[i][key] = value end end
  end
  return list
end

describe("a differentiable search", function()
  for _, preset in ipairs(require("vega.util").sorted_keys(CASES)) do
    it("goes on after a kill as if there had been none: " .. preset, function()
      local options = { preset = preset, set = CASES[preset], epochs = 3 }
      local function search(more)
        for key, value in pairs(options) do more[key] = value end
        return helper.search(more)
      end
      local whole, path = assert(search {}), files.scratch "search.ckpt.safetensors"
      -- Killed in the middle of an epoch: by an error, in the 5th step of the weights (of 3 an epoch), after a checkpoint at the 4th.
      local steps = 0
      local base = helper.preset(preset)
      options.preset = helper.preset(preset, { fill = function(s, phase)
        if base.fill then base.fill(s, phase) end
        steps = steps + (phase == "weights" and 1 or 0)
        if steps == 5 then error("killed", 0) end
      end })
      assert.error_matches(function() search { checkpoint = path, checkpoint_steps = 2 } end, "killed")
      options.preset = preset
      local resumed = assert(search { checkpoint = path, checkpoint_steps = 2, resume = true })
      assert.same(helper.values(whole.net), helper.values(resumed.net))
      assert.same(without_time(whole.history), without_time(resumed.history))
      assert.same(whole.arch, resumed.arch)
      -- Finished, it is only read again.
      local again = assert(search { checkpoint = path, checkpoint_steps = 2, resume = true })
      assert.same(resumed.arch, again.arch)
      assert.same(without_time(whole.history), without_time(again.history))
    end)
  end

  -- By a signal that nothing can catch, at moments that differ from run to run; what is asserted holds for every moment.
  it("goes on after SIGKILL, again and again", function()
    local script = files.write(files.scratch "search.lua", [[
package.path = "tests/?.lua;" .. package.path
local helper = require "spec.differentiable_helper"
local found = assert(helper.search { preset = "gdas", epochs = 5, checkpoint = arg[1], checkpoint_steps = 1, resume = true })
local sums = {}
for name, t in pairs(found.net.graph:params()) do sums[#sums + 1] = ("%s %a"):format(name, t:sum():item()) end
table.sort(sums)
print(#found.history, table.concat(sums, "\n"))
]])
    local function run(path, before) return files.run(("OMP_NUM_THREADS=1 %s%%s %s %s"):format(before, script, path)) end
    local code, whole, err = run(files.scratch "whole.safetensors", "")
    assert.equal(0, code, err)
    local path, killed = files.scratch "killed.safetensors", 0
    for i = 1, 12 do
      code = run(path, ("timeout -s KILL %.2f "):format(0.04 + 0.03 * i))
      killed = killed + (code ~= 0 and 1 or 0)
    end
    local out
    code, out, err = run(path, "")
    assert.equal(0, code, err)
    assert.equal(whole, out)
    assert.is_true(killed > 0)
  end)

  it("goes on after a stop by its caller", function()
    local path, heard = files.scratch "search.ckpt.safetensors", {}
    local whole = assert(helper.search { epochs = 3 })
    local part = assert(helper.search { epochs = 3, checkpoint = path, on_epoch = function(e) return e.epoch < 2 end })
    assert.equal(2, #part.history)
    local rest = assert(helper.search { epochs = 3, checkpoint = path, resume = true, on_epoch = function(e)
      heard[#heard + 1] = e.epoch
      return true
    end })
    assert.same({ 3 }, heard)
    assert.same(helper.values(whole.net), helper.values(rest.net))
  end)

  it("falls back to the checkpoint before, with its optimiser", function()
    local path = files.scratch "search.ckpt.safetensors"
    local whole = assert(helper.search { epochs = 3 })
    assert(helper.search { epochs = 3, checkpoint = path, on_epoch = function(e) return e.epoch < 2 end })
    local f = assert(io.open(path, "rb"))
    local bytes = f:read "a"
    f:close()
    f = assert(io.open(path .. ".prev", "wb"))
    f:write(bytes)
    f:close()
    f = assert(io.open(path, "wb"))
    f:write(bytes:sub(1, #bytes // 2))
    f:close()
    local rest = assert(helper.search { epochs = 3, checkpoint = path, resume = true })
    assert.same(helper.values(whole.net), helper.values(rest.net))
  end)

  it("that diverges says in which step, and keeps checkpoint and history", function()
    local path, base = files.scratch "search.ckpt.safetensors", require "vega.differentiable.darts"
    local at = 0
    local preset = helper.preset("darts", { after_arch = function(s)
      at = at + 1
      if at == 5 then s:parameters()[1].alpha:fill(0 / 0) end                   -- the next step sees it
    end })
    assert.is_nil(base.after_arch)
    local found, message, code, kept = helper.search { preset = preset, epochs = 3, checkpoint = path }
    assert.is_nil(found)
    assert.equal("ENAN", code)
    assert.matches("the loss is %-?nan at step 5", message)
    assert.equal(1, #kept.history)
    assert.is_table(kept.history[1].arch)
    local resumed = assert(helper.search { epochs = 3, checkpoint = path, resume = true })
    assert.same(helper.values(assert(helper.search { epochs = 3 }).net), helper.values(resumed.net))
    local broken = { preset = helper.preset("darts", { penalty = function(s)
      return core.op.scale(core.op.sum(s:parameters()[1].alpha), { factor = math.huge })
    end }) }
    local none, why, name = helper.search(broken)
    assert.is_nil(none)
    assert.equal("ENAN", name)
    assert.matches("^architecture step: ", why)
    assert.error_matches(function() helper.search { resume = true } end, "resume wants a checkpoint", 1, true)
  end)
end)
