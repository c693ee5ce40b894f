--- NAS-Bench-201: counts of operations under three prunings, and models of what they leave.
local predictor = require "vega.cost.predictor"

return function(common)
  local say, pick, split, over_seeds, figures = common.say, common.pick, common.split, common.over_seeds, common.figures
  local PRUNES, o = common.PRUNES, common.o

  -- The pruning under which the training cells are fitted best: what the profile of a device says, found from its measurements.
  local function best_rows(data, train, y)
    local best
    for _, prune in ipairs(PRUNES) do
      local p = predictor.fit("ridge", pick(data.rows[prune], train), y)
      if p and (not best or p.model.error < best.p.model.error) then best = { p = p, prune = prune } end
    end
    return best
  end

  local TARGETS = {                        -- what ridge on counts of 100 cells reached: +-10 %, RMSPE in %, rho
    { "gold_6240", "70.5, 8.6, .961" }, { "silver_4114", "73.9, 9.2, .966" }, { "silver_4210r", "95.5, 3.9, .996" },
      { "titan_rtx_256", "100, 0.5, 1.000" },
    { "titan_rtx_1", "95.3, 4.0, .980" }, { "1080ti_1", "99.9, 2.3, .989" }, { "samsung_s7", "71.9, 11.4, .933" },
      { "essential_ph_1", "61.7, 11.3, .931" },
    { "eyeriss", "100, 0, .997" }, { "raspi4", "54.6, 23.5, .899 (900 live counts)" }, { "pixel3", "61.6, 22.7, .900 (900 live counts)" },
  }

  local function compare_counts(data)
    say "## NAS-Bench-201, counts of operations, ridge, 100 cells\n"
    say "Five coefficients. The pruning is the one that fits the 100 cells best (`prune`, how often of the seeds). To reach: the row measured for"
    say "the task. That compiled runtimes compute what is fed by zeros was found by looking at all cells of raspi4, not at the 100."
    say "\n| device | prune | ±10 %% | RMSPE %% | rho | tau | to reach |"
    say "| --- | --- | --- | --- | --- | --- | --- |"
    for _, target in ipairs(TARGETS) do
      local device, chosen = target[1], {}
      local y = data.times[device]
      local of = over_seeds(function(seed)
        local train, test = split(data.connected, 100, seed, device)
        local best = best_rows(data, train, pick(y, train))
        chosen[best.prune] = (chosen[best.prune] or 0) + 1
        return pick(y, test), (best.p:predict_all(pick(data.rows[best.prune], test)))
      end)
      local prunes = {}
      for _, prune in ipairs(PRUNES) do if chosen[prune] then prunes[#prunes + 1] = ("%s %d"):format(prune, chosen[prune]) end end
      say("| %s | %s | %s | %s |", device, table.concat(prunes, ", "), figures(of), target[2])
    end
    say ""
  end

  local KERNEL_RIDGE = { raspi4 = "49.7, .960", pixel3 = "51.5, .965", gold_6240 = "65.5, .955", silver_4114 = "68.0, .962",
    samsung_s7 = "67.2, .925" }

  local function compare_models(data)
    say "## NAS-Bench-201, 900 connected cells\n"
    say "Ridge under each pruning, then models of what ridge leaves (base: the counts; columns: operations on edges, pruned and not). To beat:"
    say "kernel ridge (±10 %, rho), and on the two compiled runtimes ridge on live counts: ±10 % 54.6 and 61.6."
    say "\n| device | model | ±10 %% | RMSPE %% | rho | tau | kernel ridge |"
    say "| --- | --- | --- | --- | --- | --- | --- |"
    for _, device in ipairs(o.quick and { "raspi4" } or { "raspi4", "pixel3", "gold_6240", "silver_4114", "samsung_s7" }) do
      local y = data.times[device]
      local function try(name, fit)
        local of = over_seeds(function(seed)
          local train, test = split(data.connected, 900, seed, device)
          if o.quick then test = table.move(test, 1, 500, 1, {}) end
          return pick(y, test), fit(train, pick(y, train), test)
        end)
        say("| %s | %s | %s | %s |", device, name, figures(of), KERNEL_RIDGE[device])
      end
      for _, prune in ipairs(PRUNES) do
        try("ridge, prune " .. prune, function(train, some, test)
          return (predictor.fit("ridge", pick(data.rows[prune], train), some):predict_all(pick(data.rows[prune], test)))
        end)
      end
      -- The base stands in front of the other columns.
      local function with_base(kind, options)
        return function(train, some, test)
          local prune, rows = best_rows(data, train, some).prune, {}
          for i, row in ipairs(data.full) do
            rows[i] = table.move(data.rows[prune][i], 1, 5, 1, {})
            table.move(row, 6, #row, 6, rows[i])
          end
          options.base = 5
          return (assert(predictor.fit(kind, pick(rows, train), some, options)):predict_all(pick(rows, test)))
        end
      end
      if o.models:find "forest" then try("forest over ridge", with_base("forest", { trees = 200, min_leaf = 5, features = 0.5 })) end
      if o.models:find "gp" then try("Gaussian process over ridge", with_base("gp", { most = o.quick and 60 or 300 })) end
      if o.models:find "mlp" then
        try("perceptrons", function(train, some, test)
          return (assert(predictor.fit("mlp", pick(data.full, train), some, { epochs = 60 })):predict_all(pick(data.full, test)))
        end)
      end
    end
    say ""
  end

  compare_counts(common.cells())
  compare_models(common.cells())
end
