--- The live view: pages and news of the studies of a store, as vega-lua serve answers them. Nothing here writes; the connection could not.
local document = require "vega.report.document"
local facts_of = require "vega.report.facts"
local report = require "vega.report"
local rows = require "vega.report.rows"
local source_of = require "vega.report.source"
local stored = require "vega.study.stored"
local svg = require "vega.svg"
local text = require "vega.report.text"
local util = require "vega.util"

local live = {}
local Live = {}
Live.__index = Live

local HTML, JSON, PLAIN = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
local LEAST_AGE = 1.0                                -- seconds a study is not read again

--- The studies of the store at `url`. clock() gives seconds.
function live.new(url, clock) return setmetatable({ url = url, clock = clock, studies = {} }, Live) end

--- The policy of its answers.
function live.policy() return document.policy(document.scripts(), "; connect-src 'self'; frame-ancestors 'none'") end

local function path_of(name)
  return (name:gsub("[^%w_.~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- Reading ---------------------------------------------------------------------------------------------------------------------------------

local function opened(self, name)
  local study = self.studies[name]
  if study then return study end
  local s, message, code = stored.open(self.url, name)
  if not s then return nil, message, code end
  s:run "read_only"
  study = { stored = s, seq = 0, changed = {}, texts = {}, read_at = -math.huge }
  self.studies[name] = study
  return study
end

-- The number of the study's last event.
local function last_event(study)
  local list = study.stored:run("event_after", study.stored.id, study.seq)
  return #list > 0 and list[#list].seq or study.seq
end

-- Which trials have changed since the study was read before: their rows' texts say.
local function mark_changes(study, facts)
  local columns = rows.columns(facts)
  study.layout = text.json(rows.headings(columns))
  for _, t in ipairs(facts.trials) do
    local row = text.json(rows.of(facts, columns, t))
    if study.texts[t.id] ~= row then study.texts[t.id], study.changed[t.id] = row, study.seq end
  end
end

-- Reads what has come since, unless that was a moment ago.
local function refresh(self, study)
  local now = self.clock()
  if now - study.read_at < LEAST_AGE then return end
  local seq, row = last_event(study), study.stored:run("study_find", study.stored.name)[1]
  study.status = row and row.status or "removed"
  if seq == study.seq and study.facts then
    study.read_at = now
    return
  end
  local began = self.clock()
  study.seq = seq
  study.facts = facts_of.of(source_of.of(study.stored))
  mark_changes(study, study.facts)
  study.read_at = self.clock() + 3 * (self.clock() - began)              -- a long study is read a quarter of the time at most
end

-- Answers: status, type, ETag, body --------------------------------------------------------------------------------------------------------

local function not_found(message) return 404, PLAIN, nil, text.show(message, 300) .. "\n" end

local function tag(study, kind) return ('"%s-%d-%s"'):format(kind, study.seq, study.status) end

local function study_page(self, name)
  local study, message = opened(self, name)
  if not study then return not_found(message) end
  refresh(self, study)
  if study.page_seq ~= study.seq then
    study.page = report.html(study.stored, { live = { url = "/api/v1/study/" .. path_of(name), seq = study.seq, layout = study.layout } })
    study.page_seq = study.seq
  end
  return 200, HTML, tag(study, "page"), study.page
end

local function news(self, name, after)
  local study, message = opened(self, name)
  if not study then return not_found(message) end
  refresh(self, study)
  local changed = {}
  for _, t in ipairs(study.facts.trials) do if study.changed[t.id] > (after or -1) then changed[#changed + 1] = t end end
  local data = report.data_of(study.facts, changed)
  data.seq, data.layout, data.status = study.seq, study.layout, study.status
  return 200, JSON, tag(study, "news"), text.json(data)
end

local function link(s)
  local counts = {}
  for _, state in ipairs(util.sorted_keys(s.counts)) do counts[#counts + 1] = ("%d %s"):format(s.counts[state], text.html(state:lower())) end
  return ('<tr><td class="l"><a href="/study/%s"><bdi>%s</bdi></a></td><td class="l">%s</td><td class="l">%s</td><td>%d</td><td class="l">%s</td></tr>')
    :format(svg.escape(path_of(s.name)), text.html(s.name), text.html(s.strategy), text.html(s.status:lower()), s.trials, table.concat(counts, ", "))
end

local function index_page(self)
  local list, message = stored.list(self.url)
  if not list then return 503, PLAIN, nil, text.show(message, 300) .. "\n" end
  if #list == 1 then return study_page(self, list[1].name) end
  local lines = {}
  for i, s in ipairs(list) do lines[i] = link(s) end
  local body = ('<table><tr><th class="l">study</th><th class="l">strategy</th><th class="l">status</th><th>trials</th><th class="l"></th></tr>%s</table>')
    :format(table.concat(lines))
  return 200, HTML, nil, document.page { title = text.count(#list, "studies"):gsub("ss$", "s"), body = body }
end

--- The answer to a request of the server: status, Content-Type, ETag or nil, body. A store that fails is a 503, a fault of ours a 500.
function Live:answer(route, name, after)
  local result = table.pack(pcall(function()
    if route == "index" then return index_page(self) end
    if route == "study" then return study_page(self, name) end
    return news(self, name, after)
  end))
  if result[1] then return table.unpack(result, 2, 5) end
  local fault = result[2]
  if type(fault) == "table" and fault.exit_code then return 503, PLAIN, nil, text.show(fault.message, 300) .. "\n" end
  return 500, PLAIN, nil, "an error of the program: see where it runs\n", tostring(fault)
end

--- Closes its connections.
function Live:close()
  for _, study in pairs(self.studies) do study.stored:close() end
  self.studies = {}
end
Live.__close = Live.close

return live
