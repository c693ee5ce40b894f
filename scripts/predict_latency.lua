--- Learned latency predictors on measured tables, beside what they have to beat: docs/latency_predictors.md.
--
--    vega-lua scripts/predict_latency.lua                          everything, some ten minutes
--    vega-lua scripts/predict_latency.lua --only ncnn,transfer     parts, a file each of scripts/latency/
--    --models forest,gp,mlp    beside ridge on the cells (gp takes minutes a device); none
--    --seeds N   random splits of each (default 5)      --out FILE   the page (default: printed)      --quick   fewer devices, for tests
--
-- Needs data/device-latency, nas-bench-201, ncnn-benchmark, energy, hat-transformer-latency and accel-nasbench below $VEGA_SHARED.
local vega = require "vega"
local util = require "vega.util"
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local common = dofile(here .. "/latency/common.lua")

local PARTS, MODELS = { "cells", "shapes", "transfer", "ncnn", "energy", "hat", "accel" }, { "forest", "gp", "mlp", "none" }
local o = vega.arguments { only = table.concat(PARTS, ","), seeds = 5, models = "forest,gp,mlp", out = "", quick = false }
common.o = o

local function fail(message) error({ message = "predict_latency: " .. message, exit_code = 2 }, 0) end

-- The words of a list, each of which must be known.
local function words(text, what, known)
  local list = {}
  for word in text:gmatch "[^,%s]+" do
    if not util.contains(known, word) then fail(util.unknown("--" .. what, "word", word, known)) end
    list[#list + 1] = word
  end
  return list
end

local only = words(o.only, "only", PARTS)
words(o.models, "models", MODELS)
if o.seeds < 1 then fail(("--seeds must be 1 or more, got %d"):format(o.seeds)) end

common.say "# Latency predictors on measured tables\n"
common.say("Made by `scripts/predict_latency.lua`, %d random splits each: mean ± standard deviation. ±10 %%: the share of networks predicted " ..
  "within a tenth.", o.seeds)
common.say "Predictors are those of `vega.cost.predictor` and `vega.cost.transfer`.\n"
for _, part in ipairs(PARTS) do if util.contains(only, part) then dofile(("%s/latency/%s.lua"):format(here, part))(common) end end

local text = table.concat(common.page, "\n"):gsub("%%%%", "%%") .. "\n"
if o.out == "" then io.write(text) else assert(io.open(o.out, "w")):write(text):close() end
