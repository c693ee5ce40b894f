--- Objectives that are looked up instead of trained: a CSV or JSON table with simulated training time, repeats and fidelities.
--
--    local bench = assert(vega.table {
--      file = "runs.csv",                               -- .csv, .csv.gz, .json; or rows = { { depth = 2, acc = 0.7 }, ... },
--                                                       -- or columns = { depth = { 2, ... }, acc = { 0.7, ... } }
--      space = { "depth", "optimiser", lr = vega.space.float(1e-4, 1, { log = true }) },      -- columns that are decisions
--      objectives = { acc = "max" },
--      fidelity = "epoch",                              -- a column: the same architecture at several fidelities
--      seconds = "time_s",                              -- a column: seconds of training up to that fidelity
--    })
--    local values = bench:evaluate(bench.space:random(rng))       -- { acc = 0.91, seconds = 120.5 };  bench.spent_s has grown by 120.5
--    print(bench:best "acc", bench:regret(values))
--    vega.study { space = bench.space, evaluate = bench, objectives = bench.objectives, strategy = vega.strategy.aging {} }
--
-- Rows of the same architecture and fidelity are repeats (seeds). Two ways to say that columns are not what they seem:
--    values = { acc = vega.table.repeats { "acc_1", "acc_2" } }                    repeats side by side
--    values = { acc = vega.table.at { [12] = "acc_e12", [200] = "acc_e200" } }     fidelities side by side (fidelity = { name = "epochs" })
-- Where the table is a sample of a larger space, lookup says who answers for an architecture that has no row: "exact" nobody (the space forbids it),
-- "nearest" the nearest row, "interpolate" the three nearest, weighted.
-- Known benchmarks are files of lua/vega/table/known/: vega.table.nas_bench_201 "cifar10", vega.table.nas_bench_macro(), vega.table.lcbench(3945).
local frame = require "vega.table.frame"
local index = require "vega.table.index"
local plugin = require "vega.plugin"
local util = require "vega.util"
local walk = require "vega.table.walk"

local OPTIONS = { name = true, file = true, rows = true, columns = true, text = true, where = true, join = true, space = true, arch = true,
  objectives = true, scores = true, values = true, fidelity = true, seconds = true, repeats = true, lookup = true }

local fail = frame.fail
local Repeats, At, Table = {}, {}, {}
Table.__index = Table

-- Reading -----------------------------------------------------------------------------------------------------------------------------

local function open(o)
  local given = (o.file and 1 or 0) + (o.rows and 1 or 0) + (o.columns and 1 or 0)
  if given ~= 1 then fail("EARG", "table '%s': one of file, rows, columns is needed, got %d of them", o.name, given) end
  local f = o.file and frame.read(o.file, o.text) or o.rows and frame.from_rows(o.rows, o.name) or frame.from_columns(o.columns, o.name)
  if o.join then
    util.check_options(("table '%s': join"):format(o.name), o.join, { file = true, on = true }, 1)
    f:join(frame.read(o.join.file), o.join.on)
  end
  if o.where then f:where(o.where) end
  if #f.rows == 0 then fail("EFORMAT", "table %s has no rows", f.source) end
  return f
end

-- A value's columns: { any = list } or { [fidelity] = list }; the list has a column for each repeat.
local function compile_value(f, spec, name)
  local meta = getmetatable(spec)
  if meta == At then
    local by_level = {}
    for _, level in ipairs(util.sorted_keys(spec)) do by_level[level] = compile_value(f, spec[level], name).any end
    return by_level
  end
  local names = meta == Repeats and spec or { spec }
  local lists = {}
  for i, column in ipairs(names) do
    if type(column) ~= "string" then
      fail("EARG", "value '%s': the name of a column, repeats { ... } or at { ... } expected, got a %s", name, type(column))
    end
    lists[i] = f:numbers(column)
  end
  return { any = lists }
end

local function compile_values(f, o)
  local specs, values = {}, {}
  for _, goals in ipairs { o.objectives, o.scores or {} } do for name in pairs(goals) do specs[name] = name end end
  for name, spec in pairs(o.values or {}) do specs[name] = spec end
  specs.seconds = o.seconds or specs.seconds
  for _, name in ipairs(util.sorted_keys(specs)) do values[#values + 1] = { name = name, by = compile_value(f, specs[name], name) } end
  return values
end

-- The fidelities in ascending order, and which of them a row belongs to. Side by side, a row belongs to all: number 0.
local function find_levels(f, o, values)
  local levels, number = {}, {}
  local column = type(o.fidelity) == "string" and f:numbers(o.fidelity)
  if column then
    for _, row in ipairs(f.rows) do number[column[row]] = 0 end
  else
    for _, value in ipairs(values) do for key in pairs(value.by) do if key ~= "any" then number[key] = 0 end end end
  end
  for level in pairs(number) do levels[#levels + 1] = level end
  table.sort(levels)
  for i, level in ipairs(levels) do number[level] = i end
  return levels, function(row) return column and number[column[row]] or 0 end
end

local function check_levels(o, members, levels)
  if type(o.fidelity) ~= "string" then return end
  for _, member in ipairs(members) do
    for i, level in ipairs(levels) do
      if not member.rows[i] then
        local _, any = next(member.rows)
        fail("EFORMAT", "table '%s': the architecture of row %d has no row with %s = %s", o.name, any[1], o.fidelity, level)
      end
    end
  end
end

local function build(o)
  local f = open(o)
  local self = setmetatable({ name = o.name, objectives = o.objectives, goals = {}, repeats = o.repeats, spent_s = 0.0, known = {} }, Table)
  for _, goals in ipairs { o.scores or {}, o.objectives } do for name, goal in pairs(goals) do self.goals[name] = goal end end
  local function is_there(arch) return not self.by_text or self.by_text[self.space:canonical(arch)] ~= nil end      -- all is, until it is read
  self.space = index.space(f, o.space, o.lookup, o.name, is_there)
  self.values = compile_values(f, o)
  local level_of
  self.levels, level_of = find_levels(f, o, self.values)
  local members, by_text = index.members(f, self.space, o.arch, level_of)
  check_levels(o, members, self.levels)
  if o.lookup == "exact" then
    index.check_cover(self.space, members, o.name)
  else
    self.neighbours = index.neighbours(self.space, members, o.lookup == "nearest" and 1 or 3)
  end
  self.members, self.by_text = members, by_text
  if #self.levels > 0 then
    local name = type(o.fidelity) == "string" and o.fidelity or o.fidelity and o.fidelity.name or "fidelity"
    self.fidelity = { name = name, min = self.levels[1], max = self.levels[#self.levels] }
  end
  return self
end

-- Looking up --------------------------------------------------------------------------------------------------------------------------

-- All repeats of a value at a level, given by its number; nil where the table has none.
local function repeats_of(self, value, member, i)
  local columns = value.by.any or value.by[self.levels[i]]
  if not columns then return nil end
  local list = {}
  for _, row in ipairs(member.rows[i] or member.rows[0]) do
    for _, column in ipairs(columns) do list[#list + 1] = column[row] end
  end
  return list
end

local function mean(list)
  local sum = 0.0
  for _, v in ipairs(list) do sum = sum + v end
  return sum / #list
end

local function values_at_level(self, member, i, seed)
  local result = {}
  for _, value in ipairs(self.values) do
    local list = repeats_of(self, value, member, i)
    if list then result[value.name] = (#list == 1 or self.repeats == "draw") and list[seed % #list + 1] or mean(list) end
  end
  return result
end

-- Between two fidelities of the table everything is interpolated on a straight line.
local function values_at(self, member, fidelity, seed)
  local above = 1
  while self.levels[above] < fidelity do above = above + 1 end
  local b, level = values_at_level(self, member, above, seed), self.levels[above]
  if level == fidelity then return b end
  local a, below = values_at_level(self, member, above - 1, seed), self.levels[above - 1]
  local result = {}
  for name, v in pairs(b) do if a[name] then result[name] = a[name] + (v - a[name]) * (fidelity - below) / (level - below) end end
  return result
end

-- The members that answer for an architecture, with their weights; nil when there is none.
local function find(self, arch)
  local member = self.by_text[self.space:canonical(arch)]
  if member then return { { member = member, weight = 1 } } end
  return self.neighbours and self.neighbours(arch)
end

local function blend(found, values_of)
  if #found == 1 then return values_of(found[1].member) end
  local result = {}
  for _, each in ipairs(found) do
    for name, v in pairs(values_of(each.member)) do result[name] = (result[name] or 0.0) + each.weight * v end
  end
  return result
end

--- What the table says of an architecture: its values and `seconds`, the simulated time, which `spent_s` grows by.
-- @param trial  optional: { seed =, fidelity = number or { from =, to = }, report = function(step, values) -> decision }
-- @param fidelity  optional number, instead of trial.fidelity; the highest one when neither is given
-- @return values | nil, message, "EARG"
function Table:evaluate(arch, trial, fidelity)
  local found, seed = find(self, arch), trial and trial.seed or 0
  if not found then
    local text = self.space:canonical(arch):gsub("\n", ", ")
    return nil, ("table '%s' has no such architecture: %s"):format(self.name, text), "EARG"
  end
  local values, message, code
  if self.fidelity then
    local function look(step) return blend(found, function(member) return values_at(self, member, step, seed) end) end
    values, message, code = walk(("table '%s'"):format(self.name), self.fidelity, look, trial, fidelity)
    if not values then return nil, message, code end
  else
    values = blend(found, function(member) return values_at_level(self, member, 1, seed) end)
  end
  self.spent_s = self.spent_s + (values.seconds or 0)
  return values
end

local function goal_of(self, name, level)
  name = name or util.sorted_keys(self.objectives)[1]
  local goal = self.goals[name]
  if not goal then error(util.unknown(("table '%s'"):format(self.name), "objective or score", name, util.sorted_keys(self.goals)), level + 1) end
  return name, goal
end

local function search_best(self, name, goal)
  local value, best, at = nil, nil, nil
  for _, each in ipairs(self.values) do if each.name == name then value = each end end
  for _, member in ipairs(self.members) do
    local list = repeats_of(self, value, member, math.max(1, #self.levels))
    local v = list and mean(list)
    if v and v == v and (not best or goal == "max" and v > best or goal == "min" and v < best) then best, at = v, member.arch end
  end
  return { value = best, arch = at }
end

--- The best-known value of an objective or score (default: the first objective) at the highest fidelity, the mean over repeats; and its architecture.
function Table:best(name)
  local goal
  name, goal = goal_of(self, name, 2)
  self.known[name] = self.known[name] or search_best(self, name, goal)
  return self.known[name].value, self.known[name].arch
end

--- How far values are from the best-known one, 0 or more unless a repeat was lucky.
function Table:regret(values, name)
  local goal
  name, goal = goal_of(self, name, 2)
  local best = self:best(name)
  return goal == "max" and best - values[name] or values[name] - best
end

function Table:__tostring()
  local levels = #self.levels > 0 and (", %s %s"):format(self.fidelity.name, table.concat(self.levels, " ")) or ""
  return ("table '%s': %d architectures%s"):format(self.name, #self.members, levels)
end

-- The module --------------------------------------------------------------------------------------------------------------------------

local module = { Table = Table }

--- Columns that hold repeats of one value.
function module.repeats(names) return setmetatable(names, Repeats) end

--- Columns that hold one value at several fidelities: { [12] = "acc_e12", [200] = "acc_e200" }.
function module.at(columns) return setmetatable(columns, At) end

--- Names of the known benchmarks, sorted.
function module.names() return plugin.names "vega.table.known" end

-- The option, or the first of the choices.
local function one_of(o, key, choices)
  for _, choice in ipairs(choices) do if o[key] == choice then return choice end end
  if o[key] == nil then return choices[1] end
  error(("table '%s': %s is one of %s; got '%s'"):format(o.name, key, table.concat(choices, ", "), tostring(o[key])), 4)
end

local function check(o)
  util.check_options("table", o, OPTIONS, 3)
  for _, name in ipairs { "space", "objectives" } do
    if type(o[name]) ~= "table" then error(("table: option '%s' must be a table, got %s"):format(name, type(o[name])), 3) end
  end
  local full = {}
  for key, value in pairs(o) do full[key] = value end
  full.name = o.name or o.file and o.file:match "([^/]+)$" or "table"
  full.repeats, full.lookup = one_of(full, "repeats", { "mean", "draw" }), one_of(full, "lookup", { "exact", "nearest", "interpolate" })
  return full
end

--- Reads a table. Raises on a wrong option or column name. @return table | nil, message, code ("EIO", "EFORMAT")
local function new(options)
  local o = check(options)
  local ok, result = xpcall(build, function(e) return getmetatable(e) == frame.Failure and e or debug.traceback(e, 2) end, o)
  if ok then return result end
  if getmetatable(result) ~= frame.Failure then error(result, 0) end
  if result.code == "EARG" then error(result.message, 2) end
  return nil, result.message, result.code
end

return setmetatable(module, {
  __call = function(_, options) return new(options) end,
  __index = function(_, name)
    local path = "vega.table.known." .. tostring(name)
    if not package.searchpath(path, package.path) then error(util.unknown("vega.table", "name", name, module.names()), 2) end
    return require(path)
  end,
})
