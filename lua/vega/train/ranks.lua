--- What the ranks of a data-parallel training do beside their steps: start alike, decide alike, score in parts.
local core = require "vega.core"

local Ranks = {}
Ranks.__index = Ranks

-- Plain data of a rank, on all of them.
local function share(comm, data, rank)
  local text, message, code = comm:broadcast(comm.rank == rank and core.json.encode(data) or "", rank)
  if not text then return nil, message, code end
  return core.json.decode(text)
end

--- What the function returns on rank 0, which alone calls it: plain data, or nil, message, code.
function Ranks:first(f, ...)
  if not self.comm then return f(...) end
  local mine = {}
  if self.comm.rank == 0 then mine.value, mine.message, mine.code = f(...) end
  local given, message, code = share(self.comm, mine, 0)
  if not given then return nil, message, code end
  return given.value, given.message, given.code
end

-- The ranks' ok, message, code: true when all of them are, else what the first that failed says.
local function all(comm, ok, message, code)
  local failed, why, name = comm:allreduce(ok and comm.size or comm.rank, "min")
  if not failed then return nil, why, name end
  if failed == comm.size then return true end
  local theirs
  theirs, why, name = share(comm, { message = tostring(message), code = code }, math.tointeger(failed))
  if not theirs then return nil, why, name end
  return nil, ("%s (rank %d)"):format(theirs.message, failed), theirs.code
end

-- Running statistics and the like become rank 0's, as in PyTorch's DistributedDataParallel.
function Ranks:copy_buffers(model)
  local buffers = self.comm and model:buffers() or {}
  for _, name in ipairs(require("vega.util").sorted_keys(buffers)) do
    local ok, message, code = self.comm:broadcast(buffers[name])
    if not ok then return nil, message, code end
  end
  return true
end

local function same_place(comm, trainer)
  local step = trainer:place()
  local least, message, code = comm:allreduce(step, "min")
  if not least then return nil, message, code end
  local ok = least == step
  return all(comm, ok, ("train.fit: this rank is at step %d, another at step %d: do all ranks see the same checkpoint?"):format(step, least), "EIO")
end

--- The start of a training: `ok, message, code` is how reading the checkpoint went on this rank. Values and buffers become rank 0's.
-- @return true | nil, message, code, the same on all ranks
function Ranks:start(model, trainer, ok, message, code)
  local comm = self.comm
  if not comm then return ok, message, code end
  ok, message, code = all(comm, ok, message, code)
  if ok then ok, message, code = same_place(comm, trainer) end
  for _, group in ipairs { "weights", "arch" } do
    if ok then ok, message, code = comm:broadcast((model:arena(group))) end
  end
  if ok then ok, message, code = self:copy_buffers(model) end
  model:refresh()
  return ok, message, code
end

--- This rank's part of a data set; nil when it is whole, or cannot be divided: then each rank scores all of it.
function Ranks:part(data)
  local comm = self.comm
  local divides = comm and comm.size > 1 and type(data) == "userdata" and pcall(function() return data.part ~= nil end)
  return divides and data.part and data:part(comm.rank + 1, comm.size) or nil
end

--- The score of the whole from the ranks' scores of their parts.
function Ranks:join(score)
  local sums = {}
  for _, part in ipairs { { "n", score.n }, { "correct", score.correct }, { "loss", score.loss * score.n } } do
    local sum, message, code = self.comm:allreduce(part[2])
    if not sum then return nil, message, code end
    sums[part[1]] = sum
  end
  return { n = math.tointeger(sums.n), correct = math.tointeger(sums.correct), accuracy = sums.correct / sums.n, loss = sums.loss / sums.n }
end

local ranks = {}

--- comm: a communicator, or nil for a training of one process.
function ranks.new(comm) return setmetatable({ comm = comm }, Ranks) end

return ranks
