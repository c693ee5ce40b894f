/* The formulas of the activations, and loads and stores of f32 or bf16, for the kernels of this folder. `act` and `bf16` are constants at each
 * use, so that the compiler leaves one straight line. */
#ifndef VG_KERNELS_SIMD_ACT_H
#define VG_KERNELS_SIMD_ACT_H

#include "kernels/activation.h"
#include "kernels/simd/exp.h"
#include "tensor/tensor.h"

VG_INLINE float vg__get(const void *p, int64_t i, const int bf16) {
  return bf16 ? vg_bf16_to_f32(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}
VG_INLINE void vg__put(void *p, int64_t i, float v, const int bf16) {
  if (bf16) ((uint16_t *)p)[i] = vg_f32_to_bf16(v);
  else ((float *)p)[i] = v;
}

/* Comparisons are written so that a NaN passes through. */
VG_INLINE float vg__relu6(float x) {
  float y = x < 0 ? 0 : x;
  return y > 6 ? 6 : y;
}

VG_INLINE float vg__act(float x, const int act, float slope) {
  switch (act) {
    case VG_ACT_RELU: return x < 0 ? 0 : x;
    case VG_ACT_RELU6: return vg__relu6(x);
    case VG_ACT_LEAKY: return x < 0 ? slope * x : x;
    case VG_ACT_HSWISH: return x * vg__relu6(x + 3) * (1.0f / 6);
    case VG_ACT_HSIGMOID: return vg__relu6(x + 3) * (1.0f / 6);
    case VG_ACT_SWISH: return x * vg__sigmoid(x);
    case VG_ACT_SIGMOID: return vg__sigmoid(x);
    case VG_ACT_TANH: return vg__tanh(x);
    default: return x;
  }
}

/* g times the derivative at the input x. */
VG_INLINE float vg__act_grad(float g, float x, const int act, float slope) {
  float s;
  switch (act) {
    case VG_ACT_RELU: return x > 0 ? g : 0;
    case VG_ACT_RELU6: return (x > 0) & (x < 6) ? g : 0;
    case VG_ACT_LEAKY: return x > 0 ? g : slope * g;
    case VG_ACT_HSWISH:
      s = x * (1.0f / 3) + 0.5f;
      s = x < -3 ? 0 : s;
      return g * (x > 3 ? 1 : s);
    case VG_ACT_HSIGMOID: return (x > -3) & (x < 3) ? g * (1.0f / 6) : 0;
    case VG_ACT_SWISH:
      s = vg__sigmoid(x);
      return g * (s + x * s * (1 - s));
    case VG_ACT_SIGMOID:
      s = vg__sigmoid(x);
      return g * (s * (1 - s));
    case VG_ACT_TANH:
      s = vg__tanh(x);
      return g * (1 - s * s);
    default: return g;
  }
}

/* RUN(a) with `a` a constant, for each activation. */
#define VG_EACH_ACT(act, RUN)                            \
  switch (act) {                                         \
    case VG_ACT_RELU: RUN(VG_ACT_RELU); break;           \
    case VG_ACT_RELU6: RUN(VG_ACT_RELU6); break;         \
    case VG_ACT_LEAKY: RUN(VG_ACT_LEAKY); break;         \
    case VG_ACT_HSWISH: RUN(VG_ACT_HSWISH); break;       \
    case VG_ACT_HSIGMOID: RUN(VG_ACT_HSIGMOID); break;   \
    case VG_ACT_SWISH: RUN(VG_ACT_SWISH); break;         \
    case VG_ACT_SIGMOID: RUN(VG_ACT_SIGMOID); break;     \
    case VG_ACT_TANH: RUN(VG_ACT_TANH); break;           \
    default: RUN(VG_ACT_NONE); break;                    \
  }

#endif
