#include "model/tpe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/exp.h"
#include "model/normal.h"

enum { FULL_WEIGHT = 25, MAX_NARROWING = 100 };
static const double LOG_SQRT_2PI = 0.91893853320467274178, EDGE = 6.5;     /* beyond EDGE s.d. a Gaussian has 4e-11 of its mass */

static bool is_category(const vg_column *c) { return c->category && c->levels > 0; }

/* --- building --------------------------------------------------------------------------------------------------------------------- */

void vg_mixture_deinit(vg_mixture *m) {
  vg_free(m->log_weight);
  vg_free(m->centre);
  vg_free(m->width);
  vg_free(m->inverse);
  vg_free(m->log_norm);
  vg_free(m->work);
  *m = (vg_mixture){ 0 };
}

static vg_status reserve(vg_mixture *m, size_t kernels) {
  vg_status status = VG_OK;
  VG_GOTO(vg_alloc((void **)&m->log_weight, kernels * sizeof(double)));
  VG_GOTO(vg_alloc((void **)&m->centre, m->d * kernels * sizeof(double)));
  VG_GOTO(vg_alloc((void **)&m->width, m->d * kernels * sizeof(double)));
  VG_GOTO(vg_alloc((void **)&m->inverse, m->d * kernels * sizeof(double)));
  VG_GOTO(vg_alloc((void **)&m->log_norm, m->d * kernels * sizeof(double)));
  VG_GOTO(vg_alloc((void **)&m->work, kernels * sizeof(double)));
  return VG_OK;
done:
  vg_mixture_deinit(m);
  return status;
}

/* The newest FULL_WEIGHT observations weigh 1, older ones on a ramp from 1/n to 1; the prior has its own weight. */
static void set_weights(vg_mixture *m, double prior) {
  size_t n = m->n - 1, old = n > FULL_WEIGHT ? n - FULL_WEIGHT : 0;
  double sum = prior;
  for (size_t i = 0; i < n; i++) {
    double first = 1.0 / (double)n;
    m->work[i] = i >= old ? 1 : old == 1 ? first : first + (1 - first) * (double)i / (double)(old - 1);
    sum += m->work[i];
  }
  m->work[n] = prior;
  for (size_t i = 0; i < m->n; i++) m->log_weight[i] = log(m->work[i] / sum);
}

/* The width of a kernel is the larger gap to its neighbours in order; the outermost ones have their inner gap only. */
static void set_widths(double *width, const double *centre, const uint32_t *sorted, size_t n) {
  double least = 1.0 / fmin(MAX_NARROWING, 1 + (double)(n + 1));
  for (size_t i = 0; i < n; i++) {
    double here = centre[sorted[i]];
    double below = i > 0 ? here - centre[sorted[i - 1]] : n == 1 ? here : 0;
    double above = i + 1 < n ? centre[sorted[i + 1]] - here : n == 1 ? 1 - here : 0;
    width[sorted[i]] = fmin(1, fmax(least, fmax(below, above)));
  }
}

static void set_norms(double *log_norm, double *inverse, const double *centre, const double *width, size_t n, bool continuous) {
  for (size_t i = 0; i < n; i++) {
    inverse[i] = 1 / width[i];
    double low = -centre[i] * inverse[i], high = (1 - centre[i]) * inverse[i];
    double mass = (high < EDGE ? vg_normal_cdf(high) : 1) - (low > -EDGE ? vg_normal_cdf(low) : 0);
    log_norm[i] = -log(mass) - (continuous ? log(width[i]) + LOG_SQRT_2PI : 0);
  }
}

/* kernel_of [rows]: the number of a row's kernel, or UINT32_MAX. */
static void set_column(vg_mixture *m, const vg_rows *rows, size_t k, const uint32_t *kernel_of, uint32_t *sorted) {
  size_t j = m->column[k], n = m->n - 1, filled = 0;
  double *centre = m->centre + k * m->n, *width = m->width + k * m->n;
  const uint32_t *order = rows->order + j * rows->capacity;
  for (size_t r = 0; r < rows->n; r++) {
    uint32_t i = kernel_of[order[r]];
    if (i == UINT32_MAX) continue;
    centre[i] = vg_rows_at(rows, order[r])[j];
    sorted[filled++] = i;
  }
  centre[n] = 0.5;
  width[n] = 1;
  if (is_category(&m->columns->at[j])) return;
  set_widths(width, centre, sorted, n);
  set_norms(m->log_norm + k * m->n, m->inverse + k * m->n, centre, width, m->n, m->columns->at[j].levels == 0);
}

vg_status vg_mixture_init(vg_mixture *m, const vg_rows *rows, const uint32_t *index, size_t n, const size_t *column, size_t d,
                          const vg_tpe_opts *opts) {
  *m = (vg_mixture){ .columns = rows->columns, .column = column, .d = d };
  uint32_t *kernel_of;
  VG_TRY(vg_alloc((void **)&kernel_of, (rows->n + n + 1) * sizeof *kernel_of));
  memset(kernel_of, 0xff, rows->n * sizeof *kernel_of);
  uint32_t *sorted = kernel_of + rows->n, kernels = 0;
  for (size_t i = 0; i < n; i++)
    if (vg_rows_at(rows, index[i])[column[0]] != VG_INACTIVE) kernel_of[index[i]] = kernels++;
  m->n = kernels + 1;
  vg_status status = reserve(m, m->n);
  if (status == VG_OK) {
    set_weights(m, opts->prior_weight);
    for (size_t k = 0; k < d; k++) set_column(m, rows, k, kernel_of, sorted);
  }
  vg_free(kernel_of);
  return status;
}

/* --- densities -------------------------------------------------------------------------------------------------------------------- */

static void add_continuous(double *restrict sum, const double *restrict centre, const double *restrict inverse, const double *restrict log_norm,
                           size_t n, double u) {
  for (size_t i = 0; i < n; i++) {
    double z = (u - centre[i]) * inverse[i];
    sum[i] += log_norm[i] - 0.5 * z * z;
  }
}

/* The mass of the kernel in the value's cell. Far from the kernel the difference is taken between tails of the same sign. */
static void add_stepped(double *sum, const double *centre, const double *inverse, const double *log_norm, size_t n, double u, int64_t levels) {
  double half = 0.5 / (double)levels;
  for (size_t i = 0; i < n; i++) {
    double low = (u - half - centre[i]) * inverse[i], high = (u + half - centre[i]) * inverse[i];
    double mass = low > 0 ? vg_normal_cdf(-low) - vg_normal_cdf(-high) : vg_normal_cdf(high) - vg_normal_cdf(low);
    sum[i] += log_norm[i] + log(mass);
  }
}

/* Probabilities in proportion to 1[the observed level] + 1 / kernels; the prior is uniform. */
static void add_category(double *sum, const double *centre, size_t n, double u, int64_t levels) {
  double share = 1.0 / (double)n, all = 1 + (double)levels * share;
  double hit = log((1 + share) / all), miss = log(share / all);
  for (size_t i = 0; i + 1 < n; i++) sum[i] += centre[i] == u ? hit : miss;
  sum[n - 1] -= log((double)levels);
}

double vg_mixture_log_density(const vg_mixture *m, const double *row) {
  double *sum = m->work, most = -HUGE_VAL, total = 0;
  memcpy(sum, m->log_weight, m->n * sizeof *sum);
  for (size_t k = 0; k < m->d; k++) {
    const vg_column *c = &m->columns->at[m->column[k]];
    const double *centre = m->centre + k * m->n, *inverse = m->inverse + k * m->n, *norm = m->log_norm + k * m->n;
    double u = row[m->column[k]];
    if (is_category(c)) add_category(sum, centre, m->n, u, c->levels);
    else if (c->levels > 0) add_stepped(sum, centre, inverse, norm, m->n, u, c->levels);
    else add_continuous(sum, centre, inverse, norm, m->n, u);
  }
#pragma omp simd reduction(max : most)
  for (size_t i = 0; i < m->n; i++) most = sum[i] > most ? sum[i] : most;
#pragma omp simd reduction(+ : total)
  for (size_t i = 0; i < m->n; i++) total += vg__exp(sum[i] - most);
  return most + log(total);
}

static double sample_value(const vg_column *c, double centre, double width, size_t kernels, bool prior, vg_rng *rng) {
  if (is_category(c)) {
    double share = 1.0 / (double)kernels;
    if (!prior && vg_rng_uniform(rng) * (1 + (double)c->levels * share) < 1) return centre;
    return vg_column_centre(c, vg_rng_below(rng, c->levels));
  }
  double u;
  do u = centre + width * vg_rng_normal(rng);           /* at least a third lands inside: the centre is in [0, 1] and width <= 1 */
  while (u < 0 || u > 1);
  return vg_column_snap(c, u);
}

void vg_mixture_sample(const vg_mixture *m, double *row, vg_rng *rng) {
  double u = vg_rng_uniform(rng), sum = 0;
  size_t i = 0;
  for (; i + 1 < m->n; i++) {
    sum += exp(m->log_weight[i]);
    if (u < sum) break;
  }
  for (size_t k = 0; k < m->d; k++) {
    const vg_column *c = &m->columns->at[m->column[k]];
    row[m->column[k]] = sample_value(c, m->centre[k * m->n + i], m->width[k * m->n + i], m->n, i + 1 == m->n, rng);
  }
}

/* --- suggesting ------------------------------------------------------------------------------------------------------------------- */

typedef struct estimator {
  const vg_rows *rows;
  const uint32_t *good, *bad;
  size_t n_good, n_bad;
  const vg_tpe_opts *opts;
  vg_rng *rng;
} estimator;

/* Draws `count` candidates of the columns into rows of `out` (other columns as they are) and scores them. */
static vg_status draw(const estimator *e, double *out, double *score, size_t count, const size_t *column, size_t d) {
  vg_mixture good = { 0 }, bad = { 0 };
  vg_status status = VG_OK;
  VG_GOTO(vg_mixture_init(&good, e->rows, e->good, e->n_good, column, d, e->opts));
  VG_GOTO(vg_mixture_init(&bad, e->rows, e->bad, e->n_bad, column, d, e->opts));
  for (size_t i = 0; i < count; i++) {
    double *row = out + i * e->rows->columns->n;
    vg_mixture_sample(&good, row, e->rng);
    score[i] = vg_mixture_log_density(&good, row) - vg_mixture_log_density(&bad, row);
  }
done:
  vg_mixture_deinit(&good);
  vg_mixture_deinit(&bad);
  return status;
}

/* The columns of the first level of the row that has no values yet: all with the same guard, or one of them. */
static size_t next_level(const estimator *e, const double *row, size_t *column) {
  const vg_columns *c = e->rows->columns;
  size_t d = 0, first = 0;
  while (first < c->n && (row[first] != VG_INACTIVE || !vg_columns_is_active(c, row, first))) first++;
  if (first == c->n) return 0;
  for (size_t j = first; j < c->n; j++)
    if (c->at[j].group == c->at[first].group && row[j] == VG_INACTIVE) column[d++] = j;
  return e->opts->multivariate ? d : 1;
}

/* Fills the levels below what the row has, each with the best of opts->candidates draws. */
static vg_status fill_below(const estimator *e, double *row, size_t *column, double *draws, double *score) {
  size_t n = e->rows->columns->n, d;
  while ((d = next_level(e, row, column)) > 0) {
    size_t best = 0;
    for (size_t i = 0; i < e->opts->candidates; i++) memcpy(draws + i * n, row, n * sizeof *row);
    VG_TRY(draw(e, draws, score, e->opts->candidates, column, d));
    for (size_t i = 1; i < e->opts->candidates; i++)
      if (score[i] > score[best]) best = i;
    memcpy(row, draws + best * n, n * sizeof *row);
  }
  return VG_OK;
}

static void sort_rows(double *rows, double *score, size_t count, size_t n, double *swap) {
  for (size_t i = 1; i < count; i++) {                   /* insertion: stable, and few */
    double s = score[i];
    size_t to = i;
    while (to > 0 && score[to - 1] < s) to--;
    memcpy(swap, rows + i * n, n * sizeof *swap);
    memmove(rows + (to + 1) * n, rows + to * n, (i - to) * n * sizeof *rows);
    memcpy(rows + to * n, swap, n * sizeof *swap);
    memmove(score + to + 1, score + to, (i - to) * sizeof *score);
    score[to] = s;
  }
}

vg_status vg_tpe_suggest(double *out, size_t keep, const vg_rows *rows, const uint32_t *good, size_t n_good,
                         const uint32_t *bad, size_t n_bad, const vg_tpe_opts *opts, vg_rng *rng) {
  size_t n = rows->columns->n, count = opts->candidates, d;
  estimator e = { rows, good, bad, n_good, n_bad, opts, rng };
  double *score = NULL;
  size_t *column = NULL;
  vg_status status = VG_OK;
  VG_GOTO(vg_alloc((void **)&score, (2 * count + (2 * count + 1) * n + 1) * sizeof *score));
  VG_GOTO(vg_alloc((void **)&column, (n + 1) * sizeof *column));
  double *below = score + count, *first = below + count, *draws = first + count * n, *swap = draws + count * n;
  for (size_t i = 0; i < count * n; i++) first[i] = VG_INACTIVE;
  if ((d = next_level(&e, first, column)) > 0) VG_GOTO(draw(&e, first, score, count, column, d));
  sort_rows(first, score, d > 0 ? count : 0, n, swap);
  memcpy(out, first, keep * n * sizeof *out);
  for (size_t i = 0; i < keep; i++) VG_GOTO(fill_below(&e, out + i * n, column, draws, below));
done:
  vg_free(score);
  vg_free(column);
  return status;
}
