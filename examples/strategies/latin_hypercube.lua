--- Latin hypercube: as many strata for each decision as there are samples, and one sample in each.
-- Run: vega-lua examples/strategies/latin_hypercube.lua
local vega = require "vega"

local space = vega.space.define { name = "square", choices = { x = vega.space.float(0, 1), y = vega.space.float(0, 1) } }
local search = vega.strategy.create(vega.strategy.latin_hypercube { samples = 12 }, { space = space, objectives = { loss = "min" }, seed = 2 })

local board = {}
for row = 1, 12 do
  board[row] = {}
  for column = 1, 12 do board[row][column] = "." end
end
for _, trial in ipairs(search:ask(12)) do
  board[math.floor(trial.config.y * 12) + 1][math.floor(trial.config.x * 12) + 1] = "#"
end
for row = 12, 1, -1 do print(table.concat(board[row], " ")) end
print "one in every row and one in every column"
