--- What a CARS search found: its last population, the front, the models to train from scratch; as text and as a page.
local pareto = require("vega.core").pareto
local report = require "vega.report"
local svg = require "vega.svg"

local Result = {}
Result.__index = Result

-- Members none of which another beats in the error and all costs, by ascending first cost.
local function front_of(members)
  local points, front = {}, {}
  for i, m in ipairs(members) do points[i] = { m.error, table.unpack(m.costs) } end
  for i, rank in ipairs(pareto.rank(points)) do if rank == 1 then front[#front + 1] = members[i] end end
  table.sort(front, function(a, b)
    if a.costs[1] ~= b.costs[1] then return a.costs[1] < b.costs[1] end
    return a.error < b.error
  end)
  return front
end

local function range(members, value)
  local least, most = math.huge, -math.huge
  for _, m in ipairs(members) do least, most = math.min(least, value(m)), math.max(most, value(m)) end
  return least, most
end

local SELECT = {}

--- The first front.
function SELECT.first(members) return front_of(members) end

--- Members of more than half the range of accuracies, then the most accurate of each of `models` equal bins of the first cost. The bins cover the
-- whole range, both ends too, and an empty bin gives none: there may be fewer models than bins.
function SELECT.uniform(members, models)
  local worst, best = range(members, function(m) return m.accuracy end)
  local good, bins, chosen = {}, {}, {}
  for _, m in ipairs(members) do
    if worst == best or (m.accuracy - worst) / (best - worst) > 0.5 then good[#good + 1] = m end
  end
  local least, most = range(good, function(m) return m.costs[1] end)
  for _, m in ipairs(good) do
    local bin = most > least and math.min(models, math.floor((m.costs[1] - least) / (most - least) * models) + 1) or 1
    if not bins[bin] or m.accuracy > bins[bin].accuracy then bins[bin] = m end
  end
  for bin = 1, models do chosen[#chosen + 1] = bins[bin] end
  return chosen
end

--- Of `members`: those to export, by "uniform" (at most `models`, spread over the first cost) or "first" (the front).
function Result.select(members, how, models) return SELECT[how](members, models) end

--- @param found { population =, history =, generations =, supernet =, costs = names, select =, models = }
-- @return the same with `front` and `exported`, both by ascending first cost
function Result.new(found)
  found.front = front_of(found.population)
  found.exported = Result.select(found.population, found.select, found.models)
  return setmetatable(found, Result)
end

local function number(v) return math.type(v) == "integer" and tostring(v) or ("%.5g"):format(v) end

function Result:__tostring()
  local lines = { "accuracy" }
  for _, name in ipairs(self.costs) do lines[1] = ("%s  %14s"):format(lines[1], name) end
  for i, m in ipairs(self.front) do
    lines[i + 1] = ("%8.4f"):format(m.accuracy)
    for _, name in ipairs(self.costs) do lines[i + 1] = ("%s  %14s"):format(lines[i + 1], number(m.values[name])) end
  end
  return table.concat(lines, "\n")
end

local function points_of(members, name)
  local points = {}
  for i, m in ipairs(members) do
    local value = m.values[name]
    points[i] = { value, m.accuracy, ("%s of epoch %d: accuracy %.4f, %s %s"):format(m.origin, m.born, m.accuracy, name, number(value)) }
  end
  return points
end

local function spread_picture(self)
  local name, least, most = self.costs[1], {}, {}
  for i, g in ipairs(self.generations) do least[i], most[i] = { g.epoch, g.least }, { g.epoch, g.most } end
  return svg.plot({ { points = least, line = true, name = "smallest" }, { points = most, line = true, name = "largest" } },
    { x = "epoch", y = name, title = "sizes in the population" })
end

local function text_of(self, arch)
  local space = self.supernet.space
  return space.text and space.text(arch) or space:literal(arch)
end

--- Writes one HTML file that needs nothing else: the front, the sizes in the population over time, the architectures to export.
-- @return path, or nil, message, "EIO"
function Result:report(path)
  local out = {}
  for _, name in ipairs(self.costs) do
    out[#out + 1] = ("<h2>Accuracy with shared weights against %s</h2>"):format(svg.escape(name))
    out[#out + 1] = svg.plot({ { points = points_of(self.population, name), dots = true, colour = "#b9c3d3", name = "population", radius = "3" },
      { points = points_of(self.front, name), dots = true, colour = "#c8553d", name = "front" } }, { x = name, y = "accuracy", title = "front" })
  end
  if #self.generations > 0 then out[#out + 1] = "<h2>Sizes in the population</h2>" .. spread_picture(self) end
  out[#out + 1] = "<h2>Architectures to train from scratch</h2>"
  for _, m in ipairs(self.exported) do
    out[#out + 1] = ("<p>accuracy %.4f, %s %s</p><pre>%s</pre>"):format(m.accuracy, svg.escape(self.costs[1]), number(m.values[self.costs[1]]),
      svg.escape(text_of(self, m.arch)))
  end
  return report.write_page(path, report.page("CARS over " .. self.supernet.space.name, table.concat(out, "\n")))
end

return Result
