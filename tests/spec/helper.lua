--- What several specs need: scratch files and the program run as a user runs it.
local helper = {}

local counter = 0
--- A path in a fresh scratch folder of this process.
function helper.scratch(name)
  if not helper.folder then
    helper.folder = os.tmpname()
    os.remove(helper.folder)
    assert(require("vega.core").sys.make_dirs(helper.folder))
  end
  counter = counter + 1
  return ("%s/%d_%s"):format(helper.folder, counter, name)
end

function helper.write(path, text)
  local f = assert(io.open(path, "w"))
  f:write(text)
  f:close()
  return path
end

function helper.read(path)
  local f = assert(io.open(path, "r"))
  local text = f:read "a"
  f:close()
  return text
end

--- The interpreter that runs this spec.
function helper.program()
  local name = arg[-1] or "vega-lua"
  return name:find "/" and name:sub(1, 1) ~= "/" and os.getenv "PWD" .. "/" .. name or name
end

--- Runs a shell command line; returns its exit code, standard output and standard error. %s stands for the program.
function helper.run(line)
  local out, err = helper.scratch "out", helper.scratch "err"
  local command = line:gsub("%%s", (helper.program():gsub("%%", "%%%%")))
  local _, _, code = os.execute(("( %s ) >%s 2>%s </dev/null"):format(command, out, err))
  return code, helper.read(out), helper.read(err)
end

--- The program with the script's text.
function helper.script(text, arguments)
  local path = helper.write(helper.scratch "script.lua", text)
  local code, out, err = helper.run(("%%s %s %s"):format(path, arguments or ""))
  return code, out, err, path
end

return helper
