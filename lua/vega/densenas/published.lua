--- The networks that the paper's search found in the MobileNetV2-based space, as text, with what is published of them: multiply-adds (rounded),
-- latency on a TITAN Xp at batch 32, top-1 accuracy on ImageNet. Fang et al. 2020, arXiv:1906.09607, table 1. Of DenseNAS-Large and of the
-- ResNet-based R1, R2 and R3 the paper gives figures, but no public text gives the architecture.
return {
  ["DenseNAS-A"] = { macs = 251e6, latency_ms = 13.6, top1 = 73.1,
    text = "[[16, 16], 'mbconv_k3_t1', [], 0, 1]|" ..
      "[[16, 24], 'mbconv_k3_t3', [], 0, 2]|" ..
      "[[24, 48], 'mbconv_k7_t6', ['mbconv_k7_t3'], 1, 2]|" ..
      "[[48, 72], 'mbconv_k5_t6', ['mbconv_k3_t3', 'mbconv_k5_t3'], 2, 2]|" ..
      "[[72, 128], 'mbconv_k3_t3', ['mbconv_k3_t3'], 1, 1]|" ..
      "[[128, 176], 'mbconv_k3_t3', ['mbconv_k3_t6', 'mbconv_k3_t3', 'mbconv_k3_t6'], 3, 2]|" ..
      "[[176, 384], 'mbconv_k5_t6', [], 0, 1]|" ..
      "[[384, 1984], 'conv1_1']" },
  ["DenseNAS-B"] = { macs = 314e6, latency_ms = 15.4, top1 = 74.6,
    text = "[[16, 16], 'mbconv_k3_t1', [], 0, 1]|" ..
      "[[16, 24], 'mbconv_k3_t6', [], 0, 2]|" ..
      "[[24, 48], 'mbconv_k5_t3', ['mbconv_k3_t3', 'mbconv_k3_t3'], 2, 2]|" ..
      "[[48, 72], 'mbconv_k3_t6', ['mbconv_k3_t3', 'mbconv_k5_t3'], 2, 2]|" ..
      "[[72, 128], 'mbconv_k3_t6', ['mbconv_k3_t3'], 1, 1]|" ..
      "[[128, 160], 'mbconv_k3_t6', ['mbconv_k3_t3', 'mbconv_k5_t6', 'mbconv_k5_t3'], 3, 2]|" ..
      "[[160, 176], 'mbconv_k3_t3', ['mbconv_k3_t6', 'mbconv_k3_t6'], 2, 1]|" ..
      "[[176, 384], 'mbconv_k7_t6', [], 0, 1]|" ..
      "[[384, 1984], 'conv1_1']" },
  ["DenseNAS-C"] = { macs = 361e6, latency_ms = 17.9, top1 = 75.3,
    text = "[[16, 16], 'mbconv_k3_t1', [], 0, 1]|" ..
      "[[16, 24], 'mbconv_k3_t6', [], 0, 2]|" ..
      "[[24, 48], 'mbconv_k7_t6', ['mbconv_k3_t3'], 1, 2]|" ..
      "[[48, 72], 'mbconv_k5_t6', ['mbconv_k3_t6', 'mbconv_k3_t3'], 2, 2]|" ..
      "[[72, 128], 'mbconv_k3_t6', ['mbconv_k3_t3', 'mbconv_k3_t3'], 2, 1]|" ..
      "[[128, 160], 'mbconv_k3_t6', ['mbconv_k7_t3', 'mbconv_k5_t6', 'mbconv_k7_t3'], 3, 2]|" ..
      "[[160, 176], 'mbconv_k3_t3', ['mbconv_k3_t6', 'mbconv_k3_t6', 'mbconv_k3_t6'], 3, 1]|" ..
      "[[176, 384], 'mbconv_k7_t6', [], 0, 1]|" ..
      "[[384, 1984], 'conv1_1']" },
}
