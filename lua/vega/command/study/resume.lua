--- vega-lua study resume: the command that began a study, again, in its folder. This process becomes it.
local arguments = require "vega.arguments"
local core = require "vega.core"
local listing = require "vega.command.listing"
local opened = require "vega.command.opened"
local util = require "vega.util"

local function fail(text, ...) error(util.failure(1, text, ...), 0) end

local function read(path)
  local file = path and io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function absolute(path, folder) return path:sub(1, 1) == "/" and path or folder .. "/" .. path end

-- A script that has changed may ask for something else than it did.
local function check_script(study)
  local env = study.env
  if not (study.script_sha256 and type(env.script) == "string") then return end
  local path = absolute(env.script, env.folder)
  local text = read(path)
  if not text then fail("study '%s': its script %s is not there any more", study.name, path) end
  if core.hash.hex(core.hash.sha256(text)) ~= study.script_sha256 then
    fail("study '%s': %s has changed since the study began; put it back, or --changed goes on with it as it is", study.name, path)
  end
end

local function check_lead(study)
  local leader, seconds = opened.leader(study)
  if leader then fail("study '%s' is running: %s leads it (its lease lasts another %s)", study.name, leader, listing.duration(seconds)) end
end

-- The recorded words, with this program in place of an older one.
local function command_of(study)
  local words = study.env.command
  if type(words) ~= "table" or #words < 2 or type(study.env.folder) ~= "string" then
    fail("study '%s': the store does not say what command began it; run its script again, it goes on where it was", study.name)
  end
  local argv = { words[1]:match "[^/]*$" == "vega-lua" and "/proc/self/exe" or words[1] }
  for i = 2, #words do argv[i] = tostring(words[i]) end
  return argv
end

return function(words)
  local o, names = arguments({ store = "", changed = false, print = false }, words, { command = "study resume",
    about = "Starts the command that began a study again, in the folder where it was started; it goes on where it was. A change of the script since"
      .. " then is refused.",
    examples = { "vega-lua study resume quickstart --store runs/quickstart.db", "vega-lua study resume --print --store runs/quickstart.db" },
    positional = { "[NAME]" }, values = opened.VALUES,
    options = util.merge(opened.OPTIONS, { changed = "also when the script has changed", print = "only show the command" }) })
  local study = opened.study("study resume", o.store, names[1])
  local argv = command_of(study)
  if o.print then
    print(("cd %s && %s"):format(study.env.folder, table.concat(study.env.command, " ")))
    return 0
  end
  check_lead(study)
  if not o.changed then check_script(study) end
  local folder = study.env.folder
  study:close()
  local _, message = core.sys.exec(argv, folder)
  fail("study resume: %s", message)
end
