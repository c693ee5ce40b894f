--- Who leads a study: one process at a time writes its journal, under the strategy's lease, which a keeper renews. The lease of a process that has
-- ended on this machine is taken over at once; that of one elsewhere when it runs out.
local identity = require "vega.study.identity"
local store = require "vega.store"
local util = require "vega.util"

local Lead = {}
Lead.__index = Lead

local function ask(journal, what, ...)
  local answer, message, code = journal.db[what](journal.db, ...)
  if answer == nil then journal:refuse(message, code) end
  return answer
end

--- The row of who leads now, or last did: { epoch, owner, seconds_left }; nil when nobody ever did.
function Lead.holder(journal) return journal:run("lead_get", journal.study_id)[1] end

--- Could the lead be taken over from who holds it, who has vanished?
function Lead.is_orphaned(row) return row ~= nil and row.owner ~= nil and ((row.seconds_left or 0) < 0 or identity.is_gone(row.owner)) end

local function try(journal, me, lease)
  local row = Lead.holder(journal)
  if row and row.owner and identity.is_gone(row.owner) then ask(journal, "resign", journal.study_id, row.epoch) end
  return ask(journal, "lead", journal.study_id, me, lease), row
end

-- Somebody of another machine holds it. Alive, they renew it every quarter of their lease: then its end moves away instead of drawing near.
local function wait_for(journal, me, lease)
  local first, said = Lead.holder(journal), false
  while true do
    local epoch, row = try(journal, me, lease)
    if epoch then return epoch end
    if not row or row.epoch ~= first.epoch or row.seconds_left > first.seconds_left then return nil, row end
    if not said then
      io.stderr:write(("study '%s': waiting up to %.0f s for %s, which led it and may be gone\n"):format(journal.name, row.seconds_left + 1,
        identity.shown(row.owner)))
    end
    first, said = row, true
    journal.db:wait(0.5)
    if require("vega.core").sys.interrupted() then error("interrupted!", 0) end
  end
end

local function is_here(owner)
  return owner and owner:match "^[^:]*" == identity.of():match "^[^:]*"
end

--- Takes the lead. Raises with exit code 75 when another process has it.
-- options: { url, lease, backoff, patient = wait for one of another machine that may be gone }
function Lead.take(journal, options)
  local me, at = identity.of(), store.now()
  local epoch, row = try(journal, me, options.lease)
  if not epoch and options.patient and not is_here(row.owner) then
    at = store.now()
    epoch, row = wait_for(journal, me, options.lease)
    at = epoch and store.now() - 1 or at
  end
  if not epoch then
    row = row or Lead.holder(journal)
    error(util.failure(75, "study '%s' in %s: another process leads it: %s; run this again when that has ended", journal.name, journal.shown,
      row and row.owner and identity.shown(row.owner) or "it has just begun"), 0)
  end
  local keeper, message, code = store.keeper(options.url, nil, options.lease, options.backoff)
  if not keeper then journal:refuse(message, code) end
  keeper:lead(journal.study_id, epoch, at)
  journal:lead(epoch)
  return setmetatable({ journal = journal, keeper = keeper, epoch = epoch, lease = options.lease }, Lead)
end

--- Goes on after a freeze, when the keeper gave the lead up but nobody took it; raises with exit code 75 when somebody did. Cheap.
function Lead:check()
  if self.keeper:leads() then return end
  local at = store.now()
  if not ask(self.journal, "renew", self.journal.study_id, self.epoch, self.lease) then
    error(util.failure(75, "study '%s': another process leads it now", self.journal.name), 0)
  end
  self.keeper:lead(self.journal.study_id, self.epoch, at)
end

--- Gives it up.
function Lead:close()
  if not self.keeper then return end
  self.keeper:close()
  self.keeper = nil
  self.journal:lead(nil)
  self.journal.db:resign(self.journal.study_id, self.epoch)                          -- where that fails its lease runs out
end

return Lead
