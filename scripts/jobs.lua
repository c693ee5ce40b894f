--- Runs a script's own work in several processes of one thread: `scripts/X.lua job ...`.
-- @param list argument lists, run in this order  @param n so many at a time  @param told called with the number of each that has ended, and its exit code
-- @return how many ended with an exit code other than 0
local core = require "vega.core"

return function(list, n, told)
  local running, alive, failed = {}, 0, 0
  local function finish()
    local pid, code = core.sys.wait()
    alive = alive - 1
    if code ~= 0 then failed = failed + 1 end
    if told then told(running[pid], code) end
  end
  for i, words in ipairs(list) do
    if alive == n then finish() end
    running[assert(core.sys.start { arg[-1], arg[0], table.unpack(words) })], alive = i, alive + 1
  end
  while alive > 0 do finish() end
  return failed
end
