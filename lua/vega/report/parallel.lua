--- The data of parallel coordinates: an axis a decision, the objectives last, a line a trial.
local facts_of = require "vega.report.facts"
local text = require "vega.report.text"

local MOST_AXES, MOST_LINES, BEST, MOST_LABELS = 12, 1000, 200, 24

-- The values of a decision as numbers, or as places in a list of labels.
local function axis_of(name, trials, log)
  local labels, place, n, numeric, present = {}, {}, 0, true, false
  for _, t in ipairs(trials) do
    local v = t.arch and t.arch[name]
    if v ~= nil then present, numeric = true, numeric and type(v) == "number" end
  end
  if not present then return nil end
  if numeric then return { name = text.show(name, 24), log = log and true or false }, function(v) return v end end
  local function key(v) return text.show(type(v) == "table" and table.concat(v, " ") or v, 24) end
  for _, t in ipairs(trials) do
    local v = t.arch and t.arch[name]
    if v ~= nil and not place[key(v)] then
      if n >= MOST_LABELS then return nil end
      n = n + 1
      labels[n], place[key(v)] = key(v), 0
    end
  end
  table.sort(labels)
  for i, label in ipairs(labels) do place[label] = i - 1 end
  labels.n = n
  return { name = text.show(name, 24), labels = labels }, function(v) return place[key(v)] end
end

-- The decisions in the order of their importance, or of the space.
local function order_of(space, importance)
  local names, log = {}, {}
  for i, d in ipairs(space and space.decisions or {}) do
    names[i], log[d.name] = d.name, type(d.domain) == "table" and d.domain.log
  end
  if importance then for i, entry in ipairs(importance.list) do names[i] = entry.name end end
  return names, log
end

-- The best ones, and evenly of the others; the best are drawn last.
local function chosen(ranked)
  local best = table.move(ranked, 1, BEST, 1, {})
  local rest = facts_of.sample(table.move(ranked, BEST + 1, #ranked, 1, {}), MOST_LINES - BEST)
  local list = table.move(rest, 1, #rest, 1, {})
  for i = #best, 1, -1 do list[#list + 1] = best[i] end
  return list
end

--- @param ranked complete trials, the best first @return { axes, lines (the best last), ids, shown, of }, or nil when there is nothing to draw
return function(self, ranked, importance)
  local trials, axes, readers = chosen(ranked), {}, {}
  local names, log = order_of(self.source.space, importance)
  for _, name in ipairs(names) do
    if #axes >= MOST_AXES then break end
    local axis, reader = axis_of(name, trials, log[name])
    if axis then
      axes[#axes + 1] = axis
      readers[#axes] = function(t)
        local v = t.arch[name]
        if v == nil then return nil end
        return reader(v)
      end
    end
  end
  if #axes == 0 or #trials < 2 then return nil end
  for _, o in ipairs(self.objectives) do
    axes[#axes + 1] = { name = text.show(o.name, 24), goal = o.goal }
    readers[#axes] = function(t) return t.values[o.name] end
  end
  local lines, ids = { n = #trials }, { n = #trials }
  for i, t in ipairs(trials) do
    lines[i], ids[i] = { n = #axes }, t.id
    for k = 1, #axes do lines[i][k] = readers[k](t) end
  end
  return { axes = axes, lines = lines, ids = ids, shown = #trials, of = #ranked, objectives = #self.objectives, more = math.max(0, #names - MOST_AXES) }
end
