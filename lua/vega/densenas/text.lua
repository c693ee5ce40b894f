--- Architectures of dense spaces as text: the rows that the paper's code prints, joined by '|'. Fang et al. 2020, arXiv:1906.09607.
--    [[16, 24], 'mbconv_k3_t3', [], 0, 2]|[[24, 48], 'mbconv_k7_t6', ['mbconv_k7_t3'], 1, 2]|...|[[384, 1984], 'conv1_1']
-- A row: channels in and out, head operator, operators after it and their number, stride. The last row may be the tail's; a network without one is
-- pooled as it is. White space and either kind of quotes are read; a stem of stride 1, which the code does not know, goes before as `stem 1|`.
local ops = require "vega.densenas.ops"

local text = {}

local Reader = {}
Reader.__index = Reader

local function refuse(self, message, ...)
  error({ text = ("densenas: row %d, column %d: %s"):format(self.row, self.at - self.begin + 1, message:format(...)) }, 0)
end

-- The same, of what was read last.
local function refuse_last(self, message, ...)
  self.at = self.last
  refuse(self, message, ...)
end

-- What a pattern finds here, or nil.
function Reader:take(pattern)
  self.at = self.source:find("%S", self.at) or #self.source + 1
  local from, to, found = self.source:find("^" .. pattern, self.at)
  if not from then return nil end
  self.at, self.last = to + 1, from
  return found or self.source:sub(from, to)
end

function Reader:expect(pattern, what)
  local found = self:take(pattern)
  if found then return found end
  local rest = self.source:sub(self.at, self.at + 11):match "^[^\n]*"
  return refuse(self, "%s expected, found %s", what, rest == "" and "the end" or ("'%s'"):format(rest))
end

function Reader:number(what, least, most)
  local n = math.tointeger(tonumber(self:expect("%d+", what)))
  if not n or n < least or n > most then refuse_last(self, "%s must be %d to %d, got %s", what, least, most, tostring(n)) end
  return n
end

function Reader:op()
  local name = self:take "'([%w_]+)'" or self:expect('"([%w_]+)"', "an operator's name in quotes")
  if name == "conv1_1" then return name end
  local _, message = ops.get(name)
  if message then refuse_last(self, "%s", message) end
  return name
end

function Reader:stack()
  local list = {}
  self:expect("%[", "'[' and the operators after the head")
  while not self:take "%]" do
    list[#list + 1] = self:op()
    if list[#list] == "conv1_1" then refuse_last(self, "conv1_1 is no operator of a block") end
    if not self:take "," then
      self:expect("%]", "',' or ']'")
      break
    end
  end
  return list
end

function Reader:read_row(before)
  local row = {}
  self:expect("%[", "'['")
  self:expect("%[", "'[' and two numbers of channels")
  row.from = self:number("channels in", 1, 1000000)
  if before and before.to ~= row.from then refuse_last(self, "%d channels come in, the row before gives %d", row.from, before.to) end
  self:expect(",", "','")
  row.to = self:number("channels out", 1, 1000000)
  self:expect("%]", "']'")
  self:expect(",", "','")
  row.head = self:op()
  if row.head ~= "conv1_1" then
    self:expect(",", "','")
    row.stack = self:stack()
    self:expect(",", "','")
    local n = self:number("the number of operators after the head", 0, 1000)
    if n ~= #row.stack then refuse_last(self, "%d operators after the head are announced, %d are listed", n, #row.stack) end
    self:expect(",", "','")
    row.stride = self:number("stride", 1, 2)
  end
  self:expect("%]", "']'")
  return row
end

local function read_all(self)
  local arch, stem = {}, self:take "stem%s+(%d)%s*|"
  if stem and stem ~= "1" then refuse_last(self, "a stem of stride 1 is the only one that is stated, got %s", stem) end
  arch.stem_stride = stem and 1 or nil
  repeat
    self.row, self.begin = #arch + 1, self.at
    arch[#arch + 1] = self:read_row(arch[#arch])
    local more = self:take "|"
    if more and arch[#arch].head == "conv1_1" then refuse_last(self, "conv1_1 must be the last row") end
  until not more
  if self:take "%S" then refuse_last(self, "'|' or the end expected, found '%s'", self.source:sub(self.last, self.last + 11)) end
  return arch
end

--- @return architecture | nil, message ("densenas: row 2, column 14: ..."), "EFORMAT"
function text.read(source)
  if type(source) ~= "string" then error("densenas.read: a text expected, got " .. type(source), 2) end
  local self = setmetatable({ source = source, at = 1, row = 1, begin = 1 }, Reader)
  local ok, result = pcall(read_all, self)
  if ok then return result end
  if type(result) == "table" and result.text then return nil, result.text, "EFORMAT" end
  error(result, 0)
end

--- The text of an architecture; read(write(a)) is a again.
function text.write(arch)
  local rows = {}
  for n, row in ipairs(arch) do
    local channels = ("[[%d, %d], '%s'"):format(row.from, row.to, row.head)
    if row.head == "conv1_1" then
      rows[n] = channels .. "]"
    else
      local quoted = {}
      for i, op in ipairs(row.stack) do quoted[i] = ("'%s'"):format(op) end
      rows[n] = ("%s, [%s], %d, %d]"):format(channels, table.concat(quoted, ", "), #row.stack, row.stride)
    end
  end
  return (arch.stem_stride == 1 and "stem 1|" or "") .. table.concat(rows, "|")
end

return text
