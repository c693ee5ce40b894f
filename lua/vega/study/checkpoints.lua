--- The checkpoints of a study's trials: one file a trial in a folder beside the store, so that a paused trial can go on, an interrupted one need not
-- begin again, and a clone starts from its parent. What is kept is bounded; an evaluation that finds no file trains from the beginning, which
-- costs time and changes no result.
local sys = require("vega.core").sys
local rungs = require "vega.fidelity.rungs"

local Checkpoints = {}
Checkpoints.__index = Checkpoints

local ENDINGS = { "", ".prev" }          -- what vega.train writes for one checkpoint

local function has_epochs(folder)
  for _, name in ipairs(folder and sys.list(folder) or {}) do if name:find "^%d+%.%d+%.ckpt" then return true end end
  return false
end

--- folder: where; nil for a temporary one. limits: { best = complete trials kept, paused = paused trials kept }.
function Checkpoints.new(folder, limits)
  return setmetatable({ folder = folder, temporary = not folder, limits = limits, paused = {}, n_paused = 0, best = {},
    with_epochs = has_epochs(folder) }, Checkpoints)                                 -- workers have been there
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

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

-- The paths of the trial's files, the last attempt's first. A worker's have the attempt's epoch in the name: who was fenced spoils only its own.
local function files(self, id)
  local found = {}
  for _, name in ipairs(self.folder and sys.list(self.folder) or {}) do
    local of, epoch = name:match "^(%d+)%.?(%d*)%.ckpt$"
    if math.tointeger(of) == id then found[#found + 1] = { path = self.folder .. "/" .. name, epoch = math.tointeger(epoch) or 0 } end
  end
  table.sort(found, function(a, b) return a.epoch > b.epoch end)
  return found
end

-- The file at `path` begins as what the attempts before `epoch` left last.
local function inherit(self, id, path, epoch)
  if read(path) then return end
  for _, file in ipairs(files(self, id)) do
    local text = file.epoch < epoch and read(file.path)
    if text then
      assert(sys.write_file(path, text))
      return
    end
  end
end

--- Where trial `id` may keep its checkpoint.
function Checkpoints:path(id)
  make_folder(self)
  local path = ("%s/%d.ckpt"):format(self.folder, id)
  if self.with_epochs then inherit(self, id, path, math.huge) end
  return path
end

--- Where the attempt of this epoch, a worker's, may: begun with what the attempts before it left, unless `afresh`.
function Checkpoints:path_of(id, epoch, afresh)
  make_folder(self)
  local path = ("%s/%d.%d.ckpt"):format(self.folder, id, epoch)
  if not afresh then inherit(self, id, path, epoch) end
  return path
end

local function remove(self, id)
  if not self.folder or self.replaying then return end
  for _, file in ipairs(self.with_epochs and files(self, id) or { { path = ("%s/%d.ckpt"):format(self.folder, id) } }) do
    for _, ending in ipairs(ENDINGS) do os.remove(file.path .. ending) end
  end
end

--- A clone begins with its parent's checkpoint. Nothing happens when there is none, or the clone has begun already.
function Checkpoints:copy(parent, id)
  local last = files(self, parent)[1]
  local text = last and not read(self:path(id)) and read(last.path)
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
    local id = math.tointeger(name:match "^(%d+)%.[%d.]*ckpt")
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
