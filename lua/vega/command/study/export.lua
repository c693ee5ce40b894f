--- vega-lua study export: a study as JSON lines (vega.study.exchange).
local arguments = require "vega.arguments"
local exchange = require "vega.study.exchange"
local log = require "vega.log"
local opened = require "vega.command.opened"
local util = require "vega.util"

return function(words)
  local o, names = arguments({ store = "", out = "-" }, words, { command = "study export",
    about = "Writes a study with all that belongs to it as JSON lines, which any version of the program imports into any store.",
    examples = { "vega-lua study export quickstart --out quickstart.jsonl --store runs/quickstart.db",
      "vega-lua study export --store runs/quickstart.db | gzip > quickstart.jsonl.gz" },
    positional = { "[NAME]" }, values = { store = " URL", out = " FILE" },
    options = util.merge(opened.OPTIONS, { out = "the file, - is standard output" }) })
  local url = opened.url("study export", o.store)
  local name
  do                                                                    -- the only one, and whether there is such a store
    local study <close> = opened.study("study export", url, names[1])
    name = study.name
  end
  local to = o.out
  if to == "-" then
    to = function(line)
      local ok, message = io.write(line)
      if not ok then error({ message = "study export: " .. message, code = "EIO" }, 0) end
    end
  end
  local n, message, code = exchange.export(url, name, to)
  if not n and o.out == "-" and message:find "Broken pipe" then return 0 end
  opened.assert(n, message, code)
  if o.out ~= "-" then log.info("study '%s': %d lines in %s", name, n, o.out) end
  return 0
end
