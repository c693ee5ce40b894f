/* Activations and softmax: one vectorised loop for each function and dtype. Reads and writes meet at the same index only, so in-place is fine. */
#include <math.h>

#include "kernels/simd/act.h"
#include "kernels/softmax.h"

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

/* exp is computed twice rather than kept: a bf16 row has no room for it. */
VG_INLINE void softmax(void *y, const void *x, int64_t rows, int64_t n, const int bf16, const int log) {
  for (int64_t r = 0; r < rows; r++) {
    int64_t i = r * n;
    float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
    for (int64_t j = 0; j < n; j++) {
      float v = vg__get(x, i + j, bf16);
      top = v > top ? v : top;
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) sum += vg__exp(vg__get(x, i + j, bf16) - top);
    float by = log ? logf(sum) : 1 / sum;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) {
      float v = vg__get(x, i + j, bf16) - top;
      vg__put(y, i + j, log ? v - by : vg__exp(v) * by, bf16);
    }
  }
}

VG_INLINE void softmax_grad(void *dx, const void *dy, const void *y, int64_t rows, int64_t n, const int bf16, const int log) {
  for (int64_t r = 0; r < rows; r++) {
    int64_t i = r * n;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) sum += vg__get(dy, i + j, bf16) * (log ? 1 : vg__get(y, i + j, bf16));
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) {
      float g = vg__get(dy, i + j, bf16), v = vg__get(y, i + j, bf16);
      vg__put(dx, i + j, log ? g - vg__exp(v) * sum : v * (g - sum), bf16);
    }
  }
}

void VG_SIMD(softmax)(void *y, const void *x, int64_t rows, int64_t n, bool bf16, bool log) {
  if (bf16) log ? softmax(y, x, rows, n, 1, 1) : softmax(y, x, rows, n, 1, 0);
  else log ? softmax(y, x, rows, n, 0, 1) : softmax(y, x, rows, n, 0, 0);
}

void VG_SIMD(softmax_grad)(void *dx, const void *dy, const void *y, int64_t rows, int64_t n, bool bf16, bool log) {
  if (bf16) log ? softmax_grad(dx, dy, y, rows, n, 1, 1) : softmax_grad(dx, dy, y, rows, n, 1, 0);
  else log ? softmax_grad(dx, dy, y, rows, n, 0, 1) : softmax_grad(dx, dy, y, rows, n, 0, 0);
}
