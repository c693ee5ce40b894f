--- A study's JSON lines, as far as the statements they become; `study_store` has them run.
local exchange = require "vega.study.exchange"

local KNOWN = { string = true, number = true, ["nil"] = true }

-- Takes every statement whose values a store could take.
local db = {}
function db.run(_, statement, ...)
  assert(type(statement) == "string")
  for i = 1, select("#", ...) do assert(KNOWN[type((select(i, ...)))], statement) end
  return statement == "study_find" and {} or { { study_id = 1, trial_id = 1 } }
end

return function(text)
  local ok, result = pcall(exchange.read, db, text:gmatch "[^\n]*")
  if not ok and not (type(result) == "table" and result.code) then error(result, 0) end
end
