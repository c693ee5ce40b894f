--- The latency module of LA-DARTS on this machine: cells of the DARTS space are measured whole, a predictor learns them from their codes, and fifty
-- more say how well it ranks what it has not seen.
--
--    vega-lua scripts/cell_latency.lua --samples 300 --held 50 --cells 8 --channels 8 --kind ridge,mlp      (a minute or two)
--    --busy    measure although the machine has a load, or another job measures: for tests, not for figures
--
-- Two anchor cells are measured again after each 50: a block in which one of them drifts by more than 5 % is measured anew, three times at most.
local vega = require "vega"
local latency = require "vega.supernet.latency"
local measure = require "vega.cost.measure"

local o = vega.arguments { samples = 300, held = 50, cells = 8, channels = 8, side = 32, seconds = 0.05, kind = "ridge,mlp", seed = 1, busy = false }
local BLOCK, DRIFT, ATTEMPTS = 50, 0.05, 3

local function fail(message) error({ message = "cell_latency: " .. message, exit_code = 2 }, 0) end

if o.samples < 20 or o.held < 2 then fail "--samples 20 and --held 2 at least" end
local release, why = measure.quiet { busy = o.busy }
if not release then fail(why .. " (--busy measures all the same)") end

local space = vega.space("darts").new { network = "evaluation", cells = o.cells, channels = o.channels }
local rng = vega.rng.new(o.seed, "cells")

local function measured_ms(arch)
  local model <close> = space:network(arch, { o.side, o.side, 3 }, 10, 1)
  local folded <close> = model:fold()
  return assert(vega.cost.latency(folded, { max_seconds = o.seconds })).median_ms
end

local anchors, discarded = { space:random(rng), space:random(rng) }, 0
local function anchor_ms() return { measured_ms(anchors[1]), measured_ms(anchors[2]) } end

-- A block of samples, and the largest drift of an anchor over it.
local function measure_block(archs)
  local before, list = anchor_ms(), {}
  for i, arch in ipairs(archs) do list[i] = { arch, measured_ms(arch) } end
  local after, drift = anchor_ms(), 0.0
  for k = 1, 2 do drift = math.max(drift, math.abs(after[k] / before[k] - 1)) end
  return list, drift
end

local samples, worst = {}, 0.0
while #samples < o.samples + o.held do
  local archs, list, drift = {}, nil, nil
  for i = 1, math.min(BLOCK, o.samples + o.held - #samples) do archs[i] = space:random(rng) end
  for attempt = 1, ATTEMPTS do
    list, drift = measure_block(archs)
    if drift <= DRIFT or attempt == ATTEMPTS then break end
    discarded = discarded + 1
  end
  worst = math.max(worst, drift)
  table.move(list, 1, #list, #samples + 1, samples)
end

print(("%d cells measured, %d blocks anew; the anchors' largest drift that was kept: %.1f %%"):format(#samples, discarded, 100 * worst))
for kind in o.kind:gmatch "[^,]+" do
  local learned = assert(latency.learned(space, table.move(samples, 1, o.samples, 1, {}), kind))
  local truth, guess, sum = {}, {}, 0.0
  for i = 1, o.held do
    truth[i], guess[i] = samples[o.samples + i][2], learned.predict(samples[o.samples + i][1])
    sum = sum + math.abs(guess[i] / truth[i] - 1) / o.held
  end
  local tau = vega.stats.kendall(guess, truth)
  print(("%s: of %d held-out cells, Kendall's tau %.3f, mean relative error %.1f %%"):format(kind, o.held, tau, 100 * sum))
end
release()
