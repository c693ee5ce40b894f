--- vega-lua study best: the best trials of a study, or its front.
local arguments = require "vega.arguments"
local listing = require "vega.command.listing"
local log = require "vega.log"
local opened = require "vega.command.opened"
local trial_rows = require "vega.command.trial_rows"
local util = require "vega.util"

local ARCHITECTURE = { { "hash" }, { "arch" } }

return function(words)
  local o, names = arguments({ store = "", format = "table", k = 0, objective = "" }, words, { command = "study best",
    about = "The best trial of a study with one objective, the front of one with several: what none is better than in all of them. With --k the k best"
      .. " by one objective. Only trials within the constraints, of the highest fidelity reached, are compared.",
    examples = { "vega-lua study best --store runs/quickstart.db", "vega-lua study best quickstart --k 5 --objective loss --format csv --store runs/quickstart.db" },
    positional = { "[NAME]" }, one_of = { format = listing.FORMATS }, values = { store = " URL", objective = " NAME" },
    options = util.merge(opened.OPTIONS, { k = "so many, 0: the best or the front", objective = "by this one, not the first" }) })
  if o.k < 0 then error(util.failure(2, "study best: --k must be 0 or more, got %d", o.k), 0) end
  local study <close> = opened.study("study best", o.store, names[1])
  local by = o.objective ~= "" and o.objective or nil
  local is_front = o.k == 0 and not by and #study.objectives > 1
  local trials = is_front and study:brief_front() or study:best(math.max(o.k, 1), by)
  trial_rows.show(o.format, study.objectives, trials, ARCHITECTURE)
  if #trials == 0 then
    log.error("study best: '%s' has no successful trial yet", study.name)
    return 3
  end
  return 0
end
