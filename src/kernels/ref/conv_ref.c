/* Convolution as its formula reads. Sums in double, so that a comparison measures the error of the other side. */
#include "kernels/ref/conv_ref.h"

#include <string.h>

/* Where window (y, x) of image n meets the kernel at (r, q): the offset of that pixel's first channel; -1 in the padding. */
static int64_t pixel(const vg_conv_shape *s, int64_t n, int64_t y, int64_t x, int r, int q) {
  int64_t h = y * s->stride_h - s->pad_h + (int64_t)r * s->dil, w = x * s->stride_w - s->pad_w + (int64_t)q * s->dil;
  return h < 0 || h >= s->h || w < 0 || w >= s->w ? -1 : ((n * s->h + h) * s->w + w) * s->ci;
}

static double dot(const float *a, const float *b, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
  return sum;
}

enum { CHUNK = 64 };      /* channels summed side by side */
static int64_t chunk_at(int64_t i, int64_t n) { return n - i < CHUNK ? n - i : CHUNK; }
static void add(double *to, const float *v, double factor, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) to[i] += factor * v[i];
}

void vg_ref_conv_forward(const vg_conv_shape *s, float *dst, const float *src, const float *w, const float *bias) {
  int64_t deep = s->ci / s->groups, wide = s->co / s->groups;
  for (int64_t n = 0; n < s->n; n++)
    for (int64_t y = 0; y < s->ho; y++)
      for (int64_t x = 0; x < s->wo; x++)
        for (int64_t o = 0; o < s->co; o++) {
          double sum = bias ? bias[o] : 0;
          for (int r = 0; r < s->kh; r++)
            for (int q = 0; q < s->kw; q++) {
              int64_t at = pixel(s, n, y, x, r, q);
              if (at >= 0) sum += dot(src + at + o / wide * deep, w + ((o * s->kh + r) * s->kw + q) * deep, deep);
            }
          *dst++ = (float)sum;
        }
}

/* The window that meets pixel h of an axis at kernel place r, or -1. */
static int64_t window(int64_t h, int r, int stride, int pad, int dil, int64_t windows) {
  int64_t t = h + pad - (int64_t)r * dil;
  return t < 0 || t % stride || t / stride >= windows ? -1 : t / stride;
}

/* sum [m]: channels first.. of the gradient at pixel (h, w), all in one group. */
static void gather(double *sum, const vg_conv_shape *s, const float *ddst, const float *weight, int64_t n, int64_t h, int64_t w, int64_t first, int64_t m) {
  int64_t deep = s->ci / s->groups, wide = s->co / s->groups, group = first / deep;
  memset(sum, 0, (size_t)m * sizeof *sum);
  for (int r = 0; r < s->kh; r++)
    for (int q = 0; q < s->kw; q++) {
      int64_t y = window(h, r, s->stride_h, s->pad_h, s->dil, s->ho), x = window(w, q, s->stride_w, s->pad_w, s->dil, s->wo);
      for (int64_t o = group * wide; y >= 0 && x >= 0 && o < (group + 1) * wide; o++)
        add(sum, weight + ((o * s->kh + r) * s->kw + q) * deep + first % deep, ddst[((n * s->ho + y) * s->wo + x) * s->co + o], m);
    }
}

void vg_ref_conv_backward_data(const vg_conv_shape *s, float *dsrc, const float *ddst, const float *w) {
  int64_t deep = s->ci / s->groups;
  double sum[CHUNK];
  for (int64_t p = 0; p < s->n * s->h * s->w; p++)
    for (int64_t g = 0; g < s->groups; g++)
      for (int64_t i = 0; i < deep; i += CHUNK) {
        int64_t m = chunk_at(i, deep);
        gather(sum, s, ddst, w, p / s->w / s->h, p / s->w % s->h, p % s->w, g * deep + i, m);
        for (int64_t k = 0; k < m; k++) *dsrc++ = (float)sum[k];
      }
}

void vg_ref_conv_backward_weights(const vg_conv_shape *s, float *dw, const float *src, const float *ddst) {
  int64_t deep = s->ci / s->groups, wide = s->co / s->groups, windows = s->ho * s->wo;
  double sum[CHUNK];
  for (int64_t o = 0; o < s->co; o++)
    for (int r = 0; r < s->kh; r++)
      for (int q = 0; q < s->kw; q++)
        for (int64_t i = 0; i < deep; i += CHUNK) {
          int64_t m = chunk_at(i, deep);
          memset(sum, 0, sizeof sum);
          for (int64_t p = 0; p < s->n * windows; p++) {
            int64_t at = pixel(s, p / windows, p % windows / s->wo, p % s->wo, r, q);
            if (at >= 0) add(sum, src + at + o / wide * deep + i, ddst[p * s->co + o], m);
          }
          for (int64_t k = 0; k < m; k++) *dw++ = (float)sum[k];
        }
}
