--- What a program says beside its data: on standard error, and as JSON lines in the file of --log-file.
--    vega.log.warn("cell %d has no edges", 3)       -- also error, info, debug, trace; vega.log.level "debug" prints more
-- -q, -v, -vv and VEGA_LOG say what is printed; without them info and what is above it.
local core_log = require("vega.core").log

local log = {}

for _, level in ipairs { "error", "warn", "info", "debug", "trace" } do
  log[level] = function(text, ...)
    core_log.write(level, select("#", ...) > 0 and text:format(...) or text)
  end
end

--- The least important level that is printed; sets it when given.
log.level = core_log.level

local ORDER = { error = 1, warn = 2, info = 3, debug = 4, trace = 5 }

--- Would this level be printed?
function log.shows(level) return ORDER[level] <= ORDER[core_log.level()] end

--- From now on lines go to that file, too: open(path [, bytes at which it turns, 64 MiB]) -> true | nil, message, "EIO".
log.open = core_log.open

--- To the file alone, for what is printed in another way: file(level, text).
log.file = core_log.file

--- No file any more.
log.close = core_log.close

return log
