/* Pools over windows and over whole images. The elements of a case differ, so that the largest is one: what ties do is in test_pool.c. */
#include "proof.h"

static int64_t places(int64_t in, const model *m) {
  int64_t kernel = (int64_t)named(m, "kernel"), stride = (int64_t)named(m, "stride"), pad = (int64_t)named(m, "pad"), n = 0;
  if (stride == 0) stride = kernel;
  /* A window counts when it fits, or, rounding up, when it starts before the right padding. */
  for (int64_t at = -pad;; at += stride, n++)
    if (named(m, "ceil") != 0 ? at >= in + (n ? 0 : pad) || (n && at - stride + kernel >= in + pad) : at + kernel > in + pad) return n;
}
static void pool_shape(vg_shape *out, const model *m) {
  const int64_t *d = m->in[0].shape.dim;
  *out = VG_SHAPE(d[0], places(d[1], m), places(d[2], m), d[3]);
}

typedef struct found { double top, sum; int64_t inside, declared; } found;

static found look(const model *m, int64_t n, int64_t y, int64_t x, int64_t c) {
  const int64_t *d = m->in[0].shape.dim;
  int64_t kernel = (int64_t)named(m, "kernel"), stride = (int64_t)named(m, "stride"), pad = (int64_t)named(m, "pad");
  found f = { -1e30, 0, 0, 0 };
  if (stride == 0) stride = kernel;
  for (int64_t h = y * stride - pad; h < y * stride - pad + kernel; h++)
    for (int64_t w = x * stride - pad; w < x * stride - pad + kernel; w++) {
      f.declared += h < d[1] + pad && w < d[2] + pad;
      if (h < 0 || w < 0 || h >= d[1] || w >= d[2]) continue;
      double v = m->in[0].v[((n * d[1] + h) * d[2] + w) * d[3] + c];
      f.inside++;
      f.sum += v;
      if (v > f.top) f.top = v;
    }
  return f;
}

#define WINDOWS(name, expr)                                                  \
  static void name(double *out, const model *m) {                            \
    const int64_t *e = m->out.dim;                                           \
    for (int64_t n = 0; n < e[0]; n++)                                       \
      for (int64_t y = 0; y < e[1]; y++)                                     \
        for (int64_t x = 0; x < e[2]; x++)                                   \
          for (int64_t c = 0; c < e[3]; c++) {                               \
            found f = look(m, n, y, x, c);                                   \
            *out++ = expr;                                                   \
          }                                                                  \
  }
WINDOWS(max_pool, f.top)
WINDOWS(avg_pool, f.sum / (double)(named(m, "count_pad") != 0 ? f.declared : f.inside))
static double window_terms(const model *m) { return named(m, "kernel") * named(m, "kernel"); }

#define GEOMETRIES(mark, tail)                                                                                                                \
  "1,4,4,1" mark " kernel=2" tail, "2,4,6,5" mark " kernel=2" tail, "1,5,5,3" mark " kernel=3 stride=2 pad=1" tail,                           \
  "1,5,5,3" mark " kernel=3 stride=1 pad=1" tail,                                                                                             \
    "1,6,6,3" mark " kernel=3 stride=2 ceil=1" tail, "1,5,7,3" mark " kernel=2 stride=2 ceil=1" tail,                                         \
    "1,7,7,4" mark " kernel=5 stride=1 pad=2" tail,                                                                                           \
    "2,3,3,7" mark " kernel=3" tail, "1,1,1,16" mark " kernel=1" tail, "1,1,9,3" mark " kernel=1 stride=2" tail,                              \
    "1,8,8,2" mark " kernel=4 stride=3 pad=2" tail,                                                                                           \
    "1,3,3,17" mark " kernel=2 stride=1 pad=1" tail, "1,4,4,9" mark " kernel=2 stride=3 pad=1 ceil=1" tail, "1,2,2,33" mark " kernel=2" tail, \
    "0,4,4,3" mark " kernel=2" tail,                                                                                                          \
    "2,4,4,0" mark " kernel=2" tail, "1,12,10,2" mark " kernel=7 stride=2 pad=3" tail, "1,1,8,5" mark " kernel=1 stride=1" tail,              \
    "1,15,16,1" mark " kernel=9 stride=4 pad=4" tail,                                                                                         \
    "3,2,5,8" mark " kernel=2 stride=1" tail
static const char *const MAX_CASES[] = { GEOMETRIES("@d", ""), "1,16,16,1@d kernel=17 pad=8", NULL };
static const char *const AVG_CASES[] = { GEOMETRIES("", ""), GEOMETRIES("", " count_pad=1"), "2,9,9,70 kernel=3 stride=2 pad=1 count_pad=1", NULL };
#define POOL_REFUSALS(name)                                                                                                       \
  static const refusal REFUSE_##name[] = {                                                                                        \
    { "4,4,3 kernel=2", VG_ESHAPE, #name ": expected x of shape [N, H, W, C], got [4, 4, 3]" },                                   \
    { "1,0,4,3 kernel=1", VG_ESHAPE, #name ": expected an image of at least one pixel, got [1, 0, 4, 3]" },                       \
    { "1,4,4,3@i5 kernel=2", VG_EARG, #name ": expected x of dtype f32 or bf16, got i32" },                                       \
    { "1,4,4,3 kernel=2 pad=2", VG_EARG, #name ": pad must be at most half of kernel 2, got 2" },                                 \
    { "1,2,4,3 kernel=5 pad=1", VG_ESHAPE, #name ": kernel 5 with pad 1 does not fit into [1, 2, 4, 3]" }, { 0 }                  \
  }
POOL_REFUSALS(max_pool);
POOL_REFUSALS(avg_pool);

static void global_shape(vg_shape *out, const model *m) { *out = VG_SHAPE(m->in[0].shape.dim[0], m->in[0].shape.dim[3]); }
static void global_avg(double *y, const model *m) {
  const int64_t *d = m->in[0].shape.dim;
  int64_t pixels = d[1] * d[2];
  for (int64_t i = 0; i < d[0] * d[3]; i++) {
    y[i] = 0;
    for (int64_t p = 0; p < pixels; p++) y[i] += m->in[0].v[(i / d[3] * pixels + p) * d[3] + i % d[3]] / (double)pixels;
  }
}
static void global_max(double *y, const model *m) {
  const int64_t *d = m->in[0].shape.dim;
  int64_t pixels = d[1] * d[2];
  for (int64_t i = 0; i < d[0] * d[3]; i++) {
    y[i] = -1e30;
    for (int64_t p = 0; p < pixels; p++) {
      double v = m->in[0].v[(i / d[3] * pixels + p) * d[3] + i % d[3]];
      if (v > y[i]) y[i] = v;
    }
  }
}
static double pixels_of(const model *m) { return (double)(m->in[0].shape.dim[1] * m->in[0].shape.dim[2]); }
#define IMAGES(mark)                                                                                                                        \
  "1,1,1,1" mark, "1,2,2,1" mark, "2,3,3,5" mark, "1,4,4,16" mark, "1,3,5,17" mark, "2,1,3,33" mark, "2,3,1,33" mark, "1,7,7,5" mark,       \
  "3,2,2,20" mark,                                                                                                                          \
    "5,1,1,40" mark, "0,3,3,4" mark, "2,3,3,0" mark, "1,8,8,4" mark, "1,2,2,64" mark, "1,1,2,100" mark, "1,1,1,256" mark, "1,15,17,1" mark, \
    "4,4,4,4" mark,                                                                                                                         \
    "1,2,1,65" mark, "2,2,2,31" mark
static const char *const GLOBAL_AVG_CASES[] = { IMAGES(""), "8,16,16,72", NULL }, *const GLOBAL_MAX_CASES[] = { IMAGES("@d"), NULL };
#define GLOBAL_REFUSALS(name, tail)                                                                                                     \
  static const refusal REFUSE_##name[] = {                                                                                        \
    { "4,4,3" tail, VG_ESHAPE, #name ": expected x of shape [N, H, W, C], got [4, 4, 3]" },                                            \
    { "1,4,0,3" tail, VG_ESHAPE, #name ": expected an image of at least one pixel, got [1, 4, 0, 3]" },                                \
    { "1,4,4,3@i5" tail, VG_EARG, #name ": expected x of dtype f32 or bf16, got i32" }, { 0 }                                          \
  }
GLOBAL_REFUSALS(global_avg_pool, "");
GLOBAL_REFUSALS(global_max_pool, "");

static void adaptive_shape(vg_shape *out, const model *m) {
  int64_t size = (int64_t)named(m, "size");
  *out = VG_SHAPE(m->in[0].shape.dim[0], size, size, m->in[0].shape.dim[3]);
}
/* Pixel i of `extent` belongs to window o of `size` when the intervals [i, i + 1) * size and [o, o + 1) * extent meet. */
static bool meets(int64_t i, int64_t o, int64_t extent, int64_t size) { return i * size < (o + 1) * extent && o * extent < (i + 1) * size; }
static void adaptive_avg(double *y, const model *m) {
  const int64_t *d = m->in[0].shape.dim, size = m->out.dim[1];
  for (int64_t i = 0, n = vg_shape_count(&m->out); i < n; i++) {
    int64_t c = i % d[3], x = i / d[3] % size, v = i / d[3] / size % size, b = i / d[3] / size / size, count = 0;
    double sum = 0;
    for (int64_t h = 0; h < d[1]; h++)
      for (int64_t w = 0; w < d[2]; w++) {
        if (!meets(h, v, d[1], size) || !meets(w, x, d[2], size)) continue;
        sum += m->in[0].v[((b * d[1] + h) * d[2] + w) * d[3] + c];
        count++;
      }
    y[i] = sum / (double)count;
  }
}
static const char *const ADAPTIVE_CASES[] = {
  "1,4,4,1 size=2", "2,5,7,3 size=2", "2,5,7,3 size=3", "1,7,7,4 size=4", "1,3,3,2 size=5", "1,1,1,3 size=2", "2,3,3,5 size=1",
  "1,8,8,17 size=1", "2,6,4,33 size=2", "1,10,9,2 size=7", "1,1,9,3 size=3", "1,9,1,3 size=3", "0,3,3,4 size=2", "2,3,3,0 size=2",
  "0,3,3,4 size=1", "3,4,4,16 size=4", "1,6,6,8 size=3", "1,13,11,1 size=6", "2,2,2,20 size=3", "1,5,5,64 size=2", NULL
};
GLOBAL_REFUSALS(adaptive_avg_pool, " size=2");

const proof POOL_PROOFS[] = {
  { .op = "adaptive_avg_pool", .cases = ADAPTIVE_CASES, .refusals = REFUSE_adaptive_avg_pool, .shape = adaptive_shape, .formula = adaptive_avg,
    .terms = pixels_of },
  { .op = "max_pool", .cases = MAX_CASES, .refusals = REFUSE_max_pool, .shape = pool_shape, .formula = max_pool, .moves = true },
  { .op = "avg_pool", .cases = AVG_CASES, .refusals = REFUSE_avg_pool, .shape = pool_shape, .formula = avg_pool, .terms = window_terms },
  { .op = "global_avg_pool", .cases = GLOBAL_AVG_CASES, .refusals = REFUSE_global_avg_pool, .shape = global_shape, .formula = global_avg,
    .terms = pixels_of },
  { .op = "global_max_pool", .cases = GLOBAL_MAX_CASES, .refusals = REFUSE_global_max_pool, .shape = global_shape, .formula = global_max,
    .moves = true },
  { 0 }
};
