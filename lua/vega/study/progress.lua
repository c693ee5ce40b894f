--- Progress of a study on standard error: one line, rewritten at most 5 times a second, on a terminal; elsewhere a line when 10 % of the budget and
-- 60 s have passed, both, since the last one. At the end there is always one. SIGUSR1 prints it at any time.
local log = require "vega.log"
local sys = require("vega.core").sys
local terminal = require "vega.terminal"

local progress = {}
progress.__index = progress

local REWRITES = 5                      -- a second, at most
local PAUSE, SHARE = 60, 0.1

--- The line of a thing that has its own progress: rewritten on a terminal, where there is one. `last` ends it.
function progress.rewrite(text, last)
  if log.shows "info" and terminal.rewrites(2) then io.stderr:write("\r\27[K", text, last and "\n" or "") end
end

--- Of a study (or what has driver, name, budget and elapsed as it does). clock: for tests.
function progress.new(study, clock)
  clock = clock or sys.clock
  local self = setmetatable({ study = study, clock = clock, rewrites = terminal.rewrites(2), at = clock(), share = 0 }, progress)
  local alive = setmetatable({ bar = self }, { __mode = "v" })                       -- an error on the way must not keep the study
  sys.on_status(function() return alive.bar and alive.bar:line() end)
  return self
end

--- What is known now, as one line.
function progress:line()
  local study = self.study
  local stats = study.driver:stats()
  local text = ("%s: %d%s trials"):format(study.name, stats.told, study.budget.trials and "/" .. study.budget.trials or "")
  if stats.failed > 0 then text = ("%s, %d failed"):format(text, stats.failed) end
  local best = study.driver:best()
  if best then for _, o in ipairs(study.driver.objectives) do text = ("%s, %s %.5g"):format(text, o.name, best.values[o.name]) end end
  return text
end

local function share(study)
  local budget = study.budget
  local a = budget.trials and study.driver:stats().told / budget.trials or 0
  return math.min(1, math.max(a, budget.seconds and study.elapsed / budget.seconds or 0))
end

-- The budget does not always say how far it is: then time alone counts.
local function is_due(self, now, part)
  if self.rewrites then return now - self.at >= 1 / REWRITES end
  return now - self.at >= PAUSE and (part == 0 or part - self.share >= SHARE - 1e-9)
end

local function cut(text)
  local width = terminal.width(2)
  return width and #text >= width and text:sub(1, math.max(1, width - 1)) or text
end

--- After each trial.
function progress:update()
  if self.study.quiet or not log.shows "info" then return end
  local now, part = self.clock(), share(self.study)
  if not is_due(self, now, part) then return end
  self.at, self.share = now, part
  if self.rewrites then progress.rewrite(cut(self:line()))
  else log.info(self:line()) end
end

--- The last line.
function progress:finish()
  sys.on_status(nil)
  if self.study.quiet then return end
  if self.rewrites then
    progress.rewrite(self:line(), true)
    log.file("info", self:line())
  else
    log.info(self:line())
  end
end

return progress
