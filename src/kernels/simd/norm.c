/* The inner loops of normalisation: along a row, all channels side by side, so every loop is elementwise and vectorises. */
#include "kernels/norm.h"
#include "kernels/simd/act.h"

static const float SLOPE = 0.01f;

/* Four rows at once: the sums are read and written once for four loads of x. */
VG_INLINE void stats(float *restrict sum, float *restrict square, const float *restrict around, const void *restrict x, int64_t rows, int64_t width,
                     const int bf16) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4)
    for (int64_t j = 0; j < width; j++) {
      int64_t i = r * width + j;
      float k = around[j];
      float d0 = vg__get(x, i, bf16) - k, d1 = vg__get(x, i + width, bf16) - k;
      float d2 = vg__get(x, i + 2 * width, bf16) - k, d3 = vg__get(x, i + 3 * width, bf16) - k;
      sum[j] += (d0 + d1) + (d2 + d3);
      square[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
  for (; r < rows; r++)
    for (int64_t j = 0; j < width; j++) {
      float d = vg__get(x, r * width + j, bf16) - around[j];
      sum[j] += d;
      square[j] += d * d;
    }
}

VG_INLINE void apply(void *y, const void *x, const vg_norm_rows *p, int64_t rows, int64_t width, const int bf16, const int act) {
  const float *restrict mean = p->mean, *restrict scale = p->scale, *restrict shift = p->shift;
  for (int64_t r = 0; r < rows; r++) {
    int64_t i = r * width;
#pragma GCC ivdep
    for (int64_t j = 0; j < width; j++)
      vg__put(y, i + j, vg__act((vg__get(x, i + j, bf16) - mean[j]) * scale[j] + shift[j], act, SLOPE), bf16);
  }
}

VG_INLINE float masked(float g, float d, float scale, float shift, const int act) {
  return act == VG_ACT_NONE ? g : vg__act_grad(g, d * scale + shift, act, SLOPE);
}

VG_INLINE void sums(float *restrict sum_g, float *restrict sum_gx, const void *restrict dy, const void *restrict x, const vg_norm_rows *p, int64_t rows,
                    int64_t width, const int bf16, const int act) {
  const float *restrict mean = p->mean, *restrict scale = p->scale, *restrict shift = p->shift;
  int64_t r = 0;
  for (; r + 2 <= rows; r += 2)
    for (int64_t j = 0; j < width; j++) {
      int64_t i = r * width + j;
      float d0 = vg__get(x, i, bf16) - mean[j], d1 = vg__get(x, i + width, bf16) - mean[j];
      float g0 = masked(vg__get(dy, i, bf16), d0, scale[j], shift[j], act);
      float g1 = masked(vg__get(dy, i + width, bf16), d1, scale[j], shift[j], act);
      sum_g[j] += g0 + g1;
      sum_gx[j] += g0 * d0 + g1 * d1;
    }
  for (; r < rows; r++)
    for (int64_t j = 0; j < width; j++) {
      float d = vg__get(x, r * width + j, bf16) - mean[j];
      float g = masked(vg__get(dy, r * width + j, bf16), d, scale[j], shift[j], act);
      sum_g[j] += g;
      sum_gx[j] += g * d;
    }
}

VG_INLINE void input(void *dx, const void *dy, const void *x, const vg_norm_rows *p, int64_t rows, int64_t width, const int bf16, const int act) {
  const float *restrict mean = p->mean, *restrict scale = p->scale, *restrict shift = p->shift, *restrict a = p->a, *restrict b = p->b;
  for (int64_t r = 0; r < rows; r++) {
    int64_t i = r * width;
#pragma GCC ivdep
    for (int64_t j = 0; j < width; j++) {
      float d = vg__get(x, i + j, bf16) - mean[j];
      float g = masked(vg__get(dy, i + j, bf16), d, scale[j], shift[j], act);
      vg__put(dx, i + j, scale[j] * g - a[j] - b[j] * d, bf16);
    }
  }
}

void VG_SIMD(norm_stats)(float *sum, float *square, const float *around, const void *x, int64_t rows, int64_t width, bool bf16) {
  if (bf16) stats(sum, square, around, x, rows, width, 1);
  else stats(sum, square, around, x, rows, width, 0);
}

void VG_SIMD(norm_apply)(void *y, const void *x, const vg_norm_rows *p, int64_t rows, int64_t width, bool bf16, vg_act act) {
#define RUN(k) (bf16 ? apply(y, x, p, rows, width, 1, k) : apply(y, x, p, rows, width, 0, k))
  VG_EACH_ACT(act, RUN)
#undef RUN
}

void VG_SIMD(norm_sums)(float *sum_g, float *sum_gx, const void *dy, const void *x, const vg_norm_rows *p, int64_t rows, int64_t width, bool bf16,
                        vg_act act) {
#define RUN(k) (bf16 ? sums(sum_g, sum_gx, dy, x, p, rows, width, 1, k) : sums(sum_g, sum_gx, dy, x, p, rows, width, 0, k))
  VG_EACH_ACT(act, RUN)
#undef RUN
}

void VG_SIMD(norm_input)(void *dx, const void *dy, const void *x, const vg_norm_rows *p, int64_t rows, int64_t width, bool bf16, vg_act act) {
#define RUN(k) (bf16 ? input(dx, dy, x, p, rows, width, 1, k) : input(dx, dy, x, p, rows, width, 0, k))
  VG_EACH_ACT(act, RUN)
#undef RUN
}
