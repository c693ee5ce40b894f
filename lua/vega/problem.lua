--- Problems with a formula and a known answer, on which strategies are compared: specs "Synthetic problems" and the usual test functions.
--
--    local p = vega.problem.hartmann6()
--    local values = p:evaluate(p.space:random(rng))            -- { value = -0.3 }
--    print(p:regret(values), p:best())
--    vega.study { space = p.space, evaluate = p, objectives = p.objectives, strategy = vega.strategy.random {} }
--
-- A problem has what a vega.table has: name, space, objectives, evaluate(arch, trial, fidelity), best(name), regret(values, name); one with several
-- objectives has reference (the corner of its hypervolume), hypervolume(points), volume (that of the exact front) and front(n) instead.
-- A problem is one file of lua/vega/problem/, which returns a function that makes it.
local pareto = require("vega.core").pareto
local objective = require "vega.objective"
local plugin = require "vega.plugin"
local util = require "vega.util"
local walk = require "vega.table.walk"

local problem = {}
local Problem = {}
Problem.__index = Problem

--- { name, space, objectives, values = function(arch, trial, step) -> table, optimum = value, at = arch, ... }: further fields are kept.
function problem.define(spec)
  spec.list = objective.parse(spec.objectives)
  return setmetatable(spec, Problem)
end

--- The values of an architecture; with a fidelity, those of the piece of training that `trial` or `fidelity` asks for.
-- @return values | nil, message, "EARG"
function Problem:evaluate(arch, trial, fidelity)
  if not self.fidelity then return self.values(arch, trial) end
  local function look(step) return self.values(arch, trial, step) end
  return walk(("problem '%s'"):format(self.name), self.fidelity, look, trial, fidelity)
end

local function check_single(self)
  if #self.list > 1 then error(("problem '%s' has several objectives: front and hypervolume, no best"):format(self.name), 3) end
end

--- The best possible value and, where it is one, the architecture that has it.
function Problem:best()
  check_single(self)
  return self.optimum, self.at
end

--- How far values are from the best possible one.
function Problem:regret(values)
  check_single(self)
  local v = values[self.list[1].name]
  return self.list[1].goal == "max" and self.optimum - v or v - self.optimum
end

--- What points (lists of costs) dominate below the problem's reference corner.
function Problem:hypervolume(points) return pareto.hypervolume(points, self.reference) end

local function splitmix64(state)
  local z = state + 0x9E3779B97F4A7C15
  z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
  z = (z ~ (z >> 27)) * 0x94D049BB133111EB
  return z ~ (z >> 31)
end

--- A number in [0, 1) that is a pure function of an integer: what the synthetic landscapes are made of.
function problem.hash(key) return (splitmix64(key) >> 11) * 2.0 ^ -53 end

--- Names of all problems, sorted.
function problem.names() return plugin.names "vega.problem" end

return setmetatable(problem, { __index = function(_, name)
  local path = "vega.problem." .. tostring(name)
  if not package.searchpath(path, package.path) then error(util.unknown("vega.problem", "name", name, problem.names()), 2) end
  return require(path)
end })
