/* The weighted sum of n maps: a strip of the row stays in registers while the terms run by. */
#include "kernels/mix.h"
#include "kernels/simd/act.h"

enum { STRIP = 64 };

VG_INLINE void strip(void *y, const void *const *x, int n, const float *restrict scale, const float *restrict shift, int64_t stride, int64_t at,
                     const int64_t width, const int bf16) {
  float acc[STRIP];
#pragma GCC unroll 4
  for (int64_t j = 0; j < width; j++) acc[j] = shift[j];
  for (int k = 0; k < n; k++) {
    const float *restrict s = scale + k * stride;
#pragma GCC unroll 4
    for (int64_t j = 0; j < width; j++) acc[j] += vg__get(x[k], at + j, bf16) * s[j];
  }
#pragma GCC ivdep
  for (int64_t j = 0; j < width; j++) vg__put(y, at + j, acc[j], bf16);
}

VG_INLINE void mix(void *y, const void *const *x, int n, const float *scale, const float *shift, int64_t stride, int64_t rows, int64_t width,
                   const int bf16) {
  for (int64_t r = 0; r < rows; r++) {
    int64_t j = 0;
    for (; j + STRIP <= width; j += STRIP) strip(y, x, n, scale + j, shift + j, stride, r * width + j, STRIP, bf16);
    if (j < width) strip(y, x, n, scale + j, shift + j, stride, r * width + j, width - j, bf16);
  }
}

void VG_SIMD(mix)(void *y, const void *const *x, int n, const float *scale, const float *shift, int64_t stride, int64_t rows, int64_t width,
                  bool bf16) {
  if (bf16) mix(y, x, n, scale, shift, stride, rows, width, 1);
  else mix(y, x, n, scale, shift, stride, rows, width, 0);
}
