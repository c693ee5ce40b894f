--- What the commands on stores share: their options, the store that is meant, and failures with the right exit code.
local identity = require "vega.study.identity"
local settings = require "vega.settings"
local stored = require "vega.study.stored"
local util = require "vega.util"

local opened = {}

--- What --help says of the options that several commands have.
opened.OPTIONS = { store = "where the studies are (VEGA_STORE, \"store\" in vega.json)", format = "",
  yes = "do it; without, say what would be done" }
opened.VALUES = { store = " URL" }

--- The first value, or an error with the message and the exit code of the following ones.
function opened.assert(value, message, code)
  if value ~= nil and value ~= false then return value end
  local codes = { EIO = 5, ENOMEM = 5, EFORMAT = 4, EBACKEND = 4 }
  error(util.failure(math.type(code) == "integer" and code or codes[code] or 1, "%s", tostring(message)), 0)
end

--- The URL of --store, or from where settings has it; ends the program with 2 when it is no URL.
function opened.url(who, given)
  local url = settings.store(who, given)
  local where, message, code = stored.where(url)
  if not where then error(util.failure(code, "%s: %s", who, message), 0) end
  return url
end

--- The study of that name, or the store's only one. `who` names the command.
function opened.study(who, store, name) return opened.assert(stored.open(opened.url(who, store), name)) end

--- Who leads the study at this moment, for people, and how long without another word from it; nil when nobody does.
function opened.leader(study)
  local lead = study:run("lead_get", study.id)[1]
  if not (lead and lead.owner and lead.seconds_left > 0) or identity.is_gone(lead.owner) then return nil end
  return identity.shown(lead.owner), lead.seconds_left
end

return opened
