--- A card for each of the best architectures: what it is, in words, JSON and a drawing, and how it was trained.
local charts = require "vega.report.charts"
local draw_cell = require "vega.svg.cell"
local facts_of = require "vega.report.facts"
local rows = require "vega.report.rows"
local svg = require "vega.svg"
local text = require "vega.report.text"
local util = require "vega.util"

local cards = {}

local MOST, MOST_NETWORKS, MOST_TEXT = 20, 5, 4000

local function arch_lines(arch)
  local lines = {}
  for i, name in ipairs(util.sorted_keys(arch)) do
    local value = arch[name]
    lines[i] = ("%s = %s"):format(text.show(name, 100), text.show(type(value) == "table" and table.concat(value, " ") or value, 400))
  end
  return table.concat(lines, "\n")
end

-- The form that papers print, where the space has one; else a decision a line.
local function genotype(space, arch)
  if space and space.text then
    local ok, result = pcall(space.text, arch)
    if ok and type(result) == "string" then return result end
  end
  return arch_lines(arch)
end

local function cell_drawings(out, space, arch)
  for _, name in ipairs(util.sorted_keys(space and space.cells or {})) do
    local ok, graph = pcall(function() return space.cells[name]:graph(arch) end)
    if ok then out("<h3>cell %s</h3>%s", text.html(name), draw_cell(graph, { title = text.show(name) })) end
  end
end

-- Of a space of cells their drawings say as much, and more clearly.
local function network_drawing(out, space, arch)
  if not (space and space.build) or next(space.cells) then return end
  local ok, graph = pcall(space.network, space, arch, space.input or { 28, 28, 1 }, 10)
  if not ok or not graph then return end
  out("<details><summary>network</summary>%s</details>", svg.network(graph:nodes()))
  graph:close()
end

local function facts_row(out, key, value) out('<tr><td class="l">%s</td><td class="l">%s</td></tr>', text.html(key), value) end

local function figures(out, self, t)
  out "<table>"
  for _, name in ipairs(self.names) do
    if t.values[name] ~= nil and t[name] ~= t.values[name] then facts_row(out, text.show(name, 60), text.html(text.number(t.values[name]))) end
  end
  if t.params then facts_row(out, "parameters", text.html(t.params)) end
  if t.macs then facts_row(out, "multiply-accumulates", text.html(t.macs)) end
  if t.fidelity then facts_row(out, "trained to", text.html(text.number(t.fidelity))) end
  if t.seconds then facts_row(out, "evaluation", text.html(text.duration(t.seconds))) end
  if t.attempts then facts_row(out, "attempts", text.html(t.attempts)) end
  if t.parent then facts_row(out, "parent", ('<a href="#trial-%d">trial %d</a>'):format(t.parent, t.parent)) end
  facts_row(out, "hash", "<code>" .. text.html(t.hash) .. "</code>")
  out "</table>"
end

local function card(out, self, t, space, networks)
  out('<details class="card" id="trial-%d"><summary>trial %d', t.id, t.id)
  for _, o in ipairs(self.objectives) do out(", %s %s", text.html(o.name, 60), text.html(text.number(t.values[o.name]))) end
  if self.on_front[t.id] then out ", on the front" end
  if self.knee and self.knee.id == t.id then out ", its knee" end
  out "</summary>"
  figures(out, self, t)
  out("<pre>%s</pre>", text.html(genotype(space, t.arch), MOST_TEXT, true))
  cell_drawings(out, space, t.arch)
  if networks then network_drawing(out, space, t.arch) end
  for _, chart in ipairs(charts.curves(t)) do out("<h3>%s</h3>%s", text.html(chart.title), chart.svg) end
  out("<details><summary>canonical JSON</summary><pre>%s</pre></details></details>\n", text.html(rows.arch_json(t.arch), MOST_TEXT))
end

--- The trials that have a card: the best ones, of a long front those evenly.
function cards.chosen(self, ranked)
  local front = facts_of.sample(self.front, MOST)
  local list, seen = {}, {}
  local function add(t)
    if #list < MOST and not seen[t.id] and t.arch then seen[t.id], list[#list + 1] = true, self.by_id[t.id] or t end
  end
  for k in ipairs(self.objectives) do if self.best[k] then add(self.best[k]) end end
  if self.knee then add(self.knee) end
  for _, t in ipairs(front) do add(t) end
  for _, t in ipairs(ranked) do add(t) end
  table.sort(list, function(a, b)
    if self.on_front[a.id] ~= self.on_front[b.id] then return self.on_front[a.id] == true end
    return a.costs[1] < b.costs[1] or a.costs[1] == b.costs[1] and a.id < b.id
  end)
  return list
end

--- Writes the cards. @param space a vega.space or nil
function cards.write(out, self, chosen, space)
  if #chosen == 0 then return end
  out("<h2>Architectures</h2><p class=\"note\">The best %d of %d complete trials.</p>\n", #chosen, #self.complete)
  for i, t in ipairs(chosen) do card(out, self, t, space, i <= MOST_NETWORKS) end
end

return cards
