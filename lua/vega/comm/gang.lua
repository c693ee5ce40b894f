--- Starts the ranks of a data-parallel training and waits for them.
local core = require "vega.core"
local util = require "vega.util"

local KNOWN = { script = true, arguments = true, module = true, argument = true, ranks = true, backend = true, threads = true, seconds = true,
  launcher = true }
local PATIENCE_S = 3             -- that mpirun gets to end its ranks in order

local function check(o)
  util.check_options("comm.gang", o, KNOWN, 3)
  if (o.script == nil) == (o.module == nil) then error("comm.gang: one of the options 'script' and 'module' expected", 3) end
  if type(o.script or o.module) ~= "string" then error("comm.gang: script or module: a text expected, got " .. type(o.script or o.module), 3) end
  if math.type(o.ranks) ~= "integer" or o.ranks < 1 then error(("comm.gang: ranks must be an integer >= 1, got %s"):format(tostring(o.ranks)), 3) end
  if o.backend ~= nil and o.backend ~= "shm" and o.backend ~= "mpi" then
    error(util.unknown("comm.gang", "backend", o.backend, { "mpi", "shm" }), 3)
  end
  if o.arguments and not o.script then error("comm.gang: arguments are a script's; a module takes 'argument'", 3) end
  if o.argument ~= nil and not o.module then error("comm.gang: argument is a module's; a script takes 'arguments'", 3) end
  if o.launcher and o.backend ~= "mpi" then error("comm.gang: launcher is of the back end 'mpi'", 3) end
  if o.seconds and not (type(o.seconds) == "number" and o.seconds > 0) then error("comm.gang: seconds must be a number > 0", 3) end
  if o.threads and not (math.type(o.threads) == "integer" and o.threads >= 1) then error("comm.gang: threads must be an integer >= 1", 3) end
end

local function in_path(program)
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    local file = io.open(folder .. "/" .. program, "r")
    if file then
      file:close()
      return true
    end
  end
  return false
end

-- Open MPI's: ranks may outnumber the cores and use them all, and variables go to other machines, too. setpriv (util-linux) ends mpirun with us.
local function mpirun(o)
  if not in_path "mpirun" then return nil, "comm.gang: there is no mpirun in PATH (Debian: openmpi-bin)", "EBACKEND" end
  local words = { "mpirun", "-np", tostring(o.ranks), "--oversubscribe", "--bind-to", "none", "-x", "VEGA_COMM", "-x", "OMP_NUM_THREADS" }
  if core.comm.is_root() then words[#words + 1] = "--allow-run-as-root" end
  if in_path "setpriv" then table.move({ "setpriv", "--pdeathsig", "TERM", table.unpack(words) }, 1, #words + 3, 1, words) end
  return words
end

-- What a rank runs. The modules of a program that runs code are looked for where ours are.
local function program(o, files)
  if o.script then return { core.comm.program(), o.script, table.unpack(o.arguments or {}) } end
  local code = ("package.path, package.cpath = %q, %q require 'vega.comm.rank' (%q, %q)"):format(package.path, package.cpath, o.module, files.argument)
  return { core.comm.program(), "-e", code }
end

local function words_of(o, files)
  local own, words, message, code = program(o, files), o.launcher, nil, nil
  if o.backend ~= "mpi" then return own end
  if not words then words, message, code = mpirun(o) end
  if not words then return nil, message, code end
  return table.move(own, 1, #own, #words + 1, table.move(words, 1, #words, 1, {}))
end

local function outcome(o, process, code)
  if not process then return true end
  local who = o.backend == "mpi" and "mpirun" or ("rank %d"):format(process)
  if code > 128 then
    return nil, ("comm.gang: %s was ended by signal %d; its gang of %d was ended"):format(who, code - 128, o.ranks), "ELOST"
  end
  return nil, ("comm.gang: %s ended with exit code %d; its gang of %d was ended"):format(who, code, o.ranks), "EFAILED"
end

local function run(o, files)
  local words, message, code = words_of(o, files)
  if not words then return nil, message, code end
  local threads = o.threads or math.max(1, core.sys.threads() // o.ranks)
  local is_mpi = o.backend == "mpi"
  local process, exit_code, why = core.comm.gang(words, is_mpi and 0 or o.ranks, threads, is_mpi and PATIENCE_S or 0, o.seconds or 0)
  if why then return nil, exit_code, why end
  return outcome(o, process, exit_code)
end

local function read(path)
  local file = io.open(path, "r")
  local text = file and file:read "a" or ""
  if file then file:close() end
  return text ~= "" and core.json.decode(text) or nil
end

-- The ranks of a module find its argument in a file, and leave the result, or what failed, in files beside it.
local function run_module(o)
  local files = { argument = os.tmpname() }
  local ok, message, code = core.sys.write_file(files.argument, core.json.encode { argument = o.argument })
  if ok then ok, message, code = run(o, files) end
  local result, failure = read(files.argument .. ".result"), read(files.argument .. ".failure")
  for _, ending in ipairs { "", ".result", ".failure" } do os.remove(files.argument .. ending) end
  if ok then return result and result.result end
  if code == "EFAILED" and failure then return nil, failure.message, failure.code or "EFAILED" end
  return nil, message, code
end

--- Runs a script, or the function that a module returns, as `ranks` processes, and waits for them. When one ends with an exit code other than 0, or
-- is killed, all are ended: the gang can be started again, with as many ranks as one likes, and its training goes on from its checkpoint:
--
--     repeat local result, message, code = vega.comm.gang { module = "train_it", argument = { lr = 0.1 }, ranks = 2 } until code ~= "ELOST"
--
-- @param options ranks; backend = "shm" (default, processes on this machine) or "mpi";
--   script = a file, with arguments = a list of words; each rank calls vega.comm.world(), or
--   module = the name of a module whose value is a function(world, argument) -> plain data | nil, message, code, with argument = plain data;
--   threads of each rank (default: this process's, shared out); seconds = the longest it may take (default: no limit);
--   launcher = { "mpirun", "-np", "4", "--hostfile", "hosts" }: the words before the program's own, in place of ours for Open MPI on this machine
-- @return true, or what the module's function returned on rank 0 | nil, message, code: ELOST (a rank was killed: worth another attempt), EFAILED (a
--   rank ended with an error, which it has printed) or the code that a module's function returned, ETIMEDOUT, EINTR, EIO or EBACKEND (not started)
return function(options)
  check(options)
  if options.module then return run_module(options) end
  return run(options)
end
