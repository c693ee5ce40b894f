--- Costs learned from measurements: rows of numbers that describe networks, and what each of them took.
--    local p = assert(vega.cost.predictor.fit("ridge", rows, ms, { names = { "one", "conv3x3", ... }, device = "raspi4" }))
--    local ms, sd = p:predict(row)                       -- sd: the error bar, one standard deviation
--    p:save "raspi4.json";  p = assert(vega.cost.predictor.load "raspi4.json")
-- Kinds, a file each of lua/vega/cost/predictor/: ridge, additive (no coefficient below 0), forest, gp, mlp. Every kind is a pure function of rows,
-- targets, options and seed, so a saved predictor is its data: load fits it anew, to the same bits on the same machine.
-- Rows of networks: vega.cost.layers.totals (any graph), vega.cost.cells.counts (cells). A column of ones is the rows' own business.
-- A device that was never measured but for a handful of networks: vega.cost.transfer.
local core = require "vega.core"
local lut = require "vega.cost.lut"
local plugin = require "vega.plugin"
local util = require "vega.util"

local predictor, Predictor = {}, {}
Predictor.__index = Predictor

local FORMAT, VERSION = "vega-predictor", 1

-- What is wrong with the data, or nil.
local function fault(rows, y)
  if type(rows) ~= "table" or type(y) ~= "table" then return "rows and targets: two lists expected" end
  if #rows ~= #y then return ("%d rows and %d targets"):format(#rows, #y) end
  if #rows < 2 then return "at least two rows expected, got " .. #rows end
  local width = type(rows[1]) == "table" and #rows[1] or 0
  if width == 0 then return "row 1 is empty" end
  for i, row in ipairs(rows) do
    if type(row) ~= "table" or #row ~= width then
      return ("row %d has %s numbers, the first has %d"):format(i, type(row) == "table" and #row or "no", width)
    end
    for j, v in ipairs(row) do
      if type(v) ~= "number" or v ~= v or math.abs(v) == math.huge then return ("row %d, number %d is %s"):format(i, j, tostring(v)) end
    end
    if type(y[i]) ~= "number" or not (y[i] > 0 and y[i] < math.huge) then
      return ("target %d is %s; a number above 0 expected"):format(i, tostring(y[i]))
    end
  end
end

--- Names of the kinds.
function predictor.kinds() return plugin.names "vega.cost.predictor" end

local COMMON = { names = true, device = true, date = true, source = true, unit = true }

--- Fits a predictor of a kind. @param rows lists of numbers, all of one length; y targets, all above 0
-- @param options those of the kind (its file), and names of the columns, device, date, source, unit = "ms": provenance that is kept
-- @return predictor | nil, message, code ("ENAN": the data do not determine it). Raises on rows that are no rows.
function predictor.fit(kind, rows, y, options)
  if not util.contains(predictor.kinds(), kind) then error(util.unknown("predictor", "kind", kind, predictor.kinds()), 2) end
  local wrong = fault(rows, y)
  if wrong then error("predictor.fit: " .. wrong, 2) end
  local class, own, about = require("vega.cost.predictor." .. kind), {}, {}
  for key, value in pairs(options or {}) do
    if COMMON[key] then about[key] = value else own[key] = value end
  end
  local p = util.parameters(("predictor '%s'"):format(kind), class.params, own, 2)
  local model, why, code = class.fit(rows, y, p)
  if not model then return nil, ("predictor '%s': %s"):format(kind, why), code end
  return setmetatable({ kind = kind, model = model, rows = rows, y = y, options = p, about = about, width = #rows[1] }, Predictor)
end

local function check_row(self, row, level)
  if type(row) ~= "table" or #row ~= self.width then
    error(("predictor: a row of %d numbers expected, got %s"):format(self.width, type(row) == "table" and #row or type(row)), level + 1)
  end
end

--- What a row is believed to take, and its standard deviation.
function Predictor:predict(row)
  check_row(self, row, 2)
  local means, deviations = self.model:predict { row }
  return means[1], deviations[1]
end

--- The same of many rows. @return list, list of deviations
function Predictor:predict_all(rows)
  for _, row in ipairs(rows) do check_row(self, row, 2) end
  return self.model:predict(rows)
end

--- The prediction for x [n, columns], a tensor, as a tensor [n] with gradients by x: for losses of differentiable searches. Kinds ridge, additive,
-- mlp.
function Predictor:on_tape(x)
  if not self.model.on_tape then error(("predictor '%s' has no gradients; ridge, additive and mlp have"):format(self.kind), 2) end
  return self.model:on_tape(x)
end

--- Writes what the predictor is made of as JSON, by way of a temporary name. @return true | nil, message, "EIO"
function Predictor:save(path)
  local text = core.json.encode { format = FORMAT, version = VERSION, kind = self.kind, options = self.options, about = self.about, rows = self.rows,
    y = self.y }
  local temporary = path .. ".new"
  local file, why = io.open(temporary, "w")
  if not file then return nil, "predictor: " .. why, "EIO" end
  local ok = file:write(text, "\n")
  ok = file:close() and ok
  if not ok then return nil, ("predictor: %s could not be written"):format(temporary), "EIO" end
  ok, why = os.rename(temporary, path)
  if not ok then return nil, "predictor: " .. why, "EIO" end
  return true
end

--- Reads what save wrote. @param wanted optional { device =, kind = }: another one is refused
-- @return predictor | nil, message, "EIO" | "EFORMAT" | "ENAN"
function predictor.load(path, wanted)
  util.check_options("predictor.load", wanted or {}, { device = true, kind = true }, 2)
  local text, why, code = lut.read_text(path)
  if not text then return nil, (why:gsub("^lut", "predictor")), code end
  local data, wrong = core.json.decode(text)
  if type(data) ~= "table" or data.format ~= FORMAT or data.version ~= VERSION or type(data.options) ~= "table" or type(data.about) ~= "table" then
    return nil, ("predictor: %s is no %s of version %d%s"):format(path, FORMAT, VERSION, wrong and " (" .. wrong .. ")" or ""), "EFORMAT"
  end
  wrong = fault(data.rows, data.y) or not util.contains(predictor.kinds(), data.kind) and ("unknown kind '%s'"):format(tostring(data.kind))
  if wrong then return nil, ("predictor: %s: %s"):format(path, wrong), "EFORMAT" end
  for key, want in pairs(wanted or {}) do
    local has = key == "kind" and data.kind or data.about[key]
    if has ~= want then return nil, ("predictor: %s is for %s '%s', not '%s'"):format(path, key, tostring(has), tostring(want)), "EFORMAT" end
  end
  local options = {}
  for key, value in pairs(data.options) do options[key] = value end
  for key, value in pairs(data.about) do options[key] = value end
  local ok, self, message, status = pcall(predictor.fit, data.kind, data.rows, data.y, options)
  if not ok then return nil, ("predictor: %s: %s"):format(path, (tostring(self):gsub("^[^:]+:%d+: ", ""))), "EFORMAT" end
  return self, message, status
end

function Predictor:__tostring()
  return ("predictor '%s' of %d columns from %d measurements%s"):format(self.kind, self.width, #self.rows,
    self.about.device and " of " .. self.about.device or "")
end

return predictor
