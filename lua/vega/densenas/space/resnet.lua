--- The ResNet-based dense space of the paper. Fang et al. 2020, arXiv:1906.09607. Depth would be free here, as skips cost nothing: each is charged a
-- tenth of the layer's first operator while it is searched.
return {
  input = 224, reach = 10, tail = 512, temperature = 0.9, skip_share = 0.1,
  widths = { 32, 48, 56, 64, 72, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 272, 288, 480, 496, 512 },
  sides = { 112, 56, 56, 56, 28, 28, 28, 14, 14, 14, 14, 14, 14, 14, 7, 7, 7, 7, 7, 7, 7 },
  stages = { 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6 },
  layers = { 0, 0, 0, 0, 5, 5, 5, 15, 15, 15, 15, 5, 5, 5, 5, 5, 5, 5, 1, 1, 1 },
  head = { "basic_block" }, stack = { "basic_block", "skip_connect" },
}
