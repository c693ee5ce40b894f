--- The report of a study: one HTML file that needs nothing else and no network.
--    front:report "runs/quickstart.html"      or      require("vega.report").write(study, path)
-- A study is one that runs here (vega.study) or one in a store (vega.study.stored). The parts, in the page's order, are the files of
-- lua/vega/report. What is in a page as text or table is there without JavaScript, too; charts are then pictures.
local cards = require "vega.report.cards"
local charts = require "vega.report.charts"
local core = require "vega.core"
local cost_of = require "vega.report.cost"
local document = require "vega.report.document"
local facts_of = require "vega.report.facts"
local frequency_of = require "vega.report.frequency"
local importance_of = require "vega.report.importance"
local parallel_of = require "vega.report.parallel"
local random = require "vega.report.random"
local reproduction = require "vega.report.reproduction"
local rows = require "vega.report.rows"
local source_of = require "vega.report.source"
local summary = require "vega.report.summary"
local text = require "vega.report.text"
local util = require "vega.util"

local report = {}

local MOST_ROWS = 100                                -- of a table in the page's HTML; the script has them all
local MOST_DRAWN, SAMPLE = 5000, 2000                -- above so many trials the scatter draws the front and a sample

--- How many architectures a space has, in words.
function report.size_text(space)
  if space.size then return text.number(space.size) .. " architectures" end
  return space.finite and ("2^%.1f architectures"):format(space.bits) or "continuous"
end

local ROOT = debug.getinfo(1, "S").source:match "^@(.*)lua/vega/report%.lua$" or "./"

-- A space that comes with the program, when the store's is that one: it knows its cells and how its architectures are written.
local function own_space(signature, written)
  local name = type(signature.name) == "string" and signature.name:match "^[%w_]+$"
  local path = name and ("%ssearchspaces/%s.lua"):format(ROOT, name)
  local file = path and io.open(path, "r")
  if not file then return nil end
  file:close()
  local ok, space = pcall(require "vega.space", path)
  return ok and core.json.encode(space:signature(), { nonfinite = "tag" }) == written and space or nil
end

-- Cells whose decisions have names of their own are not known without the function that names them.
local function drop_unknown_cells(space)
  local known = {}
  for _, d in ipairs(space.decisions) do known[d.name] = true end
  for name, cell in pairs(space.cells) do
    for _, member in ipairs(cell:members()) do if not known[member] then space.cells[name] = nil end end
  end
  return space
end

-- A space of a store's: as saved, without the functions that only its script has. nil when it cannot be had without them.
local function loaded_space(source)
  if type(source.space) ~= "table" or type(source.space.decisions) ~= "table" then return nil end
  local own = own_space(source.space, source.space_json)
  if own then return own end
  local copy = util.copy(source.space)
  copy.build, copy.clauses = nil, {}
  local ok, space = pcall(require("vega.space").load, copy)
  return ok and drop_unknown_cells(space) or nil
end

-- Parts -----------------------------------------------------------------------------------------------------------------------------------

-- A chart's place: the script puts its own in place of the picture.
local function place(out, chart, class)
  out('<div class="chart %s" id="chart-%s">%s</div>', class or "", chart.id, chart.svg)
end

local function write_progress(out, self)
  local list = charts.progress(self)
  if #list == 0 then return end
  out '<h2>Search progress</h2><div class="bar" id="bar-progress"></div>'
  for _, chart in ipairs(list) do place(out, chart) end
  out '<p class="note" id="note-progress"></p>'
end

local function hypervolume_text(self)
  if not self.hypervolume then return #self.objectives > 3 and "Hypervolume: computed for up to three objectives." or "" end
  local words = {}
  for k, o in ipairs(self.objectives) do words[k] = ("%s %s"):format(text.html(o.name, 60), text.number(self.reference[k])) end
  return ("Hypervolume <b id=\"hypervolume\">%s</b>, reference point %s (the worst of all complete trials)."):format(text.number(self.hypervolume),
    table.concat(words, ", "))
end

local function write_front(out, self)
  local chart = charts.front(self)
  if not chart then return end
  out '<h2>Pareto front</h2><div class="bar" id="bar-front"></div>'
  place(out, chart)
  out("<p>%s%s</p>", hypervolume_text(self), self.knee and
    (' Knee: <a href="#trial-%d">trial %d</a>, the nearest to the ideal point with each objective scaled to the front.'):format(self.knee.id, self.knee.id) or "")
  if #self.complete > MOST_DRAWN then
    out('<p class="note">Of %d complete trials the front and a sample of %d are drawn.</p>', #self.complete, SAMPLE)
  end
  out '<div id="picked" class="note"></div>'
end

local function write_results(out, self, columns, ranked)
  if #self.trials == 0 then return end
  local failed, shown = {}, table.move(ranked, 1, MOST_ROWS, 1, {})
  for _, t in ipairs(self.trials) do if t.state == "FAILED" or t.state == "ABANDONED" then failed[#failed + 1] = t end end
  out('<h2>Results</h2><div id="table-results"><p class="note">The %d best of %s.</p><div class="wide">', #shown, text.count(#self.trials, "trial"))
  rows.html(out, self, columns, shown)
  out "</div>"
  if #failed > 0 then
    out("<h3>Failed</h3><p class=\"note\">%d of %d.</p><div class=\"wide\">", math.min(#failed, 20), #failed)
    rows.html(out, self, columns, table.move(failed, 1, 20, 1, {}))
    out "</div>"
  end
  out "</div>"
end

local function write_decisions(out, importance, why, frequency, parallel)
  out "<h2>Decisions</h2>"
  if parallel then
    out('<h3>Parallel coordinates</h3><div class="chart" id="chart-parallel"><p class="note">Drawn by the script of the page.</p></div><p class="note">%d of %d complete trials, the best %d among them%s.</p>',
      parallel.shown, parallel.of, math.min(200, parallel.of), parallel.more > 0 and (("; %d decisions have no axis"):format(parallel.more)) or "")
  end
  out "<h3>Importance</h3>"
  if importance then
    place(out, charts.importance(importance))
    out([[<p class="note">The share of the variance of the first objective that a decision explains alone, on a random forest of %d trials; its R² on
trials that it has not seen: %s.</p>]], importance.trials, importance.r2 and ("%.2f"):format(importance.r2) or "unknown")
  else out("<p class=\"note\">Not computed: %s.</p>", why) end
  if #frequency.rows > 0 then
    out "<h3>Choices of the best trials</h3>"
    place(out, charts.frequency(frequency), "wide")
    out("<p class=\"note\">The share of each value among the best %d trials%s.</p>", frequency.best,
      frequency.left_out > 0 and ("; %d more decisions are left out"):format(frequency.left_out) or "")
  end
end

local function hours(seconds) return ("%.4g"):format(seconds / 3600) end

local function write_cost(out, cost)
  if cost.attempts == 0 then return end
  local threads = cost.threads or 1
  out("<h2>Search cost</h2><p>%s core-hours in %s (%s); %d of them retries; %s wasted on failed and lost attempts (%.1f %%).</p>",
    hours(cost.seconds * threads), text.count(cost.attempts, "attempt"), cost.threads and text.count(threads, "thread") .. " each" or
    "threads not recorded, counted as one", cost.retries, text.duration(cost.wasted), cost.seconds > 0 and 100 * cost.wasted / cost.seconds or 0)
  out '<table><thead><tr><th class="l">outcome of attempts</th><th>attempts</th><th>core-hours</th></tr></thead><tbody>'
  for _, row in ipairs(cost.outcomes) do
    out('<tr><td class="l">%s</td><td>%d</td><td>%s</td></tr>', text.html(row.name), row.n, hours(row.seconds * threads))
  end
  out "</tbody></table>"
  if #cost.phases > 1 then
    out '<table><thead><tr><th class="l">phase</th><th>core-hours</th></tr></thead><tbody>'
    for _, phase in ipairs(cost.phases) do out('<tr><td class="l">%s</td><td>%s</td></tr>', text.html(phase.name), hours(phase.seconds * threads)) end
    out "</tbody></table>"
  end
  out("<h3>Workers over time</h3>%s", charts.workers(cost).svg)
  if cost.hidden > 0 then out("<p class=\"note\">The busiest %d workers; %d more.</p>", #cost.lines, cost.hidden) end
end

-- Data ------------------------------------------------------------------------------------------------------------------------------------

local function ids_of(trials)
  local ids = { n = #trials }
  for i, t in ipairs(trials) do ids[i] = t.id end
  return ids
end

local function objectives_of(self)
  local list = {}
  for i, o in ipairs(self.objectives) do list[i] = { name = text.show(o.name, 40), goal = o.goal } end
  return list
end

--- What the page's script and the live view are told of these trials of a study.
function report.data_of(self, trials)
  local columns, list = rows.columns(self), { n = #trials }
  for i, t in ipairs(trials) do list[i] = rows.of(self, columns, t) end
  local feasible = { n = 0 }
  for _, t in ipairs(trials) do
    if t.violation and t.violation > 0 then feasible.n, feasible[feasible.n + 1] = feasible.n + 1, t.id end
  end
  return { columns = rows.headings(columns), rows = list, violating = feasible, front = ids_of(self.front), knee = self.knee and self.knee.id,
    hypervolume = self.hypervolume, counts = self.counts, status = self.source.status }
end

local function page_data(self, chosen, importance, frequency, parallel, live)
  local data = report.data_of(self, self.trials)
  data.objectives, data.cards, data.live = objectives_of(self), ids_of(chosen), live
  data.most_drawn, data.sample = MOST_DRAWN, SAMPLE
  data.random, data.parallel = random.line(self, 1), parallel
  if importance then
    data.importance = { n = 0 }
    for i = 1, math.min(15, #importance.list) do
      data.importance.n, data.importance[i] = i, { name = text.show(importance.list[i].name, 40), share = importance.list[i].share }
    end
  end
  data.frequency = #frequency.rows > 0 and frequency.rows or nil
  return data
end

-- Pages -----------------------------------------------------------------------------------------------------------------------------------

-- What takes time is made once for the page and the files.
local function prepare(study)
  local source = source_of.of(study)
  local self = facts_of.of(source)
  local p = { source = source, facts = self, space = source.live_space or loaded_space(source), ranked = facts_of.ranked(self) }
  p.importance, p.why = importance_of(p.space, self.complete)
  p.frequency, p.cost = frequency_of(source.space, p.ranked), cost_of.of(source, self.trials)
  p.chosen = cards.chosen(self, p.ranked)
  return p
end

--- The report as text. options.live = { url, seq, ... }: the page of the live view, without a policy of its own.
function report.html(study, options)
  local p, parts, live = prepare(study), {}, options and options.live
  local self = p.facts
  local parallel = parallel_of(self, p.ranked, p.importance)
  local function out(format, ...) parts[#parts + 1] = select("#", ...) > 0 and format:format(...) or format end
  if live then out '<p class="note" id="live">Live view, read only. <span id="live-state"></span></p>' end
  summary(out, self, p.space and report.size_text(p.space))
  write_progress(out, self)
  write_front(out, self)
  write_results(out, self, rows.columns(self), p.ranked)
  cards.write(out, self, p.chosen, p.space)
  write_decisions(out, p.importance, p.why, p.frequency, parallel)
  write_cost(out, p.cost)
  reproduction.write(out, p.source)
  return document.page { title = p.source.name, body = table.concat(parts), policy = not live,
    data = page_data(self, p.chosen, p.importance, p.frequency, parallel, live) }
end

--- The data of the report's charts and tables as JSON: { columns, rows, front, counts, objectives, ... }.
function report.json(study)
  local p = prepare(study)
  return text.json(page_data(p.facts, p.chosen, p.importance, p.frequency, parallel_of(p.facts, p.ranked, p.importance)))
end

--- A page of this look without charts: its title and body, the latter already HTML.
function report.page(title, body) return document.page { title = title, body = body } end

--- How to run a search again that no study holds.
report.reproduction = reproduction.of_process

--- Writes a page. The file appears whole or not at all. @return path, or nil, message, "EIO"
function report.write_page(path, page)
  local ok, message, code = core.sys.make_dirs(path:match "^(.+)/" or ".")
  if ok then ok, message, code = core.sys.write_file(path, page) end
  if not ok then return nil, message, code end
  return path
end

--- Writes the report. The file appears whole or not at all. @return path, or nil, message, "EIO"
function report.write(study, path) return report.write_page(path, report.html(study)) end

--- Writes the charts as SVG files into a folder, for a machine without a browser. @return their paths, or nil, message, "EIO"
function report.write_charts(study, folder)
  local p, paths = prepare(study), {}
  local list = charts.progress(p.facts)
  list[#list + 1] = charts.front(p.facts)
  if p.importance then list[#list + 1] = charts.importance(p.importance) end
  if #p.frequency.rows > 0 then list[#list + 1] = charts.frequency(p.frequency) end
  if p.cost.attempts > 0 then list[#list + 1] = charts.workers(p.cost) end
  for i = 1, math.min(5, #p.chosen) do
    for _, chart in ipairs(charts.curves(p.chosen[i])) do list[#list + 1] = chart end
  end
  for i, chart in ipairs(list) do
    local path, message, code = report.write_page(("%s/%s.svg"):format(folder, chart.id), require("vega.svg").file(chart.svg))
    if not path then return nil, message, code end
    paths[i] = path
  end
  return paths
end

return report
