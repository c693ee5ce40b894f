--- vega-lua study migrate: a store to this version's schema, or studies to another store.
local arguments = require "vega.arguments"
local exchange = require "vega.study.exchange"
local listing = require "vega.command.listing"
local opened = require "vega.command.opened"
local store = require "vega.store"
local stored = require "vega.study.stored"
local sys = require("vega.core").sys
local util = require "vega.util"

-- The copies of older versions beside a store's file, as a set.
local function copies(path)
  local folder, name = path:match "^(.*)/([^/]*)$"
  local set, prefix = {}, (name or path) .. ".bak-v"
  for _, file in ipairs(sys.list(folder or ".") or {}) do
    if file:sub(1, #prefix) == prefix and file:find "%d$" then set[(folder and folder .. "/" or "") .. file] = true end
  end
  return set
end

-- Opening upgrades; a copy that is new shows that it did.
local function upgrade(url)
  local where = store.where(url)
  local before = where.path and copies(where.path) or {}
  opened.assert(stored.list(url))
  local db <close> = opened.assert(store.open(url))
  print(("store '%s': schema %s, written by %s"):format(where.shown, opened.assert(db:run("meta_get", "schema_version"))[1].value,
    opened.assert(db:run("meta_get", "written_by"))[1].value))
  for _, path in ipairs(util.sorted_keys(where.path and copies(where.path) or {})) do
    print(before[path] and ("an earlier upgrade left %s"):format(path) or ("upgraded now; what it was is in %s"):format(path))
  end
end

local function check_idle(study)
  local leader = opened.leader(study)
  if leader then
    error(util.failure(1, "study '%s' is running: %s leads it; a copy made now would be of a moment in the middle of its work", study.name, leader), 0)
  end
end

local function copy(from, name, to, new_name)
  do
    local study <close> = opened.assert(stored.open(from, name))
    check_idle(study)
  end
  local why, code
  local lines = coroutine.wrap(function()
    local _
    _, why, code = exchange.export(from, name, coroutine.yield)
  end)
  local there, trials, import_code = exchange.import(to, lines, { name = new_name })
  if why then opened.assert(nil, why, code) end
  opened.assert(there, trials, import_code)
  print(("study '%s': %s, now in '%s'%s"):format(name, listing.count(trials, "trial"), store.where(to).shown, there ~= name and (" as '%s'"):format(there) or ""))
end

return function(words)
  local o, names = arguments({ store = "", to = "", name = "" }, words, { command = "study migrate",
    about = "Without --to: brings a store to the schema of this program, after a copy was made. With it: copies a study, or all, to another store, of"
      .. " either kind; what is here stays.",
    examples = { "vega-lua study migrate --store runs/quickstart.db", "vega-lua study migrate quickstart --to runs/all.db --store runs/quickstart.db" },
    positional = { "[NAME]" }, values = { store = " URL", to = " URL", name = " NAME" },
    options = util.merge(opened.OPTIONS, { to = "the other store, which is made when there is none", name = "the study's name there, if another" }) })
  local url = opened.url("study migrate", o.store)
  if o.to == "" then
    upgrade(url)
    return 0
  end
  local to = opened.url("study migrate", o.to)
  local list = names[1] and { { name = names[1] } } or opened.assert(stored.list(url))
  if o.name ~= "" and #list > 1 then error(util.failure(2, "study migrate: --name is for one study; there are %d", #list), 0) end
  for _, summary in ipairs(list) do copy(url, summary.name, to, o.name ~= "" and o.name or nil) end
  return 0
end
