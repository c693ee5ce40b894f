--- vega-lua study list: all studies of a store, a line each.
local arguments = require "vega.arguments"
local core_json = require("vega.core").json
local listing = require "vega.command.listing"
local opened = require "vega.command.opened"
local stored = require "vega.study.stored"

local FINISHED = { COMPLETE = true, PRUNED = true, FAILED = true, ABANDONED = true }
local COLOURS = { ACTIVE = "yellow", DONE = "green" }

local function values_text(objectives, values)
  local parts = {}
  for i, o in ipairs(objectives) do parts[i] = ("%s %.5g"):format(o.name, values[o.name]) end
  return table.concat(parts, ", ")
end

local function best_of(url, summary)
  if summary.trials == 0 then return nil end
  local study <close> = opened.assert(stored.open(url, summary.name))
  return study:best()[1]
end

local function row_of(url, summary)
  local best, counts, open = best_of(url, summary), summary.counts, 0
  for state, n in pairs(counts) do if not FINISHED[state] then open = open + n end end
  local object = { name = summary.name, status = summary.status, strategy = summary.strategy, objectives = core_json.array(summary.objectives),
    created_at = listing.time(summary.created_at), trials = summary.trials, counts = counts,
    best = best and { trial = best.id, values = best.values } or core_json.null }
  return { name = summary.name, status = summary.status, strategy = summary.strategy, begun = summary.created_at, trials = summary.trials,
    complete = counts.COMPLETE or 0, pruned = counts.PRUNED or 0, failed = (counts.FAILED or 0) + (counts.ABANDONED or 0), open = open,
    best = best and values_text(summary.objectives, best.values), best_trial = best and best.id, object = object }
end

local COLUMNS = { { "name", whole = true }, { "status", colour = function(status) return COLOURS[status] end }, { "strategy" },
  { "trials", right = true }, { "complete", right = true }, { "pruned", right = true }, { "failed", right = true }, { "open", right = true },
  { "best" }, { "best_trial", right = true, title = "trial" }, { "begun", text = listing.time, plain = true } }

return function(words)
  local o = arguments({ store = "", format = "table" }, words, { command = "study list",
    about = "All studies of a store, in the order they were begun: status, strategy, trials by state (open: not finished), the best trial.",
    examples = { "vega-lua study list --store runs/quickstart.db", "vega-lua study list --store runs/quickstart.db --format json | jq '.[].best'" },
    options = opened.OPTIONS, values = opened.VALUES, one_of = { format = listing.FORMATS } })
  local url = opened.url("study list", o.store)
  local rows = {}
  for i, summary in ipairs(opened.assert(stored.list(url))) do rows[i] = row_of(url, summary) end
  listing.show(o.format, COLUMNS, rows)
  return 0
end
