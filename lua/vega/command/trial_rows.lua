--- Trials as rows of a listing: for `study best` and `study trials`.
local core_json = require("vega.core").json
local listing = require "vega.command.listing"

local trial_rows = {}

local TAIL = { { "params", right = true }, { "macs", right = true }, { "fidelity", right = true }, { "attempts", right = true } }
local COLOURS = { FAILED = "red", ABANDONED = "red", RUNNING = "yellow" }

-- The key of an objective's column: its name, unless that is another column's that one cannot do without.
local function key_of(o)
  local taken = { trial = true, state = true, reason = true, hash = true, arch = true, message = true, object = true }
  return taken[o.name] and "value of " .. o.name or o.name
end

local function any_has(rows, key)
  for _, row in ipairs(rows) do if row[key] ~= nil then return true end end
  return false
end

--- The columns: trial, state, the objectives, then those of TAIL and of `more` that any row has. An objective called params or macs is one column.
function trial_rows.columns(objectives, rows, more)
  local columns = { { "trial", right = true }, { "state", colour = function(state) return COLOURS[state] end } }
  local shown = {}
  for _, o in ipairs(objectives) do
    columns[#columns + 1] = { key_of(o), right = true }
    shown[key_of(o)] = true
  end
  for _, list in ipairs { TAIL, more or {} } do
    for _, column in ipairs(list) do
      if not shown[column[1]] and any_has(rows, column[1]) then columns[#columns + 1] = column end
    end
  end
  return columns
end

local function or_null(value) return value == nil and core_json.null or value end

--- One trial (as of Stored:trials) as a row; with its object, for JSON, if so.
function trial_rows.row(objectives, t, with_object)
  local row = { trial = t.id, state = t.state, reason = t.reason, params = t.params, macs = t.macs, fidelity = t.fidelity, attempts = t.attempts,
    seconds = t.seconds, parent = t.parent, hash = t.hash, arch = t.arch, message = t.message }
  for _, o in ipairs(objectives) do row[key_of(o)] = t.values[o.name] end
  row.object = with_object and { trial = t.id, state = t.state, reason = or_null(t.reason), values = t.values, params = or_null(t.params), macs = or_null(t.macs),
    fidelity = or_null(t.fidelity), attempts = t.attempts, parent = or_null(t.parent), hash = t.hash, arch = t.arch, seconds = or_null(t.seconds),
    message = or_null(t.message) } or nil
  return row
end

--- Prints the trials in a format; `more` as of columns.
function trial_rows.show(format, objectives, trials, more)
  local rows = {}
  for i, t in ipairs(trials) do rows[i] = trial_rows.row(objectives, t, format == "json") end
  local columns = trial_rows.columns(objectives, rows, more)
  listing.show(format, columns, rows)
end

return trial_rows
