#include "kernels/ref/pool_ref.h"

#include <string.h>

static int64_t element(const vg_pool_shape *s, int64_t n, int64_t y, int64_t x, int64_t c) { return ((n * s->h + y) * s->w + x) * s->c + c; }

/* Walks window (y, x): the index of the first maximum, the sum, and by what an average divides. */
static void scan(const vg_pool_shape *s, const float *src, int64_t n, int64_t y, int64_t x, int64_t c, int64_t *first, double *sum, int *count) {
  *first = -1;
  *sum = 0;
  *count = 0;
  for (int i = 0; i < s->kernel; i++)
    for (int j = 0; j < s->kernel; j++) {
      int64_t iy = y * s->stride - s->pad + i, ix = x * s->stride - s->pad + j;
      bool inside = iy >= 0 && ix >= 0 && iy < s->h && ix < s->w;
      if (inside || (s->count_pad && iy < s->h + s->pad && ix < s->w + s->pad)) (*count)++;
      if (!inside) continue;
      int64_t at = element(s, n, iy, ix, c);
      *sum += src[at];
      if (*first < 0 || src[at] > src[*first]) *first = at;
    }
}

void vg_ref_pool(const vg_pool_shape *s, bool max, float *dst, const float *src) {
  for (int64_t n = 0; n < s->n; n++)
    for (int64_t y = 0; y < s->ho; y++)
      for (int64_t x = 0; x < s->wo; x++)
        for (int64_t c = 0; c < s->c; c++) {
          int64_t first;
          double sum;
          int count;
          scan(s, src, n, y, x, c, &first, &sum, &count);
          dst[((n * s->ho + y) * s->wo + x) * s->c + c] = max ? src[first] : (float)(sum / count);
        }
}

static void scatter_average(const vg_pool_shape *s, float *dsrc, int64_t n, int64_t y, int64_t x, int64_t c, float g) {
  for (int i = 0; i < s->kernel; i++)
    for (int j = 0; j < s->kernel; j++) {
      int64_t iy = y * s->stride - s->pad + i, ix = x * s->stride - s->pad + j;
      if (iy >= 0 && ix >= 0 && iy < s->h && ix < s->w) dsrc[element(s, n, iy, ix, c)] += g;
    }
}

void vg_ref_pool_backward(const vg_pool_shape *s, bool max, float *dsrc, const float *src, const float *dst_grad) {
  memset(dsrc, 0, (size_t)(s->n * s->h * s->w * s->c) * sizeof *dsrc);
  for (int64_t n = 0; n < s->n; n++)
    for (int64_t y = 0; y < s->ho; y++)
      for (int64_t x = 0; x < s->wo; x++)
        for (int64_t c = 0; c < s->c; c++) {
          int64_t first;
          double sum;
          int count;
          scan(s, src, n, y, x, c, &first, &sum, &count);
          float g = dst_grad[((n * s->ho + y) * s->wo + x) * s->c + c];
          if (max) dsrc[first] += g;
          else scatter_average(s, dsrc, n, y, x, c, g / (float)count);
        }
}
