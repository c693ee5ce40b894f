--- Energy of training, cells of seven vertices.
local predictor = require "vega.cost.predictor"

return function(common)
  local say, read, pick, split, over_seeds, figures = common.say, common.read, common.pick, common.split, common.over_seeds, common.figures

  local function compare_energy()
    local c = read("energy/ecnas7v_4epochs.csv.gz", { upper_adj_bits = true, ops = true })
    local bits, kwh = c.upper_adj_bits, c.energy_kwh
    local rows, places, y = {}, {}, {}
    for i, ops in ipairs(c.ops) do
      local edges = select(2, bits[i]:gsub("1", ""))
      rows[i], places[i], y[i] = { 1, c.params[i], edges }, i, kwh[i]
      for _, op in ipairs { "1", "3", "M" } do table.insert(rows[i], (select(2, ops:gsub(op, "")))) end
      for _, op in ipairs { "1", "3", "M" } do table.insert(rows[i], edges * select(2, ops:gsub(op, ""))) end
    end
    say "## Energy of four epochs, 4,310 cells of seven vertices\n"
    say "1,000 cells; columns: parameters, edges, operations, and operations times edges. Measured for the task with a ridge on the first three:"
    say "±10 %% 60.7, RMSPE 13.3 %%, tau .803.\n"
    say "| model | ±10 %% | RMSPE %% | rho | tau |"
    say "| --- | --- | --- | --- | --- |"
    for _, kind in ipairs { "ridge", "forest", "gp" } do
      local of = over_seeds(function(seed)
        local train, test = split(places, 1000, seed, "energy")
        local p = assert(predictor.fit(kind, pick(rows, train), pick(y, train), kind ~= "ridge" and { base = 6 } or nil))
        return pick(y, test), (p:predict_all(pick(rows, test)))
      end)
      say("| %s | %s |", kind == "ridge" and kind or kind .. " over ridge", figures(of))
    end
    say ""
  end

  compare_energy()
end
