--- Scripts that do not end by themselves. `in_c`: within one function of C, where no hook runs, so that only the end of the process helps.
local in_c = {
  "local s = ('a'):rep(400) return s:find('.-.-.-.-.-.-b')", "return ('a'):rep(3000):match('(a*)*(a*)*b') or ('a'):rep(3000):find('a-a-a-a-a-a-a-b')",
  "return pcall(string.find, ('a'):rep(400), '.-.-.-.-.-.-b')",
  "return coroutine.wrap(function() return ('x'):rep(500):gsub('x-x-x-x-x-x-y', '') end)()",
}
local hooked = {
  "while true do end", "repeat until false", "for i = 1, math.huge do end", "::again:: goto again", "local function f() return f() end f()",
  "while true do pcall(function() while true do end end) end", "while true do pcall(error) end",
  "while true do xpcall(function() while true do end end, function() while true do end end) end",
  "xpcall(function() while true do end end, function(e) while true do pcall(error, e) end end)",
  "while true do coroutine.wrap(function() while true do end end)() end",
  "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
  "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
  "local x <close> = setmetatable({}, { __close = function() while true do end end }) while true do end",
  "setmetatable({}, { __index = function(t, k) return t[k + 1] end })[1] = nil local t = setmetatable({}, { __lt = function() return true end }) " ..
    "while t < t do end",
  "table.sort({ 1, 2, 3, 4, 5 }, function() while true do end end)", "('x'):gsub('x', function() while true do end end)",
  "load(function() while true do end end)", "local co = coroutine.create(function() while true do end end) pcall(coroutine.resume, co) " ..
    "while true do pcall(coroutine.close, co) end",
  "while true do pcall(pcall, function() while true do end end) end",
  "while true do pcall(load, 'while true do end') pcall(load 'while true do end') end",
  "error(setmetatable({}, { __tostring = function() while true do end end }))",
  "local vega = require 'vega' vega.space.define { name = 'x', build = function() while true do end end }",
}
return { in_c = in_c, hooked = hooked }
