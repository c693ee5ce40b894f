--- vega-lua study rm: removes a study, with its checkpoints.
local arguments = require "vega.arguments"
local folders = require "vega.command.folders"
local listing = require "vega.command.listing"
local opened = require "vega.command.opened"
local plan = require "vega.command.plan"
local store = require "vega.store"
local util = require "vega.util"

local function check_idle(study)
  local leader, seconds = opened.leader(study)
  if leader then
    error(util.failure(1, "study '%s' is running: %s leads it (its lease lasts another %s); stop it, or --force", study.name, leader,
      listing.duration(seconds)), 0)
  end
  local held = study:run("lease_live", study.id)[1].n
  if held > 0 then error(util.failure(1, "study '%s': workers hold %d of its trials; stop them, or --force", study.name, held), 0) end
end

return function(words)
  local o, names = arguments({ store = "", yes = false, force = false }, words, { command = "study rm",
    about = "Removes a study from its store, for good, and its checkpoints beside an SQLite file. One that runs is left alone.",
    examples = { "vega-lua study rm quickstart --store runs/quickstart.db", "vega-lua study rm quickstart --yes --store runs/quickstart.db" },
    positional = { "NAME" }, values = opened.VALUES, options = util.merge(opened.OPTIONS, { force = "even if it runs" }) })
  local study <close> = opened.study("study rm", o.store, names[1])
  if not o.force then check_idle(study) end
  local _, n = study:counts()
  local steps = { { ("remove study '%s' with %s from '%s'"):format(study.name, listing.count(n, "trial"), study.shown), function()
    opened.assert(study.db:remove(study.id))
  end } }
  local root = folders.root(store.where(study.url).path)
  local folder = root and ("%s/%s"):format(root, folders.name(study.name))
  if folder and #folders.files(folder) > 0 then
    steps[2] = { ("remove %s (%s)"):format(folder, folders.contents(folder)), function() folders.remove(folder) end }
  end
  return plan.carry_out(steps, o.yes, "")
end
