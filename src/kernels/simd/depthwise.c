/* Depthwise convolution over NHWC, vectorised over channels.
 *
 * A job is a run of output rows of one group of channels (a few vectors). The input rows it needs are copied, widened to f32 and padded with
 * zero columns, into a small ring in the inner caches:
 *
 *     ring [row modulo ring_rows][vector][column] of vectors of VL channels
 *
 * so that the inner loops know no borders, no bf16 and no channel tail: a block of output columns stays in registers while the taps of the
 * window run by, one load and one multiply-add for each. Rows outside the image are left out of the list of taps.
 *
 * Flat rows: where the channels divide a vector (1, 2, 4, 8 of 16) and the stride is 1, a ring row is the image's row as it is, pixels running on
 * into each other, and a vector holds several pixels: a "column" is then a vector of the flat row, the next tap lies dil * C floats further, and
 * the weights are repeated over the vector.
 *
 * The data gradient is the same loop with the roles exchanged: with stride s the columns of the source fall into s phases, each of which sees
 * an arithmetic progression of the taps and reads the gradient with step one; so no multiplication with inserted zeros happens.
 *
 * Columns beyond the last one are computed, from zeros, where that fills a block; they are never stored. */
#include <omp.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/depthwise.h"
#include "kernels/simd/vector.h"

enum { MAX_RING = 256, RING_BYTES = 64 << 10, TAPS_AT_ONCE = 9 };
/* Multiply-adds (of lanes) below which waking other threads costs more than it brings. */
enum { PARALLEL_FROM = 1 << 18 };
static bool is_large(const vg_dw_shape *s) { return s->n * s->ho * s->wo * s->c * s->kh * s->kw >= PARALLEL_FROM; }

/* relu or relu6; a NaN stays. */
INLINE vf activate(vf v, vg_act act) {
  v = (vf)(~(v < 0) & (vi)v);
  if (act != VG_ACT_RELU6) return v;
  vi above = v > 6;
  vf six = (vf){ 0 } + 6;
  return (vf)((above & (vi)six) | (~above & (vi)v));
}

/* Output columns first, first + phases, ...: column q of the phase reads the vector at x0 + q*col_step*VL + k*xtap, in floats, for its k-th tap,
 * whose kernel column is w0 + k*wtap. */
typedef struct phase {
  int64_t cols, x0, xtap;
  int ntap, w0, wtap;
} phase;

typedef struct plan {
  const vg_dw_shape *s;
  bool bf16, transposed;                 /* transposed: from the output's gradient to the input's */
  bool flat, add;                        /* add: to what the result holds */
  vg_act act;
  int64_t in_h, in_w, out_h, out_w, c;
  int64_t vectors, group, groups;        /* vectors of channels, in one group (the last may have fewer), number of groups */
  int64_t ring_rows, ring_cols, left;    /* left: ring column of input column 0 */
  int64_t unit, ring_size;               /* floats of a ring column, and of a ring row of one vector of channels */
  int64_t col_step;
  int tail;                              /* flat: lanes of the last vector of an output row that are no whole one; 0: none */
  int64_t rows_per_job, chunks;
  int phases;
  phase phase[VG_DW_MAX_STRIDE];
} plan;

/* What one thread works with. */
typedef struct worker {
  float *ring;
  int64_t image, tag[MAX_RING];          /* which input row of which image each ring row holds; -1: none */
} worker;

static int64_t at_least(int64_t x, int64_t low) { return x < low ? low : x; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Forward: one phase, all taps. */
static void plan_forward(plan *p) {
  const vg_dw_shape *s = p->s;
  p->phases = 1;
  p->col_step = s->stride;
  p->left = s->pad;
  p->phase[0] = (phase){ .cols = s->wo, .xtap = s->dil, .ntap = s->kw, .wtap = 1 };
  p->ring_rows = (int64_t)(s->kh - 1) * s->dil + 1;
  p->ring_cols = (at_least(s->wo, 8) - 1) * s->stride + (int64_t)(s->kw - 1) * s->dil + 1;
}

/* Phase `first` sees the kernel columns j with (first + pad - j*dil) divisible by the stride. */
static phase transposed_phase(const vg_dw_shape *s, int first) {
  phase ph = { .cols = (s->w - first + s->stride - 1) / s->stride };
  for (int j = 0; j < s->kw; j++) {
    int64_t t = first + s->pad - (int64_t)j * s->dil;
    if (t % s->stride) continue;
    if (ph.ntap == 0) { ph.w0 = j; ph.x0 = t / s->stride; }
    if (ph.ntap == 1) { ph.wtap = j - ph.w0; ph.xtap = t / s->stride - ph.x0; }
    ph.ntap++;
  }
  return ph;
}

static void plan_transposed(plan *p) {
  const vg_dw_shape *s = p->s;
  int64_t low = 0, high = 0;
  p->phases = s->stride;
  p->col_step = 1;
  for (int i = 0; i < s->stride; i++) {
    phase *ph = &p->phase[i];
    *ph = transposed_phase(s, i);
    if (ph->ntap == 0) continue;
    int64_t last = ph->x0 + (ph->ntap - 1) * ph->xtap;
    if (last < low) low = last;
    if (ph->x0 + at_least(ph->cols, 8) > high) high = ph->x0 + at_least(ph->cols, 8);
  }
  p->left = -low;
  p->ring_cols = high - low;
  for (int i = 0; i < s->stride; i++) p->phase[i].x0 += p->left;
  p->ring_rows = (int64_t)(s->kh - 1) * s->dil / s->stride + 1;
}

/* From columns to floats. Blocks compute up to 8 columns, whatever there is: a flat row has room for that many vectors. */
static void plan_units(plan *p) {
  p->unit = p->flat ? p->c : VL;
  p->ring_size = p->ring_cols * p->unit;
  if (p->flat) p->ring_size = ceil_div(p->ring_size + 8 * VL, VL) * VL;
  for (int i = 0; i < p->phases; i++) {
    phase *ph = &p->phase[i];
    ph->x0 *= p->unit;
    ph->xtap *= p->unit;
    if (p->flat) {
      p->tail = (int)(ph->cols * p->c % VL);
      ph->cols = ph->cols * p->c / VL;
    }
  }
}

static vg_status plan_make(plan *p, const vg_dw_shape *s, vg_dtype dtype, bool transposed) {
  if (s->kh > VG_DW_MAX_KERNEL || s->kw > VG_DW_MAX_KERNEL || s->stride > VG_DW_MAX_STRIDE)
    return vg_fail(VG_EARG, "depthwise: kernel %dx%d or stride %d too large for the vector kernel", s->kh, s->kw, s->stride);
  *p = (plan){ .s = s, .bf16 = dtype == VG_BF16, .transposed = transposed, .c = s->c, .vectors = ceil_div(s->c, VL) };
  p->in_h = transposed ? s->ho : s->h;
  p->in_w = transposed ? s->wo : s->w;
  p->out_h = transposed ? s->h : s->ho;
  p->out_w = transposed ? s->w : s->wo;
  p->flat = s->stride == 1 && s->c < VL && VL % s->c == 0;
  if (transposed) plan_transposed(p);
  else plan_forward(p);
  plan_units(p);
  if (p->ring_rows > MAX_RING) return vg_fail(VG_EARG, "depthwise: dilation %d too large for the vector kernel", s->dil);
  int64_t fit = at_least(RING_BYTES / (p->ring_rows * at_least(p->ring_size, 1) * (int64_t)sizeof(float)), 1);
  p->groups = ceil_div(p->vectors, fit);
  p->group = ceil_div(p->vectors, at_least(p->groups, 1));
  /* An image a job, or less where there are few of them. */
  int64_t rows = s->n * p->out_h, jobs = 4 * (int64_t)omp_get_max_threads();
  p->rows_per_job = at_least(p->out_h, 1);
  if (s->n * p->groups < jobs) p->rows_per_job = at_least(rows * p->groups / jobs, 1);
  p->chunks = ceil_div(rows, p->rows_per_job);
  return VG_OK;
}

static int64_t ring_vectors(const plan *p) { return p->ring_rows * p->group * p->ring_size / VL; }

/* The columns that no copy writes are zero from here on. */
static void worker_init(worker *w, const plan *p, vf *ring) {
  w->ring = (float *)ring;
  w->image = -1;
  memset(ring, 0, (size_t)ring_vectors(p) * sizeof(vf));
}

static void worker_begin(worker *w, const plan *p, int64_t image) {
  w->image = image;
  for (int64_t i = 0; i < p->ring_rows; i++) w->tag[i] = -1;
}

/* Also asks for the same columns of the next row: the runs of one group are too short for the hardware to see the stream. */
INLINE void copy_columns(vf *ring, const void *src, int64_t cols, int64_t c, int64_t vectors, int64_t ring_cols, int tail, bool bf16,
                         int64_t row_size) {
  for (int64_t x = 0; x < cols; x++)
    for (int64_t v = 0; v < vectors; v++) {
      __builtin_prefetch((const char *)src + (size_t)(row_size + x * c + v * VL) * (bf16 ? 2 : 4));
      if (v + 1 < vectors || tail == VL) ring[v * ring_cols + x] = load(src, x * c + v * VL, bf16, VL);
      else ring[v * ring_cols + x] = load(src, x * c + v * VL, bf16, tail);
    }
}

INLINE void copy_flat(float *to, const void *src, int64_t n, bool bf16) {
  int64_t i = 0;
  for (; i + VL <= n; i += VL) *(vfu *)(to + i) = load(src, i, bf16, VL);
  for (; i < n; i++) to[i] = bf16 ? vg_bf16_to_f32(((const uint16_t *)src)[i]) : ((const float *)src)[i];
}

static const void *element(const void *base, int64_t i, bool bf16) { return (const char *)base + (size_t)i * (bf16 ? 2 : 4); }

/* Vectors in group g, and how many channels its last vector has. */
static int64_t group_vectors(const plan *p, int64_t g, int *tail) {
  int64_t first = g * p->group, n = p->vectors - first < p->group ? p->vectors - first : p->group;
  int64_t left = p->c - (first + n - 1) * VL;
  *tail = left < VL ? (int)left : VL;
  return n;
}

/* `cols` columns of a row from `src` on, of the group's vectors, to `to`; the columns of the next vector begin `apart` floats further. */
static void copy_row(float *to, const plan *p, const void *src, int64_t cols, int64_t apart, int64_t width, int64_t g) {
  int tail;
  int64_t n = group_vectors(p, g, &tail);
  if (p->flat) {
    if (p->bf16) copy_flat(to, src, cols * p->c, true);
    else copy_flat(to, src, cols * p->c, false);
  } else {
    if (p->bf16) copy_columns((vf *)to, src, cols, p->c, n, apart / VL, tail, true, width * p->c);
    else copy_columns((vf *)to, src, cols, p->c, n, apart / VL, tail, false, width * p->c);
  }
}

/* The ring row that holds input row `y` of the worker's image, copied if it is not there yet. */
static const float *fetch(worker *w, const plan *p, const void *in, int64_t y, int64_t g) {
  int64_t slot = y % p->ring_rows;
  float *row = w->ring + slot * p->group * p->ring_size;
  if (w->tag[slot] == y) return row;
  w->tag[slot] = y;
  int64_t cols = p->in_w < p->ring_cols - p->left ? p->in_w : p->ring_cols - p->left;
  const void *src = element(in, (w->image * p->in_h + y) * p->in_w * p->c + g * p->group * VL, p->bf16);
  copy_row(row + p->left * p->unit, p, src, cols, p->ring_size, p->in_w, g);
  return row;
}

/* The window's rows that lie inside the image. */
typedef struct window {
  int n, k[VG_DW_MAX_KERNEL];
  const float *x[VG_DW_MAX_KERNEL];
} window;

static void window_rows(window *win, worker *w, const plan *p, const void *in, int64_t y, int64_t g) {
  const vg_dw_shape *s = p->s;
  win->n = 0;
  for (int k = 0; k < s->kh; k++) {
    int64_t t = p->transposed ? y + s->pad - (int64_t)k * s->dil : y * s->stride - s->pad + (int64_t)k * s->dil;
    if (p->transposed) {
      if (t % s->stride) continue;
      t /= s->stride;
    }
    if (t < 0 || t >= p->in_h) continue;
    win->k[win->n] = k;
    win->x[win->n++] = fetch(w, p, in, t, g);
  }
}

/* Where a block's sums go: columns [first, valid) of it, `next` elements from column to column. */
typedef struct target {
  void *dst;
  int64_t next;
  bool bf16, add;
  int lanes;
  vg_act act;
} target;

/* W output columns of one vector of channels from column q on, whose sums begin at `start`. */
INLINE void block(int W, int64_t step, const target *to, int64_t q, int64_t first, int64_t valid, const window *win, int64_t xo, const vf *weight,
                  vf start, int kw, const phase *ph, bool bf16) {
  vf acc[16];
#pragma GCC unroll 16
  for (int j = 0; j < W; j++) acc[j] = start;
  for (int i = 0; i < win->n; i++) {
    const float *x = win->x[i] + xo + q * step * VL;
    const vf *w = weight + win->k[i] * kw + ph->w0;
    for (int t = 0; t < ph->ntap; t++) {
      vf wt = *w;
#pragma GCC unroll 16
      for (int j = 0; j < W; j++) acc[j] += wt * *(const vfu *)(x + j * step * VL);
      x += ph->xtap;
      w += ph->wtap;
    }
  }
  if (to->act != VG_ACT_NONE) {
#pragma GCC unroll 16
    for (int j = 0; j < W; j++) acc[j] = activate(acc[j], to->act);
  }
  void *dst = (void *)element(to->dst, q * to->next, bf16);
  if (to->add) {
#pragma GCC unroll 16
    for (int j = 0; j < W; j++)
      if (j >= first && j < valid) acc[j] += load(dst, j * to->next, bf16, to->lanes);
  }
#pragma GCC unroll 16
  for (int j = 0; j < W; j++)
    if (j >= first && j < valid) store(dst, j * to->next, acc[j], bf16, to->lanes);
}

/* Columns q to cols - 1 of one phase: blocks of 16 where the registers suffice, then 8; the last one reaches back over columns already done. */
INLINE void columns(int64_t step, const target *to, int64_t q, int64_t cols, const window *win, int64_t xo, const vf *weight, int kw, int taps,
                    const phase *ph, bool bf16) {
  vf start = weight[taps];
#define AT(W, q, first, valid) block(W, step, to, q, first, valid, win, xo, weight, start, kw, ph, bf16)
#ifdef __AVX512F__
  for (; q + 16 <= cols; q += 16) AT(16, q, 0, 16);
#endif
  for (; q + 8 <= cols; q += 8) AT(8, q, 0, 8);
  if (q == cols) return;
  if (cols > 8) AT(8, cols - 8, q - (cols - 8), 8);
  else if (cols - q > 4) AT(8, q, 0, cols - q);
  else AT(4, q, 0, cols - q);
#undef AT
}

static void columns_any(const plan *p, const target *to, int64_t from, int64_t cols, const window *win, int64_t xo, const vf *packed,
                        const phase *ph) {
  int kw = p->s->kw, taps = p->s->kh * kw;
  if (p->bf16) {
    if (p->col_step == 1) columns(1, to, from, cols, win, xo, packed, kw, taps, ph, true);
    else if (p->col_step == 2) columns(2, to, from, cols, win, xo, packed, kw, taps, ph, true);
    else columns(p->col_step, to, from, cols, win, xo, packed, kw, taps, ph, true);
  } else {
    if (p->col_step == 1) columns(1, to, from, cols, win, xo, packed, kw, taps, ph, false);
    else if (p->col_step == 2) columns(2, to, from, cols, win, xo, packed, kw, taps, ph, false);
    else columns(p->col_step, to, from, cols, win, xo, packed, kw, taps, ph, false);
  }
}

/* weight [C, taps] and bias [C] (NULL: zeros) to [vector][tap, then the bias] of VL channels, zero beyond C; flat: repeated. */
static void pack_weights(vf *packed, const plan *p, const void *weight, const float *bias) {
  int taps = p->s->kh * p->s->kw;
  for (int64_t v = 0; v < p->vectors; v++)
    for (int t = 0; t <= taps; t++) {
      vf x = { 0 };
      for (int k = 0; k < VL && (p->flat || v * VL + k < p->c); k++) {
        int64_t c = p->flat ? k % p->c : v * VL + k, i = c * taps + t;
        if (t == taps) x[k] = bias ? bias[c] : 0;
        else x[k] = p->bf16 ? vg_bf16_to_f32(((const uint16_t *)weight)[i]) : ((const float *)weight)[i];
      }
      *packed++ = x;
    }
}

static void run_job(worker *w, const plan *p, void *out, const void *in, const vf *packed, int64_t chunk, int64_t g) {
  int64_t first = chunk * p->rows_per_job, end = first + p->rows_per_job, rows = p->s->n * p->out_h;
  int tail, packed_taps = p->s->kh * p->s->kw + 1;
  int64_t n = group_vectors(p, g, &tail);
  window win;
  w->image = -1;
  for (int64_t r = first; r < end && r < rows; r++) {
    if (r / p->out_h != w->image) worker_begin(w, p, r / p->out_h);
    window_rows(&win, w, p, in, r % p->out_h, g);
    for (int64_t v = 0; v < n; v++)
      for (int i = 0; i < p->phases; i++) {
        const phase *ph = &p->phase[i];
        int64_t at = (r * p->out_w + i) * p->c + (g * p->group + v) * VL, xo = v * p->ring_size + ph->x0;
        const vf *weight = packed + (g * p->group + v) * packed_taps;
        target to = { (void *)element(out, at, p->bf16), p->flat ? VL : p->phases * p->c, p->bf16, p->add, p->flat || v + 1 < n ? VL : tail, p->act };
        if (ph->cols > 0) columns_any(p, &to, 0, ph->cols, &win, xo, weight, ph);
        if (p->tail) {
          to.lanes = p->tail;
          columns_any(p, &to, ph->cols, ph->cols + 1, &win, xo, weight, ph);
        }
      }
  }
}

static vg_status convolve(const vg_dw_shape *s, vg_dtype dtype, void *out, const void *in, const void *weight, const float *bias, vg_act act,
                          bool transposed, bool add) {
  plan p;
  VG_TRY(plan_make(&p, s, dtype, transposed));
  p.act = act;
  p.add = add;
  int64_t threads = omp_get_max_threads(), packed_size = p.vectors * (s->kh * s->kw + 1);
  vf *scratch = NULL;
  VG_TRY(vg_block_get((void **)&scratch, (size_t)(packed_size + threads * ring_vectors(&p)) * sizeof(vf)));
  pack_weights(scratch, &p, weight, bias);
#pragma omp parallel if (is_large(s))
  {
    worker w;
    worker_init(&w, &p, scratch + packed_size + omp_get_thread_num() * ring_vectors(&p));
#pragma omp for schedule(static)
    for (int64_t job = 0; job < p.chunks * p.groups; job++) run_job(&w, &p, out, in, scratch, job / p.groups, job % p.groups);
  }
  vg_block_put(scratch);
  return VG_OK;
}

vg_status VG_SIMD(depthwise_forward)(const vg_dw_shape *s, vg_dtype dtype, void *dst, const void *src, const void *weight,
                                     const float *bias, vg_act act) {
  return convolve(s, dtype, dst, src, weight, bias, act, false, false);
}

vg_status VG_SIMD(depthwise_backward_data)(const vg_dw_shape *s, vg_dtype dtype, void *dsrc, const void *dst_grad, const void *weight, bool add) {
  return convolve(s, dtype, dsrc, dst_grad, weight, NULL, VG_ACT_NONE, true, add);
}

/* ---- weight gradient ---- */

/* N taps at once over one row: sum[i] += sum_q g[q] * the vector q*step vectors after x[i]. */
INLINE void dot(int N, int64_t step, vf *sum, const float *const *x, int64_t xo, const vf *g, int64_t cols) {
  vf acc[TAPS_AT_ONCE];
  const float *px[TAPS_AT_ONCE];
#pragma GCC unroll 9
  for (int i = 0; i < N; i++) {
    acc[i] = sum[i];
    px[i] = x[i] + xo;
  }
  for (int64_t q = 0; q < cols; q++) {
    vf gq = g[q];
#pragma GCC unroll 9
    for (int i = 0; i < N; i++) acc[i] += gq * *(const vfu *)(px[i] + q * step * VL);
  }
#pragma GCC unroll 9
  for (int i = 0; i < N; i++) sum[i] = acc[i];
}

INLINE void dot_any(int n, int64_t step, vf *sum, const float *const *x, int64_t xo, const vf *g, int64_t cols) {
  switch (n) {
    case 1: dot(1, step, sum, x, xo, g, cols); break;
    case 2: dot(2, step, sum, x, xo, g, cols); break;
    case 3: dot(3, step, sum, x, xo, g, cols); break;
    case 4: dot(4, step, sum, x, xo, g, cols); break;
    case 5: dot(5, step, sum, x, xo, g, cols); break;
    case 6: dot(6, step, sum, x, xo, g, cols); break;
    case 7: dot(7, step, sum, x, xo, g, cols); break;
    case 8: dot(8, step, sum, x, xo, g, cols); break;
    default: dot(9, step, sum, x, xo, g, cols); break;
  }
}

/* Vectors of a row of the gradient; the last one of a flat row is filled up with zeros. */
static int64_t grad_vectors(const plan *p) { return p->flat ? ceil_div(p->out_w * p->c, VL) : p->out_w; }

/* One output row: `taps` consecutive taps, in portions of equal size. */
static void dot_row(const plan *p, vf *sum, const float *const *x, int taps, int64_t xo, const vf *g) {
  int portions = (taps + TAPS_AT_ONCE - 1) / TAPS_AT_ONCE;
  for (int i = 0; i < portions; i++) {
    int from = taps * i / portions, n = taps * (i + 1) / portions - from;
    if (p->col_step == 1) dot_any(n, 1, sum + from, x + from, xo, g, grad_vectors(p));
    else dot_any(n, p->col_step, sum + from, x + from, xo, g, grad_vectors(p));
  }
}

static void weight_job(worker *w, const plan *p, vf *sum, vf *grad_row, const void *src, const void *dst_grad, int64_t chunk, int64_t g) {
  int64_t first = chunk * p->rows_per_job, end = first + p->rows_per_job, rows = p->s->n * p->out_h;
  int tail, kw = p->s->kw, taps = p->s->kh * kw;
  int64_t n = group_vectors(p, g, &tail);
  const float *x[VG_DW_MAX_KERNEL * VG_DW_MAX_KERNEL];
  window win;
  w->image = -1;
  for (int64_t r = first; r < end && r < rows; r++) {
    if (r / p->out_h != w->image) worker_begin(w, p, r / p->out_h);
    window_rows(&win, w, p, src, r % p->out_h, g);
    if (win.n == 0) continue;
    for (int i = 0; i < win.n; i++)
      for (int j = 0; j < kw; j++) x[i * kw + j] = win.x[i] + j * p->s->dil * p->unit;
    const void *row = element(dst_grad, r * p->out_w * p->c + g * p->group * VL, p->bf16);
    copy_row((float *)grad_row, p, row, p->out_w, p->out_w * VL, p->out_w, g);
    for (int64_t v = 0; v < n; v++)
      dot_row(p, sum + (g * p->group + v) * taps + win.k[0] * kw, x, win.n * kw, v * p->ring_size, grad_row + v * grad_vectors(p));
  }
}

/* dw [C, taps] = the chunks' sums added in order; of a flat row all lanes of a channel. */
static void reduce(float *dw, const plan *p, const vf *sums) {
  int taps = p->s->kh * p->s->kw;
  int64_t size = p->vectors * taps;
#pragma omp parallel for schedule(static) if (size * p->chunks >= PARALLEL_FROM)
  for (int64_t i = 0; i < size; i++) {
    vf total = { 0 };
    for (int64_t chunk = 0; chunk < p->chunks; chunk++) total += sums[chunk * size + i];
    int64_t v = i / taps;
    for (int k = 0; k < VL && v * VL + k < p->c; k++) {
      float lanes = total[k];
      for (int64_t j = k + p->c; p->flat && j < VL; j += p->c) lanes += total[j];
      dw[(v * VL + k) * taps + i % taps] = lanes;
    }
  }
}

vg_status VG_SIMD(depthwise_backward_weight)(const vg_dw_shape *s, vg_dtype dtype, float *dw, const void *src, const void *dst_grad) {
  plan p;
  VG_TRY(plan_make(&p, s, dtype, false));
  int64_t threads = omp_get_max_threads(), rows = s->n * s->ho;
  /* Few, long chunks: each has sums of its own. */
  p.rows_per_job = at_least(ceil_div(rows * p.groups, 4 * threads), at_least(s->ho < rows ? s->ho : rows, 1));
  p.chunks = ceil_div(rows, p.rows_per_job);
  int64_t sums_size = p.chunks * p.vectors * s->kh * s->kw, own = ring_vectors(&p) + p.group * grad_vectors(&p);
  vf *sums = NULL;
  VG_TRY(vg_block_get((void **)&sums, (size_t)(sums_size + threads * own) * sizeof(vf)));
  memset(sums, 0, (size_t)sums_size * sizeof(vf));
#pragma omp parallel if (is_large(s))
  {
    worker w;
    vf *mine = sums + sums_size + omp_get_thread_num() * own;
    worker_init(&w, &p, mine);
    memset(mine + ring_vectors(&p), 0, (size_t)(p.group * grad_vectors(&p)) * sizeof(vf));
#pragma omp for schedule(static)
    for (int64_t job = 0; job < p.chunks * p.groups; job++)
      weight_job(&w, &p, sums + job / p.groups * p.vectors * s->kh * s->kw, mine + ring_vectors(&p), src, dst_grad, job / p.groups, job % p.groups);
  }
  reduce(dw, &p, sums);
  vg_block_put(sums);
  return VG_OK;
}
