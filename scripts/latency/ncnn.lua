--- ncnn's benchmark: whole networks on boards, each left out in turn.
local additive = require "vega.cost.predictor.additive"

return function(common)
  local say, read = common.say, common.read

  local LEFT_OUT = { FastestDet = true, blazeface = true, vision_transformer = true }           -- no shapes, or no multiply-adds, in the table
  local FREE = { Input = true, Split = true, Dropout = true, Reshape = true }
  local BOARDS = { { "Raspberry Pi Zero 2 W", 14.2 }, { "Raspberry Pi 3", 11.5 }, { "Raspberry Pi 4", 13.2 }, { "Rockchip RK3399", 16.5 },
    { "Rockchip RK3588 (Cortex", 27.9 }, { "Qualcomm SM8150", 18.7 }, { "Intel Celeron N5105", 12.2 }, { "Microsoft Azure Standard D64s", 13.6 },
    { "HUAWEI Kunpeng 920", 26.8 } }
  local SEVEN = { "pointwise", "spatial_all", "depthwise_all", "weights_linear", "weights_conv", "outputs", "layers" }
  local TWELVE = { "pointwise", "winograd", "spatial", "depthwise", "depthwise_2", "weights_linear", "weights_conv", "outputs_conv", "outputs_other",
    "layers", "gates", "grouped" }

  -- Adds a layer to the sums of its network.
  local function add_layer(sum, l)
    local function add(name, v) sum[name] = (sum[name] or 0) + v end
    local group = l.group or 1
    if l.type:find "^Convolution" then
      local point = l.kh == 1 and l.kw == 1
      if l.type == "ConvolutionDepthWise" and group > 1 and group == l.cout then
        add("depthwise_all", l.macs)
        add(l.sh == 2 and "depthwise_2" or "depthwise", l.macs)
      elseif point then add("pointwise", l.macs)
      else
        add("spatial_all", l.macs)
        add(l.kh == 3 and l.sh == 1 and group == 1 and "winograd" or "spatial", l.macs)
        if group > 1 then add("grouped", l.macs) end
      end
      add("weights_conv", l.weights)
    elseif l.type == "InnerProduct" then add("weights_linear", l.weights) end
    if l.type ~= "Input" and l.type ~= "Split" and l.type ~= "Dropout" then add("layers", 1) end
    if not FREE[l.type] then
      add("outputs", l.out)
      add(l.type:find "Conv" and "outputs_conv" or "outputs_other", l.out)
    end
    if l.type:find "Swish$" or l.type:find "Sigmoid$" then add("gates", l.out) end
  end

  local function load_networks()
    local c, sums, names = read "ncnn-benchmark/ncnn_model_layers.csv.gz", {}, {}
    local function number(name, i) return type(c[name][i]) == "number" and c[name][i] or 0 end
    for i, model in ipairs(c.model) do
      if not LEFT_OUT[model] then
        if not sums[model] then sums[model], names[#names + 1] = {}, model end
        add_layer(sums[model], { type = c.type[i], kh = number("kh", i), kw = number("kw", i), sh = number("sh", i), group = number("group", i),
          cout = number("cout", i), macs = number("macs", i), weights = number("weights", i),
          out = number("out_c", i) * math.max(1, number("out_h", i)) * math.max(1, number("out_w", i)) })
      end
    end
    table.sort(names)
    return sums, names
  end

  local function median(list)
    table.sort(list)
    return 0.5 * (list[(#list + 1) // 2] + list[#list // 2 + 1])
  end

  -- Times by board at one thread on the CPU, where 20 of the networks or more were measured.
  local function load_boards(sums)
    local c, lists, boards = read("ncnn-benchmark/ncnn_measured_ms.csv.gz", { threads = true, powersave = true, gpu = true }), {}, {}
    for i, model in ipairs(c.model) do
      if sums[model] and c.threads[i] == "1" and (c.gpu[i] == "-1" or c.gpu[i] == "") and type(c.avg_ms[i]) == "number" and c.avg_ms[i] > 0 then
        local key = ("%s, power mode %s"):format(c.device[i], c.powersave[i])
        lists[key] = lists[key] or {}
        lists[key][model] = lists[key][model] or {}
        table.insert(lists[key][model], c.avg_ms[i])
      end
    end
    for key, by_model in pairs(lists) do
      local n = 0
      for model, list in pairs(by_model) do by_model[model], n = median(list), n + 1 end
      if n >= 20 then boards[#boards + 1] = { name = key, ms = by_model } end
    end
    table.sort(boards, function(a, b) return a.name < b.name end)
    return boards
  end

  -- Mean absolute error where each network in turn is left out of the fit.
  local function left_out(board, sums, names, columns)
    local rows, y, sum = {}, {}, 0.0
    for _, name in ipairs(names) do
      if board.ms[name] then
        local row = {}
        for j, column in ipairs(columns) do row[j] = sums[name][column] or 0 end
        rows[#rows + 1], y[#y + 1] = row, board.ms[name]
      end
    end
    local _, errors = additive.left_out(rows, y, { penalty = 0 })
    for _, e in ipairs(errors) do sum = sum + math.abs(e) / #errors end
    return sum
  end

  local function compare_boards()
    local sums, names = load_networks()
    local boards = load_boards(sums)
    say "## ncnn's benchmark, one thread, each of 24 networks left out in turn\n"
    say "Additive models without a coefficient below 0. Seven columns: multiply-adds pointwise, k x k and depthwise, weights of linear layers and"
    say "convolutions, output elements, layers. Twelve: 3 x 3 at stride 1 apart from other kernels, depthwise at stride 2 apart, grouped"
    say "convolutions, outputs of convolutions apart from others, and elements through sigmoids and swishes."
    say "\n| board | multiply-adds alone | seven columns | twelve columns | measured for the task (seven) |"
    say "| --- | --- | --- | --- | --- |"
    local below, errors = 0, {}
    for b, board in ipairs(boards) do
      errors[b] = left_out(board, sums, names, TWELVE)
      below = below + (errors[b] < 0.1 and 1 or 0)
    end
    for _, target in ipairs(BOARDS) do
      for b, board in ipairs(boards) do
        if board.name:sub(1, #target[1]) == target[1] and not board.name:find "power mode 1" then
          local macs = {}
          for _, name in ipairs(names) do
            macs[name] = { macs = (sums[name].pointwise or 0) + (sums[name].spatial_all or 0) + (sums[name].depthwise_all or 0) }
          end
          say("| %s | %.1f %% | %.1f %% | %.1f %% | %.1f %% |", board.name, 100 * left_out(board, macs, names, { "macs" }),
            100 * left_out(board, sums, names, SEVEN), 100 * errors[b], target[2])
        end
      end
    end
    say("\nBelow 10 %% with twelve columns: %d of %d boards; median of all %.1f %%. The columns were chosen with these boards in sight.\n", below,
      #boards, 100 * median(errors))
  end

  compare_boards()
end
