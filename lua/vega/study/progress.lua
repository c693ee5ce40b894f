--- Progress of a study on stderr: one rewritten line on a terminal, else a plain line for every tenth of the budget.
local progress = {}
progress.__index = progress

local sys = require("vega.core").sys

function progress.new(study) return setmetatable({ study = study, tty = sys.isatty(2), tenth = 0 }, progress) end

local function line(study)
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

function progress:update()
  if self.study.quiet then return end
  if self.tty then
    io.stderr:write("\r\27[K", line(self.study))
    return
  end
  local tenth = math.floor(share(self.study) * 10)
  if tenth > self.tenth then io.stderr:write(line(self.study), "\n") end
  self.tenth = tenth
end

function progress:finish()
  if self.tty and not self.study.quiet then io.stderr:write("\n") end
end

return progress
