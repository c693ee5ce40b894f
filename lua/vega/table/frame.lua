--- Rows and named columns as read from a CSV or JSON file, with errors that name file, row and column.
--    local f = frame.read "results.csv.gz"      -- or .csv, .json
--    f:column "acc"        -- the column's values, by row
--    f:numbers "acc"       -- the same, after a check that each is a number
-- What is wrong with the data is raised as a Failure { message, code }; vega.table turns it into nil, message, code.
local core = require "vega.core"
local util = require "vega.util"

local frame = {}

local Failure = { __tostring = function(self) return self.message end }
Failure.__index = Failure
frame.Failure = Failure

--- Raises a Failure. "EARG" is the script's own mistake, every other code is one of the data.
function frame.fail(code, message, ...)
  error(setmetatable({ code = code, message = message:format(...) }, Failure))
end
local fail = frame.fail

local Frame = {}
Frame.__index = Frame

-- rows: the rows that count, as numbers of the source's rows; a column is read at those.
local function new(source, count, columns)
  local rows = {}
  for i = 1, count do rows[i] = i end
  return setmetatable({ source = source, rows = rows, columns = columns, names = util.sorted_keys(columns) }, Frame)
end

local function from_csv(path, text)
  local set = {}
  for _, name in ipairs(text or {}) do set[name] = true end
  local read, message, code = core.csv.read(path, set)
  if not read then fail(code, "table: %s", message) end
  for _, name in ipairs(text or {}) do
    if not read.columns[name] then fail("EARG", "%s", util.unknown("table " .. path, "column", name, read.names)) end
  end
  return new(path, read.rows, read.columns)
end

--- Columns of a list of rows { name = value }; a name that a row lacks is an empty field.
function frame.from_rows(list, source)
  local columns = {}
  for i, row in ipairs(list) do
    if type(row) ~= "table" then fail("EFORMAT", "%s: row %d: a table of named values expected, got %s", source, i, type(row)) end
    for name, value in pairs(row) do
      local kind = type(value)
      if type(name) ~= "string" then fail("EFORMAT", "%s: row %d: a named value expected, got the key %s", source, i, tostring(name)) end
      if kind ~= "number" and kind ~= "string" and kind ~= "boolean" then
        fail("EFORMAT", "%s: row %d, column '%s': a number, text or boolean expected, got %s", source, i, name, kind)
      end
      columns[name] = columns[name] or {}
      columns[name][i] = value
    end
  end
  return new(source, #list, columns)
end

--- Columns given as they are: { name = list }; a file's are wrong data, a script's are its own mistake.
function frame.from_columns(columns, source, code)
  local count
  for _, name in ipairs(util.sorted_keys(columns)) do
    count = count or #columns[name]
    if #columns[name] ~= count then fail(code or "EARG", "%s: column '%s' has %d values, the others %d", source, name, #columns[name], count) end
  end
  return new(source, count or 0, columns)
end

local function from_json(path)
  local file, message = io.open(path, "r")
  if not file then fail("EIO", "table: %s", message) end
  local text = file:read "a"
  file:close()
  local value, why = core.json.decode(text or "")
  if type(value) ~= "table" then fail("EFORMAT", "table %s: %s", path, why or "a list of rows or an object of columns expected") end
  if next(value) and #value == 0 then
    for _, name in ipairs(util.sorted_keys(value)) do
      if type(value[name]) ~= "table" then fail("EFORMAT", "table %s: column '%s': a list expected, got %s", path, name, type(value[name])) end
    end
    return frame.from_columns(value, "table " .. path, "EFORMAT")
  end
  return frame.from_rows(value, "table " .. path)
end

--- Reads .csv, .csv.gz or .json; text: names of columns to be kept as text although they look like numbers.
function frame.read(path, text)
  if path:match "%.json$" then return from_json(path) end
  if path:match "%.csv$" or path:match "%.csv%.gz$" then return from_csv(path, text) end
  fail("EARG", "table %s: a name that ends in .csv, .csv.gz or .json expected", path)
end

--- The values of a column by row; a Failure that names the nearest column when there is none.
function Frame:column(name)
  local values = self.columns[name]
  if not values then fail("EARG", "%s", util.unknown("table " .. self.source, "column", name, self.names)) end
  return values
end

--- A column whose every field is a number.
function Frame:numbers(name)
  local values = self:column(name)
  for _, row in ipairs(self.rows) do
    local v = values[row]
    if type(v) == "string" then v = tonumber(v) end
    if type(v) ~= "number" then
      fail("EFORMAT", "table %s: row %d, column '%s': a number expected, got '%s'", self.source, row, name, tostring(values[row] or ""))
    end
  end
  if type(values[self.rows[1]]) == "string" then fail("EARG", "table %s: column '%s' is text, numbers are needed", self.source, name) end
  return values
end

local function matches(value, wanted)
  if type(wanted) ~= "table" then return value == wanted or tostring(value) == tostring(wanted) end
  for _, each in ipairs(wanted) do if matches(value, each) then return true end end
  return false
end

--- Keeps the rows in which each named column has the value, or one of the list of values.
function Frame:where(wanted)
  for _, name in ipairs(util.sorted_keys(wanted)) do
    local values, kept = self:column(name), {}
    for _, row in ipairs(self.rows) do if matches(values[row], wanted[name]) then kept[#kept + 1] = row end end
    if #kept == 0 then
      local shown = type(wanted[name]) == "table" and table.concat(wanted[name], ", ") or tostring(wanted[name])
      fail("EARG", "table %s: no row has %s = %s", self.source, name, shown)
    end
    self.rows = kept
  end
  return self
end

--- Adds the columns of another frame, whose row with the same value of column `on` belongs to each row.
function Frame:join(other, on)
  local place, key = {}, other:column(on)
  for _, row in ipairs(other.rows) do
    local value = key[row]
    if value ~= nil and place[value] then
      fail("EFORMAT", "table %s: rows %d and %d both have %s = %s", other.source, place[value], row, on, value)
    end
    if value ~= nil then place[value] = row end
  end
  local mine = self:column(on)
  for _, name in ipairs(other.names) do
    if name ~= on and self.columns[name] then fail("EARG", "tables %s and %s both have a column '%s'", self.source, other.source, name) end
    if name ~= on then self.columns[name] = {} end
  end
  for _, row in ipairs(self.rows) do
    local from = place[mine[row]]
    if not from then fail("EFORMAT", "table %s: row %d: %s = %s is not in %s", self.source, row, on, tostring(mine[row]), other.source) end
    for _, name in ipairs(other.names) do if name ~= on then self.columns[name][row] = other.columns[name][from] end end
  end
  self.names = util.sorted_keys(self.columns)
  return self
end

return frame
