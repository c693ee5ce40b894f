--- What a time depends on beside the network: the processor, the threads, the libraries.
local core = require "vega.core"
local util = require "vega.util"

local function first_line(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local line = file:read "l"
  file:close()
  return line and (line:gsub("%c", "")) ~= "" and (line:gsub("%c", "")) or nil
end

local function cpuinfo(key)
  local file = io.open("/proc/cpuinfo", "r")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text:match(key .. "%s*:%s*([^\n]*)")
end

local machine = {}

--- "AMD EPYC"; an Arm kernel names no model: the board's name and the core's number, "Raspberry Pi 4 Model B, CPU part 0xd08".
function machine.cpu()
  local name = cpuinfo "model name"
  if name then return name end
  local part = cpuinfo "CPU part"
  return ("%s%s"):format(first_line "/proc/device-tree/model" or "unknown CPU", part and ", CPU part " .. part or "")
end

-- What makes another device: a change of any of these changes times.
local FIELDS = { "cpu", "cores", "isa", "threads", "vega", "onednn", "blas" }

--- The name of a device by its description, 16 hexadecimal digits.
function machine.fingerprint(device)
  local parts = {}
  for i, field in ipairs(FIELDS) do parts[i] = field .. "=" .. tostring(device[field]) end
  return ("%016x"):format(util.fnv(table.concat(parts, "\n")))
end

--- This machine with so many threads: { cpu, cores, isa, threads, vega, onednn, blas, governor (nil where the kernel tells none), fingerprint }.
function machine.describe(threads)
  local versions, cpu = core.sys.versions(), core.sys.cpu()
  local device = { cpu = machine.cpu(), cores = cpu.online, isa = cpu.isa, threads = threads, vega = versions.vega, onednn = versions.onednn,
    blas = versions.blas, governor = first_line "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor" }
  device.fingerprint = machine.fingerprint(device)
  return device
end

--- What a load average of a minute that was `load` becomes while `running` threads run for so many seconds: the kernel's own rule.
function machine.average(load, running, seconds)
  local kept = math.exp(-seconds / 60)
  return kept * load + (1 - kept) * running
end

--- The load average of the last minute, or nil: what else ran while a time was taken.
function machine.load() return tonumber((first_line "/proc/loadavg" or ""):match "^%S+") end

return machine
