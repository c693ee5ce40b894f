#include "model/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/minimise.h"

enum { CATEGORY_TRIALS = 64, REAL_TRIALS = 4, MAX_NEIGHBOURS = 4096 };
static const double NEIGHBOUR_STEP = 0.2, GAIN = 1e-4;      /* search-strategies.md 3.7 and 4.4 */

typedef struct search {
  const vg_acquisition *acquisition;
  const vg_rows *seen;
  const vg_columns *columns;
  vg_rng *rng;
  double *pool, *score;          /* [n_pool, columns], [n_pool] */
  size_t n_pool;
  double *near, *near_score;     /* neighbours of one row */
} search;

/* --- neighbours ------------------------------------------------------------------------------------------------------------------- */

static size_t add_neighbour(search *s, size_t count, const double *row, size_t column, double value) {
  const vg_columns *c = s->columns;
  double *new = s->near + count * c->n;
  if (count == MAX_NEIGHBOURS) return count;
  memcpy(new, row, c->n * sizeof *row);
  new[column] = value;
  vg_columns_complete(c, new, s->rng);
  return vg_rows_has(s->seen, new) ? count : count + 1;
}

/* Other levels of a category: all, or a random CATEGORY_TRIALS of many. */
static size_t add_levels(search *s, size_t count, const double *row, size_t j) {
  const vg_column *c = &s->columns->at[j];
  int64_t old = vg_column_level(c, row[j]), trials = c->levels <= CATEGORY_TRIALS ? c->levels : CATEGORY_TRIALS;
  for (int64_t k = 0; k < trials; k++) {
    int64_t level = c->levels <= CATEGORY_TRIALS ? k : vg_rng_below(s->rng, c->levels);
    if (level != old) count = add_neighbour(s, count, row, j, vg_column_centre(c, level));
  }
  return count;
}

/* Ordered levels at distances 1, 2, 4, ... */
static size_t add_steps(search *s, size_t count, const double *row, size_t j) {
  const vg_column *c = &s->columns->at[j];
  int64_t old = vg_column_level(c, row[j]);
  for (int64_t step = 1; step < c->levels; step *= 2) {
    if (old + step < c->levels) count = add_neighbour(s, count, row, j, vg_column_centre(c, old + step));
    if (old - step >= 0) count = add_neighbour(s, count, row, j, vg_column_centre(c, old - step));
  }
  return count;
}

static size_t neighbours(search *s, const double *row, bool reals) {
  size_t count = 0;
  for (size_t j = 0; j < s->columns->n; j++) {
    const vg_column *c = &s->columns->at[j];
    if (row[j] == VG_INACTIVE) continue;
    if (c->levels > 0) {
      count = c->category ? add_levels(s, count, row, j) : add_steps(s, count, row, j);
    } else if (reals) {
      for (int k = 0; k < REAL_TRIALS; k++) {
        double u = fabs(row[j] + NEIGHBOUR_STEP * vg_rng_normal(s->rng));
        count = add_neighbour(s, count, row, j, u > 1 ? fmax(0, 2 - u) : u);
      }
    }
  }
  return count;
}

/* --- climbing --------------------------------------------------------------------------------------------------------------------- */

typedef struct climb {
  const search *s;
  double *row, *slope;           /* the whole row, and the gradient by all its columns */
  size_t *column, n;             /* its active continuous columns */
} climb;

static double negated(double *grad, const double *x, void *ctx) {
  climb *c = ctx;
  for (size_t i = 0; i < c->n; i++) c->row[c->column[i]] = x[i];
  double value = -c->s->acquisition->slope(c->s->acquisition->ctx, c->slope, c->row);
  for (size_t i = 0; i < c->n; i++) grad[i] = -c->slope[c->column[i]];
  return value;
}

/* Moves the continuous columns of the row uphill. */
static vg_status climb_reals(search *s, double *row, double *score) {
  size_t d = s->columns->n;
  climb c = { .s = s };
  double *x, value;
  vg_status status = VG_OK;
  VG_TRY(vg_alloc((void **)&x, 5 * (d + 1) * sizeof *x));
  double *lo = x + d, *hi = lo + d;
  c.row = hi + d, c.slope = c.row + d;
  VG_GOTO(vg_alloc((void **)&c.column, (d + 1) * sizeof *c.column));
  memcpy(c.row, row, d * sizeof *row);
  for (size_t j = 0; j < d; j++)
    if (s->columns->at[j].levels == 0 && row[j] != VG_INACTIVE) c.column[c.n++] = j;
  for (size_t i = 0; i < c.n; i++) x[i] = row[c.column[i]], lo[i] = 0, hi[i] = 1;
  if (c.n == 0) goto done;
  VG_GOTO(vg_minimise(x, &value, lo, hi, c.n, 30, 1e-6, negated, &c));
  if (-value > *score) {
    for (size_t i = 0; i < c.n; i++) row[c.column[i]] = x[i];
    *score = -value;
  }
done:
  vg_free(c.column);
  vg_free(x);
  return status;
}

/* The best neighbour, when it gains enough. */
static vg_status exchange(search *s, double *row, double *score, bool *gained) {
  size_t count = neighbours(s, row, !s->acquisition->slope), best = 0;
  *gained = false;
  if (count == 0) return VG_OK;
  VG_TRY(s->acquisition->score(s->acquisition->ctx, s->near_score, s->near, count));
  for (size_t i = 1; i < count; i++)
    if (s->near_score[i] > s->near_score[best]) best = i;
  if (!(s->near_score[best] > *score + GAIN)) return VG_OK;
  memcpy(row, s->near + best * s->columns->n, s->columns->n * sizeof *row);
  *score = s->near_score[best];
  *gained = true;
  return VG_OK;
}

static vg_status climb_row(search *s, double *row, double *score, int rounds) {
  bool gained = true;
  for (int k = 0; k < rounds && gained; k++) {
    double before = *score;
    if (s->acquisition->slope) VG_TRY(climb_reals(s, row, score));
    VG_TRY(exchange(s, row, score, &gained));
    gained = gained && *score > before + GAIN;
  }
  return VG_OK;
}

/* --- the pool --------------------------------------------------------------------------------------------------------------------- */

static void fill_pool(search *s, const uint32_t *elite, size_t n_elite, const double *extra, size_t n_extra, const vg_search_opts *opts) {
  size_t d = s->columns->n, n = 0;
  if (n_extra) memcpy(s->pool, extra, n_extra * d * sizeof *extra);
  for (n = n_extra; n < n_extra + opts->n_random; n++) vg_columns_random(s->columns, s->pool + n * d, s->rng);
  for (size_t i = 0; i < opts->n_local && n_elite; i++, n++) {
    memcpy(s->pool + n * d, vg_rows_at(s->seen, elite[i % n_elite]), d * sizeof *s->pool);
    vg_columns_mutate(s->columns, s->pool + n * d, i % 2 ? 0.5 : 0, opts->step, s->rng);
  }
  for (size_t i = 0; i < n_elite; i++, n++) memcpy(s->pool + n * d, vg_rows_at(s->seen, elite[i]), d * sizeof *s->pool);
  s->n_pool = n;
}

typedef struct ranked {
  double score;
  size_t i;
} ranked;

static int by_score(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? 1 : -1;
  return x->i < y->i ? -1 : x->i > y->i;
}

static void rank_pool(const search *s, ranked *order, size_t n) {
  for (size_t i = 0; i < n; i++) order[i] = (ranked){ isnan(s->score[i]) ? -HUGE_VAL : s->score[i], i };
  qsort(order, n, sizeof *order, by_score);
}

static bool is_among(const search *s, const double *row, const double *rows, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (vg_columns_equal(s->columns, row, rows + i * s->columns->n)) return true;
  return false;
}

/* A row climbs; where it arrives is appended to the pool. What has been seen cannot be the answer: it has to move. */
static vg_status climb_from(search *s, const double *start, double score, int rounds) {
  double *row = s->pool + s->n_pool * s->columns->n;
  memcpy(row, start, s->columns->n * sizeof *row);
  if (vg_rows_has(s->seen, row)) score = -HUGE_VAL;
  VG_TRY(climb_row(s, row, &score, rounds));
  s->score[s->n_pool++] = score;
  return VG_OK;
}

/* The elite rows, which end the pool, and the best n_starts different others climb. */
static vg_status climb_best(search *s, const ranked *order, size_t n_elite, size_t n_starts, int rounds) {
  size_t d = s->columns->n, first = s->n_pool, others = first - n_elite;
  for (size_t i = others; i < first; i++) VG_TRY(climb_from(s, s->pool + i * d, s->score[i], rounds));
  for (size_t k = 0, taken = 0; k < first && taken < n_starts; k++) {
    const double *start = s->pool + order[k].i * d;
    if (order[k].i >= others || order[k].score == -HUGE_VAL) continue;
    if (k > 0 && vg_columns_equal(s->columns, start, s->pool + order[k - 1].i * d)) continue;
    VG_TRY(climb_from(s, start, order[k].score, rounds));
    taken++;
  }
  return VG_OK;
}

vg_status vg_search_maximise(double *out, size_t *found, size_t keep, const vg_acquisition *acquisition, const vg_rows *seen,
                             const uint32_t *elite, size_t n_elite, const double *extra, size_t n_extra, const vg_search_opts *opts,
                             vg_rng *rng) {
  size_t d = seen->columns->n, most = n_extra + opts->n_random + opts->n_local + 2 * n_elite + opts->n_starts;
  search s = { .acquisition = acquisition, .seen = seen, .columns = seen->columns, .rng = rng };
  ranked *order = NULL;
  vg_status status = VG_OK;
  VG_GOTO(vg_alloc((void **)&s.pool, (most + 1) * d * sizeof *s.pool));
  VG_GOTO(vg_alloc((void **)&s.score, (most + 1) * sizeof *s.score));
  VG_GOTO(vg_alloc((void **)&s.near, MAX_NEIGHBOURS * (d + 1) * sizeof *s.near));
  VG_GOTO(vg_alloc((void **)&s.near_score, MAX_NEIGHBOURS * sizeof *s.near_score));
  VG_GOTO(vg_alloc((void **)&order, (most + 1) * sizeof *order));
  fill_pool(&s, elite, n_elite, extra, n_extra, opts);
  VG_GOTO(acquisition->score(acquisition->ctx, s.score, s.pool, s.n_pool));
  rank_pool(&s, order, s.n_pool);
  VG_GOTO(climb_best(&s, order, n_elite, opts->n_starts, opts->rounds));
  rank_pool(&s, order, s.n_pool);
  *found = 0;
  for (size_t k = 0; k < s.n_pool && *found < keep; k++) {
    const double *row = s.pool + order[k].i * d;
    if (vg_rows_has(seen, row) || is_among(&s, row, out, *found)) continue;
    memcpy(out + (*found)++ * d, row, d * sizeof *row);
  }
done:
  vg_free(s.pool);
  vg_free(s.score);
  vg_free(s.near);
  vg_free(s.near_score);
  vg_free(order);
  return status;
}
