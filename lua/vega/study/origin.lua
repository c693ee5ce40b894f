--- Where a study comes from: the command that made it, the script, the machine. Kept with it in the store, to make it again.
local core = require "vega.core"
local role = require "vega.study.role"

local origin = {}
local MOST = 1 << 20                    -- bytes of a script that is kept with its study

local function read(path)
  local file = path and io.open(path, "rb")
  if not file then return nil end
  local text = file:read(MOST + 1)
  file:close()
  return text
end

--- SHA-256 of a script's file, in hexadecimal digits, and its text (nil when it is too long); nil when it cannot be read.
function origin.script(path)
  local text = read(path)
  if not text then return nil end
  return core.hash.hex(core.hash.sha256(text)), #text <= MOST and text or nil
end

local function absolute(path, folder) return path and (path:sub(1, 1) == "/" and path or folder .. "/" .. path) end

--- The path of the script that runs, or nil: code of the command line has none.
function origin.path()
  local name = arg and arg[0]
  local is_script = name and name:match "%.lua$" and read(name)
  return is_script and absolute(name, core.process.about().folder) or nil
end

--- The words of the command line, from the program on.
function origin.command()
  local list, first = {}, 0
  if not arg then return list end
  while arg[first - 1] do first = first - 1 end
  for i = first, #arg do list[#list + 1] = tostring(arg[i]) end
  return list
end

local function arguments()
  local list = {}
  for i = 1, #(arg or {}) do list[i] = tostring(arg[i]) end
  return list
end

local function cpu_name()
  local text = read "/proc/cpuinfo" or ""
  return text:match "model name%s*:%s*([^\n]+)"
end

--- What the store keeps as env_json, as a table.
function origin.environment()
  local versions, mine = core.sys.versions(), role.get()
  return { command = core.json.array(mine.command or origin.command()), arguments = core.json.array(arguments()),
    folder = core.process.about().folder, script = origin.path(), version = versions.vega, lua = versions.lua,
    onednn = versions.onednn, blas = versions.blas,
    isa = versions.isa, cpu = cpu_name(), threads = mine.threads or core.sys.threads(), workers = mine.workers,
    deterministic = mine.deterministic or false }
end

return origin
