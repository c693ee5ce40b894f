--- Domains given as a list of plain values: const, bool, choice (with weights), ordinal.
local Finite = require "vega.space.finite"
local fail = require "vega.space.fail"
local text = require "vega.space.text"
local util = require "vega.util"

local listed = {}

local Listed = setmetatable({}, { __index = Finite })
Listed.__index = Listed
function Listed:at(i) return self.values[i] end
function Listed:index(value) return self.place[value] end

--- Checks a list of plain values; returns a copy, the place of each value, and the list as text.
function listed.values(kind, values)
  if type(values) ~= "table" or #values == 0 then fail("space: %s needs a list of at least one value", kind) end
  local place, copy, shown = {}, {}, {}
  for i, v in ipairs(values) do
    if type(v) ~= "number" and type(v) ~= "string" and type(v) ~= "boolean" or v ~= v then
      fail("space: %s: options must be plain values, option %d is a %s", kind, i, v ~= v and "NaN" or type(v))
    end
    if place[v] then fail("space: %s: option %s is given twice", kind, text.show(v)) end
    place[v], copy[i], shown[i] = i, v, text.show(v)
  end
  return copy, place, "{ " .. table.concat(shown, ", ") .. " }"
end

local function new(kind, values)
  local copy, place, shown = listed.values(kind, values)
  return setmetatable({ kind = kind, size = #copy, bits = math.log(#copy, 2), values = copy, place = place, arguments = { copy },
    text = kind .. " " .. shown }, Listed)
end

function listed.const(value)
  local self = new("const", { value })
  self.arguments = { value }
  return self
end

function listed.bool()
  local self = new("bool", { false, true })
  self.arguments, self.text = {}, "bool"
  return self
end

-- Weighted choice: draws follow the weights, among the other values too.
local Weighted = setmetatable({}, { __index = Listed })
Weighted.__index = Weighted

local function pick(rng, weights, skip)
  local total, last = 0.0, nil
  for i, w in ipairs(weights) do if i ~= skip then total, last = total + w, i end end
  local at = rng:uniform() * total
  for i, w in ipairs(weights) do
    if i ~= skip then
      at = at - w
      if at < 0 then return i end
    end
  end
  return last
end

function Weighted:random(rng) return self.values[pick(rng, self.weights)] end
function Weighted:other(rng, value) return self.values[pick(rng, self.weights, self.place[value])] end

-- Weights by position, or by value.
local function check_weights(self, weights)
  local list, shown = {}, {}
  if type(weights) ~= "table" then fail("space: choice: weights must be a table, got %s", type(weights)) end
  for i, value in ipairs(self.values) do
    local w = weights[value]
    if #weights > 0 then w = weights[i] end
    if type(w) ~= "number" or w <= 0 or w == math.huge then
      fail("space: choice: the weight of %s must be > 0, got %s", text.show(value), tostring(w))
    end
    list[i], shown[i] = w, text.show(w)
  end
  for key in pairs(weights) do
    local known = #weights > 0 and list[key] or #weights == 0 and self.place[key]
    if not known then fail("space: choice: a weight is given for %s, which is no option", tostring(key)) end
  end
  return list, " weights { " .. table.concat(shown, ", ") .. " }"
end

function listed.choice(values, options)
  local self = new("choice", values)
  for key in pairs(options or {}) do
    if key ~= "weights" then fail("%s", util.unknown("space: choice", "option", key, { "weights" })) end
  end
  if options and options.weights then
    local shown
    self.weights, shown = check_weights(self, options.weights)
    self.text = self.text .. shown
    self.arguments[2] = { weights = self.weights }
    setmetatable(self, Weighted)
  end
  return self
end

-- Ordered values: a mutation goes to a neighbour.
local Ordinal = setmetatable({}, { __index = Listed })
Ordinal.__index = Ordinal
function Ordinal:other(rng, value)
  local i = self.place[value]
  if i == 1 then return self.values[2] elseif i == self.size then return self.values[i - 1] end
  return self.values[rng:uniform() < 0.5 and i - 1 or i + 1]
end

function listed.ordinal(values) return setmetatable(new("ordinal", values), Ordinal) end

return listed
