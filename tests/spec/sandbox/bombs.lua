--- Scripts that take memory as long as they get it.
return {
  "return #('x'):rep(1e10)", "return #('x'):rep(1 << 40, ('y'):rep(100))", "return #string.rep(('x'):rep(1e6), 1e6)",
  "local s = 'x' while true do s = s .. s end", "local t = {} for i = 1, math.huge do t[i] = i end", "local t = {} while true do t = { t } end",
  "local t = {} for i = 1, math.huge do t[i] = ('x'):rep(1e5) .. i end", "local t = {} for i = 1, math.huge do t['k' .. i] = i end",
  "local s = ('x'):rep(1e6) local t = {} for i = 1, 1000 do t[i] = s end return #table.concat(t)",
  "local s = ('x'):rep(1e6) while true do s = string.format('%s%s', s, s) end", "return #string.format(('%s'):rep(100), ('x'):rep(1e6))",
  "return #(('x'):rep(1e6):gsub('x', ('y'):rep(1e4)))", "local f f = function(...) return f(1, ...) end f()", "local function f() return 1 + f() end f()",
  "local t = {} for i = 1, math.huge do t[i] = coroutine.create(function() end) end", "local t = {} for i = 1, math.huge do t[i] = function() return t, i end end",
  "return load(('x = 1 '):rep(1e7))", "return load('return {' .. ('1,'):rep(1e7) .. '}')()", "return table.unpack({}, 1, 1e8)",
  "local t = table.pack(('x'):rep(1e7):byte(1, -1))", "while true do pcall(string.rep, 'x', 1e9) local t = {} for i = 1, 1e7 do t[i] = i end end",
  "local t = {} while true do pcall(function() for i = #t + 1, math.huge do t[i] = {} end end) end",
  "local vega = require 'vega' local t = {} while true do t[#t + 1] = assert(vega.tensor.zeros { 1024, 1024 }) end",
  "local vega = require 'vega' return assert(vega.tensor.zeros { 1 << 20, 1 << 20 })",
  "local vega = require 'vega' local s = '[' .. ('1,'):rep(1e6) .. '1]' local t = {} while true do t[#t + 1] = vega.json.decode(s) end",
}
