--- vega-lua doctor [--format text|json]: what this machine offers and what is missing, each line ok, warn or fail with what to do about it.
-- The exit code is 0 unless a check fails: then 4 for the store, 5 for memory and disk, 1 for the rest.
local core = require "vega.core"
local data = require "vega.data"
local machine = require "vega.device.machine"
local options = require "vega.arguments"
local terminal = require "vega.terminal"
local util = require "vega.util"

local sys = core.sys
local MIB, GIB = 1 << 20, 1 << 30

local function read_all(path)
  local file = io.open(path, "r")
  if not file then return "" end
  local text = file:read "a" or ""
  file:close()
  return text
end

local function size_text(bytes)
  return bytes >= GIB and ("%.1f GiB"):format(bytes / GIB) or ("%.0f MiB"):format(bytes / MIB)
end

--- A scratch file name in a folder, of this process alone.
local function scratch(folder) return ("%s/.vega-doctor-%s"):format(folder, read_all "/proc/self/stat":match "^%d+" or "0") end

-- Checks: function() -> level, text [, what to do] ------------------------------------------------------------------------------------

local CHECKS = {}
local function check(name, run, exit_code) CHECKS[#CHECKS + 1] = { name = name, run = run, exit_code = exit_code or 1 } end

local FLAGS = { "avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8" }

check("cpu", function()
  local info = read_all "/proc/cpuinfo"
  local has, found = " " .. (info:match "flags%s*:%s*([^\n]*)" or "") .. " ", {}
  for _, flag in ipairs(FLAGS) do if has:find(" " .. flag .. " ", 1, true) then found[#found + 1] = flag end end
  if sys.cpu().isa == "neon" or sys.cpu().isa == "portable" then return "ok", ("%s; kernels in plain C for %s"):format(machine.cpu(), sys.cpu().isa) end
  local text = ("%s: %s; kernels for %s"):format(machine.cpu(), table.concat(found, " "), sys.cpu().isa)
  local forced = os.getenv "VEGA_ISA"
  if forced then return "warn", text, ("VEGA_ISA=%s limits the kernels; unset it for full speed"):format(forced) end
  if not sys.cpu().avx512 then return "ok", text .. " (no AVX-512: f32 only at half the width)" end
  return "ok", text
end)

check("threads", function()
  local used, online = sys.threads(), sys.cpu().online
  local text = ("%d threads for kernels, %d CPUs online"):format(used, online)
  if used > online then return "warn", text, ("more threads than CPUs are slow: unset OMP_NUM_THREADS, or set it to %d"):format(online) end
  return "ok", text
end)

--- The libraries with a thread pool that are mapped into this process.
local function pools()
  local set = {}
  for path in read_all "/proc/self/maps":gmatch "(/%S+)" do
    local name = path:match "lib[gi]?omp%d*%.so" or path:match "libtbb%.so"
    if name then set[name] = true end
  end
  return util.sorted_keys(set)
end

check("thread pools", function()
  local names, blas = pools(), sys.versions().blas
  if blas:find "pthread" then
    table.insert(names, "OpenBLAS's own")
    return sys.threads() > 1 and "warn" or "ok", table.concat(names, ", "),
      "two pools compete for the CPUs: install libopenblas-openmp-dev and build again"
  end
  if #names ~= 1 then return "warn", table.concat(names, ", "), "one OpenMP library is expected; look at LD_PRELOAD and LD_LIBRARY_PATH" end
  return "ok", names[1] .. ", shared by oneDNN, OpenBLAS and our kernels"
end)

check("BLAS", function()
  local blas = sys.versions().blas
  local text = ("%s, kernels for %s"):format(blas, sys.cpu().blas_core)
  if not blas:find "openmp" then return "warn", text, "the OpenMP flavour is expected: apt-get install libopenblas-openmp-dev, build again" end
  return "ok", text
end)

check("libraries", function()
  local v = sys.versions()
  local ok, lfs = pcall(require, "lfs")
  local text = ("vega-lua %s, %s, %s, %s, %s"):format(v.vega, v.lua, v.onednn, v.sqlite, ok and lfs._VERSION or "no LuaFileSystem")
  if not ok then return "warn", text, "scripts that list folders need it: apt-get install lua-filesystem" end
  return "ok", text
end)

--- A convolution, a mean and a product, all of ones: the output.
local function forward(x, w, v) return core.op.linear(core.op.global_avg_pool(core.op.conv2d(x, w, { pad = 1 })), v) end

check("engine", function()
  local X, W, V = { 1, 4, 4, 8 }, { 8, 3, 3, 8 }, { 2, 8 }
  local ones, mean = core.tensor.ones, 8 * (4 * 9 + 8 * 6 + 4 * 4) / 16      -- 3x3 windows in a border of zeros: inner, edge and corner places
  local tape <close> = core.tape.new()
  local v = ones(V):param()
  local y = forward(ones(X), ones(W), v)
  tape:backward(core.op.mean(y))
  local half = { dtype = "bf16" }
  local got = { y:get(1, 1), v.grad:get(1, 1), forward(ones(X, half), ones(W, half), ones(V, half)):get(1, 1) }
  local right = { 8 * mean, mean / 2, 8 * mean }
  for i = 1, 3 do
    if got[i] ~= right[i] then
      return "fail", ("a network of ones gives %s instead of %s"):format(table.concat(got, ", "), table.concat(right, ", ")),
        "a library and this CPU do not agree: try VEGA_ISA=avx2 and OPENBLAS_CORETYPE=Haswell, and report it"
    end
  end
  return "ok", "convolution, product and gradient are right; in bf16 too"
end)

check("data sets", function()
  local found, absent = {}, {}
  for _, name in ipairs(data.names()) do
    local place = data.find(name)
    if place then found[#found + 1] = ("%s in %s"):format(name, place) else absent[#absent + 1] = name end
  end
  local text = table.concat(found, ", ") .. (#absent > 0 and (#found > 0 and "; " or "") .. "not here: " .. table.concat(absent, ", ") or "")
  if #found == 0 then return "warn", text, "apt-get install dataset-fashion-mnist, or set VEGA_DATA to the folder that holds fashion-mnist/" end
  return "ok", text
end)

local function can_write(folder)
  local path = scratch(folder)
  local ok, message = sys.write_file(path, "x")
  os.remove(path)
  return ok, message
end

check("write access", function()
  local ok, message = can_write "."
  if not ok then return "fail", message, "runs are stored below the working directory: change to a folder of yours" end
  local temporary = os.getenv "TMPDIR" or "/tmp"
  ok, message = can_write(temporary)
  if not ok then return "warn", message, "set TMPDIR to a folder that can be written" end
  if not (os.getenv "HOME" or os.getenv "XDG_STATE_HOME") then
    return "warn", "neither HOME nor XDG_STATE_HOME is set", "without them the interactive history is not kept"
  end
  return "ok", ("the working directory and %s"):format(temporary)
end)

check("free disk", function()
  local free, message = sys.disk "."
  if not free then return "fail", message, "change to a folder of a mounted file system" end
  local text = size_text(free) .. " in the working directory"
  if free < 64 * MIB then return "fail", text, "stores and checkpoints need room: free some, or change to another disk" end
  if free < GIB then return "warn", text, "long studies with checkpoints need more than 1 GiB" end
  return "ok", text
end, 5)

check("memory", function()
  local kib = math.tointeger(read_all "/proc/meminfo":match "MemAvailable:%s*(%d+)")
  if not kib then return "warn", "unknown", "mount /proc" end
  local text = size_text(kib * 1024) .. " available"
  if kib * 1024 < 256 * MIB then return "fail", text, "end other programs, or choose a smaller batch" end
  if kib * 1024 < GIB then return "warn", text, "networks for 224 x 224 images need more; choose a smaller batch" end
  return "ok", text
end, 5)

check("clock", function()
  local text, before = os.date "!%Y-%m-%dT%H:%M:%SZ", sys.clock()
  if os.date "!%Y" < "2026" then return "fail", text, "the clock is before this program was made: set it (timedatectl)" end
  if sys.clock() < before then return "fail", "the monotonic clock runs backwards", "look at the virtual machine's clock source" end
  return "ok", text .. ", steady"
end)

check("PostgreSQL", function()
  local db, message, code = core.store.open "postgresql:///?host=/nowhere/vega-doctor&connect_timeout=1"
  if db then db:close() end
  if db or code == "EIO" and message:find("/nowhere/vega-doctor", 1, true) then
    return "ok", "libpq is here: stores of many machines can be opened (postgresql://...)"
  end
  return "ok", ("not here: %s; stores of one machine need none"):format((message:gsub("^store: ", "")))
end)

check("live view", function()
  local there = core.serve.available()
  if not there then return "warn", "no libmicrohttpd: vega-lua serve cannot run", "apt-get install libmicrohttpd-dev, build again" end
  return "ok", "libmicrohttpd for vega-lua serve"
end)

--- A study is begun in a fresh store, read back by a second connection, and its result refused a change.
local function round_trip(path)
  local db <close> = assert(core.store.open(path))
  assert(db:run("study_create", "doctor", "[]", "{}", "0", "none", "{}", 1, 0, "{}", "{}"))
  local again <close> = assert(core.store.open(path))
  local row = assert(again:run("study_find", "doctor"))[1]
  assert(row and row.seed_lo == 1, "the study that was written is not there")
end

check("store", function()
  local folder = can_write "." and "." or os.getenv "TMPDIR" or "/tmp"
  local path = scratch(folder) .. ".db"
  local before = sys.clock()
  local ok, message = pcall(round_trip, path)
  for _, tail in ipairs { "", "-wal", "-shm" } do os.remove(path .. tail) end
  if not ok then return "fail", (tostring(message):gsub("^.-%.lua:%d+: ", "")), "SQLite needs a file system with locks: not every network disk has them" end
  return "ok", ("written and read back in %.0f ms"):format(1e3 * (sys.clock() - before))
end, 4)

-- The command -------------------------------------------------------------------------------------------------------------------------

local function run_checks()
  local results = {}
  for i, c in ipairs(CHECKS) do
    local ok, level, text, fix = pcall(c.run)
    if not ok then level, text, fix = "fail", tostring(level), "this is a fault of the program: report it" end
    results[i] = { name = c.name, level = level, text = text, fix = level ~= "ok" and fix or nil }
  end
  return results
end

local function exit_code(results)
  for i, r in ipairs(results) do if r.level == "fail" then return CHECKS[i].exit_code end end
  return 0
end

local COLOURS = { ok = "green", warn = "yellow", fail = "red" }

local function print_text(results)
  local counts = { ok = 0, warn = 0, fail = 0 }
  for _, r in ipairs(results) do
    counts[r.level] = counts[r.level] + 1
    print(("%s %-13s %s"):format(terminal.paint(COLOURS[r.level], ("%-5s"):format(r.level)), r.name, r.text))
    if r.fix then print(("%20s%s"):format("", r.fix)) end
  end
  print(("%d ok, %d to look at, %d failed"):format(counts.ok, counts.warn, counts.fail))
end

return function(words)
  local o = options({ format = "text" }, words, { command = "doctor",
    about = "What this machine offers and what is missing: a line a check, with what to do about it. Ends with 0 unless a check failed.",
    examples = { "vega-lua doctor", "vega-lua doctor --format json | jq '.[] | select(.level != \"ok\")'" },
    one_of = { format = { "text", "json" } } })
  local results = run_checks()
  if o.format == "json" then print(core.json.encode(core.json.array(results))) else print_text(results) end
  return exit_code(results)
end
