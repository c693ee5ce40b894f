/* Pooling with small windows, a row at a time. A job is a strip of columns of the result, in one block of channels, down an image or a part of one;
 * a row of a strip is a few KiB of f32 in the inner caches, padded where the image ends, so that the inner loops know no borders and no bf16.
 * With stride 1 and all channels in the block the pixels of a row run on into each other: a map of 4 channels is as fast as one of 64.
 *
 * Windows are taken apart: along the row first, then across rows (averages the other way round). The maximum along a row is kept in a ring for the
 * windows that share the row. The first of equals in its row, then the first of equal rows, is the first in the window, as pool.c has it.
 * Every element of the result is made by one job in one order, whatever the cut: the bits do not depend on the threads. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/pool.h"
#include "kernels/simd/act.h"

enum { ROW = 2048, DEPTH = 128, MOST = 8, PARALLEL_FROM = 1 << 15 };

/* One strip: columns [x0, x0 + cols) of the result, channels [c0, c0 + depth). */
typedef struct strip {
  const vg_pool_shape *s;
  int64_t n, y0, y1, x0, cols, c0, depth;
  bool flat;                 /* neighbouring pixels of the result are neighbours in memory, and so are those they read */
} strip;

typedef struct plan {
  const vg_pool_shape *s;
  int64_t h, w;              /* of the result */
  int64_t depth, blocks, cols, strips, rows, chunks;
} plan;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t parts(int64_t all, int64_t one) { return (all + one - 1) / one; }

/* `halo`: columns of the result times `step` plus it are what a row of a strip reads, at most ROW elements. */
static plan plan_of(const vg_pool_shape *s, int64_t h, int64_t w, int64_t step, int64_t halo) {
  plan p = { .s = s, .h = h, .w = w };
  p.depth = least(s->c, DEPTH);
  p.blocks = parts(s->c, most(p.depth, 1));
  p.cols = least(w, most((ROW / most(p.depth, 1) - halo) / step, 1));
  p.strips = parts(w, most(p.cols, 1));
  p.rows = s->n * p.strips * p.blocks >= 2 * omp_get_max_threads() ? h : least(h, 8);
  p.chunks = parts(h, most(p.rows, 1));
  return p;
}

static int64_t jobs_of(const plan *p) { return p->s->n * p->chunks * p->strips * p->blocks; }
static bool is_large(const vg_pool_shape *s) { return s->n * s->h * s->w * s->c >= PARALLEL_FROM; }

static strip strip_of(const plan *p, int64_t job) {
  strip t = { .s = p->s };
  t.c0 = job % p->blocks * p->depth;
  t.depth = least(p->depth, p->s->c - t.c0);
  job /= p->blocks;
  t.x0 = job % p->strips * p->cols;
  t.cols = least(p->cols, p->w - t.x0);
  job /= p->strips;
  t.y0 = job % p->chunks * p->rows;
  t.y1 = least(t.y0 + p->rows, p->h);
  t.n = job / p->chunks;
  t.flat = p->s->stride == 1 && t.depth == p->s->c;
  return t;
}

bool VG_SIMD(pool_fits_rows)(const vg_pool_shape *s) { return s->kernel <= MOST && s->stride <= MOST; }

/* --- moving rows ------------------------------------------------------------------------------------------------------------------------ */

/* to[x] = from[x] for `cols` pixels of `depth` channels that lie c apart; ADD adds. */
VG_INLINE void widen_run(float *restrict to, const void *from, int64_t at, int64_t n, const int bf16, const int add) {
  for (int64_t j = 0; j < n; j++) to[j] = (add ? to[j] : 0) + vg__get(from, at + j, bf16);
}

VG_INLINE void widen(float *to, const void *from, int64_t at, int64_t cols, int64_t depth, int64_t c, const int add, bool bf16) {
  if (depth == c) { depth = cols * c; cols = 1; }
  for (int64_t x = 0; x < cols; x++) {
    if (bf16) widen_run(to + x * depth, from, at + x * c, depth, 1, add);
    else widen_run(to + x * depth, from, at + x * c, depth, 0, add);
  }
}

VG_INLINE void narrow_run(void *to, int64_t at, const float *from, int64_t n, const int bf16) {
#pragma GCC ivdep
  for (int64_t j = 0; j < n; j++) vg__put(to, at + j, from[j], bf16);
}

static void narrow(void *to, int64_t at, const float *from, int64_t cols, int64_t depth, int64_t c, bool bf16) {
  if (depth == c) { depth = cols * c; cols = 1; }
  for (int64_t x = 0; x < cols; x++) {
    if (bf16) narrow_run(to, at + x * c, from + x * depth, depth, 1);
    else narrow_run(to, at + x * c, from + x * depth, depth, 0);
  }
}

static void fill(float *to, float value, int64_t n) {
  for (int64_t j = 0; j < n; j++) to[j] = value;
}

/* Row `row` (of all images), columns [x, x + cols) of a map w wide: those outside of it are `outside`. */
VG_INLINE void padded_row(float *to, const strip *t, const void *from, int64_t row, int64_t w, int64_t x, int64_t cols, float outside, bool bf16,
                          const int add) {
  int64_t left = least(most(-x, 0), cols), right = least(most(x + cols - w, 0), cols - left), d = t->depth;
  if (!add) {
    fill(to, outside, left * d);
    fill(to + (cols - right) * d, outside, right * d);
  }
  widen(to + left * d, from, (row * w + x + left) * t->s->c + t->c0, cols - left - right, d, t->s->c, add, bf16);
}

/* --- maximum ---------------------------------------------------------------------------------------------------------------------------- */

VG_INLINE void take(float *best, int32_t *at, float v, int32_t place) {
  bool better = (v > *best) | (v != v);                 /* NaN wins */
  *best = better ? v : *best;
  *at = better ? place : *at;
}

/* Along the row: n results from x, their windows d apart; `at` comes in as the first column inside the image. */
VG_INLINE void max_along(float *restrict best, int32_t *restrict at, const float *restrict x, int64_t n, int64_t d, const int kernel) {
  for (int64_t j = 0; j < n; j++) {
    float b = -INFINITY;
    int32_t a = at[j];
#pragma GCC unroll 8
    for (int k = 0; k < kernel; k++) take(&b, &a, x[j + k * d], k);
    best[j] = b;
    at[j] = a;
  }
}

/* Across rows: of `rows`, the first of which is row `first` of the window. */
VG_INLINE void max_across(float *restrict best, uint8_t *restrict at, const float *const *x, const int32_t *const *columns, int first, const int rows,
                          int kernel, int64_t n) {
  for (int64_t j = 0; j < n; j++) {
    float b = x[0][j];
    int32_t a = columns[0][j] + first * kernel;
#pragma GCC unroll 8
    for (int r = 1; r < rows; r++) take(&b, &a, x[r][j], columns[r][j] + (first + r) * kernel);
    best[j] = b;
    at[j] = (uint8_t)a;
  }
}

#define EACH_SIZE(n, CASE)  \
  switch (n) {              \
    case 1: CASE(1); break; \
    case 2: CASE(2); break; \
    case 3: CASE(3); break; \
    case 4: CASE(4); break; \
    case 5: CASE(5); break; \
    case 6: CASE(6); break; \
    case 7: CASE(7); break; \
    default: CASE(8); break; \
  }

typedef struct ring {
  int64_t tag[MOST];                  /* the row of the image that is here; -1: none */
  float best[MOST][ROW];
  int32_t at[MOST][ROW];
} ring;

static void max_fetch(ring *r, const strip *t, const void *src, bool bf16, int64_t i) {
  const vg_pool_shape *s = t->s;
  int slot = (int)(i % s->kernel);
  float x[ROW];
  if (r->tag[slot] == i) return;
  r->tag[slot] = i;
  int64_t in = t->x0 * s->stride - s->pad, runs = t->flat ? 1 : t->cols, n = t->flat ? t->cols * t->depth : t->depth;
  padded_row(x, t, src, t->n * s->h + i, s->w, in, (t->cols - 1) * s->stride + s->kernel, -INFINITY, bf16, 0);
  for (int64_t q = 0; q < t->cols; q++) {
    int32_t first = (int32_t)most(-(in + q * s->stride), 0);
    for (int64_t j = 0; j < t->depth; j++) r->at[slot][q * t->depth + j] = first;
  }
  for (int64_t q = 0; q < runs; q++) {
    float *best = r->best[slot] + q * n, *from = x + q * s->stride * n;
    int32_t *at = r->at[slot] + q * n;
#define CASE(k) max_along(best, at, from, n, t->depth, k)
    EACH_SIZE(s->kernel, CASE)
#undef CASE
  }
}

static void max_strip(const strip *t, void *dst, uint8_t *arg, const void *src, bool bf16) {
  const vg_pool_shape *s = t->s;
  ring r;
  float best[ROW];
  uint8_t at[ROW];
  for (int k = 0; k < MOST; k++) r.tag[k] = -1;
  for (int64_t y = t->y0; y < t->y1; y++) {
    int64_t top = y * s->stride - s->pad, from = most(top, 0), to = least(top + s->kernel, s->h), row = t->n * s->ho + y;
    const float *x[MOST];
    const int32_t *columns[MOST];
    for (int64_t i = from; i < to; i++) {
      max_fetch(&r, t, src, bf16, i);
      x[i - from] = r.best[i % s->kernel];
      columns[i - from] = r.at[i % s->kernel];
    }
    int first = (int)(from - top);
#define CASE(rows) max_across(best, at, x, columns, first, rows, s->kernel, t->cols * t->depth)
    EACH_SIZE(to - from, CASE)
#undef CASE
    int64_t place = (row * s->wo + t->x0) * s->c + t->c0;
    narrow(dst, place, best, t->cols, t->depth, s->c, bf16);
    for (int64_t q = 0; arg && q < t->cols; q++) memcpy(arg + place + q * s->c, at + q * t->depth, (size_t)t->depth);
  }
}

void VG_SIMD(max_pool_rows)(const vg_pool_shape *s, vg_dtype dtype, void *dst, uint8_t *arg, const void *src) {
  plan p = plan_of(s, s->ho, s->wo, s->stride, s->kernel);
#pragma omp parallel for schedule(static) if (is_large(s))
  for (int64_t job = 0; job < jobs_of(&p); job++) {
    strip t = strip_of(&p, job);
    max_strip(&t, dst, arg, src, dtype == VG_BF16);
  }
}

/* --- gradients -------------------------------------------------------------------------------------------------------------------------- */

/* The windows of a row (or column) i of the source: [from, to). */
typedef struct span { int64_t from, to; } span;
static span windows_of(int64_t i, int64_t outs, const vg_pool_shape *s) {
  int64_t low = i + s->pad - s->kernel + 1;
  return (span){ low <= 0 ? 0 : (low + s->stride - 1) / s->stride, least((i + s->pad) / s->stride + 1, outs) };
}

/* The windows whose column k lies in the strip, which is one of the source here. */
static span windows_at(const strip *t, int k) {
  const vg_pool_shape *s = t->s;
  int64_t low = t->x0 + s->pad - k, high = t->x0 + t->cols + s->pad - k;         /* x * stride from low to below high */
  span x = { low <= 0 ? 0 : parts(low, s->stride), high <= 0 ? 0 : least(parts(high, s->stride), s->wo) };
  if (x.to < x.from) x.to = x.from;
  return x;
}

/* The gradient of row i. */
static void hand_out(void *dsrc, const strip *t, int64_t i, float *sum, bool bf16, bool add) {
  const vg_pool_shape *s = t->s;
  int64_t at = ((t->n * s->h + i) * s->w + t->x0) * s->c + t->c0;
  if (add) widen(sum, dsrc, at, t->cols, t->depth, s->c, 1, bf16);
  narrow(dsrc, at, sum, t->cols, t->depth, s->c, bf16);
}

VG_INLINE void add_where(float *restrict sum, const void *g, const uint8_t *restrict arg, int64_t at, uint8_t place, int64_t n, const int bf16) {
  for (int64_t j = 0; j < n; j++) sum[j] += arg[at + j] == place ? vg__get(g, at + j, bf16) : 0;
}

static void max_back_strip(const strip *t, void *dsrc, bool src_bf16, const void *g, bool bf16, const uint8_t *arg, bool add) {
  const vg_pool_shape *s = t->s;
  float sum[ROW];
  for (int64_t i = t->y0; i < t->y1; i++) {
    span ys = windows_of(i, s->ho, s);
    fill(sum, 0, t->cols * t->depth);
    for (int64_t y = ys.from; y < ys.to; y++)
      for (int k = s->kernel - 1; k >= 0; k--) {
        span xs = windows_at(t, k);
        uint8_t place = (uint8_t)((i - (y * s->stride - s->pad)) * s->kernel + k);
        int64_t runs = xs.to - xs.from, n = t->depth;
        if (t->flat) { n *= runs; runs = runs > 0; }
        for (int64_t q = 0; q < runs; q++) {
          int64_t x = xs.from + q, at = ((t->n * s->ho + y) * s->wo + x) * s->c + t->c0;
          float *to = sum + (x * s->stride - s->pad + k - t->x0) * t->depth;
          if (bf16) add_where(to, g, arg, at, place, n, 1);
          else add_where(to, g, arg, at, place, n, 0);
        }
      }
    hand_out(dsrc, t, i, sum, src_bf16, add);
  }
}

void VG_SIMD(max_pool_rows_backward)(const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *g, const uint8_t *arg,
                                     bool add) {
  plan p = plan_of(s, s->h, s->w, 1, 0);
#pragma omp parallel for schedule(static) if (is_large(s))
  for (int64_t job = 0; job < jobs_of(&p); job++) {
    strip t = strip_of(&p, job);
    max_back_strip(&t, dsrc, src_dtype == VG_BF16, g, dst_dtype == VG_BF16, arg, add);
  }
}

/* --- average ---------------------------------------------------------------------------------------------------------------------------- */

/* Elements that window `o` averages along an axis of `size`. */
static int64_t extent(const vg_pool_shape *s, int64_t o, int64_t size) {
  int64_t start = o * s->stride - s->pad;
  return s->count_pad ? least(start + s->kernel, size + s->pad) - start : least(start + s->kernel, size) - most(start, 0);
}

/* scale [cols, depth] = 1 / the number of elements of windows x .. x + cols - 1 with `rows` rows; 0 where there is no such window. */
static void shares(float *scale, const strip *t, int64_t rows, int64_t x, int64_t cols) {
  for (int64_t q = 0; q < cols; q++) {
    bool is_window = x + q >= 0 && x + q < t->s->wo;
    fill(scale + q * t->depth, is_window ? 1.0f / (float)(rows * extent(t->s, x + q, t->s->w)) : 0, t->depth);
  }
}

VG_INLINE void sum_along(float *restrict y, const float *restrict x, const float *restrict scale, int64_t n, int64_t d, const int kernel) {
  for (int64_t j = 0; j < n; j++) {
    float sum = x[j];
#pragma GCC unroll 8
    for (int k = 1; k < kernel; k++) sum += x[j + k * d];
    y[j] = scale ? sum * scale[j] : sum;
  }
}

static void avg_strip(const strip *t, void *dst, const void *src, bool bf16) {
  const vg_pool_shape *s = t->s;
  float column[ROW], y_row[ROW], scale[ROW];
  int64_t in = t->x0 * s->stride - s->pad, in_cols = (t->cols - 1) * s->stride + s->kernel, known = 0;
  int64_t runs = t->flat ? 1 : t->cols, n = t->flat ? t->cols * t->depth : t->depth;
  for (int64_t y = t->y0; y < t->y1; y++) {
    int64_t top = y * s->stride - s->pad, from = most(top, 0), to = least(top + s->kernel, s->h), rows = extent(s, y, s->h);
    padded_row(column, t, src, t->n * s->h + from, s->w, in, in_cols, 0, bf16, 0);
    for (int64_t i = from + 1; i < to; i++) padded_row(column, t, src, t->n * s->h + i, s->w, in, in_cols, 0, bf16, 1);
    if (rows != known) shares(scale, t, rows, t->x0, t->cols);
    known = rows;
    for (int64_t q = 0; q < runs; q++) {
#define CASE(k) sum_along(y_row + q * n, column + q * s->stride * n, scale + q * n, n, t->depth, k)
      EACH_SIZE(s->kernel, CASE)
#undef CASE
    }
    narrow(dst, ((t->n * s->ho + y) * s->wo + t->x0) * s->c + t->c0, y_row, t->cols, t->depth, s->c, bf16);
  }
}

void VG_SIMD(avg_pool_rows)(const vg_pool_shape *s, vg_dtype dtype, void *dst, const void *src) {
  plan p = plan_of(s, s->ho, s->wo, s->stride, s->kernel);
#pragma omp parallel for schedule(static) if (is_large(s))
  for (int64_t job = 0; job < jobs_of(&p); job++) {
    strip t = strip_of(&p, job);
    avg_strip(&t, dst, src, dtype == VG_BF16);
  }
}

/* column [cols, depth] = the shared gradients of windows x .. x + cols - 1, those of the rows `ys` added up; zero where there is no window. */
static void gather(float *column, float *scale, int64_t *known, const strip *t, const void *g, bool bf16, span ys, int64_t x, int64_t cols) {
  const vg_pool_shape *s = t->s;
  float row[ROW];
  int64_t n = cols * t->depth;
  fill(column, 0, n);
  for (int64_t y = ys.from; y < ys.to; y++) {
    int64_t rows = extent(s, y, s->h);
    if (rows != *known) shares(scale, t, rows, x, cols);
    *known = rows;
    padded_row(row, t, g, t->n * s->ho + y, s->wo, x, cols, 0, bf16, 0);
    for (int64_t j = 0; j < n; j++) column[j] += row[j] * scale[j];
  }
}

static void avg_back_strip(const strip *t, void *dsrc, bool src_bf16, const void *g, bool bf16, bool add) {
  const vg_pool_shape *s = t->s;
  float column[ROW], scale[ROW], sum[ROW];
  int64_t x = t->x0 + s->pad - s->kernel + 1, last = t->x0 + t->cols - 1 + s->pad, known = 0;
  if (s->stride > 1) {
    x = windows_of(t->x0, s->wo, s).from;
    last = last / s->stride;
  }
  int64_t cols = most(last - x + 1, 0);
  for (int64_t i = t->y0; i < t->y1; i++) {
    gather(column, scale, &known, t, g, bf16, windows_of(i, s->ho, s), x, cols);
    if (s->stride == 1) {
#define CASE(k) sum_along(sum, column, NULL, t->cols * t->depth, t->depth, k)
      EACH_SIZE(s->kernel, CASE)
#undef CASE
    } else {
      fill(sum, 0, t->cols * t->depth);
      for (int k = s->kernel - 1; k >= 0; k--) {
        span xs = windows_at(t, k);
        for (int64_t q = xs.from; q < xs.to; q++) {
          float *restrict to = sum + (q * s->stride - s->pad + k - t->x0) * t->depth;
          const float *restrict from = column + (q - x) * t->depth;
          for (int64_t j = 0; j < t->depth; j++) to[j] += from[j];
        }
      }
    }
    hand_out(dsrc, t, i, sum, src_bf16, add);
  }
}

void VG_SIMD(avg_pool_rows_backward)(const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *g, bool add) {
  plan p = plan_of(s, s->h, s->w, 1, s->kernel);
#pragma omp parallel for schedule(static) if (is_large(s))
  for (int64_t job = 0; job < jobs_of(&p); job++) {
    strip t = strip_of(&p, job);
    avg_back_strip(&t, dsrc, src_dtype == VG_BF16, g, dst_dtype == VG_BF16, add);
  }
}
