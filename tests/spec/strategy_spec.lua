local here = debug.getinfo(1, "S").source:match("^@(.*)strategy_spec%.lua$")
local contract = dofile(here .. "contract/strategy.lua")
local space = require "vega.space"
local strategy = require "vega.strategy"

contract(describe, it, "random", function() return strategy.random {} end)

-- The simple form of a strategy: a hill climber.
local Climber = { name = "climber" }
Climber.__index = Climber
function Climber.new(sp, _, rng) return setmetatable({ space = sp, rng = rng }, Climber) end
function Climber:ask() return self.best and self.space:mutate(self.best.arch, self.rng) or self.space:random(self.rng) end
function Climber:tell(trial)
  if not trial.failed and (not self.best or trial.value > self.best.value) then self.best = trial end
end
contract(describe, it, "a user's own class", function() return Climber end)

local OPS = { "none", "skip", "conv1x1", "conv3x3", "avgpool3x3" }
local SCORE = { none = 0, skip = 1, conv1x1 = 2, conv3x3 = 5, avgpool3x3 = 1 }
local function cells()
  return space.define { name = "cells", choices = function(s) for i = 1, 6 do s:choice("edge_" .. i, OPS) end end }
end

describe("strategies", function()
  it("names an unknown option and the nearest one", function()
    assert.error_matches(function() strategy.nsga2 { popluation = 3 } end, "unknown option 'popluation'; did you mean 'population'")
    assert.error_matches(function() strategy.aging { population = 0 } end, "strategy 'aging': population must be >= 1, got 0")
    assert.error_matches(function() return strategy.agng end, "strategy 'agng' is not found")
  end)

  it("refuses several objectives where one is wanted", function()
    assert.error_matches(function()
      strategy.create(strategy.aging {}, { space = cells(), objectives = { a = "max", b = "min" } })
    end, "takes one objective, got 2")
  end)

  local function best_after(descriptor, n, seed)
    local s = strategy.create(descriptor, { space = cells(), objectives = { score = "max" }, seed = seed })
    for _ = 1, n do
      local t = s:ask(1)[1]
      local sum = 0
      for _, op in pairs(t.config) do sum = sum + SCORE[op] end
      s:tell(t.id, { status = "ok", values = { score = sum } })
    end
    return s:best().values.score
  end

  it("evolution beats random search at the same budget", function()
    local evolved, drawn = 0, 0
    for seed = 1, 8 do
      evolved = evolved + best_after(strategy.aging { population = 20, tournament = 5 }, 120, seed)
      drawn = drawn + best_after(strategy.random, 120, seed)
    end
    assert.is_true(evolved > drawn)
  end)

  it("nsga2 finds more of a two-objective front than random search", function()
    local pareto = require("vega.core").pareto
    local function volume(descriptor, seed)
      local s = strategy.create(descriptor, { space = cells(), objectives = { acc = "max", cost = "min" }, seed = seed })
      for _ = 1, 150 do
        local t = s:ask(1)[1]
        local acc, cost = 0, 0
        for i = 1, 6 do
          local op = t.config["edge_" .. i]
          acc, cost = acc + SCORE[op] * (i % 3 + 1), cost + (op:find("conv") and #op * i or 1)
        end
        s:tell(t.id, { status = "ok", values = { acc = acc, cost = cost } })
      end
      local points = {}
      for i, t in ipairs(s:front()) do points[i] = t.costs end
      return pareto.hypervolume(points, { 0, 200 })
    end
    local evolved, drawn = 0, 0
    for seed = 1, 5 do
      evolved, drawn = evolved + volume(strategy.nsga2 { population = 20 }, seed), drawn + volume(strategy.random, seed)
    end
    assert.is_true(evolved > drawn)
  end)
end)
