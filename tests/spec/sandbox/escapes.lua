--- Scripts that try to get out of the sandbox. Each returns something that is true when it has got out; an error or false is a wall.
-- In trusted Lua most of them do get out, which sandbox_spec checks, so that each is known to try.
return {
  -- names
  "return io", "return os.execute", "return os.remove", "return os.rename", "return os.exit", "return os.getenv 'PATH'", "return os.setlocale",
  "return os.tmpname", "return debug", "return package", "return dofile", "return loadfile", "return collectgarbage 'collect'", "return string.dump",
  "return math.randomseed", "return warn", "return rawget(_G, 'io')", "return _ENV.io", "return _G._G.os.execute", "return utf8.io or coroutine.io or io",
  "for k, v in pairs(_G) do if k == 'debug' then return v end end",
  "for _, v in next, _G do if type(v) == 'table' and v.execute then return v end end",
  -- require
  "return require 'io'", "return require 'os'", "return require 'debug'", "return require 'string'.dump", "return require 'package'",
  "return require 'vega.core'", "return require 'vega.core.net'", "return require 'vega.store'", "return require 'vega.help'",
  "return require 'vega.sandbox.state'", "return require 'vega.command.doctor'", "return select(2, pcall(require, 'debug')).getregistry",
  -- strings and their metatable
  "return ('').dump", "return getmetatable('')", "return getmetatable('').__index", "getmetatable('').__index = function() end return true",
  "return rawget(getmetatable('x').__index, 'rep')", "local m = getmetatable(('x'):rep(3)) m.__add = print return m.__add",
  "string.rep = nil return not ('x').rep and 1 or getmetatable('')",
  -- load and bytecode
  "return load 'return io' ()", "return load('return io', 'x', 't')()", "return load(function() return nil end, 'x', 'bt', _G)() or io",
  "return load('\\27Lua')", "return load(('\\27LuaT\\0\\25\\147\\r\\n\\26\\n'):rep(2), 'b', 'b')", "return load(string.dump(function() return 1 end))",
  "return load(string.dump(function() return 1 end), 'b', 'b')",
  "local t = { 'return ', 'io' } local i = 0 return load(function() i = i + 1 return t[i] end)()",
  "return load('return _ENV', 'x', 't', _G)().io", "local f = load 'local a = ... return a.io' return f(_ENV)",
  "return (function(...) local _ENV = ... return os.execute end)(_ENV)", "return load 'return load [[return debug]] ()' ()",
  -- coroutines
  "return coroutine.wrap(function() return io end)()", "return select(2, coroutine.resume(coroutine.create(function() return debug end)))",
  "local co = coroutine.wrap(function() coroutine.yield(1) return package end) co() return co()",
  "return coroutine.wrap(load)('return os.execute')()",
  -- finalizers and closing
  "local got setmetatable({}, { __gc = function() got = io end }) for _ = 1, 1e5 do local _ = {} end return got or setmetatable({}, { __gc = print })",
  "local m = {} setmetatable({}, m) m.__gc = print return setmetatable({}, m)",
  "local got do local x <close> = setmetatable({}, { __close = function() got = io end }) end return got",
  -- errors and handlers
  "local _, e = pcall(error, setmetatable({}, { __index = function() return io end })) return e.x",
  "return select(2, xpcall(error, function() return io end))", "return select(2, xpcall(error, debug.traceback, 'x'))",
  "local _, e = pcall(function() error(setmetatable({}, { __tostring = function() return io end })) end) return tostring(e)",
  -- metatables of the engine
  "return getmetatable(require 'vega'.rng(1))", "local m = getmetatable(require 'vega'.space { a = require 'vega'.space.float(0, 1) }) return m",
  "local s = require 'vega.space' { a = require 'vega.space'.float(0, 1) } return setmetatable(s, {})",
  "return getmetatable(require 'vega').__index", "require 'vega.util'.failure = print return true", "require 'vega'.space = {} return true",
  "return require 'vega.util'.util or getmetatable(require 'vega.util') == nil", "local vega = require 'vega' return vega.core or vega.store",
  "return require 'vega'.io", "return require 'vega'.sys", "return require 'vega'.sandbox", "return require 'vega'.report",
  "for name in pairs(require 'vega') do if name == 'members' then return true end end",
  "local r = require 'vega'.rng(1) return getmetatable(r) or r.__gc or r.__index",
  -- what vega does with files
  "return require 'vega.space' 'OUT.lua'", "return require 'vega'.space '/etc/passwd.lua'",
  "return require 'vega'.strategy['../../secret']",
  "local vega = require 'vega' local s = vega.space { a = vega.space.float(0, 1) } " ..
    "return vega.study { space = s, strategy = vega.strategy.random {}, evaluate = function() return { x = 1 } end, objectives = { x = 'min' }, store = 'OUT.db' }",
  "local vega = require 'vega' local s = vega.space { a = vega.space.float(0, 1) } " ..
    "local t = vega.study { space = s, strategy = vega.strategy.random {}, evaluate = function() return { x = 1 } end, objectives = { x = 'min' }, " ..
    "quiet = true, budget = { trials = 1 } } t:run():report 'OUT.html' return true",
  "local vega = require 'vega' local t = vega.cost.lut.new { entries = {} } return t:save 'OUT.json'",
  "return require 'vega'.study.export('mem:', 'x', 'OUT.jsonl')", "return require 'vega'.study.import('OUT.db', 'OUT.jsonl')",
  "return require 'vega'.arguments({ a = 1 }, { '--help' })",
}
