--- What the study has measured: one JSON line a run, appended as it ends, in OUT/runs/PROBLEM.STRATEGY.jsonl. A line that was cut off is passed over.
--    { problem =, strategy =, seed =, score =, trials =, seconds =, code =, stopped = true when the time limit ended it }
-- `code` is the hash of the strategy's source: a run of other source does not count.
local core = require "vega.core"

local results = {}

local function path_of(out, problem, strategy) return ("%s/runs/%s.%s.jsonl"):format(out, problem, strategy) end

--- The runs of a cell, by seed.
function results.read(out, problem, strategy, code)
  local by_seed, file = {}, io.open(path_of(out, problem, strategy), "r")
  if not file then return by_seed end
  for line in file:lines() do
    local run = core.json.decode(line)
    if type(run) == "table" and run.code == code and math.type(run.seed) == "integer" then by_seed[run.seed] = run end
  end
  file:close()
  return by_seed
end

--- Appends a run in one write.
function results.append(out, run)
  assert(core.sys.make_dirs(out .. "/runs"))
  local path = path_of(out, run.problem, run.strategy)
  local file = assert(io.open(path, "a+"))
  local size = file:seek "end"
  local torn = size > 0 and file:seek("set", size - 1) and file:read(1) ~= "\n"
  file:seek "end"
  assert(file:write(torn and "\n" or "", core.json.encode(run), "\n"))
  file:close()
end

--- Median and quartiles, by linear interpolation between the sorted values; and the mean.
function results.summary(values)
  local sorted, sum = table.move(values, 1, #values, 1, {}), 0.0
  table.sort(sorted)
  for _, v in ipairs(sorted) do sum = sum + v end
  local function quantile(q)
    local at = 1 + q * (#sorted - 1)
    local low = math.floor(at)
    local high = math.min(low + 1, #sorted)
    return sorted[low] + (sorted[high] - sorted[low]) * (at - low)
  end
  return { n = #sorted, q1 = quantile(0.25), median = quantile(0.5), q3 = quantile(0.75), mean = sum / #sorted }
end

return results
