--- Interactive Lua: vega-lua repl, vega-lua -i, or vega.repl() in the middle of a script.
-- Expressions print their value; ?name explains, ?? shows the last error's frames with their variables. Ctrl-C stops what runs, not the session.
-- Without a terminal the input is read to its end, without prompts; the exit code is then 1 when something failed.
local complete = require "vega.repl.complete"
local core = require "vega.core"
local show = require "vega.repl.show"

local PROMPT, MORE = "> ", ">> "
local SIGINT = 2
local USAGE = [[
EXPRESSION or =EXPRESSION   prints its value
?NAME                       explains an operator, a function, a module: ?conv2d, ?vega.study
??                          the last error's frames with their variables
Tab completes, the arrows recall earlier lines, Ctrl-C stops what runs, Ctrl-D ends.]]

-- Reading -----------------------------------------------------------------------------------------------------------------------------

local function history_path()
  local state = os.getenv "XDG_STATE_HOME"
  local home = os.getenv "HOME"
  if not state or state == "" then state = home and home .. "/.local/state" end
  return state and state .. "/vega-lua/history"
end

--- A reader of lines from the terminal: read(prompt) -> line, false (dropped) or nil (end); keep(text) adds to the history.
local function terminal()
  local editor = core.edit.new(function(text) return complete(text, _G) end)
  local path = history_path()
  if path then editor:load(path) end
  local reader = {}
  function reader.read(prompt) return editor:read(prompt) end
  function reader.keep(text)
    if text == "" then return end
    editor:add(text)
    if path and core.sys.make_dirs((path:gsub("/[^/]*$", ""))) then editor:save(path) end     -- a session without a history file still works
  end
  function reader.close() editor:close() end
  return reader
end

local function pipe()
  return { read = function() return io.read "l" end, keep = function() end, close = function() end }
end

--- Compiled as an expression where that is possible.
local function compile(text)
  local expression = text:gsub("^%s*=", "")
  local f = load("return " .. expression, "=stdin", "t")
  if f then return f end
  return load(text, "=stdin", "t")
end

local function is_incomplete(message) return message:sub(-5) == "<eof>" end

--- One whole chunk: its text | false when it was dropped | nil at the end of the input.
local function read_chunk(reader)
  local text = reader.read(PROMPT)
  if not text or text:match "^%s*%?" then return text end
  while true do
    local f, message = compile(text)
    if f or not is_incomplete(message) then return text end
    local line = reader.read(MORE)
    if line == nil then return text end
    if not line then return false end
    text = text .. "\n" .. line
  end
end

-- Evaluating --------------------------------------------------------------------------------------------------------------------------

local function variables_of(level)
  local lines = {}
  for i = 1, 200 do
    local name, value = debug.getlocal(level + 1, i)
    if not name then break end
    if name:sub(1, 1) ~= "(" then
      local text = show(value):gsub("\n.*", " ...")
      lines[#lines + 1] = ("    %s = %s"):format(name, #text > 100 and text:sub(1, 97) .. "..." or text)
    end
  end
  return lines
end

local HERE = debug.getinfo(1, "S").source

--- The Lua frames of the error that is being handled, innermost first, each with its variables, down to the session's own.
local function frames(message)
  local lines, level = { tostring(message) }, 3
  while #lines < 200 do
    local info = debug.getinfo(level, "Sln")
    if not info or info.source == HERE then break end
    if info.what ~= "C" then
      local place = info.what == "main" and "the main chunk" or info.name or "a function"
      lines[#lines + 1] = ("  %s:%d in %s"):format(info.short_src, info.currentline, place)
      for _, line in ipairs(variables_of(level)) do lines[#lines + 1] = line end
    end
    level = level + 1
  end
  return table.concat(lines, "\n")
end

local function print_results(n, results)
  if n == 0 then return end
  local texts, separator = {}, "\t"
  for i = 1, n do
    texts[i] = show(results[i])
    if texts[i]:find("\n", 1, true) then separator = "\n" end
  end
  print(table.concat(texts, separator))
end

--- Runs a chunk and prints what it returns. @return true, or false when it failed
local function evaluate(session, f)
  local function handler(message)
    session.trace = frames(message)
    return message
  end
  local results = table.pack(xpcall(function()
    local values = table.pack(f())
    print_results(values.n, values)
  end, handler))
  if results[1] then return true end
  local signal = core.sys.interrupted()
  if signal and not (signal == SIGINT and session.on_terminal) then error("interrupted!", 0) end       -- it is meant for the program
  if signal then
    core.sys.interrupted(true)
    io.stderr:write(session.on_terminal and "\n" or "", "interrupted\n")       -- the terminal has echoed ^C
  else
    local message = results[2]
    io.stderr:write(message == nil and "nil" or tostring(message), "\n")
  end
  return false
end

local function explain(session, text)
  local name = text:match "^%s*%?%s*(.-)%s*$"
  if name == "?" then return print(session.trace or "no error so far") end
  if name == "" then return print(USAGE) end
  local answer, message = require("vega.help").text(name, _G)
  print(answer or message)
end

--- One chunk after the other, until the input ends. @return the number that failed
local function loop(session, reader)
  local failures = 0
  for text in function() return read_chunk(reader) end do
    if text and text:match "^%s*%?" then
      explain(session, text)
    elseif text then
      local f, message = compile(text)
      if not f then io.stderr:write(message, "\n") end
      if not (f and evaluate(session, f)) then failures = failures + 1 end
    end
    if text then reader.keep(text) end
  end
  return failures
end

--- Runs a session. @return the exit code
return function()
  local on_terminal = core.sys.isatty(0) and core.sys.isatty(1)
  if rawget(_G, "vega") == nil then rawset(_G, "vega", require "vega") end
  if on_terminal then print(("vega-lua %s, %s.  ? explains, Ctrl-D ends."):format(core.sys.versions().vega, _VERSION)) end
  local reader = on_terminal and terminal() or pipe()
  local failures = loop({ on_terminal = on_terminal }, reader)
  reader.close()
  return not on_terminal and failures > 0 and 1 or 0
end
