--- Transformers of HAT (Wang et al. 2020, arXiv:2005.14187): ridge on ten features and five products, 80 % of 2,000 networks.
local predictor = require "vega.cost.predictor"

-- The features, each over its largest value.
local FEATURES = { { "encoder_embed_dim", 640 }, { "encoder_layer_num", 6 }, { "encoder_ffn_embed_dim_avg", 3072 },
  { "encoder_self_attention_heads_avg", 8 }, { "decoder_embed_dim", 640 }, { "decoder_layer_num", 6 }, { "decoder_ffn_embed_dim_avg", 3072 },
  { "decoder_self_attention_heads_avg", 8 }, { "decoder_ende_attention_heads_avg", 8 }, { "decoder_arbitrary_ende_attn_avg", 3 } }
local PRODUCTS = { { 1, 2 }, { 6, 5 }, { 6, 7 }, { 6, 8 }, { 6, 9 } }                       -- most by the number of decoder layers
local CASES = { { "wmt14ende_cpu_raspberrypi", "Raspberry Pi, WMT'14 En-De" }, { "wmt14ende_cpu_xeon", "Xeon, WMT'14 En-De" },
  { "wmt14enfr_cpu_xeon", "Xeon, WMT'14 En-Fr" }, { "wmt14ende_gpu_titanxp", "Titan Xp, WMT'14 En-De" },
  { "wmt14enfr_gpu_titanxp", "Titan Xp, WMT'14 En-Fr" } }

return function(common)
  local say, pick, split = common.say, common.pick, common.split

  -- Rows, and times of encoder and decoder together and of the decoder alone.
  local function load(name)
    local c = common.read(("hat-transformer-latency/%s_all.csv.gz"):format(name))
    local rows, whole, decoder = {}, {}, {}
    for i, ms in ipairs(c.latency_mean_decoder) do
      local row = { 1 }
      for j, f in ipairs(FEATURES) do row[j + 1] = c[f[1]][i] / f[2] end
      for _, pair in ipairs(PRODUCTS) do row[#row + 1] = row[pair[1] + 1] * row[pair[2] + 1] end
      rows[i], whole[i], decoder[i] = row, c.latency_mean_encoder[i] + ms, ms
    end
    return rows, { { "all", whole }, { "decoder", decoder } }
  end

  say "## Transformers of HAT, 1,600 networks\n"
  say "Ridge on the ten features and five products of them. Measured for the task: Raspberry Pi ±10 %% 98.5, RMSPE 4.3 %%; Xeon 87.8, 6.4 %%;"
  say "Titan Xp 100, 3.1 %%, of which it is not said whether the encoder counts, and which language.\n"
  say "| device, task | time of | ±10 %% | RMSPE %% | rho | tau |"
  say "| --- | --- | --- | --- | --- | --- |"
  for _, case in ipairs(CASES) do
    local rows, targets = load(case[1])
    local places = {}
    for i = 1, #rows do places[i] = i end
    for _, target in ipairs(targets) do
      local of = common.over_seeds(function(seed)
        local train, test = split(places, #places * 8 // 10, seed, case[1])
        local p = assert(predictor.fit("ridge", pick(rows, train), pick(target[2], train)))
        return pick(target[2], test), (p:predict_all(pick(rows, test)))
      end)
      say("| %s | %s | %s |", case[2], target[1], common.figures(of))
    end
  end
  say ""
end
