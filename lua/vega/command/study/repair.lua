--- vega-lua study repair: is the store whole, and is anything left in it that a crash interrupted?
local arguments = require "vega.arguments"
local listing = require "vega.command.listing"
local opened = require "vega.command.opened"
local plan = require "vega.command.plan"
local settings = require "vega.settings"
local store = require "vega.store"
local stored = require "vega.study.stored"
local util = require "vega.util"

local function numbers_text(rows)
  local parts = {}
  for i, row in ipairs(rows) do
    if i > 8 then return ("%s and %d more"):format(table.concat(parts, ", "), #rows - 8) end
    parts[i] = tostring(row.number)
  end
  return table.concat(parts, ", ")
end

-- SQLite's own check; what it finds is mended only where it is an index, which follows from its table.
local function check_file(study, steps)
  local faults = {}
  for _, row in ipairs(study:run "integrity") do
    if row.integrity_check ~= "ok" then faults[#faults + 1] = row.integrity_check end
  end
  if #faults == 0 then return end
  for _, fault in ipairs(faults) do io.stderr:write("store: ", fault, "\n") end
  local only_indices = true
  for _, fault in ipairs(faults) do only_indices = only_indices and fault:find "index" ~= nil end
  if not only_indices then
    error(util.failure(4, "store '%s' is damaged (above); 'study export' may still read some of its studies: import them into a new store", study.shown), 0)
  end
  steps[#steps + 1] = { "make the indices anew, from their tables", function()
    study:run "reindex"
    for _, row in ipairs(study:run "integrity") do
      if row.integrity_check ~= "ok" then error(util.failure(4, "store '%s': %s", study.shown, row.integrity_check), 0) end
    end
  end }
end

local function done(...) return opened.assert(...) end

local function check_study(study, steps)
  study:trials()                                                            -- raises, with exit code 4, where a text is none of ours any more
  study:events_after(0)
  local function add(text, action) steps[#steps + 1] = { ("study '%s': %s"):format(study.name, text), action } end
  local dead = study:run("lease_dead", study.id)
  if #dead > 0 then
    add(("release %s whose worker is gone: %s"):format(listing.count(#dead, "trial"), numbers_text(dead)), function()
      while done(study.db:reap()) > 0 do end
    end)
  end
  local led = opened.leader(study) ~= nil
  local orphans = led and {} or study:run("trial_orphans", study.id)
  if #orphans > 0 then
    add(("release %s that nobody holds"):format(listing.count(#orphans, "trial")), function() done(study.db:adopt(study.id)) end)
  end
  local last, row = study:run("number_last", study.id)[1].number, study:run("study_find", study.name)[1]
  if row.next_number <= last then
    add(("count on from trial %d, not %d"):format(last + 1, row.next_number), function() study:run("study_next", last + 1, study.id) end)
  end
  if study.status == "ACTIVE" and not led and study:run("lease_live", study.id)[1].n == 0 then
    add("call it paused: nobody runs it", function() study:run("study_status", "PAUSED", study.id) end)
  end
end

return function(words)
  local o, names = arguments({ store = "", yes = false }, words, { command = "study repair",
    about = "Checks that a store is whole, and finds what a crash has left in its studies: trials that nobody holds, counters that fell behind.",
    examples = { "vega-lua study repair --store runs/quickstart.db", "vega-lua study repair quickstart --yes --store runs/quickstart.db" },
    positional = { "[NAME]" }, options = opened.OPTIONS, values = opened.VALUES })
  local url = settings.store("study repair", o.store)
  local steps, studies <close> = {}, setmetatable({}, { __close = function(list) for _, s in ipairs(list) do s:close() end end })
  for i, summary in ipairs(opened.assert(stored.list(opened.url("study repair", url)))) do
    if not names[1] or summary.name == names[1] then studies[#studies + 1] = opened.assert(stored.open(url, summary.name)) end
    if i == 1 and studies[1] then check_file(studies[1], steps) end
  end
  if names[1] and #studies == 0 then opened.study("study repair", url, names[1]) end              -- which names the studies that are there
  for _, study in ipairs(studies) do check_study(study, steps) end
  return plan.carry_out(steps, o.yes, ("store '%s': whole, and nothing to mend"):format(store.where(url).shown))
end
