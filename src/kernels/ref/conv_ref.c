#include "kernels/ref/conv_ref.h"

#include <string.h>

/* Walks every product of the convolution once: x[n, ih, iw, ci] * w[co, r, q, ci - first] belongs to y[n, oh, ow, co]. */
typedef void (*visit)(void *state, int64_t x, int64_t w, int64_t y);

static void walk_pixel(const vg_conv_shape *s, int64_t n, int64_t oh, int64_t ow, visit f, void *state) {
  int64_t cig = s->ci / s->groups, cog = s->co / s->groups;
  for (int64_t co = 0; co < s->co; co++)
    for (int r = 0; r < s->kh; r++)
      for (int q = 0; q < s->kw; q++) {
        int64_t ih = oh * s->stride_h - s->pad_h + (int64_t)r * s->dil, iw = ow * s->stride_w - s->pad_w + (int64_t)q * s->dil;
        if (ih < 0 || ih >= s->h || iw < 0 || iw >= s->w) continue;
        for (int64_t i = 0; i < cig; i++)
          f(state, ((n * s->h + ih) * s->w + iw) * s->ci + co / cog * cig + i, ((co * s->kh + r) * s->kw + q) * cig + i,
            ((n * s->ho + oh) * s->wo + ow) * s->co + co);
      }
}

static void walk(const vg_conv_shape *s, visit f, void *state) {
  for (int64_t n = 0; n < s->n; n++)
    for (int64_t oh = 0; oh < s->ho; oh++)
      for (int64_t ow = 0; ow < s->wo; ow++) walk_pixel(s, n, oh, ow, f, state);
}

typedef struct sums {
  float *to;
  const float *a, *b;
} sums;
static void to_y(void *state, int64_t x, int64_t w, int64_t y) {
  sums *t = state;
  t->to[y] += t->a[x] * t->b[w];
}
static void to_x(void *state, int64_t x, int64_t w, int64_t y) {
  sums *t = state;
  t->to[x] += t->a[y] * t->b[w];
}
static void to_w(void *state, int64_t x, int64_t w, int64_t y) {
  sums *t = state;
  t->to[w] += t->a[x] * t->b[y];
}

void vg_ref_conv_forward(const vg_conv_shape *s, float *dst, const float *src, const float *w, const float *bias) {
  int64_t count = s->n * s->ho * s->wo * s->co;
  for (int64_t i = 0; i < count; i++) dst[i] = bias ? bias[i % s->co] : 0;
  walk(s, to_y, &(sums){ .to = dst, .a = src, .b = w });
}

void vg_ref_conv_backward_data(const vg_conv_shape *s, float *dsrc, const float *ddst, const float *w) {
  memset(dsrc, 0, (size_t)(s->n * s->h * s->w * s->ci) * sizeof *dsrc);
  walk(s, to_x, &(sums){ .to = dsrc, .a = ddst, .b = w });
}

void vg_ref_conv_backward_weights(const vg_conv_shape *s, float *dw, const float *src, const float *ddst) {
  memset(dw, 0, (size_t)(s->co * s->kh * s->kw * (s->ci / s->groups)) * sizeof *dw);
  walk(s, to_w, &(sums){ .to = dw, .a = src, .b = ddst });
}
