--- vega-lua study import: a study from JSON lines into a store (vega.study.exchange).
local arguments = require "vega.arguments"
local exchange = require "vega.study.exchange"
local listing = require "vega.command.listing"
local log = require "vega.log"
local opened = require "vega.command.opened"
local util = require "vega.util"

return function(words)
  local o, files = arguments({ store = "", name = "" }, words, { command = "study import",
    about = "Reads a study that was exported into a store, which is made when there is none: wholly, or not at all. The file is data, nothing in it"
      .. " is run.",
    examples = { "vega-lua study import quickstart.jsonl --store runs/copy.db",
      "zcat quickstart.jsonl.gz | vega-lua study import - --name copy --store postgresql://db/vega" },
    positional = { "FILE" }, values = { store = " URL", name = " NAME" }, options = util.merge(opened.OPTIONS, { name = "its name there, if another" }) })
  local url = opened.url("study import", o.store)
  local from = files[1] == "-" and io.lines or files[1]
  if from == io.lines then from = io.stdin:lines() end
  local name, trials, code = exchange.import(url, from, { name = o.name ~= "" and o.name or nil })
  opened.assert(name, trials, code)
  log.info("study '%s': %s", name, listing.count(trials, "trial"))
  return 0
end
