--- vega-lua report [NAME] --store URL [--out report.html] [--svg DIR] [--format html|json]: the report of a study that is in a store. The path of what
-- was written is printed; with --format json the page's data, instead.
local opened = require "vega.command.opened"
local options = require "vega.arguments"
local report = require "vega.report"
local util = require "vega.util"

local DEFAULTS = { store = "", out = "report.html", svg = "", format = "html" }
local ABOUT = { command = "report", positional = { "[NAME]" },
  about = "The report of a study that is in a store, as one HTML file that needs no network. The path of what was written is printed.",
  examples = { "vega-lua report --store runs/quickstart.db", "vega-lua report quickstart --out quickstart.html --svg plots --store runs/quickstart.db" },
  values = { store = " URL", out = " FILE", svg = " DIR" }, one_of = { format = { "html", "json" } },
  options = { store = opened.OPTIONS.store, out = "the file", svg = "the charts as files in that folder, too", format = "json is the page's data" } }

local function fail(message, code) error(util.failure(code, "%s", message), 0) end

local function write(s, o)
  if o.format == "json" then
    print(report.json(s))
    return
  end
  local path, message = report.write(s, o.out)
  if not path then fail(message, 5) end
  print(path)
end

return function(words)
  local o, names = options(DEFAULTS, words, ABOUT)
  local s = opened.study("report", o.store, names[1])
  write(s, o)
  if o.svg ~= "" then
    local paths, why = report.write_charts(s, o.svg)
    if not paths then fail(why, 5) end
    for _, path in ipairs(paths) do print(path) end
  end
  s:close()
  return 0
end
