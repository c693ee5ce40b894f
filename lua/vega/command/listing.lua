--- A listing as a table for people, or as JSON, CSV or TSV for programs: the one way in which every command prints one.
--    listing.show("csv", { { "name" }, { "trials", right = true }, { "begun", text = listing.time } }, rows)
-- A column is { key of the row [, title =] [, right = true] [, whole = true] [, text = function(value) -> text]
-- [, colour = function(value) -> colour] }: `whole` is not cut while there is room; `text` is for people and, with plain = true, for CSV and TSV, too.
-- JSON has rows[i].object, else the columns' values. Numbers that are not finite are nan, inf, -inf, in JSON {"$f":"nan"}.
local core_json = require("vega.core").json
local log = require "vega.log"
local terminal = require "vega.terminal"

local listing = { FORMATS = { "table", "json", "csv", "tsv" } }
local TAG = { nonfinite = "tag" }

--- Seconds since 1970 as 2026-11-26T15:35:38Z.
function listing.time(seconds) return seconds and os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds)) or nil end

--- A number of seconds for people.
function listing.duration(seconds)
  if not seconds then return nil end
  if seconds < 120 then return ("%.3g s"):format(seconds) end
  if seconds < 7200 then return ("%.3g min"):format(seconds / 60) end
  return ("%.4g h"):format(seconds / 3600)
end

--- The shortest text of a number that is read back as the same.
function listing.number(value)
  for digits = 15, 16 do
    local text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then return text end
  end
  return ("%.17g"):format(value)
end

--- "1 trial", "3 trials".
function listing.count(n, what) return ("%d %s%s"):format(n, what, n == 1 and "" or "s") end

local function plain(value, digits)
  if value == nil or value == core_json.null then return "" end
  if type(value) == "table" then return core_json.encode(value, TAG) end
  if math.type(value) ~= "float" then return tostring(value) end
  if value ~= value then return "nan" end
  if value == math.huge or value == -math.huge then return value > 0 and "inf" or "-inf" end
  return digits and ("%." .. digits .. "g"):format(value) or listing.number(value)
end

-- Text of unknown origin on a terminal: nothing in it may move the cursor.
local function printable(text) return (text:gsub("[%c\127]", "?"):gsub("\194[\128-\159]", "?")) end

-- Characters, as the terminal counts them; of text that is no UTF-8, bytes.
local function width_of(text) return utf8.len(text) or #text end

local function pad(text, width, right)
  local blanks = (" "):rep(width - width_of(text))
  return right and blanks .. text or text .. blanks
end

local function cut(text, width)
  if width_of(text) <= width then return text end
  if width <= 2 then return text:sub(1, width) end
  local last = utf8.len(text) and utf8.offset(text, width - 1) - 1 or width - 2
  return text:sub(1, last) .. ".."
end

local MOST = 60                           -- columns of one cell where the terminal says nothing

local LEAST = 8                           -- columns that are left of a text; a number is shown whole or not at all

local function total(widths, n)
  local sum = 2 * (n - 1)
  for k = 1, n do sum = sum + widths[k] end
  return sum
end

-- The widest text that may still be shortened, or nil.
local function widest_text(columns, widths, n)
  local widest
  for k = 1, n do
    if not columns[k].right and widths[k] > LEAST and (not widest or widths[k] > widths[widest]) then widest = k end
  end
  return widest
end

-- Shortens texts until all columns fit in `room`; where they cannot, leaves out the last ones. Returns how many are shown.
local function fit(columns, widths, room)
  local n = #columns
  while n > 1 and total(widths, n) > room do
    local k = widest_text(columns, widths, n)
    if k then widths[k] = widths[k] - 1 else n = n - 1 end
  end
  return n
end

local function cells_of(columns, rows)
  local cells, widths = {}, {}
  for k, column in ipairs(columns) do widths[k] = width_of(column.title or column[1]) end
  for i, row in ipairs(rows) do
    cells[i] = {}
    for k, column in ipairs(columns) do
      local value = row[column[1]]
      local text = printable(plain(column.text and column.text(value) or value, 6))
      cells[i][k], widths[k] = text, math.max(widths[k], column.whole and width_of(text) or math.min(MOST, width_of(text)))
    end
  end
  return cells, widths
end

local SHOW = {}

SHOW["table"] = function(columns, rows)
  if #rows == 0 then return end
  local cells, widths = cells_of(columns, rows)
  local room = terminal.width(1)
  local n = room and fit(columns, widths, room) or #columns
  local function line(texts, row)
    local parts = {}
    for k = 1, n do
      local column, text = columns[k], cut(texts[k], widths[k])
      local padded = k == n and not column.right and text or pad(text, widths[k], column.right)
      parts[k] = terminal.paint(row and column.colour and column.colour(row[column[1]]), padded)
    end
    io.write((table.concat(parts, "  "):gsub(" +$", "")), "\n")
  end
  local titles = {}
  for k, column in ipairs(columns) do titles[k] = column.title or column[1] end
  line(titles)
  for i, texts in ipairs(cells) do line(texts, rows[i]) end
  if n < #columns then log.info("%d columns do not fit here: %s", #columns - n, table.concat(titles, ", ", n + 1)) end
end

function SHOW.json(columns, rows)
  if #rows == 0 then return print "[]" end
  for i, row in ipairs(rows) do
    local object = row.object
    if not object then
      object = {}
      for _, column in ipairs(columns) do object[column[1]] = row[column[1]] == nil and core_json.null or row[column[1]] end
    end
    io.write(i == 1 and "[" or ",\n ", core_json.encode(object, TAG))
  end
  io.write "]\n"
end

local function separated(columns, rows, separator, quote)
  local parts = {}
  for k, column in ipairs(columns) do parts[k] = quote(column[1]) end
  io.write(table.concat(parts, separator), "\n")
  for _, row in ipairs(rows) do
    for k, column in ipairs(columns) do
      local value = row[column[1]]
      parts[k] = quote(plain(column.plain and column.text(value) or value))
    end
    io.write(table.concat(parts, separator), "\n")
  end
end

-- RFC 4180, lines ended by \n.
function SHOW.csv(columns, rows)
  separated(columns, rows, ",", function(text) return text:find '[,"\r\n]' and '"' .. text:gsub('"', '""') .. '"' or text end)
end

local ESCAPES = { ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r", ["\\"] = "\\\\" }

function SHOW.tsv(columns, rows)
  separated(columns, rows, "\t", function(text) return (text:gsub("[\t\n\r\\]", ESCAPES)) end)
end

--- Prints the rows on standard output in the format "table", "json", "csv" or "tsv".
function listing.show(format, columns, rows) SHOW[format](columns, rows) end

return listing
