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
 * The data gradient is the same loop with the roles exchanged: with stride s the columns of the source fall into s phases, each of which sees
 * an arithmetic progression of the taps and reads the gradient with step one; so no multiplication with inserted zeros happens.
 *
 * Columns beyond the last one are computed, from zeros, where that fills a block; they are never stored. */
#include <immintrin.h>
#include <omp.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/depthwise.h"

#ifdef __AVX512F__
#define VL 16
#else
#define VL 8
#endif
#define INLINE static inline __attribute__((always_inline))
typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));

enum { MAX_RING = 256, RING_BYTES = 64 << 10, TAPS_AT_ONCE = 9 };
/* Multiply-adds (of lanes) below which waking other threads costs more than it brings. */
enum { PARALLEL_FROM = 1 << 18 };
static bool is_large(const vg_dw_shape *s) { return s->n * s->ho * s->wo * s->c * s->kh * s->kw >= PARALLEL_FROM; }

/* `lanes` channels from element `i` of a row, the rest zero. */
INLINE vf load(const void *row, int64_t i, bool bf16, int lanes) {
#ifdef __AVX512F__
  __mmask16 m = (__mmask16)((1u << lanes) - 1);
  if (bf16) return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, (const uint16_t *)row + i)), 16);
  return (vf)_mm512_maskz_loadu_ps(m, (const float *)row + i);
#else
  if (lanes == VL) {
    if (!bf16) return (vf)_mm256_loadu_ps((const float *)row + i);
    return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)((const uint16_t *)row + i))), 16);
  }
  vf v = { 0 };
  for (int k = 0; k < lanes; k++) v[k] = bf16 ? vg_bf16_to_f32(((const uint16_t *)row)[i + k]) : ((const float *)row)[i + k];
  return v;
#endif
}

/* Rounds to nearest even for bf16; NaN stays NaN. */
INLINE void store(void *row, int64_t i, vf v, bool bf16, int lanes) {
#ifdef __AVX512F__
  __mmask16 m = (__mmask16)((1u << lanes) - 1);
  if (!bf16) {
    if (lanes == VL) _mm512_storeu_ps((float *)row + i, (__m512)v);
    else _mm512_mask_storeu_ps((float *)row + i, m, (__m512)v);
    return;
  }
  __m512i u = (__m512i)v, high = _mm512_srli_epi32(u, 16);
  __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  __m512i r = _mm512_srli_epi32(_mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q), high, _mm512_set1_epi32(0x40));
  __m256i h = _mm512_cvtepi32_epi16(r);
  if (lanes == VL) _mm256_storeu_si256((__m256i *)((uint16_t *)row + i), h);
  else _mm256_mask_storeu_epi16((uint16_t *)row + i, m, h);
#else
  if (lanes != VL) {
    for (int k = 0; k < lanes; k++) {
      if (bf16) ((uint16_t *)row)[i + k] = vg_f32_to_bf16(v[k]);
      else ((float *)row)[i + k] = v[k];
    }
    return;
  }
  if (!bf16) {
    _mm256_storeu_ps((float *)row + i, (__m256)v);
    return;
  }
  __m256i u = (__m256i)v, high = _mm256_srli_epi32(u, 16);
  __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  __m256i r = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  __m256i nan = (__m256i)_mm256_cmp_ps((__m256)v, (__m256)v, _CMP_UNORD_Q);
  r = _mm256_blendv_epi8(r, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
  _mm_storeu_si128((__m128i *)((uint16_t *)row + i), _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1)));
#endif
}

/* relu or relu6; a NaN stays. */
INLINE vf activate(vf v, vg_act act) {
  v = (vf)(~(v < 0) & (vi)v);
  if (act != VG_ACT_RELU6) return v;
  vi above = v > 6;
  vf six = (vf){ 0 } + 6;
  return (vf)((above & (vi)six) | (~above & (vi)v));
}

/* Output columns first, first + phases, ...: column q of the phase reads ring columns x0 + q*col_step + k*xtap for its k-th tap, whose kernel
 * column is w0 + k*wtap. */
typedef struct phase {
  int64_t cols, x0, xtap;
  int ntap, w0, wtap;
} phase;

typedef struct plan {
  const vg_dw_shape *s;
  bool bf16, transposed;                 /* transposed: from the output's gradient to the input's */
  vg_act act;
  int64_t in_h, in_w, out_h, out_w, c;
  int64_t vectors, group, groups;        /* vectors of channels, in one group (the last may have fewer), number of groups */
  int64_t ring_rows, ring_cols, left;    /* left: ring column of input column 0 */
  int64_t col_step;
  int64_t rows_per_job, chunks;
  int phases;
  phase phase[VG_DW_MAX_STRIDE];
} plan;

/* What one thread works with. */
typedef struct worker {
  vf *ring;
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

static vg_status plan_make(plan *p, const vg_dw_shape *s, vg_dtype dtype, bool transposed) {
  if (s->kh > VG_DW_MAX_KERNEL || s->kw > VG_DW_MAX_KERNEL || s->stride > VG_DW_MAX_STRIDE)
    return vg_fail(VG_EARG, "depthwise: kernel %dx%d or stride %d too large for the vector kernel", s->kh, s->kw, s->stride);
  *p = (plan){ .s = s, .bf16 = dtype == VG_BF16, .transposed = transposed, .c = s->c, .vectors = ceil_div(s->c, VL) };
  p->in_h = transposed ? s->ho : s->h;
  p->in_w = transposed ? s->wo : s->w;
  p->out_h = transposed ? s->h : s->ho;
  p->out_w = transposed ? s->w : s->wo;
  if (transposed) plan_transposed(p);
  else plan_forward(p);
  if (p->ring_rows > MAX_RING) return vg_fail(VG_EARG, "depthwise: dilation %d too large for the vector kernel", s->dil);
  int64_t fit = at_least(RING_BYTES / (p->ring_rows * at_least(p->ring_cols, 1) * (int64_t)sizeof(vf)), 1);
  p->groups = ceil_div(p->vectors, fit);
  p->group = ceil_div(p->vectors, at_least(p->groups, 1));
  /* An image a job, or less where there are few of them. */
  int64_t rows = s->n * p->out_h, jobs = 4 * (int64_t)omp_get_max_threads();
  p->rows_per_job = at_least(p->out_h, 1);
  if (s->n * p->groups < jobs) p->rows_per_job = at_least(rows * p->groups / jobs, 1);
  p->chunks = ceil_div(rows, p->rows_per_job);
  return VG_OK;
}

static int64_t ring_size(const plan *p) { return p->ring_rows * p->group * p->ring_cols; }

/* The columns that no copy writes are zero from here on. */
static void worker_init(worker *w, const plan *p, vf *ring) {
  w->ring = ring;
  w->image = -1;
  memset(ring, 0, (size_t)ring_size(p) * sizeof(vf));
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

static const void *element(const void *base, int64_t i, bool bf16) { return (const char *)base + (size_t)i * (bf16 ? 2 : 4); }

/* Vectors in group g, and how many channels its last vector has. */
static int64_t group_vectors(const plan *p, int64_t g, int *tail) {
  int64_t first = g * p->group, n = p->vectors - first < p->group ? p->vectors - first : p->group;
  int64_t left = p->c - (first + n - 1) * VL;
  *tail = left < VL ? (int)left : VL;
  return n;
}

/* The ring row that holds input row `y` of the worker's image, copied if it is not there yet. */
static const vf *fetch(worker *w, const plan *p, const void *in, int64_t y, int64_t g) {
  int64_t slot = y % p->ring_rows;
  vf *row = w->ring + slot * p->group * p->ring_cols;
  if (w->tag[slot] == y) return row;
  w->tag[slot] = y;
  int tail;
  int64_t n = group_vectors(p, g, &tail);
  int64_t cols = p->in_w < p->ring_cols - p->left ? p->in_w : p->ring_cols - p->left;
  const void *src = element(in, (w->image * p->in_h + y) * p->in_w * p->c + g * p->group * VL, p->bf16);
  if (p->bf16) copy_columns(row + p->left, src, cols, p->c, n, p->ring_cols, tail, true, p->in_w * p->c);
  else copy_columns(row + p->left, src, cols, p->c, n, p->ring_cols, tail, false, p->in_w * p->c);
  return row;
}

/* The window's rows that lie inside the image. */
typedef struct window {
  int n, k[VG_DW_MAX_KERNEL];
  const vf *x[VG_DW_MAX_KERNEL];
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

/* W output columns of one vector of channels, whose sums begin at `start`. dst: the first column's element; `next` elements from column to column. */
INLINE void block(int W, int64_t step, void *dst, int64_t next, int64_t valid, const window *win, int64_t xo, const vf *weight, vf start, int kw,
                  const phase *ph, bool bf16, int lanes, vg_act act) {
  vf acc[16];
#pragma GCC unroll 16
  for (int j = 0; j < W; j++) acc[j] = start;
  for (int i = 0; i < win->n; i++) {
    const vf *x = win->x[i] + xo, *w = weight + win->k[i] * kw + ph->w0;
    for (int t = 0; t < ph->ntap; t++) {
      vf wt = *w;
#pragma GCC unroll 16
      for (int j = 0; j < W; j++) acc[j] += wt * x[j * step];
      x += ph->xtap;
      w += ph->wtap;
    }
  }
  if (act != VG_ACT_NONE) {
#pragma GCC unroll 16
    for (int j = 0; j < W; j++) acc[j] = activate(acc[j], act);
  }
#pragma GCC unroll 16
  for (int j = 0; j < W; j++)
    if (j < valid) store(dst, j * next, acc[j], bf16, lanes);
}

/* All columns of one phase: blocks of 16 where the registers suffice, then 8; the last one reaches back over columns already done. */
INLINE void columns(int64_t step, void *dst, int64_t next, const window *win, int64_t xo, const vf *weight, vf start, int kw, const phase *ph,
                    bool bf16, int lanes, vg_act act) {
  int64_t q = 0, cols = ph->cols;
#define AT(W, q, valid) \
  block(W, step, (void *)element(dst, (q) * next, bf16), next, valid, win, xo + (q) * step, weight, start, kw, ph, bf16, lanes, act)
#ifdef __AVX512F__
  for (; q + 16 <= cols; q += 16) AT(16, q, 16);
#endif
  for (; q + 8 <= cols; q += 8) AT(8, q, 8);
  if (q == cols) return;
  if (cols > 8) AT(8, cols - 8, 8);
  else if (cols > 4) AT(8, 0, cols);
  else AT(4, 0, cols);
#undef AT
}

static void columns_any(const plan *p, void *dst, int64_t next, const window *win, int64_t xo, const vf *packed, const phase *ph, int lanes) {
  int kw = p->s->kw;
  vf start = packed[p->s->kh * kw];
  const vf *weight = packed;
  if (p->bf16) {
    if (p->col_step == 1) columns(1, dst, next, win, xo, weight, start, kw, ph, true, lanes, p->act);
    else if (p->col_step == 2) columns(2, dst, next, win, xo, weight, start, kw, ph, true, lanes, p->act);
    else columns(p->col_step, dst, next, win, xo, weight, start, kw, ph, true, lanes, p->act);
  } else {
    if (p->col_step == 1) columns(1, dst, next, win, xo, weight, start, kw, ph, false, lanes, p->act);
    else if (p->col_step == 2) columns(2, dst, next, win, xo, weight, start, kw, ph, false, lanes, p->act);
    else columns(p->col_step, dst, next, win, xo, weight, start, kw, ph, false, lanes, p->act);
  }
}

/* weight [C, taps] and bias [C] (NULL: zeros) to [vector][tap, then the bias] of VL channels, zero beyond C. */
static void pack_weights(vf *packed, const plan *p, const void *weight, const float *bias) {
  int taps = p->s->kh * p->s->kw;
  for (int64_t v = 0; v < p->vectors; v++)
    for (int t = 0; t <= taps; t++) {
      vf x = { 0 };
      for (int k = 0; k < VL && v * VL + k < p->c; k++) {
        int64_t i = (v * VL + k) * taps + t;
        if (t == taps) x[k] = bias ? bias[v * VL + k] : 0;
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
        int64_t at = (r * p->out_w + i) * p->c + (g * p->group + v) * VL;
        if (ph->cols > 0)
          columns_any(p, (void *)element(out, at, p->bf16), p->phases * p->c, &win, v * p->ring_cols + ph->x0,
                      packed + (g * p->group + v) * packed_taps, ph, v + 1 < n ? VL : tail);
      }
  }
}

static vg_status convolve(const vg_dw_shape *s, vg_dtype dtype, void *out, const void *in, const void *weight, const float *bias, vg_act act,
                          bool transposed) {
  plan p;
  VG_TRY(plan_make(&p, s, dtype, transposed));
  p.act = act;
  int64_t threads = omp_get_max_threads(), packed_size = p.vectors * (s->kh * s->kw + 1);
  vf *scratch = NULL;
  VG_TRY(vg_block_get((void **)&scratch, (size_t)(packed_size + threads * ring_size(&p)) * sizeof(vf)));
  pack_weights(scratch, &p, weight, bias);
#pragma omp parallel if (is_large(s))
  {
    worker w;
    worker_init(&w, &p, scratch + packed_size + omp_get_thread_num() * ring_size(&p));
#pragma omp for schedule(static)
    for (int64_t job = 0; job < p.chunks * p.groups; job++) run_job(&w, &p, out, in, scratch, job / p.groups, job % p.groups);
  }
  vg_block_put(scratch);
  return VG_OK;
}

vg_status VG_SIMD(depthwise_forward)(const vg_dw_shape *s, vg_dtype dtype, void *dst, const void *src, const void *weight,
                                     const float *bias, vg_act act) {
  return convolve(s, dtype, dst, src, weight, bias, act, false);
}

vg_status VG_SIMD(depthwise_backward_data)(const vg_dw_shape *s, vg_dtype dtype, void *dsrc, const void *dst_grad, const void *weight) {
  return convolve(s, dtype, dsrc, dst_grad, weight, NULL, VG_ACT_NONE, true);
}

/* ---- weight gradient ---- */

/* N taps at once over one row: sum[i] += sum_q g[q] * x[i][q*step]. */
INLINE void dot(int N, int64_t step, vf *sum, const vf *const *x, int64_t xo, const vf *g, int64_t cols) {
  vf acc[TAPS_AT_ONCE];
  const vf *px[TAPS_AT_ONCE];
#pragma GCC unroll 9
  for (int i = 0; i < N; i++) {
    acc[i] = sum[i];
    px[i] = x[i] + xo;
  }
  for (int64_t q = 0; q < cols; q++) {
    vf gq = g[q];
#pragma GCC unroll 9
    for (int i = 0; i < N; i++) acc[i] += gq * px[i][q * step];
  }
#pragma GCC unroll 9
  for (int i = 0; i < N; i++) sum[i] = acc[i];
}

INLINE void dot_any(int n, int64_t step, vf *sum, const vf *const *x, int64_t xo, const vf *g, int64_t cols) {
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

/* One output row: `taps` consecutive taps, in portions of equal size. */
static void dot_row(const plan *p, vf *sum, const vf *const *x, int taps, int64_t xo, const vf *g) {
  int portions = (taps + TAPS_AT_ONCE - 1) / TAPS_AT_ONCE;
  for (int i = 0; i < portions; i++) {
    int from = taps * i / portions, n = taps * (i + 1) / portions - from;
    if (p->col_step == 1) dot_any(n, 1, sum + from, x + from, xo, g, p->out_w);
    else dot_any(n, p->col_step, sum + from, x + from, xo, g, p->out_w);
  }
}

static void weight_job(worker *w, const plan *p, vf *sum, vf *grad_row, const void *src, const void *dst_grad, int64_t chunk, int64_t g) {
  int64_t first = chunk * p->rows_per_job, end = first + p->rows_per_job, rows = p->s->n * p->out_h;
  int tail, kw = p->s->kw, taps = p->s->kh * kw;
  int64_t n = group_vectors(p, g, &tail);
  const vf *x[VG_DW_MAX_KERNEL * VG_DW_MAX_KERNEL];
  window win;
  w->image = -1;
  for (int64_t r = first; r < end && r < rows; r++) {
    if (r / p->out_h != w->image) worker_begin(w, p, r / p->out_h);
    window_rows(&win, w, p, src, r % p->out_h, g);
    if (win.n == 0) continue;
    for (int i = 0; i < win.n; i++)
      for (int j = 0; j < kw; j++) x[i * kw + j] = win.x[i] + j * p->s->dil;
    const void *row = element(dst_grad, r * p->out_w * p->c + g * p->group * VL, p->bf16);
    if (p->bf16) copy_columns(grad_row, row, p->out_w, p->c, n, p->out_w, tail, true, p->out_w * p->c);
    else copy_columns(grad_row, row, p->out_w, p->c, n, p->out_w, tail, false, p->out_w * p->c);
    for (int64_t v = 0; v < n; v++)
      dot_row(p, sum + (g * p->group + v) * taps + win.k[0] * kw, x, win.n * kw, v * p->ring_cols, grad_row + v * p->out_w);
  }
}

/* dw [C, taps] = the chunks' sums added in order. */
static void reduce(float *dw, const plan *p, const vf *sums) {
  int taps = p->s->kh * p->s->kw;
  int64_t size = p->vectors * taps;
#pragma omp parallel for schedule(static) if (size * p->chunks >= PARALLEL_FROM)
  for (int64_t i = 0; i < size; i++) {
    vf total = { 0 };
    for (int64_t chunk = 0; chunk < p->chunks; chunk++) total += sums[chunk * size + i];
    int64_t v = i / taps;
    for (int k = 0; k < VL && v * VL + k < p->c; k++) dw[(v * VL + k) * taps + i % taps] = total[k];
  }
}

vg_status VG_SIMD(depthwise_backward_weight)(const vg_dw_shape *s, vg_dtype dtype, float *dw, const void *src, const void *dst_grad) {
  plan p;
  VG_TRY(plan_make(&p, s, dtype, false));
  int64_t threads = omp_get_max_threads(), rows = s->n * s->ho;
  /* Few, long chunks: each has sums of its own. */
  p.rows_per_job = at_least(ceil_div(rows * p.groups, 4 * threads), at_least(s->ho < rows ? s->ho : rows, 1));
  p.chunks = ceil_div(rows, p.rows_per_job);
  int64_t sums_size = p.chunks * p.vectors * s->kh * s->kw, own = ring_size(&p) + p.group * p.out_w;
  vf *sums = NULL;
  VG_TRY(vg_block_get((void **)&sums, (size_t)(sums_size + threads * own) * sizeof(vf)));
  memset(sums, 0, (size_t)sums_size * sizeof(vf));
#pragma omp parallel if (is_large(s))
  {
    worker w;
    vf *mine = sums + sums_size + omp_get_thread_num() * own;
    worker_init(&w, &p, mine);
#pragma omp for schedule(static)
    for (int64_t job = 0; job < p.chunks * p.groups; job++)
      weight_job(&w, &p, sums + job / p.groups * p.vectors * s->kh * s->kw, mine + ring_size(&p), src, dst_grad, job / p.groups, job % p.groups);
  }
  reduce(dw, &p, sums);
  vg_block_put(sums);
  return VG_OK;
}
