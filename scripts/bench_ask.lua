--- What a searcher itself costs: microseconds of processor time for an ask and a tell when n trials are known, 10 float parameters, one objective.
-- One JSON line a strategy: { strategy, us = { ["100"] =, .. }, exponent =, stopped_at = trials known when the limit ended it }. The exponent is the
-- slope of log time over log n from the first to the last count. With $VEGA_PEER_PYTHON the samplers of Optuna follow, by peer_ask.py.
local vega = require "vega"
local core = require "vega.core"

local PARAMETERS = 10
local WINDOW = 25            -- asks averaged at a count, so that a model fitted every few trials counts with its share

local function space()
  local choices = {}
  for i = 1, PARAMETERS do choices[("x%02d"):format(i)] = vega.space.float(0, 1) end
  return vega.space.define { name = "ask", choices = choices }
end

local function score(arch)
  local sum = 0.0
  for i = 1, PARAMETERS do sum = sum + (arch[("x%02d"):format(i)] - 0.3) ^ 2 end
  return sum
end

-- Runs up to the last count, or until `limit` seconds are spent.
local function measure(name, counts, limit)
  local driver = vega.strategy.create(vega.strategy[name], { space = space(), objectives = { value = "min" }, seed = 1,
    budget = { trials = counts[#counts] + WINDOW } })
  local began, us, stopped = os.clock(), {}, nil
  local known = 0
  local function step()
    local suggestion = driver:ask(1)[1]
    if not suggestion then return false end
    driver:tell(suggestion.id, { status = "ok", values = { value = score(suggestion.config) } })
    known = known + 1
    return os.clock() - began < limit
  end
  for _, count in ipairs(counts) do
    while known < count and not stopped do stopped = not step() end
    local start, first = os.clock(), known
    while known < count + WINDOW and not stopped do stopped = not step() end
    if stopped then break end
    us[tostring(count)] = 1e6 * (os.clock() - start) / (known - first)
  end
  return us, stopped and known or nil
end

local function exponent(us, counts)
  local first, last
  for _, count in ipairs(counts) do
    if us[tostring(count)] then
      first = first or count
      last = count
    end
  end
  if not first or first == last then return nil end
  return math.log(us[tostring(last)] / us[tostring(first)]) / math.log(last / first)
end

-- One process a strategy would hide the growth of memory; one after the other, collected in between, is what a long program sees.
local function ours(names, counts, limit)
  measure("random", { 5000 }, limit)                   -- so that the first one named does not pay for what a program does once
  for _, name in ipairs(names) do
    collectgarbage()
    local ok, us, stopped = pcall(measure, name, counts, limit)
    local line = { strategy = name }
    if ok then line.us, line.exponent, line.stopped_at = us, exponent(us, counts), stopped else line.cannot = tostring(us) end
    print(core.json.encode(line))
    io.stdout:flush()
  end
end

local function peers(here, counts, limit)
  local python = os.getenv "VEGA_PEER_PYTHON"
  if not python then return end
  local output, code = core.sys.run { "env", "OMP_NUM_THREADS=1", python, here .. "/peer_ask.py", table.concat(counts, ","), tostring(limit),
    tostring(WINDOW) }
  if not output or code ~= 0 then
    io.stderr:write("bench: the peer did not run: ", tostring(code), "\n")
    return
  end
  for text in output:gmatch "[^\n]+" do
    local line = core.json.decode(text)
    if type(line) == "table" and line.us then
      line.exponent = exponent(line.us, counts)
      print(core.json.encode(line))
    end
  end
end

--- here: the folder of the scripts; o: { strategies = "a,b" or "", counts = "100,1000,10000", limit = seconds a strategy }
return function(here, o)
  local entries, counts, names = dofile(here .. "/study/entries.lua"), {}, {}
  for word in o.counts:gmatch "%d+" do counts[#counts + 1] = math.tointeger(word) end
  for word in o.strategies:gmatch "[%w_]+" do names[#names + 1] = word end
  vega.threads(1)
  ours(#names > 0 and names or entries.all {}, counts, o.limit)
  peers(here, counts, o.limit)
end
