/* Activations: one vectorised loop for each function and dtype. Reads and writes meet at the same index only, so in-place is fine. */
#include "kernels/simd/act.h"

VG_INLINE void forward(void *y, const void *x, int64_t n, const int bf16, const int act, float slope) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) vg__put(y, i, vg__act(vg__get(x, i, bf16), act, slope), bf16);
}

/* The derivative from what is kept: the output of sigmoid and tanh; else the formula at x, which relu and its kin share with their output. */
VG_INLINE float from_kept(float g, float v, const int act, float slope) {
  if (act == VG_ACT_SIGMOID) return g * (v * (1 - v));
  if (act == VG_ACT_TANH) return g * (1 - v * v);
  return vg__act_grad(g, v, act, slope);
}

VG_INLINE void backward(void *dx, const void *dy, const void *kept, int64_t n, const int bf16, const int act, float slope) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) vg__put(dx, i, from_kept(vg__get(dy, i, bf16), vg__get(kept, i, bf16), act, slope), bf16);
}

void VG_SIMD(act_forward)(void *y, const void *x, int64_t n, bool bf16, vg_act act, float slope) {
#define RUN(a) (bf16 ? forward(y, x, n, 1, a, slope) : forward(y, x, n, 0, a, slope))
  VG_EACH_ACT(act, RUN)
#undef RUN
}

void VG_SIMD(act_backward)(void *dx, const void *dy, const void *kept, int64_t n, bool bf16, vg_act act, float slope) {
#define RUN(a) (bf16 ? backward(dx, dy, kept, n, 1, a, slope) : backward(dx, dy, kept, n, 0, a, slope))
  VG_EACH_ACT(act, RUN)
#undef RUN
}
