--- The report's charts as SVG, for a page without its script and for files: { id, title, svg, note } each. The script draws the same ones anew from
-- the page's data, to be looked into.
local bars = require "vega.svg.bars"
local facts_of = require "vega.report.facts"
local heatmap = require "vega.svg.heatmap"
local random = require "vega.report.random"
local svg = require "vega.svg"
local text = require "vega.report.text"
local timeline = require "vega.svg.timeline"

local charts = {}

local MOST_DOTS, MOST_FAILED = 400, 200

-- The step line of the best so far, extended to the last trial.
local function step_points(self, k, x_of)
  local points = {}
  for _, step in ipairs(facts_of.steps(self, k)) do
    points[#points + 1] = { x_of(step.trial), facts_of.value(self, k, step.cost), ("trial %d"):format(step.trial.id) }
  end
  local last = self.trials[#self.trials]
  if #points > 0 and last then points[#points + 1] = { math.max(x_of(last), points[#points][1]), points[#points][2] } end
  return points
end

-- A mark for each failed trial, at the best value of its time.
local function failed_points(self, line, x_of)
  local failed, points, at = {}, {}, 1
  for _, t in ipairs(self.trials) do if t.state == "FAILED" or t.state == "ABANDONED" then failed[#failed + 1] = t end end
  for _, t in ipairs(facts_of.sample(failed, MOST_FAILED)) do
    local x = x_of(t)
    while line[at + 1] and line[at + 1][1] <= x do at = at + 1 end
    points[#points + 1] = { x, line[at][2], ("trial %d failed: %s"):format(t.id, text.show(t.reason or "", 40)) }
  end
  return points
end

local function progress(self, by)
  local o = self.objectives[1]
  local function x_of(t) return by == "trial" and t.id or self.wall[t.id] or 0 end
  local line = step_points(self, 1, x_of)
  if #line == 0 then return nil end
  local name = text.show(o.name, 60)
  local series = { { points = line, line = true, step = true, name = "best so far" } }
  local draws = by == "trial" and random.line(self, 1)
  if draws then series[#series + 1] = { points = draws, line = true, colour = "#6b6b6b", name = "random search, median" } end
  local failed = failed_points(self, line, x_of)
  if #failed > 0 then series[#series + 1] = { points = failed, dots = true, radius = "3", colour = "#c8553d", name = "failed trials" } end
  return { id = "progress-" .. by, title = by == "trial" and "Search progress by trial" or "Search progress by wall time",
    svg = svg.plot(series, { x = by == "trial" and "trial" or "seconds since the study began", y = "best " .. name .. " so far", title = "progress",
      legend = o.goal == "max" and "bottom" or nil }) }
end

--- Best so far against trials, and against wall time.
function charts.progress(self)
  local list = {}
  list[1] = progress(self, "trial")
  if list[1] and next(self.wall) then list[2] = progress(self, "wall") end
  return list
end

--- The first two objectives of all trials, and their front.
function charts.front(self)
  local a, b = self.objectives[1], self.objectives[2]
  if not b or #self.complete == 0 then return nil end
  local dots, best = {}, {}
  local a_name, b_name = text.show(a.name, 60), text.show(b.name, 60)
  local function point(t) return { t.values[b.name], t.values[a.name], ("trial %d: %s %s, %s %s"):format(t.id, a_name,
    text.number(t.values[a.name]), b_name, text.number(t.values[b.name])) } end
  for i, t in ipairs(facts_of.sample(self.complete, MOST_DOTS)) do dots[i] = point(t) end
  for i, t in ipairs(self.front) do best[i] = point(t) end
  table.sort(best, function(p, q) return p[1] < q[1] end)
  local series = { { points = dots, dots = true, colour = "#b9c3d3", name = "trials", radius = "3" },
    { points = best, dots = true, line = #self.objectives == 2, step = true, colour = "#c8553d", name = "front" } }
  if self.knee then series[3] = { points = { point(self.knee) }, dots = true, radius = "7", colour = "#b8860b", name = "knee" } end
  return { id = "front", title = "Pareto front", svg = svg.plot(series, { x = b_name, y = a_name, title = "Pareto front",
    legend = a.goal == "max" and "bottom" or nil }) }
end

--- Importance as bars.
function charts.importance(importance)
  local rows = {}
  for i = 1, math.min(15, #importance.list) do
    rows[i] = { name = text.show(importance.list[i].name, 28), share = importance.list[i].share }
  end
  return { id = "importance", title = "Importance of the decisions", svg = bars(rows, { title = "importance" }) }
end

--- Operation frequency as a heatmap.
function charts.frequency(frequency)
  return { id = "frequency", title = "Choices of the best trials", svg = heatmap(frequency.rows, { title = "choices of the best trials" }) }
end

--- What the workers did when.
function charts.workers(cost)
  local lines = {}
  for i, line in ipairs(cost.lines) do lines[i] = { name = text.show(line.name, 26), bins = line.bins } end
  return { id = "workers", title = "Workers over time", svg = timeline(lines, { bins = cost.bins, seconds = cost.to - cost.from, show = text.duration }) }
end

local function finite(v) return v == v and math.abs(v) < math.huge end

--- The learning curves of a trial, a picture a name. At most four names.
function charts.curves(t)
  local by_name, names, list = {}, {}, {}
  for _, p in ipairs(t.curves or {}) do
    if finite(p.value) then
      if not by_name[p.name] then
        by_name[p.name] = {}
        names[#names + 1] = p.name
      end
      table.insert(by_name[p.name], { p.step, p.value })
    end
  end
  table.sort(names)
  for i = 1, math.min(4, #names) do
    local shown = text.show(names[i], 60)
    list[i] = { id = ("curve-%d-%d"):format(t.id, i), title = ("Trial %d: %s"):format(t.id, shown),
      svg = svg.plot({ { points = facts_of.sample(by_name[names[i]], 300), line = true } }, { x = "step", y = shown, title = shown }) }
  end
  return list
end

return charts
