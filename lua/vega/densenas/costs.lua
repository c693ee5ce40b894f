--- What each operator of a dense space costs, at each of its places: multiply-adds, times measured on this machine, or a published table. Tables
-- are as vega.cost.published.densenas reads them, what vega.cost.chain takes:
--    { stem =, classifier =, tail = { of each predecessor }, blocks = { [k] = { heads = { [b] = { of each operator } }, stack = { [l] = ... } } },
--      unit = "mmacs" | "kmacs" | "macs" | "ms", source =, device =, date = }
-- Predecessors are listed nearest first.
local core = require "vega.core"
local lut = require "vega.cost.lut"
local network = require "vega.densenas.network"
local nn = require "vega.nn"
local ops = require "vega.densenas.ops"
local published = require "vega.cost.published"
local util = require "vega.util"

local costs = {}

-- Filling a table -----------------------------------------------------------------------------------------------------------------------

-- of(build, side, channels): what the part of a network costs that `build(net)` adds to an input of that size. Equal parts are asked for once.
local function fill(space, o, of, t)
  local norm, known, last = { eps = network.EPS }, {}, space.last
  local function operator(name, side, from, width, stride)
    if name == "skip_connect" then return 0 end
    local key = ("%s %d %d %d %d"):format(name, side, from, width, stride)
    known[key] = known[key] or of(function(net) return ops.get(name)(net, net:input(), width, stride, norm) end, side, from)
    return known[key]
  end
  t.stem = of(function(net)
    local y = network.stem(net, space.width[0], space.stem_stride, norm)
    return space.first and ops.get(space.first)(net, y, space.width[0], 1, norm) or y
  end, space.input, o.channels)
  t.classifier = of(function(net)
    net.classes = o.classes
    return network.classifier(net, net:input())
  end, space.side[last], space:channels(last))
  t.tail, t.blocks = {}, {}
  for b, i in ipairs(space.predecessors[last]) do
    t.tail[b] = of(function(net) return network.tail(net, net:input(), space:channels(last), norm) end, space.side[i], space:channels(i))
  end
  for k = 1, last - 1 do t.blocks[k] = { heads = {}, stack = {} } end
  space:each_layer(function(list, k, place, operators, from)
    local row, side, channels = {}, space.side[from or k], space:channels(from or k)
    for j, name in ipairs(operators) do row[j] = operator(name, side, channels, space.width[k], side // space.side[k]) end
    t.blocks[k][list == "head" and "heads" or "stack"][place] = row
  end)
  return t
end

-- Skips at `share` of the first operator of their layer.
local function charge_skips(space, t, share)
  for o, name in ipairs(space.stack) do
    if name == "skip_connect" then
      for _, block in ipairs(t.blocks) do
        for _, row in ipairs(block.stack) do row[o] = share * row[1] end
      end
    end
  end
  return t
end

local UNITS = { macs = 1, kmacs = 1e3, mmacs = 1e6 }
local MACS = { classes = { 1000, min = 1 }, channels = { 3, min = 1 }, unit = { "mmacs", one_of = { "macs", "kmacs", "mmacs" } },
  skip_share = { 0.0, min = 0 } }
--- Multiply-adds, counted. @param options classes = 1000, unit = "mmacs" ("kmacs", "macs"), channels = 3 of the images, skip_share = the space's:
-- what a skip is charged, as a share of its layer's first operator
function costs.macs(space, options)
  local given = util.copy(options or {})
  if given.skip_share == nil then given.skip_share = space.skip_share end
  local o = util.parameters("densenas.costs.macs", MACS, given, 2)
  local t = fill(space, o, function(build, side, channels)
    return core.cost.count(nn.describe({ side, side, channels }, build)).macs / UNITS[o.unit]
  end, { unit = o.unit, source = "counted" })
  return charge_skips(space, t, o.skip_share)
end

local MEASURE = { classes = { 1000, min = 1 }, channels = { 3, min = 1 }, batch = { 1, min = 1 }, max_seconds = { 0.2, min = 0 },
  skip_share = { 0.0, min = 0 }, progress = {} }
--- Times on this machine, in ms a batch: medians. Skips cost 0 unless `skip_share` charges them. @param options classes = 1000, batch = 1,
-- max_seconds = 0.2: spent on each operator, channels = 3 of the images, progress(n): called after each
function costs.measure(space, options)
  local o, n = util.parameters("densenas.costs.measure", MEASURE, options or {}, 2), 0
  local t = fill(space, o, function(build, side, channels)
    local graph <close> = nn.describe({ side, side, channels }, build):materialise(1)
    local time = core.cost.latency(graph, { batch = o.batch, max_seconds = o.max_seconds }).median_ms
    n = n + 1
    if o.progress then o.progress(n) end
    return time
  end, { unit = "ms", source = ("measured: batch %d, %d threads"):format(o.batch, core.sys.threads()), device = lut.device(),
    date = os.date "!%Y-%m-%d" })
  return charge_skips(space, t, o.skip_share)
end

-- Tables from files -----------------------------------------------------------------------------------------------------------------------

-- A list of n numbers. @return what is wrong, or nil
local function wrong_row(row, n, what, ...)
  what = what:format(...)
  if type(row) ~= "table" then return ("%s: a list of %d expected, got %s"):format(what, n, type(row)) end
  if #row ~= n then return ("%s: %d expected, the table has %d"):format(what, n, #row) end
  for j, v in ipairs(row) do
    local good = type(v) == "number" and v >= 0 and v < math.huge
    if not good then return ("%s: number %d: a number >= 0 expected, got %s"):format(what, j, tostring(v)) end
  end
end

--- What is wrong with a table for a space: a text, or nil. A block's layers may be more than the space has: those are not used.
function costs.misfit(space, t)
  if type(t) ~= "table" or type(t.blocks) ~= "table" then return ("a table of costs expected, got %s"):format(type(t)) end
  local last, before = space.last, space.predecessors
  if #t.blocks ~= last - 1 then return ("blocks: %d expected, the table has %d"):format(last - 1, #t.blocks) end
  local wrong = wrong_row({ t.stem, t.classifier }, 2, "stem and classifier") or wrong_row(t.tail, #before[last], "predecessors of the tail")
  for k = 1, last - 1 do
    local heads, stack = t.blocks[k].heads or {}, t.blocks[k].stack or {}
    if #heads ~= #before[k] then wrong = wrong or ("predecessors of block %d: %d expected, the table has %d"):format(k, #before[k], #heads) end
    if #stack < space.layers[k] then wrong = wrong or ("layers of block %d: %d expected, the table has %d"):format(k, space.layers[k], #stack) end
  end
  space:each_layer(function(list, k, place, operators, from)
    if wrong then return end
    if list == "head" then wrong = wrong_row(t.blocks[k].heads[place], #operators, "operators from block %d to %d", from, k)
    else wrong = wrong_row(t.blocks[k].stack[place], #operators, "operators of layer %d of block %d", place, k) end
  end)
  return wrong
end

-- The table as the space has it, or nil, message, code.
local function fit(space, t, path)
  local wrong = costs.misfit(space, t)
  if wrong then return nil, ("densenas.costs: '%s' does not fit space '%s': %s"):format(path, space.name, wrong), "EFORMAT" end
  for k = 1, space.last - 1 do t.blocks[k].stack = table.move(t.blocks[k].stack, 1, space.layers[k], 1, {}) end
  return t
end

--- A published table, in ms unless `unit` says otherwise. @return table | nil, message, code: not readable, or of another space
function costs.published(space, path, unit)
  local t, message, code = published.densenas(path)
  if not t then return nil, message, code end
  t.unit = unit or "ms"
  return fit(space, t, path)
end

local KEPT = { "unit", "source", "device", "date", "stem", "blocks", "tail", "classifier" }

--- Writes a table, with the space's fingerprint. @return true | nil, message, code
function costs.save(space, t, path)
  local kept = { space = space.name, fingerprint = space:fingerprint() }
  for _, name in ipairs(KEPT) do kept[name] = t[name] end
  return core.sys.write_file(path, core.json.encode(kept))
end

--- Reads what `save` wrote. @return table | nil, message, code: not readable, or of another space
function costs.load(space, path)
  local source, message, code = lut.read_text(path)
  if not source then return nil, message, code end
  local t, why = core.json.decode(source)
  if type(t) ~= "table" or type(t.blocks) ~= "table" then
    return nil, ("densenas.costs: '%s' is no table of costs: %s"):format(path, why or "no field 'blocks'"), "EFORMAT"
  end
  if t.fingerprint ~= space:fingerprint() then
    return nil, ("densenas.costs: '%s' is of another space ('%s', %s), not of '%s' (%s)"):format(path, tostring(t.space), tostring(t.fingerprint),
      space.name, space:fingerprint()), "EFORMAT"
  end
  return fit(space, t, path)
end

return costs
