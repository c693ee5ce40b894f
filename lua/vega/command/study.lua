--- vega-lua study WHAT ...: looks at, moves and mends studies that are in a store, without their scripts. A file of vega.command.study is a word.
local util = require "vega.util"

local ABOUT = {
  { "list", "all studies of a store" }, { "show", "everything about one study" }, { "best", "its best trials, or its front" },
  { "trials", "all its trials" }, { "export", "the study as JSON lines" }, { "import", "a study from such a file" },
  { "resume", "starts its recorded command again" }, { "repair", "checks a store and mends what a crash has left" },
  { "gc", "removes checkpoints that no trial points to" }, { "migrate", "brings a store to this version, or studies to another store" },
  { "rm", "removes a study" },
}
local NAMES = {}
for i, each in ipairs(ABOUT) do NAMES[i] = each[1] end

local function help()
  local lines = { "  vega-lua study list --store runs/quickstart.db", "  vega-lua study best --k 5 --format json --store runs/quickstart.db", "",
    "usage: vega-lua study WHAT [NAME] [options]",
    "Looks at, moves and mends studies in a store, without their scripts. WHAT is one of", "" }
  for _, each in ipairs(ABOUT) do lines[#lines + 1] = ("  %-8s %s"):format(each[1], each[2]) end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "vega-lua study WHAT --help says more. The store is --store URL, VEGA_STORE or \"store\" in vega.json."
  return table.concat(lines, "\n")
end

return function(words)
  local what = words[1]
  if what == "--help" then
    print(help())
    return 0
  end
  if not what or what:find "^%-" then error(util.failure(2, "study: one of %s must follow", table.concat(NAMES, ", ")), 0) end
  if not util.contains(NAMES, what) then error(util.failure(2, "%s", util.unknown("study", "word", what, NAMES)), 0) end
  return require("vega.command.study." .. what)(table.move(words, 2, #words, 1, {}))
end
