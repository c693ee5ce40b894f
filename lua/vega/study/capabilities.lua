--- What a worker has that a trial may need (the study option `needs`), as words: "avx2", "avx512", "bf16", "amx", cores1 to coresN, memory_gib1
-- to memory_gibN, and whatever `--has WORDS` adds.
local core = require "vega.core"
local util = require "vega.util"

local capabilities = {}

local MOST = 4096                              -- words of one kind

local function count_up(words, name, n) for i = 1, math.min(n, MOST) do words[#words + 1] = name .. i end end

local function memory_gib()
  local file = io.open "/proc/meminfo"
  local text = file and file:read "a" or ""
  if file then file:close() end
  return (tonumber(text:match "MemTotal:%s*(%d+) kB") or 0) // (1 << 20)
end

--- The words of this machine, and those given.
function capabilities.words(given)
  local cpu, words = core.sys.cpu(), {}
  local has = { [cpu.isa] = true, avx2 = cpu.isa:find "^a" ~= nil, avx512 = cpu.avx512, bf16 = cpu.bf16, amx = cpu.amx }
  for _, name in ipairs(util.sorted_keys(has)) do if has[name] then words[#words + 1] = name end end
  count_up(words, "cores", cpu.online)
  count_up(words, "memory_gib", memory_gib())
  for _, word in ipairs(given or {}) do words[#words + 1] = word end
  return words
end

return capabilities
