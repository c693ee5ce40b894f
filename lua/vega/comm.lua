--- Data-parallel training: processes that train one network together, each on its part of every batch.
--
--     -- train.lua, which every rank runs
--     local world = vega.comm.world()
--     vega.train.fit { comm = world, model = ..., data = ..., checkpoint = "net.ckpt.safetensors", resume = true }
--     if world.rank == 0 then print "done" end
--
--     -- and who starts them
--     assert(vega.comm.gang { script = "train.lua", ranks = 2 })
--
-- A communicator has `rank` (from 0), `size` and `backend`, and the methods allreduce, broadcast, barrier, abort, close (src/bind/comm.c). All but
-- the last two are called by every rank, in the same order; ranks that disagree get an error, not a wait.
local core = require "vega.core"

local comm = { gang = require "vega.comm.gang" }

local joined

--- The communicator of this process: of the gang it was started for, or of it alone. The same one each time.
-- @param backend "single", "shm" or "mpi"; needed only for "mpi" where another launcher than `gang` started the ranks (srun, mpirun by hand)
-- @return communicator | nil, message, code (EBACKEND: a library is missing, or refuses)
function comm.world(backend)
  if joined and (not backend or backend == joined.backend) then return joined end
  local world, message, code = core.comm.join(backend)
  if not world then return nil, message, code end
  joined = world
  return world
end

--- A communicator of this process alone, whatever it was started for.
function comm.single() return core.comm.join "single" end

return comm
