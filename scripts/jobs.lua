--- Runs a script's own work in several processes: `vega-lua SCRIPT words ...` for each list of words.
-- @param list of lists of words, started in this order  @param n so many at a time
-- @param told called with the number of each that has ended, its exit code and its seconds
-- @return how many ended with an exit code other than 0
local core = require "vega.core"

return function(list, n, told)
  local running, alive, failed = {}, 0, 0
  local function finish()
    local pid, code = core.sys.wait()
    local job = running[pid]
    running[pid], alive = nil, alive - 1
    if code ~= 0 then failed = failed + 1 end
    if told then told(job.number, code, core.sys.clock() - job.began) end
  end
  for i, words in ipairs(list) do
    if alive == n then finish() end
    local pid = assert(core.sys.start { arg[-1], arg[0], table.unpack(words) })
    running[pid], alive = { number = i, began = core.sys.clock() }, alive + 1
  end
  while alive > 0 do finish() end
  return failed
end
