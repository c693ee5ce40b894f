--- The MobileNetV2-based dense space of the paper. Fang et al. 2020, arXiv:1906.09607.
local OPS = { "mbconv_k3_t3", "mbconv_k3_t6", "mbconv_k5_t3", "mbconv_k5_t6", "mbconv_k7_t3", "mbconv_k7_t6" }
return {
  input = 224, first = "mbconv_k3_t1", reach = 4, tail = 1984,
  widths = { 16, 24, 32, 40, 48, 56, 64, 72, 96, 112, 128, 160, 176, 192, 320, 352, 384 },
  sides = { 112, 56, 28, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7, 7, 7, 7, 7 },
  stages = { 0, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6 },
  layers = { 0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0 },
  head = OPS, stack = { OPS[1], OPS[2], OPS[3], OPS[4], OPS[5], OPS[6], "skip_connect" },
}
