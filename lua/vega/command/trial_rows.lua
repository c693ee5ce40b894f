--- Trials as rows of a listing: for `study best` and `study trials`.
local core_json = require("vega.core").json
local listing = require "vega.command.listing"

local trial_rows = {}

local TAIL = { { "params", right = true }, { "macs", right = true }, { "fidelity", right = true }, { "attempts", right = true } }
local COLOURS = { FAILED = "red", ABANDONED = "red", RUNNING = "yellow" }

--- The columns: trial, state and reason, the objectives, then those of TAIL that any row has, what is in `more`, and the architecture.
function trial_rows.columns(objectives, rows, more)
  local columns = { { "trial", right = true }, { "state", colour = function(state) return COLOURS[state] end } }
  for _, o in ipairs(objectives) do columns[#columns + 1] = { o.name, right = true } end
  for _, column in ipairs(TAIL) do columns[#columns + 1] = column end
  for _, column in ipairs(more or {}) do columns[#columns + 1] = column end
  local shown = {}
  for _, column in ipairs(columns) do
    local any = column[1] == "trial" or column[1] == "state"
    for _, o in ipairs(objectives) do any = any or column[1] == o.name end
    for i = 1, any and 0 or #rows do
      if rows[i][column[1]] ~= nil then
        any = true
        break
      end
    end
    if any then shown[#shown + 1] = column end
  end
  return shown
end

local function or_null(value) return value == nil and core_json.null or value end

--- One trial (as of Stored:trials) as a row. An objective called like another column hides it in tables, not in JSON.
function trial_rows.row(objectives, t)
  local row = { trial = t.id, state = t.state, reason = t.reason, params = t.params, macs = t.macs, fidelity = t.fidelity, attempts = t.attempts,
    seconds = t.seconds, parent = t.parent, hash = t.hash, arch = t.arch, message = t.message }
  for _, o in ipairs(objectives) do row[o.name] = t.values[o.name] end
  row.object = { trial = t.id, state = t.state, reason = or_null(t.reason), values = t.values, params = or_null(t.params), macs = or_null(t.macs),
    fidelity = or_null(t.fidelity), attempts = t.attempts, parent = or_null(t.parent), hash = t.hash, arch = t.arch, seconds = or_null(t.seconds),
    message = or_null(t.message) }
  return row
end

--- Prints the trials in a format; `more` as of columns.
function trial_rows.show(format, objectives, trials, more)
  local rows = {}
  for i, t in ipairs(trials) do rows[i] = trial_rows.row(objectives, t) end
  local columns = trial_rows.columns(objectives, rows, more)
  listing.show(format, columns, rows)
end

return trial_rows
