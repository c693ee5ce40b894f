--- fail("space: %s is wrong", name): raises with the place of the first line outside this library, however deep the call.
local here = debug.getinfo(1, "S").source:match "^@(.*)space/[^/]*$" or "@no such place"

local function is_ours(info) return info.what == "C" or info.source:sub(2, #here + 1) == here end

return function(format, ...)
  local message, level = select("#", ...) > 0 and format:format(...) or format, 2
  local info = debug.getinfo(level, "S")
  while info and is_ours(info) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  error(message, info and level or 2)
end
