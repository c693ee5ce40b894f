--- BANANAS: an ensemble of perceptrons on path encodings predicts, mutations of the best architectures are candidates, and independent Thompson
-- sampling picks among them. White, Neiswanger & Savani 2021, arXiv:1910.11858.
-- The loss is the paper's relative error above a lower bound; here the bound lies one standard deviation of all results below the best.
local core = require("vega.core").model
local history = require "vega.model.history"
local util = require "vega.util"

local Bananas = { name = "bananas", params = { initial = { 10, min = 2 }, batch = { 10, min = 1 }, models = { 3, min = 2 }, layers = { 10, min = 1 },
  width = { 20, min = 1 }, epochs = { 100, min = 1 }, rate = { 0.01, min = 0 }, candidates = { 100, min = 1 }, parents = { 5, min = 1 },
  encoding = { "auto", one_of = { "auto", "path", "onehot" } } } }
Bananas.__index = Bananas
Bananas.fidelity = "rungs"              -- under a scheduler: one model for each fidelity

local LONGEST = 2000         -- bits of a path encoding that "auto" takes

-- Paths where the space has cells that are always active and not too large, else one-hot.
local function choose_encoding(space, wanted)
  if wanted ~= "auto" then return wanted end
  local bits = 0
  for _, name in ipairs(util.sorted_keys(space.cells)) do
    local cell = space.cells[name]
    local least, most = cell:path_lengths()
    for length = least, most do bits = bits + cell.ops.size ^ length * #cell:starts() end
    for _, member in ipairs(cell:members()) do if space.by_name[member].guard then return "onehot" end end
  end
  return bits > 0 and bits <= LONGEST and "path" or "onehot"
end

function Bananas.new(space, p, rng)
  local form = choose_encoding(space, p.encoding)
  if form == "path" and not next(space.cells) then
    error(("strategy 'bananas': encoding 'path' needs cells; space '%s' has none"):format(space.name), 0)
  end
  local length = #space:encode(space:random(rng), form)
  return setmetatable({ space = space, p = p, rng = rng, history = history.new(space), form = form, inputs = {}, queue = {},
    model = core.ensemble(length, { models = p.models, layers = p.layers, width = p.width, epochs = p.epochs, rate = p.rate }) }, Bananas)
end

function Bananas:on_issued(suggestion) self.history:issued(suggestion) end

function Bananas:tell(trial)
  self.history:tell(trial)
  self.inputs[#self.inputs + 1] = (self.space:encode(trial.arch, self.form))
end

-- Costs as multiples of their deviation, the best at 1. Where constraints are violated: beyond the worst cost by the violation.
local function targets(h)
  local worst = -math.huge
  for _, record in ipairs(h.ordered) do worst = math.max(worst, record.trial.costs[1]) end
  local y = h:targets(function(trial) return trial.violation > 0 and worst + trial.violation or trial.costs[1] end)
  local sum, squares, best = 0.0, 0.0, math.huge
  for _, v in ipairs(y) do sum, best = sum + v, math.min(best, v) end
  for _, v in ipairs(y) do squares = squares + (v - sum / #y) ^ 2 end
  local sd = math.sqrt(squares / #y)
  if sd < 1e-12 then return nil end
  for i, v in ipairs(y) do y[i] = 1.0 + (v - best) / sd end
  return y
end

-- Different new architectures, one or two mutations from one of the best.
local function mutants(self)
  local h, list, known = self.history, {}, {}
  local parents = math.min(self.p.parents, #h.ordered)
  for i = 1, 4 * self.p.candidates do
    if #list == self.p.candidates then break end
    local arch = self.space:mutate(h.ordered[(i - 1) % parents + 1].trial.arch, self.rng)
    if i % 2 == 0 then arch = self.space:mutate(arch, self.rng) end
    local hash = self.space:hash(arch)
    if not known[hash] and not h.rows:has((self.space:encode(arch))) then
      known[hash] = true
      list[#list + 1] = arch
    end
  end
  return list
end

-- The next batch: the candidates with the best draws from what is predicted of them.
local function refill(self)
  local y = targets(self.history)
  local list = y and mutants(self) or {}
  if #list == 0 then return end
  self.model:fit(self.inputs, y, self.rng:int(0, math.maxinteger - 1))
  local inputs, drawn = {}, {}
  for i, arch in ipairs(list) do inputs[i] = (self.space:encode(arch, self.form)) end
  local mean, sd = self.model:predict(inputs)
  for i, arch in ipairs(list) do drawn[i] = { arch = arch, score = mean[i] + sd[i] * self.rng:normal(), i = i } end
  table.sort(drawn, function(a, b) return a.score < b.score or a.score == b.score and a.i < b.i end)
  for i = math.min(self.p.batch, #drawn), 1, -1 do table.insert(self.queue, drawn[i].arch) end
end

function Bananas:ask()
  local h = self.history
  if #h.rows < self.p.initial or #h.ordered < 2 then return self.space:random(self.rng), "random" end
  if #self.queue == 0 then refill(self) end
  local arch = table.remove(self.queue)
  if arch then return arch, "model" end
  return self.space:random(self.rng), "random"
end

return Bananas
