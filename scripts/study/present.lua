--- The study's answer: one table (markdown and JSON), one picture (SVG), one page with both.
local core = require "vega.core"
local quartiles = require "vega.svg.quartiles"
local results = dofile((arg[0]:match "^(.*)/[^/]*$" or ".") .. "/study/results.lua")
local svg = require "vega.svg"

local present = {}

-- The share of pairs in which the one is better than the other, ties counting half: 0.5 is no difference (Vargha & Delaney 2000).
local function share_better(ours, theirs, goal)
  local wins = 0.0
  for _, a in ipairs(ours) do
    for _, b in ipairs(theirs) do
      if a == b then wins = wins + 0.5 elseif (a < b) == (goal == "min") then wins = wins + 1 end
    end
  end
  return wins / (#ours * #theirs)
end

local function scores_of(runs)
  local scores, stopped, trials = {}, 0, 0
  for _, run in ipairs(runs) do
    if run.score then
      scores[#scores + 1] = run.score
      trials = trials + run.trials
      if run.stopped then stopped = stopped + 1 end
    end
  end
  return scores, stopped, #scores > 0 and trials / #scores or 0
end

--- Rows of one problem, best first. cells: { { strategy =, runs = { .. } } .. }
function present.rows(entry, cells)
  local rows, random = {}, nil
  for _, cell in ipairs(cells) do if cell.strategy == "random" then random = scores_of(cell.runs) end end
  for _, cell in ipairs(cells) do
    local scores, stopped, trials = scores_of(cell.runs)
    if #scores > 0 then
      local row = results.summary(scores)
      row.problem, row.metric, row.goal, row.strategy = entry.name, entry.metric, entry.goal, cell.strategy
      row.beats_random = random and #random > 0 and cell.strategy ~= "random" and share_better(scores, random, entry.goal) or nil
      row.stopped, row.mean_trials = stopped > 0 and stopped or nil, trials
      row.order = entry.average == "mean" and row.mean or row.median
      rows[#rows + 1] = row
    end
  end
  table.sort(rows, function(a, b)
    if a.order ~= b.order then return (a.order < b.order) == (entry.goal == "min") end
    return a.strategy < b.strategy
  end)
  return rows
end

local function number(v) return v and ("%.5g"):format(v) or "" end

local function cells_of(row, entry, trials)
  local function show(v) return entry.censored and v > trials and "> " .. trials or number(v) end
  return { row.strategy, show(row.median), ("%s to %s"):format(show(row.q1), show(row.q3)), entry.censored and "" or number(row.mean),
    row.beats_random and ("%.0f %%"):format(100 * row.beats_random) or "", tostring(row.n),
    row.stopped and ("%d ended by the time limit, after %.0f trials on average"):format(row.stopped, row.mean_trials) or "" }
end

local function known_cells(known)
  return { known[1], number(known[2]), known[3] and ("%s to %s"):format(number(known[3]), number(known[4])) or "", "", "", "", "known figure" }
end

local HEAD = { "problem", "strategy", "median", "quartiles", "mean", "beats random", "runs", "note" }

-- Lines of cells for the whole study: markdown and HTML show the same.
local function lines_of(study)
  local lines = {}
  for _, part in ipairs(study) do
    local title = ("%s: %s, %s is better"):format(part.entry.name, part.entry.metric, part.entry.goal == "min" and "less" or "more")
    for i, row in ipairs(part.rows) do
      local cells = cells_of(row, part.entry, part.trials)
      table.insert(cells, 1, i == 1 and title or "")
      lines[#lines + 1] = cells
    end
    for _, cell in ipairs(part.cells) do
      local last = cell.runs[#cell.runs]
      if last and last.failed then lines[#lines + 1] = { "", cell.strategy, "", "", "", "", "0", "cannot: " .. last.failed:match "[^\n]*" } end
    end
    for _, known in ipairs(#part.rows > 0 and part.known or {}) do
      local cells = known_cells(known)
      table.insert(cells, 1, "")
      lines[#lines + 1] = cells
    end
  end
  return lines
end

local function markdown(study)
  local out = { "| " .. table.concat(HEAD, " | ") .. " |", "|" .. (" --- |"):rep(#HEAD) }
  for _, cells in ipairs(lines_of(study)) do out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |" end
  return table.concat(out, "\n") .. "\n"
end

local function picture(study)
  local panels = {}
  for _, part in ipairs(study) do
    local mark
    for _, row in ipairs(part.rows) do if row.strategy == "random" then mark = row.median end end
    local rows = {}
    for i, row in ipairs(part.rows) do rows[i] = { name = row.strategy, q1 = row.q1, median = row.median, q3 = row.q3 } end
    if #rows > 0 then panels[#panels + 1] = { title = part.entry.name, x = part.entry.metric, log = part.entry.log, mark = mark, rows = rows } end
  end
  return quartiles(panels)
end

local STYLE = [[body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1280px;margin:2em auto;padding:0 1em}svg{max-width:100%;height:auto}
table{border-collapse:collapse;font-size:13px}td,th{padding:2px 8px;border-bottom:1px solid #eee;text-align:left}
pre{background:#f6f6f6;padding:.6em}]]

local INTRODUCTION = [[<h1>Strategies compared at equal budget</h1><p>A line reaches from the lower to the upper quartile over the runs, the dot
is the median, the dashed line the median of random search. The best is on top. &ldquo;Beats random&rdquo; is the share of pairs of runs in which the
strategy is better (50 %: no difference).</p>]]

local function page(study, image, command)
  local out = { '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Strategies compared</title><style>', STYLE,
    "</style></head><body>", INTRODUCTION, image, "<table><tr><th>", table.concat(HEAD, "</th><th>"), "</th></tr>\n" }
  for _, cells in ipairs(lines_of(study)) do
    for i, text in ipairs(cells) do cells[i] = svg.escape(text) end
    out[#out + 1] = "<tr><td>" .. table.concat(cells, "</td><td>") .. "</td></tr>\n"
  end
  out[#out + 1] = ("</table><h2>How to run it again</h2><pre>%s</pre>"):format(svg.escape(command))
  out[#out + 1] = "<p>Finished runs are kept beside this page and are not run again.</p></body></html>\n"
  return table.concat(out)
end

--- Writes table.md, table.json, plot.svg and study.html. study: { { entry =, cells =, rows =, trials =, known = } .. }
function present.write(out, study, command)
  local all = {}
  for _, part in ipairs(study) do table.move(part.rows, 1, #part.rows, #all + 1, all) end
  local image = picture(study)
  for name, text in pairs { ["table.md"] = markdown(study), ["table.json"] = core.json.encode(core.json.array(all)) .. "\n", ["plot.svg"] = image,
    ["study.html"] = page(study, image, command) } do
    assert(core.sys.write_file(out .. "/" .. name, text))
  end
end

return present
