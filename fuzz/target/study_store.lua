--- A study's JSON lines into a store in memory, undone afterwards.
local exchange = require "vega.study.exchange"

local db = assert(require("vega.store").open "mem:")

return function(text)
  assert(db:begin())
  local ok, result = pcall(exchange.read, db, text:gmatch "[^\n]*")
  db:rollback()
  if not ok and not (type(result) == "table" and result.code) then error(result, 0) end
end
