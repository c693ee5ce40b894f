--- A listing as a table for people, or as JSON, CSV or TSV for programs: the one way in which every command prints one.
--    listing.show("csv", { { "name" }, { "trials", right = true }, { "begun", text = listing.time } }, rows)
-- A column is { key of the row [, title =] [, right = true] [, whole = true] [, text = function(value) -> text]
-- [, colour = function(value) -> colour] }: `whole` is not cut while there is room; `text` is for people and, with plain = true, for CSV and TSV, too.
-- JSON has rows[i].object, else the columns' values. Numbers that are not finite are nan, inf, -inf, in JSON {"$f":"nan"}.
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

--- "1 trial", "3 trials".
function listing.count(n, what) return ("%d %s%s"):format(n, what, n == 1 and "" or "s") end

local function plain(value, digits)
  if value == nil or value == core_json.null then return "" end
  if type(value) == "table" then return core_json.encode(value, TAG) end
  if math.type(value) ~= "float" then return tostring(value) end
  if value ~= value then return "nan" end
  if value == math.huge or value == -math.huge then return value > 0 and "inf" or "-inf" end
  local text = ("%." .. (digits or 17) .. "g"):format(value)
  local short = not digits and ("%.15g"):format(value)
  return short and tonumber(short) == value and short or text
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

-- Takes from the widest column until all fit in `room`.
local function fit(widths, room)
  local total = 2 * (#widths - 1)
  for _, w in ipairs(widths) do total = total + w end
  while total > room do
    local widest = 1
    for i, w in ipairs(widths) do if w > widths[widest] then widest = i end end
    if widths[widest] <= 4 then return end
    widths[widest], total = widths[widest] - 1, total - 1
  end
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
  if room then fit(widths, room) end
  local function line(texts, row)
    local parts = {}
    for k, column in ipairs(columns) do
      local text = cut(texts[k], widths[k])
      local padded = k == #columns and not column.right and text or pad(text, widths[k], column.right)
      parts[k] = terminal.paint(row and column.colour and column.colour(row[column[1]]), padded)
    end
    io.write((table.concat(parts, "  "):gsub(" +$", "")), "\n")
  end
  local titles = {}
  for k, column in ipairs(columns) do titles[k] = column.title or column[1] end
  line(titles)
  for i, texts in ipairs(cells) do line(texts, rows[i]) end
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
