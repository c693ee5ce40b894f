--- What the search cost: seconds by outcome and by phase, attempts, retries, waste, and each worker's time line.
local cost = {}

local ORDER = { "COMPLETE", "PRUNED", "PAUSED", "RELEASED", "FAILED", "LOST", "KILLED", "running" }
local WASTED = { FAILED = true, LOST = true, KILLED = true }
local BINS, MOST_WORKERS = 300, 24

local function seconds_of(a, now) return math.max(0, (a.ended_at or now) - a.started_at) end

local function last_moment(attempts, created_at)
  local last = created_at
  for _, a in ipairs(attempts) do last = math.max(last, a.ended_at or a.started_at) end
  return last
end

local function worker_of(a) return a.owner or "the study's own process" end

-- Adds an attempt's time to the bins that it spans.
local function add_time(bins, from, width, a, to)
  local begun, ended, outcome = a.started_at - from, (a.ended_at or to) - from, a.outcome or "running"
  for i = math.max(1, math.floor(begun / width) + 1), math.min(BINS, math.floor(ended / width) + 1) do
    local bin = bins[i] or {}
    bins[i] = bin
    bin[outcome] = (bin[outcome] or 0) + math.max(1e-9, math.min(ended, i * width) - math.max(begun, (i - 1) * width))
  end
end

-- The outcome that took most of a bin.
local function dominant(bin)
  local most
  for _, outcome in ipairs(ORDER) do if bin[outcome] and (not most or bin[outcome] > bin[most]) then most = outcome end end
  return most
end

-- By worker what it did in each bin of time; the busiest first.
local function time_lines(attempts, from, to)
  local by_name, list, width = {}, {}, math.max((to - from) / BINS, 1e-9)
  for _, a in ipairs(attempts) do
    local name = worker_of(a)
    local line = by_name[name]
    if not line then
      line = { name = name, bins = {}, busy = 0.0, n = 0 }
      by_name[name] = line
      list[#list + 1] = line
    end
    line.busy, line.n = line.busy + seconds_of(a, to), line.n + 1
    add_time(line.bins, from, width, a, to)
  end
  for _, line in ipairs(list) do for i, bin in pairs(line.bins) do line.bins[i] = dominant(bin) end end
  table.sort(list, function(a, b)
    if a.busy ~= b.busy then return a.busy > b.busy end
    return a.name < b.name
  end)
  return list
end

local function count_outcomes(attempts, to)
  local by_name, rows, wasted, total = {}, {}, 0.0, 0.0
  for _, a in ipairs(attempts) do
    local name = a.outcome or "running"
    local row = by_name[name] or { name = name, n = 0, seconds = 0.0 }
    by_name[name] = row
    local seconds = seconds_of(a, to)
    row.n, row.seconds, total = row.n + 1, row.seconds + seconds, total + seconds
    if WASTED[name] then wasted = wasted + seconds end
  end
  for _, name in ipairs(ORDER) do rows[#rows + 1] = by_name[name] end
  return rows, total, wasted
end

-- Before and after the strategy began to learn, where its options say when that was.
local function phases(source, trials, attempts, to)
  local p = source.params or {}
  local first = p.initial and p.initial > 0 and p.initial or p.population
  if not first or first >= #trials or source.strategy == "random" then return { { name = "search", seconds = nil } } end
  local list = { { name = ("the first %d trials"):format(first), seconds = 0.0 }, { name = "the trials after them", seconds = 0.0 } }
  for _, a in ipairs(attempts) do
    local phase = list[a.trial and a.trial <= first and 1 or 2]
    phase.seconds = phase.seconds + seconds_of(a, to)
  end
  return list
end

--- @param source source.of(study) @param trials its trials
-- @return { outcomes = { { name, n, seconds } }, seconds, wasted, attempts, retries, phases, lines = { { name, bins, busy, n } }, bins, from, to,
-- hidden = workers not in lines, threads = of each worker, or nil where it is not recorded }
function cost.of(source, trials)
  local attempts, from = source.attempts, source.created_at
  local to, tried = last_moment(attempts, from), {}
  local self = { attempts = #attempts, retries = 0, from = from, to = to, bins = BINS }
  for _, a in ipairs(attempts) do
    if tried[a.trial] and source.scheduler == nil then self.retries = self.retries + 1 end
    tried[a.trial] = true
  end
  if source.scheduler then                              -- there a trial goes on in an attempt of its own: a retry follows what was lost
    for _, a in ipairs(attempts) do if a.outcome == "LOST" or a.outcome == "KILLED" then self.retries = self.retries + 1 end end
  end
  self.outcomes, self.seconds, self.wasted = count_outcomes(attempts, to)
  self.phases = phases(source, trials, attempts, to)
  local lines = time_lines(attempts, from, to)
  self.hidden = math.max(0, #lines - MOST_WORKERS)
  self.lines = table.move(lines, 1, MOST_WORKERS, 1, {})
  self.threads = source.env and math.tointeger(source.env.threads) or nil
  return self
end

return cost
