--- One bracket of successive halving: n trials to the first rung, the best floor(n / eta) of them to the second, and so on.
-- It is what Hyperband, BOHB and DEHB are made of; its methods are those of a scheduler.
local rungs = require "vega.fidelity.rungs"

local Bracket = {}
Bracket.__index = Bracket

--- bracket.new(n, { 1, 3, 9 }, eta, given_up): ids of trials that will not go on are added to the list `given_up`.
function Bracket.new(n, steps, eta, given_up)
  return setmetatable({ n = n, steps = steps, eta = eta, given_up = given_up, rung = 1, queue = {}, started_here = 0, results = {} }, Bracket)
end

function Bracket:next(can_start)
  if self.finished then return nil, "finished" end
  if self.rung == 1 then
    if self.started_here >= self.n then return nil, "wait" end
    if not can_start then return nil, "dry" end
    return { kind = "new", to = self.steps[1], bracket = self, rung = 1 }
  end
  local trial = self.queue[self.started_here + 1]
  if not trial then return nil, "wait" end
  return { kind = "resume", id = trial.id, to = self.steps[self.rung], bracket = self, rung = self.rung }
end

function Bracket:started() self.started_here = self.started_here + 1 end

local function give_up(self, list, from)
  for i = from, #list do if not list[i].failed then table.insert(self.given_up, list[i].id) end end
end

-- All of a rung have answered: the best go on. One that failed never does, whatever its place.
local function close_rung(self)
  local list = self.results
  table.sort(list, rungs.before)
  self.survivors = list
  local keep = self.rung < #self.steps and math.max(1, #list // self.eta) or 0
  while keep > 0 and list[keep].failed do keep = keep - 1 end
  if self.rung < #self.steps then give_up(self, list, keep + 1) end
  self.queue, self.results, self.started_here, self.rung = table.move(list, 1, keep, 1, {}), {}, 0, self.rung + 1
  self.n = keep
  self.finished = keep == 0
end

function Bracket:tell(trial)
  table.insert(self.results, trial)
  if #self.results == self.n then close_rung(self) end
end

--- There are no more new trials: the first rung ends with those it has.
function Bracket:exhaust()
  if self.rung > 1 or self.finished then return end
  self.n = self.started_here
  if self.n == 0 then self.finished = true elseif #self.results == self.n then close_rung(self) end
end

return Bracket
