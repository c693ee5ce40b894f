--- The report of a differentiable search: one HTML file that needs nothing else.
--    found:report "runs/darts.html"      or      require("vega.report.differentiable").write(found, path)
-- What was found, as cells; whether it collapsed; the curves of whatever history[i] has; the weight of each operation over the epochs.
local areas = require "vega.svg.areas"
local draw_cell = require "vega.svg.cell"
local report = require "vega.report"
local svg = require "vega.svg"
local util = require "vega.util"

local differentiable = {}
local escape = svg.escape

-- Colours of the operations -----------------------------------------------------------------------------------------------------------

local FIXED = { none = "#d9d9d9", skip_connect = "#c8553d" }            -- the two that collapse is about
local PALETTE = { "#3566a8", "#4f9d69", "#b8860b", "#8d6cab", "#2f8f9d", "#a83279", "#8fb3dd", "#a9d3b5", "#6b6b6b", "#e0b95a" }

-- A colour for each label of a list of decisions, in the order in which they first appear.
local function colours_of(weights)
  local colours, order, n = {}, {}, 0
  for _, d in ipairs(weights) do
    for _, label in ipairs(d.labels) do
      if not colours[label] then
        if not FIXED[label] then n = n + 1 end
        colours[label] = FIXED[label] or PALETTE[(n - 1) % #PALETTE + 1]
        order[#order + 1] = label
      end
    end
  end
  return colours, order
end

-- Parts of the page -------------------------------------------------------------------------------------------------------------------

local function text_of(space, arch)
  if space.text then return space.text(arch) end
  local lines = {}
  for i, name in ipairs(util.sorted_keys(arch)) do
    local value = arch[name]
    lines[i] = ("%s = %s"):format(name, type(value) == "table" and table.concat(value, " ") or tostring(value))
  end
  return table.concat(lines, "\n")
end

local function warnings(out, found)
  if #found.warnings == 0 then
    out '<p class="good">No sign of collapse at the last epoch.</p>'
    return
  end
  out '<div class="warn"><b>The search shows signs of collapse</b><ul>'
  for _, text in ipairs(found.warnings) do out("<li>%s</li>", escape(text)) end
  out("</ul>%s</div>", found.remedies and "What may help, in this order: " .. escape(found.remedies) .. "." or "")
end

local function summary(out, found)
  local last, seconds = found.history[#found.history], 0
  for _, entry in ipairs(found.history) do seconds = seconds + (entry.seconds or 0) end
  out("<h2>What was found</h2><p>Searched: the space <b>%s</b> (%s), for %d epochs, %.0f s.", escape(found.space.name),
    report.size_text(found.space), #found.history, seconds)
  if last.accuracy then out(" The mixture's accuracy at the end is %.2f %%, which says little of the architecture's.", 100 * last.accuracy) end
  if found.stopped then
    out(" The rule <b>%s</b> ended it; taken is what was read out in epoch %d.", escape(found.stopped.rule), found.stopped.epoch)
  end
  out("</p><pre style=\"white-space:pre-wrap\">%s</pre>", escape(text_of(found.space, found.arch)))
  out '<p class="note">One search is one draw: searches with several seeds, and short trainings of what they find, are the published method.</p>'
end

local function cells(out, found, colours)
  for _, name in ipairs(util.sorted_keys(found.space.cells or {})) do
    out("<h3>%s</h3>%s", escape(name), draw_cell(found.space.cells[name]:graph(found.arch), { colours = colours, title = name }))
  end
end

-- The curves that are drawn together, on axes of their own; `name` of each series is its key in an entry.
local PLOTS = {
  { "Loss", "loss", "validation_loss", "arch_loss", "penalty" },
  { "Accuracy of the mixture on the validation set", "accuracy" },
  { "Indicators of collapse, shares", "entropy", "skip_mass", "none_top", "free_share" },
  { "Accuracy lost when what is read out takes the mixtures' place", "disc_gap" },
  { "Largest eigenvalue of the architecture's Hessian", "lambda_max" },
  { "Epochs since what is read out has changed", "stable_for" },
}

local function points_of(history, value_of)
  local points = {}
  for i, entry in ipairs(history) do
    local v = value_of(entry)
    if type(v) == "number" and v == v and math.abs(v) < math.huge then points[#points + 1] = { entry.epoch or i, v } end
  end
  return points
end

local function plot(out, title, series)
  if #series == 0 then return end
  out('<div><h3>%s</h3>%s</div>', escape(title), svg.plot(series, { x = "epoch", y = "", title = title }))
end

-- What an entry has for each kind of cell.
local BY_KIND = { { "Skips among the operations read out", "skips" }, { "Operations with weights on the longest way through a cell", "depth" },
  { "Nodes of a cell that read its inputs", "width" } }

local function curves(out, history)
  local drawn = { epoch = true, seconds = true }
  out '<h2>Curves</h2><div style="display:grid;grid-template-columns:1fr 1fr;gap:0 1em">'
  local function series_of(keys)
    local series = {}
    for _, key in ipairs(keys) do
      drawn[key] = true
      local points = points_of(history, function(entry) return entry[key] end)
      if #points > 0 then series[#series + 1] = { points = points, line = true, dots = #points < 60, radius = "2", name = key } end
    end
    return series
  end
  for _, p in ipairs(PLOTS) do plot(out, p[1], series_of { table.unpack(p, 2) }) end
  local last = history[#history]
  for _, p in ipairs(BY_KIND) do
    local series, key = {}, p[2]
    for i, kind in ipairs(util.sorted_keys(last[key] or {})) do
      series[i] = { points = points_of(history, function(entry) return (entry[key] or {})[kind] end), line = true, step = true, name = kind }
    end
    plot(out, p[1], series)
  end
  for _, key in ipairs(util.sorted_keys(last)) do                       -- what a preset adds of its own
    if not drawn[key] and type(last[key]) == "number" then plot(out, key, series_of { key }) end
  end
  out "</div>"
end

-- Weights that do not compete (sigmoids) as shares of their sum.
local function shares(row)
  local sum = 0.0
  for _, w in ipairs(row) do sum = sum + w end
  for k, w in ipairs(row) do row[k] = sum > 1 and w / sum or w end
  return row
end

-- A panel for each row of a decision, and its weights at each epoch. Operations are found by name.
local function panels_of(history, d, many)
  local panels, steps = {}, {}
  for _, entry in ipairs(history) do
    for _, other in ipairs(entry.weights or {}) do if other.name == d.name then steps[#steps + 1] = other end end
  end
  for r in ipairs(d.rows) do
    local rows = {}
    for i, step in ipairs(steps) do
      local by_label, row = {}, {}
      for k, label in ipairs(step.labels) do by_label[label] = step.rows[r] and step.rows[r][k] end
      for k, label in ipairs(d.labels) do row[k] = by_label[label] or 0.0 end
      rows[i] = shares(row)
    end
    panels[r] = { title = many and ("from %d"):format(r - 1) or d.name, names = d.labels, rows = rows }
  end
  return panels, steps
end

-- The panels of a decision with several rows: those, and one of its edges' own weights where it has some.
local function node_panels(out, d, panels, steps, colours)
  out("<h3>%s</h3>%s", escape(d.name), areas(panels, { colours = colours, title = d.name }))
  if not d.edges then return end
  local rows, names, shades = {}, {}, {}
  for k in ipairs(d.edges) do
    names[k] = "from " .. k - 1
    shades[names[k]] = PALETTE[(k - 1) % #PALETTE + 1]
  end
  for i, step in ipairs(steps) do rows[i] = step.edges end
  out("%s", areas({ { title = "its edges' own weights", names = names, rows = rows } }, { colours = shades, title = d.name .. ", edges" }))
end

local function weights_over_time(out, found, colours, order)
  local history = found.history
  if not history[1].weights then return end
  out "<h2>Weights of the operations over the epochs</h2><p class=\"note\">Each panel is one mixture; its operations add up to 1.</p><p>"
  for _, label in ipairs(order) do out('<span style="color:%s">&#9632;</span> %s &nbsp; ', colours[label], escape(label)) end
  out "</p>"
  local single = {}
  for _, d in ipairs(found.weights) do
    local panels, steps = panels_of(history, d, #d.rows > 1)
    if #panels == 1 then single[#single + 1] = panels[1] else node_panels(out, d, panels, steps, colours) end
  end
  if #single > 0 then out("%s", areas(single, { colours = colours, columns = 3 })) end
end

-- The epochs at which another architecture was the one of the largest weights.
local function changes(out, found)
  out '<h2>What would have been read out</h2><table><tr><th>from epoch</th><th class="l">architecture</th></tr>'
  local before
  for i, entry in ipairs(found.history) do
    if entry.hash and entry.hash ~= before then
      out('<tr><td>%d</td><td class="l"><code>%s</code></td></tr>', entry.epoch or i,
        escape(entry.arch and text_of(found.space, entry.arch) or entry.hash))
      before = entry.hash
    end
  end
  out "</table>"
end

local function last_epoch(out, entry)
  out '<h2>The last epoch</h2><table><tr><th class="l">indicator</th><th>value</th><th class="l">warns</th></tr>'
  local WARNS = { entropy = "below 0.2 before half of the search", skip_mass = "above 0.4", none_top = "at 0.5", free_share = "at 0.75",
    disc_gap = "above 0.2" }
  for _, kind in ipairs(util.sorted_keys(entry.skips or {})) do
    WARNS["skips, " .. kind], WARNS["depth, " .. kind] = "at 4", kind ~= "reduce" and "at 1 or less" or nil
  end
  local function row(key, value) out('<tr><td class="l">%s</td><td>%s</td><td class="l">%s</td></tr>', escape(key), value, WARNS[key] or "") end
  for _, key in ipairs(util.sorted_keys(entry)) do
    if type(entry[key]) == "number" then row(key, math.type(entry[key]) == "integer" and entry[key] or ("%.4g"):format(entry[key])) end
  end
  for _, p in ipairs(BY_KIND) do
    for _, kind in ipairs(util.sorted_keys(entry[p[2]] or {})) do row(p[2] .. ", " .. kind, entry[p[2]][kind]) end
  end
  out "</table>"
end

--- The report as text. @param found the result of differentiable.search, with at least one epoch
function differentiable.html(found)
  local parts = {}
  local function out(format, ...) parts[#parts + 1] = select("#", ...) > 0 and format:format(...) or format end
  local stages = found.stages or { found }
  local colours, order = colours_of(stages[1].weights)
  warnings(out, found)
  summary(out, found)
  cells(out, found, colours)
  for k, stage in ipairs(stages) do
    if #stages > 1 then out("<h1>Stage %d</h1>", k) end
    curves(out, stage.history)
    weights_over_time(out, stage, colours, order)
    changes(out, stage)
  end
  last_epoch(out, found.history[#found.history])
  report.reproduction(out, {})
  return report.page("differentiable search: " .. found.space.name, table.concat(parts))
end

--- Writes the report. The file appears whole or not at all. @return path, or nil, message, "EIO"
function differentiable.write(found, path) return report.write_page(path, differentiable.html(found)) end

return differentiable
