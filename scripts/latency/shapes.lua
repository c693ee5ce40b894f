--- The FBNet space: one-hot rows of 22 layers.
local predictor = require "vega.cost.predictor"

return function(common)
  local say, read, pick, split, over_seeds, figures = common.say, common.read, common.pick, common.split, common.over_seeds, common.figures
  local o = common.o

  local function one_hot(text, width)
    local row = { 1 }
    for e = 1, #text do
      local digit = tonumber(text:sub(e, e))
      for k = 0, width - 1 do row[#row + 1] = k == digit and 1 or 0 end
    end
    return row
  end

  local function compare_shapes()
    local archs, times = read("device-latency/help_fbnet_archs.csv.gz", { ops22 = true }), read "device-latency/help_fbnet_latency_ms.csv.gz"
    local rows, places = {}, {}
    for i, text in ipairs(archs.ops22) do rows[i], places[i] = one_hot(text, 9), i end
    say "## FBNet space, one-hot additive\n"
    say "Ridge, 199 columns. The raspi4, pixel3 and eyeriss columns of this table are sums of operators: they test arithmetic, not models."
    say "\n| device | networks | ±10 %% | RMSPE %% | rho | tau | to reach ±10 %% |"
    say "| --- | --- | --- | --- | --- | --- | --- |"
    for _, case in ipairs { { "gold_6240", 1000, "99.2" }, { "gold_6240", 100, "76.1" }, { "titan_rtx_1", 1000, "100" },
      { "titan_rtx_1", 100, "93.0" },
      { "raspi4", 1000, "100" }, { "pixel3", 1000, "100" }, { "eyeriss", 1000, "100" } } do
      local device, n, target = table.unpack(case)
      if times[device] and not (o.quick and n > 100) then
        local of = over_seeds(function(seed)
          local train, test = split(places, n, seed, device)
          local p = assert(predictor.fit("ridge", pick(rows, train), pick(times[device], train), { penalty = n > 500 and 0.1 or 30 }))
          return pick(times[device], test), (p:predict_all(pick(rows, test)))
        end)
        say("| %s | %d | %s | %s |", device, n, figures(of), target)
      end
    end
    say ""
  end

  compare_shapes()
end
