--- The trials as rows of a table, the same for the page's HTML, its script and the live view's answers.
local json = require("vega.core").json
local text = require "vega.report.text"

local rows = {}

local REASON = 80                                    -- characters of why a trial failed

local SIZES = { params = true, macs = true }

-- Does the store know how large the networks are? Then values of these names say the same.
local function has_sizes(facts)
  for _, t in ipairs(facts.complete) do if t.params or t.macs then return true end end
  return false
end

--- The columns: { key, title, kind } in their order; kind "value" is one of facts' names.
function rows.columns(facts)
  local columns, sized = { { key = "id", title = "trial" }, { key = "state", title = "state", left = true } }, has_sizes(facts)
  for k, name in ipairs(facts.names) do
    if not (sized and k > #facts.objectives and SIZES[name]) then
      columns[#columns + 1] = { key = "value", title = text.show(name, 40), name = name }
    end
  end
  if sized then
    columns[#columns + 1] = { key = "params", title = "parameters (M)" }
    columns[#columns + 1] = { key = "macs", title = "MACs (M)" }
  end
  for _, each in ipairs { { "seconds", "seconds" }, { "wall", "ended after (s)" }, { "attempts", "attempts" } } do
    columns[#columns + 1] = { key = each[1], title = each[2] }
  end
  columns[#columns + 1] = { key = "reason", title = "reason", left = true }
  return columns
end

local function millions(n) return type(n) == "number" and n / 1e6 or nil end

local CELL = {
  params = function(t) return millions(t.params) end,
  macs = function(t) return millions(t.macs) end,
  reason = function(t)
    if not t.reason then return nil end
    return text.show(("%s %s"):format(t.reason, (t.message or ""):sub(1, 1000):match "[^\n]*"), REASON)
  end,
}

--- One trial's cells, in the columns' order; field n is their number.
function rows.of(facts, columns, t)
  local row = { n = #columns }
  for i, c in ipairs(columns) do
    if c.key == "value" then row[i] = t.values[c.name]
    elseif c.key == "wall" then row[i] = facts.wall[t.id]
    elseif CELL[c.key] then row[i] = CELL[c.key](t)
    else row[i] = t[c.key] end
  end
  return row
end

--- The columns as the page's script reads them.
function rows.headings(columns)
  local list = {}
  for i, c in ipairs(columns) do list[i] = { key = c.key, title = c.title, left = c.left or false } end
  return list
end

--- An HTML table of these trials. `class(t)` names the class of a trial's line, or is nil.
function rows.html(out, facts, columns, trials)
  out "<table><thead><tr>"
  for _, c in ipairs(columns) do out("<th%s>%s</th>", c.left and ' class="l"' or "", text.html(c.title)) end
  out "</tr></thead><tbody>"
  for _, t in ipairs(trials) do
    out("<tr%s>", facts.on_front[t.id] and ' class="front"' or t.state == "FAILED" and ' class="failed"' or "")
    local row = rows.of(facts, columns, t)
    for i, c in ipairs(columns) do out("<td%s>%s</td>", c.left and ' class="l"' or "", text.html(text.number(row[i]), 200)) end
    out "</tr>\n"
  end
  out "</tbody></table>"
end

-- A value of an architecture as JSON; what JSON does not have is named.
local TAG = { nonfinite = "tag" }
--- The architecture as canonical JSON: sorted keys.
function rows.arch_json(arch)
  local ok, result = pcall(json.encode, arch, TAG)
  return ok and result or "not representable"
end

return rows
