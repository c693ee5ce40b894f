--- The checkpoints of a study's trials: one file a trial in a folder beside the store, so that a paused trial can go on, an interrupted one need not
-- begin again, and a clone starts from its parent. What is kept is bounded; an evaluation that finds no file trains from the beginning, which
-- costs time and changes no result.
local sys = require("vega.core").sys
local rungs = require "vega.fidelity.rungs"

local Checkpoints = {}
Checkpoints.__index = Checkpoints

local ENDINGS = { "", ".prev" }          -- what vega.train writes for one checkpoint

--- folder: where; nil for a temporary one. limits: { best = complete trials kept, paused = paused trials kept }.
function Checkpoints.new(folder, limits)
  return setmetatable({ folder = folder, temporary = not folder, limits = limits, paused = {}, n_paused = 0, best = {} }, Checkpoints)
end

-- The folder appears with the first trial that wants it.
local function make_folder(self)
  if self.made then return end
  if not self.folder then
    self.folder = os.tmpname()
    os.remove(self.folder)
  end
  assert(sys.make_dirs(self.folder))
  self.made = true
end

--- Where trial `id` may keep its checkpoint.
function Checkpoints:path(id)
  make_folder(self)
  return ("%s/%d.ckpt"):format(self.folder, id)
end

local function remove(self, id)
  if not self.folder or self.replaying then return end
  for _, ending in ipairs(ENDINGS) do os.remove(("%s/%d.ckpt%s"):format(self.folder, id, ending)) end
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

--- A clone begins with its parent's checkpoint. Nothing happens when there is none, or the clone has begun already.
function Checkpoints:copy(parent, id)
  local text = not read(self:path(id)) and read(self:path(parent))
  if text then assert(sys.write_file(self:path(id), text)) end
end

--- A trial that is trained from the beginning again.
function Checkpoints:drop(id) remove(self, id) end

local function worse(a, b)
  if a.fidelity ~= b.fidelity then return a.fidelity < b.fidelity end
  return rungs.before(b, a)
end

local function forget_paused(self, id)
  if not self.paused[id] then return end
  self.paused[id], self.n_paused = nil, self.n_paused - 1
end

-- Over the limit the paused trial of the lowest rung with the worst value goes.
local function keep_paused(self, trial)
  if not self.paused[trial.id] then self.n_paused = self.n_paused + 1 end
  self.paused[trial.id] = trial
  if self.n_paused <= self.limits.paused then return end
  local last
  for _, each in pairs(self.paused) do if not last or worse(each, last) then last = each end end      -- a minimum: any order gives it
  forget_paused(self, last.id)
  remove(self, last.id)
end

local function keep_best(self, trial)
  rungs.insert(self.best, trial, rungs.before)
  local over = self.best[self.limits.best + 1]
  if not over then return end
  table.remove(self.best)
  remove(self, over.id)
end

--- A trial was told (its record), and these ids were given up by the scheduler.
function Checkpoints:told(trial, retired)
  forget_paused(self, trial.id)
  if trial.failed or trial.status == "stopped" then remove(self, trial.id)
  elseif trial.paused then keep_paused(self, trial)
  else keep_best(self, { id = trial.id, cost = trial.cost or trial.costs[1], violation = trial.violation, failed = false }) end
  for _, id in ipairs(retired) do
    forget_paused(self, id)
    remove(self, id)
  end
end

--- Removes the files of trials that are neither kept nor among the pending ids: what a kill has left.
function Checkpoints:sweep(pending)
  local wanted = {}
  for _, id in ipairs(pending) do wanted[id] = true end
  for id in pairs(self.paused) do wanted[id] = true end
  for _, each in ipairs(self.best) do wanted[each.id] = true end
  for _, name in ipairs(self.folder and sys.list(self.folder) or {}) do
    local id = math.tointeger(name:match "^(%d+)%.ckpt")
    if id and not wanted[id] then os.remove(self.folder .. "/" .. name) end
  end
end

--- Removes a temporary folder with all that is in it.
function Checkpoints:close()
  if not (self.temporary and self.made) then return end
  for _, name in ipairs(sys.list(self.folder) or {}) do os.remove(self.folder .. "/" .. name) end
  os.remove(self.folder)
  self.made = false
end

return Checkpoints
