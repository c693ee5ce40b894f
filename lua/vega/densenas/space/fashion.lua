--- A dense space for images of 28x28, such as Fashion-MNIST: small enough to be searched in minutes.
local OPS = { "mbconv_k3_t3", "mbconv_k3_t6", "mbconv_k5_t3", "mbconv_k5_t6" }
return {
  input = 28, reach = 3, tail = 96,
  widths = { 8, 12, 16, 16, 24, 32, 32, 48 },
  sides = { 14, 14, 14, 7, 7, 7, 7, 7 },
  stages = { 0, 1, 1, 2, 2, 2, 3, 3 },
  layers = { 0, 2, 2, 2, 2, 2, 2, 2 },
  head = OPS, stack = { OPS[1], OPS[2], OPS[3], "skip_connect" },
}
