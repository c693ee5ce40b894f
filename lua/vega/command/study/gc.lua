--- vega-lua study gc: removes checkpoints that no trial points to.
-- A trial's file is NUMBER.ckpt, a worker's NUMBER.EPOCH.ckpt, either with .prev behind it (vega.study.checkpoints).
local arguments = require "vega.arguments"
local folders = require "vega.command.folders"
local opened = require "vega.command.opened"
local plan = require "vega.command.plan"
local store = require "vega.store"
local stored = require "vega.study.stored"
local util = require "vega.util"

local GONE = { FAILED = "failed", PRUNED = "was pruned", ABANDONED = "was abandoned" }

local function parse(name)
  local number, epoch = name:match "^(%d+)%.?(%d*)%.ckpt"
  return math.tointeger(number), math.tointeger(epoch) or 0
end

-- The greatest epoch of each trial among the files.
local function newest_epochs(names)
  local newest = {}
  for _, name in ipairs(names) do
    local number, epoch = parse(name)
    if number then newest[number] = math.max(newest[number] or 0, epoch) end
  end
  return newest
end

-- Why the file is garbage, or nil.
local function reason(states, newest, name)
  local number, epoch = parse(name)
  if not number then return nil end                                         -- not ours
  local state = states[number]
  if not state then return "there is no such trial" end
  if GONE[state] then return "the trial " .. GONE[state] end
  if state ~= "RUNNING" and epoch < newest[number] then return "a later attempt has written its own" end
end

local function states_of(study)
  local states = {}
  for _, row in ipairs(study:run("trial_list", study.id)) do states[row.number] = row.state end
  return states
end

local function check_study(url, name, folder, steps)
  local study <close> = opened.assert(stored.open(url, name))
  local states, names = states_of(study), folders.files(folder)
  local newest = newest_epochs(names)
  for _, file in ipairs(names) do
    local why, path = reason(states, newest, file), folder .. "/" .. file
    if why then steps[#steps + 1] = { ("remove %s: %s"):format(path, why), function() os.remove(path) end } end
  end
end

return function(words)
  local o, names = arguments({ store = "", yes = false }, words, { command = "study gc",
    about = "Removes checkpoints beside a store's file that no trial points to: of studies that are gone, of trials that failed, of attempts that a"
      .. " later one has replaced.",
    examples = { "vega-lua study gc --store runs/quickstart.db", "vega-lua study gc --yes --store runs/quickstart.db" },
    positional = { "[NAME]" }, options = opened.OPTIONS, values = opened.VALUES })
  local url = opened.url("study gc", o.store)
  local root, steps, known = folders.root(store.where(url).path), {}, {}
  if not root then error(util.failure(2, "study gc: checkpoints are beside the file of an SQLite store; this is none"), 0) end
  for _, summary in ipairs(opened.assert(stored.list(url))) do
    known[folders.name(summary.name)] = true
    if not names[1] or names[1] == summary.name then check_study(url, summary.name, ("%s/%s"):format(root, folders.name(summary.name)), steps) end
  end
  if names[1] and not known[folders.name(names[1])] then opened.study("study gc", url, names[1]) end
  for _, name in ipairs(names[1] and {} or folders.files(root)) do
    local folder = ("%s/%s"):format(root, name)
    if not known[name] then
      steps[#steps + 1] = { ("remove %s: there is no such study (%s)"):format(folder, folders.contents(folder)), function() folders.remove(folder) end }
    end
  end
  return plan.carry_out(steps, o.yes, ("nothing to remove in %s"):format(root))
end
