--- vega-lua study trials: all trials of a study, or those of one state.
local arguments = require "vega.arguments"
local listing = require "vega.command.listing"
local opened = require "vega.command.opened"
local trial_rows = require "vega.command.trial_rows"
local util = require "vega.util"

local STATES = { "WAITING", "RUNNING", "PAUSED", "COMPLETE", "PRUNED", "FAILED", "ABANDONED" }
local MORE = { { "seconds", right = true }, { "parent", right = true }, { "reason" },
  { "message", text = function(text) return text and text:match "^[^\n]*" end }, { "hash" }, { "arch" } }

local function wanted_states(text)
  if text == "" then return nil end
  local set = {}
  for word in text:upper():gmatch "[^,%s]+" do
    if not util.contains(STATES, word) then error(util.failure(2, "%s", util.unknown("study trials", "state", word, STATES)), 0) end
    set[word] = true
  end
  return set
end

return function(words)
  local o, names = arguments({ store = "", format = "table", state = "", limit = 0, from = 1 }, words, { command = "study trials",
    about = "All trials of a study in the order they were asked for.",
    examples = { "vega-lua study trials quickstart --state FAILED --store runs/quickstart.db",
      "vega-lua study trials --format csv --store runs/quickstart.db > trials.csv" },
    positional = { "[NAME]" }, one_of = { format = listing.FORMATS }, values = { store = " URL", state = " STATE" },
    options = util.merge(opened.OPTIONS, { state = "only these: " .. table.concat(STATES, ","), limit = "so many at most, 0: all",
      from = "begin at this trial" }) })
  if o.limit < 0 then error(util.failure(2, "study trials: --limit must be 0 or more, got %d", o.limit), 0) end
  local states = wanted_states(o.state)
  local study <close> = opened.study("study trials", o.store, names[1])
  local trials, most = {}, o.limit > 0 and o.limit or math.huge
  for _, t in ipairs(study:trials()) do
    if #trials == most then break end
    if t.id >= o.from and (not states or states[t.state]) then trials[#trials + 1] = t end
  end
  trial_rows.show(o.format, study.objectives, trials, MORE)
  return 0
end
