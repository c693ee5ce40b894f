--- MICRO-15625: six edges with five operations, a rugged landscape from a hash, every answer known. Section 10 of the search specification.
--    vega.problem.micro()                        score is maximised; the optimum is 0.7234313145248115
--    vega.problem.micro { objectives = 2 }       error = 1 - score and cost are minimised; the exact front has 19 points
local problem = require "vega.problem"
local space = require "vega.space"
local util = require "vega.util"

local EDGES, OPS = 6, { 0, 1, 2, 3, 4 }

local function u(t, i, j, k, l) return problem.hash((((t * 64 + i) * 64 + j) * 64 + k) * 64 + l) end

-- Keyed tables of the hash: one[t][e][a] and pair[e][f][a][b].
local one, pair = { [1] = {}, [3] = {} }, {}
for e = 0, EDGES - 1 do
  pair[e] = {}
  for t, list in pairs(one) do
    list[e] = {}
    for _, a in ipairs(OPS) do list[e][a] = u(t, e, a, 0, 0) end
  end
  for f = e + 1, EDGES - 1 do
    pair[e][f] = {}
    for _, a in ipairs(OPS) do
      pair[e][f][a] = {}
      for _, b in ipairs(OPS) do pair[e][f][a][b] = u(2, e, f, a, b) end
    end
  end
end

local function score(a)
  local single, double = 0.0, 0.0
  for e = 0, EDGES - 1 do
    single = single + one[1][e][a[e]]
    for f = e + 1, EDGES - 1 do double = double + pair[e][f][a[e]][a[f]] end
  end
  return 0.5 * single / EDGES + 0.5 * double / (EDGES * (EDGES - 1) / 2)
end

local function cost(a)
  local sum = 0.0
  for e = 0, EDGES - 1 do sum = sum + one[3][e][a[e]] end
  return sum
end

local function edges_of(arch)
  local a = {}
  for e = 0, EDGES - 1 do a[e] = arch["edge_" .. e] end
  return a
end

local function choices(s) for e = 0, EDGES - 1 do s:choice("edge_" .. e, OPS) end end

local function single()
  return { name = "micro", objectives = { score = "max" }, optimum = 0.7234313145248115,
    at = { edge_0 = 3, edge_1 = 2, edge_2 = 4, edge_3 = 3, edge_4 = 0, edge_5 = 2 },
    values = function(arch) return { score = score(edges_of(arch)) } end }
end

local function double()
  return { name = "micro2", objectives = { { name = "error", goal = "min" }, { name = "cost", goal = "min" } },
    reference = { 0.75, 5 }, volume = 1.7131331062267077,
    values = function(arch)
      local a = edges_of(arch)
      return { error = 1 - score(a), cost = cost(a) }
    end }
end

return function(options)
  local o = util.parameters("problem 'micro'", { objectives = { 1, min = 1, max = 2 } }, options or {}, 1)
  local spec = o.objectives == 1 and single() or double()
  spec.space = space.define { name = spec.name, choices = choices }
  return problem.define(spec)
end
