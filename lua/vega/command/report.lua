--- vega-lua report [NAME] --store URL [--out report.html] [--svg DIR] [--format html|json]: the report of a study that is in a store. The path of what
-- was written is printed; with --format json the page's data, instead.
local options = require "vega.arguments"
local report = require "vega.report"
local stored = require "vega.study.stored"
local util = require "vega.util"

local DEFAULTS = { store = "", out = "report.html", svg = "", format = "html" }

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
  local name = words[1] and words[1]:sub(1, 2) ~= "--" and table.remove(words, 1) or nil
  local o = options(DEFAULTS, words)
  if o.store == "" then o.store = os.getenv "VEGA_STORE" or "" end
  if o.store == "" then fail("report: --store URL is missing (or VEGA_STORE): which store is the study in?", 2) end
  if o.format ~= "html" and o.format ~= "json" then fail(("report: format is html or json, got '%s'"):format(o.format), 2) end
  local s, message, code = stored.open(o.store, name)
  if not s then fail(message, code) end
  write(s, o)
  if o.svg ~= "" then
    local paths, why = report.write_charts(s, o.svg)
    if not paths then fail(why, 5) end
    for _, path in ipairs(paths) do print(path) end
  end
  s:close()
  return 0
end
