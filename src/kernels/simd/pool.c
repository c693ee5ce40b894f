/* Pooling. Both directions gather: every element of the result is made by one thread, in registers and L1, from the windows it belongs to,
 * for up to BLOCK channels at a time; so there are no races, no scratch memory, and one order of additions. */
#include "kernels/pool.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))
enum { BLOCK = 64 };
/* Elements of the larger side below which waking other threads costs more than it brings. */
enum { PARALLEL_FROM = 1 << 15 };

/* `m` values from element i: in place for f32, widened into `tmp` for bf16. */
INLINE const float *widen(float *tmp, vg_dtype dtype, const void *p, int64_t i, int64_t m) {
  if (dtype == VG_F32) return (const float *)p + i;
  const uint16_t *h = (const uint16_t *)p + i;
  for (int64_t k = 0; k < m; k++) tmp[k] = vg_bf16_to_f32(h[k]);
  return tmp;
}

INLINE void narrow(vg_dtype dtype, void *p, int64_t i, const float *x, int64_t m) {
  if (dtype == VG_F32) {
    memcpy((float *)p + i, x, (size_t)m * sizeof *x);
    return;
  }
  uint16_t *h = (uint16_t *)p + i;
  for (int64_t k = 0; k < m; k++) h[k] = vg_f32_to_bf16(x[k]);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Rows (or columns) of the image in window `o`: [from, to). */
typedef struct span { int64_t from, to; } span;
static span window(int64_t o, int64_t size, const vg_pool_shape *s) {
  int64_t start = o * s->stride - s->pad;
  return (span){ most(start, 0), least(start + s->kernel, size) };
}
/* Windows that hold row (or column) i: [from, to). */
static span windows_of(int64_t i, int64_t outs, const vg_pool_shape *s) {
  int64_t low = i + s->pad - s->kernel + 1;
  return (span){ low <= 0 ? 0 : (low + s->stride - 1) / s->stride, least((i + s->pad) / s->stride + 1, outs) };
}

/* 1 / the number of elements that window (y, x) averages. */
static float share(const vg_pool_shape *s, int64_t y, int64_t x) {
  span r = window(y, s->h, s), q = window(x, s->w, s);
  int64_t rows = r.to - r.from, cols = q.to - q.from;
  if (s->count_pad) {
    int64_t top = y * s->stride - s->pad, left = x * s->stride - s->pad;
    rows = least(top + s->kernel, s->h + s->pad) - top;
    cols = least(left + s->kernel, s->w + s->pad) - left;
  }
  return 1.0f / (float)(rows * cols);
}

/* One output element of `m` channels starting at c0. */
INLINE void max_window(const vg_pool_shape *s, vg_dtype dtype, float *best, int32_t *at, const void *src, int64_t n, int64_t y, int64_t x,
                       int64_t c0, int64_t m) {
  span r = window(y, s->h, s), q = window(x, s->w, s);
  float tmp[BLOCK];
  bool first = true;
  for (int64_t i = r.from; i < r.to; i++)
    for (int64_t j = q.from; j < q.to; j++) {
      const float *v = widen(tmp, dtype, src, ((n * s->h + i) * s->w + j) * s->c + c0, m);
      int32_t t = (int32_t)((i - (y * s->stride - s->pad)) * s->kernel + j - (x * s->stride - s->pad));
      if (first) {
        for (int64_t k = 0; k < m; k++) { best[k] = v[k]; at[k] = t; }
      } else {
        for (int64_t k = 0; k < m; k++) {
          bool better = (v[k] > best[k]) | (v[k] != v[k]);
          best[k] = better ? v[k] : best[k];
          at[k] = better ? t : at[k];
        }
      }
      first = false;
    }
}

INLINE void max_row(const vg_pool_shape *s, vg_dtype dtype, void *dst, void *arg, const void *src, int64_t row) {
  bool small = vg_pool_arg_dtype(s->kernel) == VG_U8;
  float best[BLOCK];
  int32_t at[BLOCK];
  for (int64_t x = 0; x < s->wo; x++)
    for (int64_t c = 0; c < s->c; c += BLOCK) {
      int64_t m = least(BLOCK, s->c - c), to = (row * s->wo + x) * s->c + c;
      max_window(s, dtype, best, at, src, row / s->ho, row % s->ho, x, c, m);
      narrow(dtype, dst, to, best, m);
      if (!arg) continue;
      if (small) for (int64_t k = 0; k < m; k++) ((uint8_t *)arg)[to + k] = (uint8_t)at[k];
      else memcpy((int32_t *)arg + to, at, (size_t)m * sizeof *at);
    }
}

void VG_SIMD(max_pool)(const vg_pool_shape *s, vg_dtype dtype, void *dst, void *arg, const void *src) {
  if (VG_SIMD(pool_fits_rows)(s)) {
    VG_SIMD(max_pool_rows)(s, dtype, dst, arg, src);
    return;
  }
#pragma omp parallel for schedule(static) if (s->n * s->h * s->w * s->c >= PARALLEL_FROM)
  for (int64_t row = 0; row < s->n * s->ho; row++) {
    if (dtype == VG_F32) max_row(s, VG_F32, dst, arg, src, row);
    else max_row(s, VG_BF16, dst, arg, src, row);
  }
}

INLINE void max_back_row(const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad, const void *arg,
                         int64_t row) {
  int64_t n = row / s->h, i = row % s->h;
  bool small = vg_pool_arg_dtype(s->kernel) == VG_U8;
  span ys = windows_of(i, s->ho, s);
  float sum[BLOCK], tmp[BLOCK];
  for (int64_t j = 0; j < s->w; j++) {
    span xs = windows_of(j, s->wo, s);
    for (int64_t c = 0; c < s->c; c += BLOCK) {
      int64_t m = least(BLOCK, s->c - c);
      for (int64_t k = 0; k < m; k++) sum[k] = 0;
      for (int64_t y = ys.from; y < ys.to; y++)
        for (int64_t x = xs.from; x < xs.to; x++) {
          int64_t from = ((n * s->ho + y) * s->wo + x) * s->c + c;
          int32_t t = (int32_t)((i - (y * s->stride - s->pad)) * s->kernel + j - (x * s->stride - s->pad));
          const float *g = widen(tmp, dst_dtype, dst_grad, from, m);
          if (small) for (int64_t k = 0; k < m; k++) sum[k] += ((const uint8_t *)arg)[from + k] == t ? g[k] : 0;
          else for (int64_t k = 0; k < m; k++) sum[k] += ((const int32_t *)arg)[from + k] == t ? g[k] : 0;
        }
      narrow(src_dtype, dsrc, (row * s->w + j) * s->c + c, sum, m);
    }
  }
}

void VG_SIMD(max_pool_backward)(const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad,
                                const void *arg) {
  if (VG_SIMD(pool_fits_rows)(s)) {
    VG_SIMD(max_pool_rows_backward)(s, src_dtype, dsrc, dst_dtype, dst_grad, arg, false);
    return;
  }
#pragma omp parallel for schedule(static) if (s->n * s->h * s->w * s->c >= PARALLEL_FROM)
  for (int64_t row = 0; row < s->n * s->h; row++) {
    if (dst_dtype == VG_F32) max_back_row(s, src_dtype, dsrc, VG_F32, dst_grad, arg, row);
    else max_back_row(s, src_dtype, dsrc, VG_BF16, dst_grad, arg, row);
  }
}

INLINE void avg_row(const vg_pool_shape *s, vg_dtype dtype, void *dst, const void *src, int64_t row) {
  int64_t n = row / s->ho, y = row % s->ho;
  span r = window(y, s->h, s);
  float sum[BLOCK], tmp[BLOCK];
  for (int64_t x = 0; x < s->wo; x++) {
    span q = window(x, s->w, s);
    float scale = share(s, y, x);
    for (int64_t c = 0; c < s->c; c += BLOCK) {
      int64_t m = least(BLOCK, s->c - c);
      for (int64_t k = 0; k < m; k++) sum[k] = 0;
      for (int64_t i = r.from; i < r.to; i++)
        for (int64_t j = q.from; j < q.to; j++) {
          const float *v = widen(tmp, dtype, src, ((n * s->h + i) * s->w + j) * s->c + c, m);
          for (int64_t k = 0; k < m; k++) sum[k] += v[k];
        }
      for (int64_t k = 0; k < m; k++) sum[k] *= scale;
      narrow(dtype, dst, (row * s->wo + x) * s->c + c, sum, m);
    }
  }
}

void VG_SIMD(avg_pool)(const vg_pool_shape *s, vg_dtype dtype, void *dst, const void *src) {
  if (VG_SIMD(pool_fits_rows)(s)) {
    VG_SIMD(avg_pool_rows)(s, dtype, dst, src);
    return;
  }
#pragma omp parallel for schedule(static) if (s->n * s->h * s->w * s->c >= PARALLEL_FROM)
  for (int64_t row = 0; row < s->n * s->ho; row++) {
    if (dtype == VG_F32) avg_row(s, VG_F32, dst, src, row);
    else avg_row(s, VG_BF16, dst, src, row);
  }
}

INLINE void avg_back_row(const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad, int64_t row) {
  int64_t n = row / s->h;
  span ys = windows_of(row % s->h, s->ho, s);
  float sum[BLOCK], tmp[BLOCK];
  for (int64_t j = 0; j < s->w; j++) {
    span xs = windows_of(j, s->wo, s);
    for (int64_t c = 0; c < s->c; c += BLOCK) {
      int64_t m = least(BLOCK, s->c - c);
      for (int64_t k = 0; k < m; k++) sum[k] = 0;
      for (int64_t y = ys.from; y < ys.to; y++)
        for (int64_t x = xs.from; x < xs.to; x++) {
          float scale = share(s, y, x);
          const float *g = widen(tmp, dst_dtype, dst_grad, ((n * s->ho + y) * s->wo + x) * s->c + c, m);
          for (int64_t k = 0; k < m; k++) sum[k] += g[k] * scale;
        }
      narrow(src_dtype, dsrc, (row * s->w + j) * s->c + c, sum, m);
    }
  }
}

void VG_SIMD(avg_pool_backward)(const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad) {
  if (VG_SIMD(pool_fits_rows)(s)) {
    VG_SIMD(avg_pool_rows_backward)(s, src_dtype, dsrc, dst_dtype, dst_grad, false);
    return;
  }
#pragma omp parallel for schedule(static) if (s->n * s->h * s->w * s->c >= PARALLEL_FROM)
  for (int64_t row = 0; row < s->n * s->h; row++) {
    if (dst_dtype == VG_F32) avg_back_row(s, src_dtype, dsrc, VG_F32, dst_grad, row);
    else avg_back_row(s, src_dtype, dsrc, VG_BF16, dst_grad, row);
  }
}

/* ---- global ---- */

INLINE void global_max_image(vg_dtype dtype, void *dst, int32_t *arg, const void *src, int64_t n, int64_t p, int64_t c) {
  float best[BLOCK], tmp[BLOCK];
  int32_t at[BLOCK];
  for (int64_t c0 = 0; c0 < c; c0 += BLOCK) {
    int64_t m = least(BLOCK, c - c0);
    const float *v = widen(tmp, dtype, src, n * p * c + c0, m);
    for (int64_t k = 0; k < m; k++) { best[k] = v[k]; at[k] = 0; }
    for (int64_t i = 1; i < p; i++) {
      v = widen(tmp, dtype, src, (n * p + i) * c + c0, m);
      for (int64_t k = 0; k < m; k++) {
        bool better = (v[k] > best[k]) | (v[k] != v[k]);
        best[k] = better ? v[k] : best[k];
        at[k] = better ? (int32_t)i : at[k];
      }
    }
    narrow(dtype, dst, n * c + c0, best, m);
    if (arg) memcpy(arg + n * c + c0, at, (size_t)m * sizeof *at);
  }
}

void VG_SIMD(global_max_pool)(vg_dtype dtype, void *dst, int32_t *arg, const void *src, int64_t n, int64_t p, int64_t c) {
#pragma omp parallel for schedule(static) if (n * p * c >= PARALLEL_FROM)
  for (int64_t i = 0; i < n; i++) {
    if (dtype == VG_F32) global_max_image(VG_F32, dst, arg, src, i, p, c);
    else global_max_image(VG_BF16, dst, arg, src, i, p, c);
  }
}

void VG_SIMD(global_max_pool_backward)(vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad, const int32_t *arg, int64_t n,
                                       int64_t p, int64_t c) {
#pragma omp parallel for schedule(static) if (n * p * c >= PARALLEL_FROM)
  for (int64_t row = 0; row < n * p; row++) {
    float out[BLOCK], tmp[BLOCK];
    const int32_t *at = arg + row / p * c;
    for (int64_t c0 = 0; c0 < c; c0 += BLOCK) {
      int64_t m = least(BLOCK, c - c0);
      const float *g = widen(tmp, dst_dtype, dst_grad, row / p * c + c0, m);
      for (int64_t k = 0; k < m; k++) out[k] = at[c0 + k] == row % p ? g[k] : 0;
      narrow(src_dtype, dsrc, row * c + c0, out, m);
    }
  }
}

INLINE void global_avg_image(vg_dtype dtype, void *dst, const void *src, int64_t n, int64_t p, int64_t c) {
  float sum[BLOCK], tmp[BLOCK];
  for (int64_t c0 = 0; c0 < c; c0 += BLOCK) {
    int64_t m = least(BLOCK, c - c0);
    for (int64_t k = 0; k < m; k++) sum[k] = 0;
    for (int64_t i = 0; i < p; i++) {
      const float *v = widen(tmp, dtype, src, (n * p + i) * c + c0, m);
      for (int64_t k = 0; k < m; k++) sum[k] += v[k];
    }
    for (int64_t k = 0; k < m; k++) sum[k] /= (float)p;
    narrow(dtype, dst, n * c + c0, sum, m);
  }
}

void VG_SIMD(global_avg_pool)(vg_dtype dtype, void *dst, const void *src, int64_t n, int64_t p, int64_t c) {
#pragma omp parallel for schedule(static) if (n * p * c >= PARALLEL_FROM)
  for (int64_t i = 0; i < n; i++) {
    if (dtype == VG_F32) global_avg_image(VG_F32, dst, src, i, p, c);
    else global_avg_image(VG_BF16, dst, src, i, p, c);
  }
}

void VG_SIMD(global_avg_pool_backward)(vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad, int64_t n, int64_t p, int64_t c) {
#pragma omp parallel for schedule(static) if (n * p * c >= PARALLEL_FROM)
  for (int64_t row = 0; row < n * p; row++) {
    float out[BLOCK], tmp[BLOCK];
    for (int64_t c0 = 0; c0 < c; c0 += BLOCK) {
      int64_t m = least(BLOCK, c - c0);
      const float *g = widen(tmp, dst_dtype, dst_grad, row / p * c + c0, m);
      for (int64_t k = 0; k < m; k++) out[k] = g[k] / (float)p;
      narrow(src_dtype, dsrc, row * c + c0, out, m);
    }
  }
}
