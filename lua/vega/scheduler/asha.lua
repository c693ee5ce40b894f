--- Asynchronous successive halving: a trial goes on as soon as it is among the best 1/eta of those that have reached its rung; nobody waits.
-- Li et al. 2020, arXiv:1810.05934.
-- mode "promotion" pauses trials and resumes the promising ones; "stopping" needs no pauses: each trial runs until it falls behind at a rung.
local hyperband = require "vega.scheduler.hyperband"
local rungs = require "vega.fidelity.rungs"

local Asha = { name = "asha", rungs = true, params = rungs.params {
  mode = { "promotion", one_of = { "promotion", "stopping" }, about = "pause and resume, or only stop" },
  brackets = { 1, min = 1, about = "ladders that begin at rung 1, 2, ...; a new trial draws one, in proportion to Hyperband's bracket sizes" },
} }
Asha.__index = Asha

-- Only the stopping form decides while a trial runs.
function Asha.decides(p) return p.mode == "stopping" end

-- A ladder: for each rung the results sorted, and which have been promoted.
local function make_ladder(steps, weight)
  local ladder = { steps = steps, weight = weight, levels = {} }
  for k = 1, #steps do ladder.levels[k] = { sorted = {}, first = 1 } end
  return ladder
end

function Asha.new(p, context)
  local self = rungs.scheduler(Asha, p)
  self.rng, self.endless, self.ladders, self.running = context.rng, true, {}, {}
  local plan, steps = hyperband.table { min = p.min, max = p.max, eta = p.eta, sizes = "paper" }, rungs.up(p.min, p.max, p.eta)
  for i = 1, math.min(p.brackets, #steps) do
    self.ladders[i] = make_ladder(table.move(steps, i, #steps, 1, {}), plan[math.min(i, #plan)].n)
  end
  return self
end

local function draw_ladder(self)
  if #self.ladders == 1 then return self.ladders[1] end
  local sum = 0
  for _, ladder in ipairs(self.ladders) do sum = sum + ladder.weight end
  local at = self.rng:uniform() * sum
  for _, ladder in ipairs(self.ladders) do
    at = at - ladder.weight
    if at < 0 then return ladder end
  end
  return self.ladders[#self.ladders]
end

-- The best result of a rung that is due for promotion and has not had it. `first` is the place of the first one not promoted.
local function candidate(level, eta)
  local best = level.sorted[level.first]
  if best and level.first <= #level.sorted // eta and not best.failed then return best end
end

local function promotion(self)
  for _, ladder in ipairs(self.ladders) do
    for k = #ladder.steps - 1, 1, -1 do
      local trial = candidate(ladder.levels[k], self.p.eta)
      if trial then return { kind = "resume", id = trial.id, to = ladder.steps[k + 1], ladder = ladder, rung = k + 1 } end
    end
  end
end

function Asha:next(can_start)
  local job = self.p.mode == "promotion" and promotion(self)
  if job then return job end
  if not can_start then return nil, "dry" end
  local ladder = draw_ladder(self)
  return { kind = "new", to = self.p.mode == "stopping" and self.max or ladder.steps[1], ladder = ladder, rung = 1 }
end

local function skip_promoted(level)
  while level.sorted[level.first] and level.sorted[level.first].promoted do level.first = level.first + 1 end
end

function Asha:started(job, suggestion)
  if job.kind == "resume" then
    local level = job.ladder.levels[job.rung - 1]
    level.sorted[level.first].promoted = true
    skip_promoted(level)
  end
  self.running[suggestion.id] = job
end

local function enter(level, trial)
  local entry = { id = trial.id, cost = trial.cost, violation = trial.violation or 0, failed = trial.failed or false }
  local place = rungs.insert(level.sorted, entry, rungs.before)
  if place < level.first then level.first = place end
  return place
end

-- Stopping form: at the first report on or beyond a rung, go on only when among the best 1/eta of those seen there, oneself included.
function Asha:report(id, step, cost)
  local job = self.running[id]
  if self.p.mode ~= "stopping" then return "continue" end
  local steps, levels = job.ladder.steps, job.ladder.levels
  while steps[job.rung] and step >= steps[job.rung] do
    local level = levels[job.rung]
    local place = enter(level, { id = id, cost = cost, failed = cost == math.huge })
    job.rung = job.rung + 1
    if cost == math.huge or place > math.max(1, #level.sorted // self.p.eta) then return steps[job.rung] and "stop" or "continue" end
  end
  return "continue"
end

function Asha:tell(trial)
  local job = trial.task
  self.running[trial.id] = nil
  if self.p.mode == "promotion" then
    enter(job.ladder.levels[job.rung], trial)
  elseif trial.failed and job.rung <= #job.ladder.steps then
    enter(job.ladder.levels[job.rung], trial)                   -- counts as finished on the rung it did not reach
  end
end

--- The numbers of results on each rung of the first ladder: for logs and tests.
function Asha:sizes()
  local list = {}
  for k, level in ipairs(self.ladders[1].levels) do list[k] = #level.sorted end
  return list
end

return Asha
