/* The inner loops of normalisation: along a row, all channels side by side, so every loop is elementwise and vectorises. */
#include <math.h>

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

VG_INLINE void input(void *dx, const void *dy, const void *x, const vg_norm_rows *p, int64_t rows, int64_t width, const int bf16, const int act,
                     const int add) {
  const float *restrict mean = p->mean, *restrict scale = p->scale, *restrict shift = p->shift, *restrict a = p->a, *restrict b = p->b;
  for (int64_t r = 0; r < rows; r++) {
    int64_t i = r * width;
#pragma GCC ivdep
    for (int64_t j = 0; j < width; j++) {
      float d = vg__get(x, i + j, bf16) - mean[j];
      float g = masked(vg__get(dy, i + j, bf16), d, scale[j], shift[j], act);
      float v = scale[j] * g - a[j] - b[j] * d;
      vg__put(dx, i + j, add ? v + vg__get(dx, i + j, bf16) : v, bf16);
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
#define RUN_ADD(k, add) (bf16 ? input(dx, dy, x, p, rows, width, 1, k, add) : input(dx, dy, x, p, rows, width, 0, k, add))
#define RUN(k) RUN_ADD(k, 0)
  if (p->add) {
    RUN_ADD(VG_ACT_NONE, 1);
    return;
  }
  VG_EACH_ACT(act, RUN)
#undef RUN
#undef RUN_ADD
}

/* A row is read three times, twice from the first-level cache: the mean first, then the deviations from it. */
VG_INLINE void layer_norm(void *y, float *stats, const void *x, const float *gamma, const float *beta, int64_t rows, int64_t n, const int bf16, float eps) {
  for (int64_t r = 0; r < rows; r++) {
    int64_t i = r * n;
    float sum = 0, square = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) sum += vg__get(x, i + j, bf16);
    float mean = sum / (float)n;
#pragma omp simd reduction(+ : square)
    for (int64_t j = 0; j < n; j++) {
      float d = vg__get(x, i + j, bf16) - mean;
      square += d * d;
    }
    float istd = 1 / sqrtf(square / (float)n + eps);
    stats[2 * r] = mean;
    stats[2 * r + 1] = istd;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) {
      float v = (vg__get(x, i + j, bf16) - mean) * istd;
      vg__put(y, i + j, v * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0), bf16);
    }
  }
}

VG_INLINE void layer_norm_grad(void *dx, float *restrict sum_g, float *restrict sum_gx, const void *dy, const void *x, const float *stats,
                               const float *gamma, int64_t rows, int64_t n, const int bf16) {
  for (int64_t r = 0; r < rows; r++) {
    int64_t i = r * n;
    float mean = stats[2 * r], istd = stats[2 * r + 1], sum_h = 0, sum_hx = 0;
#pragma omp simd reduction(+ : sum_h, sum_hx)
    for (int64_t j = 0; j < n; j++) {
      float g = vg__get(dy, i + j, bf16), xhat = (vg__get(x, i + j, bf16) - mean) * istd, h = g * (gamma ? gamma[j] : 1);
      sum_g[j] += g;
      sum_gx[j] += g * xhat;
      sum_h += h;
      sum_hx += h * xhat;
    }
    sum_h /= (float)n;
    sum_hx /= (float)n;
    if (!dx) continue;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) {
      float xhat = (vg__get(x, i + j, bf16) - mean) * istd, h = vg__get(dy, i + j, bf16) * (gamma ? gamma[j] : 1);
      vg__put(dx, i + j, istd * (h - sum_h - xhat * sum_hx), bf16);
    }
  }
}

void VG_SIMD(layer_norm)(void *y, float *stats, const void *x, const float *gamma, const float *beta, int64_t rows, int64_t n, bool bf16, float eps) {
  if (bf16) layer_norm(y, stats, x, gamma, beta, rows, n, 1, eps);
  else layer_norm(y, stats, x, gamma, beta, rows, n, 0, eps);
}

void VG_SIMD(layer_norm_grad)(void *dx, float *sum_g, float *sum_gx, const void *dy, const void *x, const float *stats, const float *gamma, int64_t rows,
                              int64_t n, bool bf16) {
  if (bf16) layer_norm_grad(dx, sum_g, sum_gx, dy, x, stats, gamma, rows, n, 1);
  else layer_norm_grad(dx, sum_g, sum_gx, dy, x, stats, gamma, rows, n, 0);
}
