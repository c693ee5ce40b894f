/* How the passes are cut.
 * With few channels several pixels are taken as one wide row (`fold` of them), a whole number of vectors: the vectors of parameters are repeated
 * to that width once, and the kernels never see a short row. The rows left over at the end are one shorter wide row: a prefix.
 * Wide rows are split evenly over the threads, each part into blocks of about 64 KiB; after a block, f32 sums flow into the thread's double ones.
 * The writing passes walk their blocks backwards: the end of x is what the reading pass before them left in the cache. */
#include "kernels/norm.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/alloc.h"
#include "base/threads.h"

enum { VECTOR = 16, WIDE = 64, WIDEST = 1024, BLOCK = 1 << 14, PARALLEL = 1 << 15, SAMPLES = 16 };

typedef struct cut {
  int64_t fold, width;      /* width = fold * channels */
  int64_t full, tail;       /* full wide rows; elements of the shorter one after them, or 0 */
  int64_t block;            /* wide rows of a block */
  int threads;
  size_t size;              /* of an element */
} cut;

static int64_t gcd(int64_t a, int64_t b) { return b ? gcd(b, a % b) : a; }

static cut cut_of(const vg_map *m) {
  cut k = { .fold = 1, .size = m->bf16 ? 2 : 4, .block = 4, .threads = 1 };
  if (m->channels == 0) return k;
  int64_t unit = VECTOR / gcd(m->channels, VECTOR);
  if (m->channels * unit <= WIDEST) k.fold = unit;
  while (k.fold * m->channels < WIDE) k.fold *= 2;
  if (k.fold > m->rows) k.fold = m->rows > 0 ? m->rows : 1;
  k.width = k.fold * m->channels;
  k.full = m->rows / k.fold;
  k.tail = m->rows % k.fold * m->channels;
  k.block = BLOCK / k.width > 4 ? BLOCK / k.width / 4 * 4 : 4;
  k.threads = m->rows * m->channels < PARALLEL || omp_in_parallel() ? 1 : vg_threads();
  return k;
}

static void part(int64_t *begin, int64_t *end, const cut *k, int t) {
  *begin = k->full * t / k->threads;
  *end = k->full * (t + 1) / k->threads;
}

/* dst [width] = src [channels] again and again; `none` where src is NULL. */
static void repeat(float *dst, const float *src, float none, int64_t channels, const cut *k) {
  for (int64_t j = 0; j < k->width; j++) dst[j] = src ? src[j % channels] : none;
}

/* The vectors of vg_norm_rows side by side in one allocation. */
static vg_status widen(vg_norm_rows *p, float **memory, const vg_norm *n, const float *a, const float *b, const cut *k) {
  void *v;
  VG_TRY(vg_alloc(&v, (size_t)k->width * 5 * sizeof(float)));
  float *mean = v, *scale = mean + k->width, *shift = scale + k->width, *wa = shift + k->width, *wb = wa + k->width;
  repeat(mean, n->mean, 0, n->channels, k);
  repeat(shift, n->beta, 0, n->channels, k);
  repeat(wa, a, 0, n->channels, k);
  for (int64_t j = 0; j < k->width; j++) {
    int64_t c = j % n->channels;
    scale[j] = n->istd[c] * (n->gamma ? n->gamma[c] : 1);
    wb[j] = b ? b[c] * n->istd[c] : 0;
  }
  *p = (vg_norm_rows){ .mean = mean, .scale = scale, .shift = shift, .a = wa, .b = wb, .add = n->add };
  *memory = v;
  return VG_OK;
}

/* Two sums for each thread and column: f32 for the current block, double for the part. */
typedef struct sums {
  float *now;          /* [threads, 2, width] */
  double *total;       /* [threads, 2, width] */
} sums;

static vg_status sums_new(sums *s, const cut *k) {
  void *v;
  size_t n = (size_t)k->threads * 2 * (size_t)k->width;
  VG_TRY(vg_alloc_zero(&v, n * (sizeof(double) + sizeof(float))));
  s->total = v;
  s->now = (float *)(s->total + n);
  return VG_OK;
}

static void sums_flush(sums *s, const cut *k, int t) {
  float *now = s->now + 2 * t * k->width;
  double *total = s->total + 2 * t * k->width;
  for (int64_t j = 0; j < 2 * k->width; j++) total[j] += now[j];
  memset(now, 0, (size_t)k->width * 2 * sizeof *now);
}

/* Channel c of sum `which`, joined in a fixed order. */
static double sums_get(const sums *s, const cut *k, int which, int64_t c, int64_t channels) {
  double all = 0;
  for (int t = 0; t < k->threads; t++)
    for (int64_t j = c; j < k->width; j += channels) all += s->total[(2 * t + which) * k->width + j];
  return all;
}

/* A pass: called with the byte offset of a block, its rows and width. */
typedef struct pass {
  void *dst;
  const void *x, *dy;
  const float *around;
  vg_norm_rows rows;
  sums sum;
  bool bf16;
  vg_act act;
} pass;

static void reading_block(pass *p, const cut *k, int t, size_t at, int64_t rows, int64_t width) {
  float *first = p->sum.now + 2 * t * k->width, *second = first + k->width;
  const char *x = (const char *)p->x + at, *dy = (const char *)p->dy + (p->dy ? at : 0);
  if (p->dy) VG_DISPATCH(norm_sums)(first, second, dy, x, &p->rows, rows, width, p->bf16, p->act);
  else VG_DISPATCH(norm_stats)(first, second, p->around, x, rows, width, p->bf16);
  sums_flush(&p->sum, k, t);
}

static void writing_block(pass *p, size_t at, int64_t rows, int64_t width) {
  char *dst = (char *)p->dst + at;
  const char *x = (const char *)p->x + at;
  if (p->dy) VG_DISPATCH(norm_input)(dst, (const char *)p->dy + at, x, &p->rows, rows, width, p->bf16, p->act);
  else VG_DISPATCH(norm_apply)(dst, x, &p->rows, rows, width, p->bf16, p->act);
}

/* The parts are counted, not the threads that came: fewer threads than asked for give the same bits. */
static void read_all(pass *p, const cut *k) {
  size_t stride = (size_t)k->width * k->size;
#pragma omp parallel for schedule(static) num_threads(k->threads) if (k->threads > 1)
  for (int t = 0; t < k->threads; t++) {
    int64_t begin, end;
    part(&begin, &end, k, t);
    for (int64_t r = begin; r < end; r += k->block)
      reading_block(p, k, t, (size_t)r * stride, r + k->block < end ? k->block : end - r, k->width);
    if (t == k->threads - 1 && k->tail) reading_block(p, k, t, (size_t)k->full * stride, 1, k->tail);
  }
}

static void write_all(pass *p, const cut *k) {
  size_t stride = (size_t)k->width * k->size;
#pragma omp parallel for schedule(static) num_threads(k->threads) if (k->threads > 1)
  for (int t = 0; t < k->threads; t++) {
    int64_t begin, end;
    part(&begin, &end, k, t);
    if (t == k->threads - 1 && k->tail) writing_block(p, (size_t)k->full * stride, 1, k->tail);
    for (int64_t stop = end; stop > begin; stop -= k->block) {
      int64_t r = stop - k->block > begin ? stop - k->block : begin;
      writing_block(p, (size_t)r * stride, stop - r, k->width);
    }
  }
}

/* A guess at the mean, from rows spread over the map: sums around it do not cancel. */
static void guess(float *around, const void *x, const vg_map *m) {
  int64_t n = m->rows < SAMPLES ? m->rows : SAMPLES;
  for (int64_t c = 0; c < m->channels; c++) {
    float sum = 0;
    for (int64_t s = 0; s < n; s++) {
      int64_t i = m->rows * s / n * m->channels + c;
      sum += m->bf16 ? vg_bf16_to_f32(((const uint16_t *)x)[i]) : ((const float *)x)[i];
    }
    around[c] = sum / (float)n;
  }
}

vg_status vg_norm_stats(float *mean, float *var, const void *x, const vg_map *m) {
  cut k = cut_of(m);
  void *around;
  VG_TRY(vg_alloc(&around, (size_t)k.width * sizeof(float)));
  pass p = { .x = x, .around = around, .bf16 = m->bf16 };
  vg_status status = sums_new(&p.sum, &k);
  if (status == VG_OK) {
    guess(around, x, m);
    for (int64_t j = m->channels; j < k.width; j++) ((float *)around)[j] = ((float *)around)[j - m->channels];
    read_all(&p, &k);
    for (int64_t c = 0; c < m->channels; c++) {
      double first = sums_get(&p.sum, &k, 0, c, m->channels) / (double)m->rows;
      double second = sums_get(&p.sum, &k, 1, c, m->channels) / (double)m->rows - first * first;
      mean[c] = (float)(p.around[c] + first);
      var[c] = second < 0 ? 0 : (float)second;
    }
    vg_free(p.sum.total);
  }
  vg_free(around);
  return status;
}

vg_status vg_norm_apply(void *y, const void *x, const vg_map *m, const vg_norm *n) {
  cut k = cut_of(m);
  float *memory;
  pass p = { .dst = y, .x = x, .bf16 = m->bf16, .act = n->act };
  VG_TRY(widen(&p.rows, &memory, n, NULL, NULL, &k));
  write_all(&p, &k);
  vg_free(memory);
  return VG_OK;
}

vg_status vg_norm_grad_sums(float *sum_g, float *sum_gx, const void *dy, const void *x, const vg_map *m, const vg_norm *n) {
  cut k = cut_of(m);
  float *memory;
  pass p = { .x = x, .dy = dy, .bf16 = m->bf16, .act = n->act };
  VG_TRY(widen(&p.rows, &memory, n, NULL, NULL, &k));
  vg_status status = sums_new(&p.sum, &k);
  if (status == VG_OK) {
    read_all(&p, &k);
    for (int64_t c = 0; c < m->channels; c++) {
      sum_g[c] = (float)sums_get(&p.sum, &k, 0, c, m->channels);
      sum_gx[c] = (float)(sums_get(&p.sum, &k, 1, c, m->channels) * n->istd[c]);     /* the kernel sums g * (x - mean) */
    }
    vg_free(p.sum.total);
  }
  vg_free(memory);
  return status;
}

vg_status vg_norm_grad_input(void *dx, const void *dy, const void *x, const vg_map *m, const vg_norm *n, const float *a, const float *b) {
  cut k = cut_of(m);
  float *memory;
  pass p = { .dst = dx, .x = x, .dy = dy, .bf16 = m->bf16, .act = n->act };
  VG_TRY(widen(&p.rows, &memory, n, a, b, &k));
  write_all(&p, &k);
  vg_free(memory);
  return VG_OK;
}

/* The rows of layer norm are not folded: a cut with rows as they are. */
static cut layer_cut(const vg_map *m) {
  cut k = { .fold = 1, .width = m->channels, .full = m->channels ? m->rows : 0, .size = m->bf16 ? 2 : 4 };
  k.block = m->channels && BLOCK / m->channels > 1 ? BLOCK / m->channels : 1;
  k.threads = m->rows * m->channels < PARALLEL || omp_in_parallel() ? 1 : vg_threads();
  return k;
}

void vg_layer_norm(void *y, float *stats, const void *x, const vg_map *m, const float *gamma, const float *beta, float eps) {
  cut k = layer_cut(m);
  size_t stride = (size_t)k.width * k.size;
#pragma omp parallel for schedule(static) num_threads(k.threads) if (k.threads > 1)
  for (int t = 0; t < k.threads; t++) {
    int64_t begin, end;
    part(&begin, &end, &k, t);
    VG_DISPATCH(layer_norm)((char *)y + (size_t)begin * stride, stats + 2 * begin, (const char *)x + (size_t)begin * stride, gamma, beta, end - begin, k.width,
                            m->bf16, eps);
  }
}

vg_status vg_layer_norm_grad(void *dx, float *dgamma, float *dbeta, const void *dy, const void *x, const float *stats, const vg_map *m, const float *gamma) {
  cut k = layer_cut(m);
  size_t stride = (size_t)k.width * k.size;
  sums s;
  VG_TRY(sums_new(&s, &k));
#pragma omp parallel for schedule(static) num_threads(k.threads) if (k.threads > 1)
  for (int t = 0; t < k.threads; t++) {
    int64_t begin, end;
    part(&begin, &end, &k, t);
    for (int64_t r = begin; r < end; r += k.block) {
      size_t at = (size_t)r * stride;
      float *now = s.now + 2 * t * k.width;
      VG_DISPATCH(layer_norm_grad)(dx ? (char *)dx + at : NULL, now, now + k.width, (const char *)dy + at, (const char *)x + at, stats + 2 * r, gamma,
                                   r + k.block < end ? k.block : end - r, k.width, m->bf16);
      sums_flush(&s, &k, t);
    }
  }
  for (int64_t c = 0; c < m->channels; c++) {
    dbeta[c] = (float)sums_get(&s, &k, 0, c, m->channels);
    dgamma[c] = (float)sums_get(&s, &k, 1, c, m->channels);
  }
  vg_free(s.total);
  return VG_OK;
}
