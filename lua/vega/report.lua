--- The report of a study: one HTML file that needs nothing else, no network and no script to be read.
--    front:report "runs/quickstart.html"      or      require("vega.report").write(study, path)
local core = require "vega.core"
local svg = require "vega.svg"

local report = {}
local escape = svg.escape

local STYLE = [[
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:960px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ddd}
table{border-collapse:collapse;font-size:13px}td,th{padding:2px 8px;border-bottom:1px solid #eee;text-align:right}td.l,th.l{text-align:left}
tr.front{background:#eef5ee}tr.failed{color:#a33}svg{width:100%;font:11px sans-serif}svg .grid{stroke:#e4e4e4}svg .box{fill:#f4f6fa;stroke:#b9c3d3}
svg .dim{fill:#888}code,pre{font-size:12.5px;background:#f6f6f6}pre{padding:.6em;overflow-x:auto}.note{color:#666;font-size:13px}
details{margin:.4em 0}summary{cursor:pointer}.warn{background:#fbe9e7;border-left:4px solid #c8553d;padding:.5em .8em}
.good{background:#eef5ee;border-left:4px solid #4f9d69;padding:.5em .8em}]]

local function number(v)
  if v == nil then return "" end
  if math.type(v) == "integer" then return tostring(v) end
  return ("%.5g"):format(v)
end

local function objective_text(objectives)
  local words = {}
  for _, o in ipairs(objectives) do words[#words + 1] = (o.goal == "max" and "highest " or "lowest ") .. o.name end
  return table.concat(words, ", ")
end

local function count_states(trials)
  local done, failed = 0, 0
  for _, t in ipairs(trials) do
    if t.state == "COMPLETE" then done = done + 1 elseif t.state == "FAILED" then failed = failed + 1 end
  end
  return done, failed
end

--- How many architectures a space has, in words.
function report.size_text(space)
  if space.size then return number(space.size) .. " architectures" end
  return space.finite and ("2^%.1f architectures"):format(space.bits) or "continuous"
end

local function summary(out, study, trials, front)
  local done, failed = count_states(trials)
  out("<h2>Summary</h2><p>Asked for: %s, over the space <b>%s</b> (%s), with the strategy <b>%s</b>, seed %s.</p>",
    escape(objective_text(study.driver.objectives)), escape(study.space.name), report.size_text(study.space), escape(study.driver.name),
    tostring(study.seed))
  out("<p>%d trials: %d complete, %d failed; %.0f s of evaluation. The front has %d.</p>", #trials, done, failed, study.elapsed, #front)
  for _, o in ipairs(study.driver.objectives) do
    local best
    for _, t in ipairs(front) do
      local value, least = t.values[o.name], best and best.values[o.name]
      if not best or (o.goal == "max" and value > least) or (o.goal ~= "max" and value < least) then best = t end
    end
    if best then out("<p>Best %s: <b>%s</b>, trial %d.</p>", escape(o.name), number(best.values[o.name]), best.id) end
  end
end

local function front_picture(out, study, trials, front)
  local a, b = study.driver.objectives[1], study.driver.objectives[2]
  if not b then return end
  local all, best = {}, {}
  for _, t in ipairs(trials) do
    local x, y = t.values[b.name], t.values[a.name]
    if t.state == "COMPLETE" and x and y then
      all[#all + 1] = { x, y, ("trial %d: %s %s, %s %s"):format(t.id, a.name, number(y), b.name, number(x)) }
    end
  end
  for _, t in ipairs(front) do best[#best + 1] = { t.values[b.name], t.values[a.name], ("trial %d"):format(t.id) } end
  table.sort(best, function(p, q) return p[1] < q[1] end)
  out("<h2>Pareto front</h2>%s", svg.plot({ { points = all, dots = true, colour = "#b9c3d3", name = "trials", radius = "3" },
    { points = best, dots = true, line = true, step = true, colour = "#c8553d", name = "front" } },
    { x = b.name, y = a.name, title = "Pareto front" }))
end

local function progress_picture(out, study, trials)
  local o, points, best = study.driver.objectives[1], {}, nil
  for _, t in ipairs(trials) do
    local v = t.state == "COMPLETE" and t.values[o.name]
    if v then
      best = best and (o.goal == "max" and math.max(best, v) or o.goal ~= "max" and math.min(best, v)) or v
      points[#points + 1] = { t.id, best }
    end
  end
  out("<h2>Search progress</h2>%s", svg.plot({ { points = points, line = true, step = true } },
    { x = "trial", y = "best " .. o.name .. " so far", title = "progress" }))
end

local function curve_picture(out, trials, on_front)
  local by_name, order = {}, {}
  for _, t in ipairs(trials) do
    if on_front[t.id] then
      local lines = {}
      for _, p in ipairs(t.curves or {}) do
        if p.value == p.value and math.abs(p.value) ~= math.huge then
          lines[p.name] = lines[p.name] or {}
          table.insert(lines[p.name], { p.step, p.value, ("trial %d"):format(t.id) })
        end
      end
      for name, points in pairs(lines) do
        if not by_name[name] then
          by_name[name] = {}
          order[#order + 1] = name
        end
        table.insert(by_name[name], { points = points, line = true })
      end
    end
  end
  table.sort(order)
  if #order == 0 then return end
  out "<h2>Learning curves of the front</h2>"
  for _, name in ipairs(order) do out("%s", svg.plot(by_name[name], { x = "step", y = name, title = name })) end
end

local function value_names(trials, objectives)
  local seen, names = {}, {}
  for _, o in ipairs(objectives) do
    seen[o.name] = true
    names[#names + 1] = o.name
  end
  local extra = {}
  for _, t in ipairs(trials) do
    for name in pairs(t.values or {}) do
      if not seen[name] then
        seen[name] = true
        extra[#extra + 1] = name
      end
    end
  end
  table.sort(extra)
  return table.move(extra, 1, #extra, #names + 1, names)
end

local function trial_table(out, study, trials, on_front)
  local names = value_names(trials, study.driver.objectives)
  out "<h2>Trials</h2><table><tr><th>trial</th>"
  for _, name in ipairs(names) do out("<th>%s</th>", escape(name)) end
  out '<th>seconds</th><th class="l">state</th></tr>'
  for _, t in ipairs(trials) do
    out("<tr%s><td>%d</td>", on_front[t.id] and ' class="front"' or t.state == "FAILED" and ' class="failed"' or "", t.id)
    for _, name in ipairs(names) do out("<td>%s</td>", number((t.values or {})[name])) end
    local why = t.reason and (": " .. t.reason .. " " .. (t.message or ""):match "[^\n]*") or ""
    out('<td>%s</td><td class="l">%s%s</td></tr>', t.seconds and ("%.2f"):format(t.seconds) or "", escape(t.state), escape(why))
  end
  out "</table>"
end

local function arch_lines(arch)
  local names, lines = {}, {}
  for name in pairs(arch) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do lines[i] = ("%s = %s"):format(name, tostring(arch[name])) end
  return table.concat(lines, "\n")
end

local function cards(out, study, front)
  out "<h2>Architectures of the front</h2>"
  for _, t in ipairs(front) do
    out("<details><summary>trial %d", t.id)
    for _, o in ipairs(study.driver.objectives) do out(", %s %s", escape(o.name), number(t.values[o.name])) end
    out("</summary><pre>%s</pre>", escape(arch_lines(t.arch)))
    if study.space.build then
      local input = study.space.input or { 28, 28, 1 }
      local ok, graph = pcall(study.space.network, study.space, t.arch, input, 10)
      if ok and graph then
        out("%s", svg.network(graph:nodes()))
        graph:close()
      end
    end
    out "</details>"
  end
end

--- How to run it again: the command, and a table of `rows` (pairs), threads and versions.
function report.reproduction(out, rows)
  local versions, command = core.sys.versions(), {}
  for i = 0, #arg do command[#command + 1] = arg[i] end
  local names = {}
  for name in pairs(versions) do names[#names + 1] = name end
  table.sort(names)
  out("<h2>How to run it again</h2><pre>vega-lua %s</pre><table>", escape(table.concat(command, " ")))
  local function row(key, value) out('<tr><td class="l">%s</td><td class="l">%s</td></tr>', escape(key), escape(value)) end
  for _, pair in ipairs(rows) do row(pair[1], pair[2]) end
  row("threads", core.sys.threads())
  for _, name in ipairs(names) do row(name, versions[name]) end
  out "</table>"
end

--- A page of this look: its title and body, the latter already HTML.
function report.page(title, body)
  return ('<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>%s</title><style>%s</style></head><body><h1>%s</h1>%s</body></html>\n')
    :format(escape(title), STYLE, escape(title), body)
end

--- Writes a page. The file appears whole or not at all. @return path, or nil, message, "EIO"
function report.write_page(path, page)
  local ok, message, code = core.sys.make_dirs(path:match "^(.+)/" or ".")
  if ok then ok, message, code = core.sys.write_file(path, page) end
  if not ok then return nil, message, code end
  return path
end

--- The report as text.
function report.html(study)
  local parts = {}
  local function out(format, ...) parts[#parts + 1] = select("#", ...) > 0 and format:format(...) or format end
  local trials, front, on_front = study:trials(), study:front().trials, {}
  for _, t in ipairs(front) do on_front[t.id] = true end
  summary(out, study, trials, front)
  front_picture(out, study, trials, front)
  progress_picture(out, study, trials)
  curve_picture(out, trials, on_front)
  cards(out, study, front)
  trial_table(out, study, trials, on_front)
  report.reproduction(out, { { "seed", study.seed }, { "store", study.where.shown .. " (the same command continues from it; remove it to begin anew)" } })
  return report.page(study.name, table.concat(parts))
end

--- Writes the report. The file appears whole or not at all. @return path, or nil, message, "EIO"
function report.write(study, path) return report.write_page(path, report.html(study)) end

return report
