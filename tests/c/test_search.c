/* Columns, tables of rows, minimisation, and the search for the maximum of an acquisition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pareto.h"
#include "model/bayes.h"
#include "model/exp.h"
#include "model/minimise.h"
#include "model/search.h"
#include "near.h"

/* A category of 4; a number active at its first two levels; a whole number of 9 levels active unless the category is at its last level. */
static const vg_interval INTERVALS[] = { { 0, 0.5 }, { 0.75, 1 } };
static const vg_guard GUARDS[] = { { VG_GUARD_WITHIN, 0, 0, 1 }, { VG_GUARD_WITHIN, 0, 1, 1 }, { VG_GUARD_NOT, 0, 0, 0 } };
static const vg_column COLUMNS[] = { { .levels = 4, .category = true }, { .guard = 0, .guard_length = 1, .group = 1 },
                                     { .levels = 9, .guard = 1, .guard_length = 2, .group = 2 }, { 0 } };
static const vg_columns columns = { 4, COLUMNS, GUARDS, INTERVALS };

static void assert_member(const double *row) {
  int64_t level = vg_column_level(&COLUMNS[0], row[0]);
  assert_true(level >= 0 && level < 4);
  assert_int_equal(row[1] != VG_INACTIVE, level < 2);
  assert_int_equal(row[2] != VG_INACTIVE, level < 3);
  for (size_t j = 0; j < 4; j++)
    if (row[j] != VG_INACTIVE) assert_near(row[j], vg_column_snap(&COLUMNS[j], row[j]), 0);
}

static void rows_follow_their_conditions(void **state) {
  (void)state;
  vg_rng rng = vg_rng_at(1, 0);
  double row[4], old[4];
  for (int i = 0; i < 300; i++) {
    vg_columns_random(&columns, row, &rng);
    assert_member(row);
    memcpy(old, row, sizeof row);
    vg_columns_mutate(&columns, row, i % 2 ? 0.5 : 0, 0.1, &rng);
    assert_member(row);
    assert_false(vg_columns_equal(&columns, row, old));
  }
}

static void latin_hypercube_takes_every_stratum(void **state) {
  (void)state;
  enum { N = 20 };
  double rows[4 * N];
  vg_rng rng = vg_rng_at(3, 0);
  int strata[N] = { 0 }, levels[4] = { 0 };
  assert_int_equal(vg_columns_latin(&columns, rows, N, &rng), VG_OK);
  for (int i = 0; i < N; i++) {
    assert_member(rows + 4 * i);
    strata[(int)(rows[4 * i + 3] * N)]++;
    levels[vg_column_level(&COLUMNS[0], rows[4 * i])]++;
  }
  for (int i = 0; i < N; i++) assert_int_equal(strata[i], 1);
  for (int i = 0; i < 4; i++) assert_int_equal(levels[i], N / 4);
}

static void table_knows_its_rows_and_their_order(void **state) {
  (void)state;
  enum { N = 400 };
  vg_rows t;
  vg_rng rng = vg_rng_at(4, 0);
  double row[4], all[4 * N];
  vg_rows_init(&t, &columns);
  for (int i = 0; i < N; i++) {
    vg_columns_random(&columns, row, &rng);
    memcpy(all + 4 * i, row, sizeof row);
    assert_false(vg_rows_has(&t, row));
    assert_int_equal(vg_rows_add(&t, row), VG_OK);
    assert_true(vg_rows_has(&t, row));
  }
  for (int i = 0; i < N; i++) assert_true(vg_rows_has(&t, all + 4 * i) && vg_columns_equal(&columns, all + 4 * i, vg_rows_at(&t, (size_t)i)));
  for (size_t j = 0; j < 4; j++) {
    const uint32_t *order = t.order + j * t.capacity;
    for (size_t k = 1; k < N; k++) {
      double a = vg_rows_at(&t, order[k - 1])[j], b = vg_rows_at(&t, order[k])[j];
      assert_true(a < b || (a == b && order[k - 1] < order[k]));
    }
  }
  vg_rows_deinit(&t);
}

static void a_table_survives_lost_memory(void **state) {
  (void)state;
  vg_rows t;
  double row[4];
  vg_rng rng = vg_rng_at(4, 1);
  vg_rows_init(&t, &columns);
  for (long n = 1; n <= 3; n++) {
    vg_columns_random(&columns, row, &rng);
    vg_alloc_fail_at(n, 1);
    assert_int_equal(vg_rows_add(&t, row), VG_ENOMEM);
    vg_alloc_fail_at(0, 0);
    assert_int_equal(t.n, 0);
  }
  assert_int_equal(vg_rows_add(&t, row), VG_OK);
  vg_rows_deinit(&t);
}

static void exponential(void **state) {
  (void)state;
  for (double x = -700; x <= 0; x += 0.37) assert_near(vg__exp(x) / exp(x), 1, 1e-15);
  assert_true(vg__exp(-1e300) >= 0 && vg__exp(-1e300) < 1e-300);
  assert_near(vg__exp(0), 1, 0);
}

static double rosenbrock(double *g, const double *x, void *calls) {
  ++*(int *)calls;
  double a = x[1] - x[0] * x[0], b = 1 - x[0];
  g[0] = -400 * x[0] * a - 2 * b;
  g[1] = 200 * a;
  return 100 * a * a + b * b;
}

static void minimum_in_a_box(void **state) {
  (void)state;
  int calls = 0;
  double x[2] = { -1.2, 1 }, value, lo[] = { -2, -2 }, hi[] = { 2, 2 };
  assert_int_equal(vg_minimise(x, &value, lo, hi, 2, 200, 1e-8, rosenbrock, &calls), VG_OK);
  assert_near(x[0], 1, 1e-5);
  assert_near(x[1], 1, 1e-5);
  assert_true(calls < 120);
  double y[2] = { -1.2, 1 }, low[] = { -2, -2 }, high[] = { 0.5, 2 };      /* the bound is active: the minimum over x1 at x0 = 0.5 */
  assert_int_equal(vg_minimise(y, &value, low, high, 2, 200, 1e-8, rosenbrock, &calls), VG_OK);
  assert_near(y[0], 0.5, 0);
  assert_near(y[1], 0.25, 1e-5);
  assert_near(value, 0.25, 1e-6);
}

/* One maximum: category 2, whole number 3, last column 0.7; with category 0 or 1 a slightly lower one. */
static double height(const double *row) {
  double level = (double)vg_column_level(&COLUMNS[0], row[0]);
  double step = row[2] == VG_INACTIVE ? 9 : (double)vg_column_level(&COLUMNS[2], row[2]) - 3;
  return -fabs(level - 2) - 0.3 * step * step - 4 * (row[3] - 0.7) * (row[3] - 0.7);
}
static vg_status score(void *ctx, double *out, const double *rows, size_t m) {
  (void)ctx;
  for (size_t i = 0; i < m; i++) out[i] = height(rows + 4 * i);
  return VG_OK;
}
static double slope(void *ctx, double *grad, const double *row) {
  (void)ctx;
  memset(grad, 0, 4 * sizeof *grad);
  grad[3] = -8 * (row[3] - 0.7);
  return height(row);
}

static void search_finds_the_maximum(void **state) {
  (void)state;
  vg_rows seen;
  vg_rng rng = vg_rng_at(7, 0);
  double row[4], out[4 * 8];
  size_t found;
  vg_rows_init(&seen, &columns);
  for (int i = 0; i < 10; i++) {
    vg_columns_random(&columns, row, &rng);
    assert_int_equal(vg_rows_add(&seen, row), VG_OK);
  }
  const uint32_t elite[] = { 4, 2 };
  const vg_search_opts opts = { .n_random = 50, .n_local = 10, .step = 0.1, .n_starts = 5, .rounds = 20 };
  for (int smooth = 0; smooth < 2; smooth++) {
    vg_acquisition a = { score, smooth ? slope : NULL, NULL };
    assert_int_equal(vg_search_maximise(out, &found, 8, &a, &seen, elite, 2, NULL, 0, &opts, &rng), VG_OK);
    assert_int_equal(found, 8);
    assert_int_equal(vg_column_level(&COLUMNS[0], out[0]), 2);
    assert_int_equal(vg_column_level(&COLUMNS[2], out[2]), 3);
    assert_near(out[3], 0.7, smooth ? 1e-4 : 0.1);
    for (size_t i = 0; i < found; i++) {
      assert_member(out + 4 * i);
      assert_false(vg_rows_has(&seen, out + 4 * i));
      if (i > 0) assert_true(height(out + 4 * i) <= height(out + 4 * (i - 1)));
      for (size_t k = 0; k < i; k++) assert_false(vg_columns_equal(&columns, out + 4 * i, out + 4 * k));
    }
  }
  vg_rows_deinit(&seen);
}

static vg_status flat(void *ctx, double *out, const double *rows, size_t m) {
  (void)ctx, (void)rows;
  memset(out, 0, m * sizeof *out);
  return VG_OK;
}

/* When everything of a finite space has been seen there is nothing to find. */
static void search_of_an_exhausted_space(void **state) {
  (void)state;
  static const vg_column ALL[] = { { .levels = 3, .category = true } };
  static const vg_columns three = { 1, ALL, NULL, NULL };
  vg_rows seen;
  vg_rng rng = vg_rng_at(8, 0);
  double out[4], row;
  size_t found = 9;
  vg_rows_init(&seen, &three);
  for (int64_t k = 0; k < 3; k++) {
    row = vg_column_centre(&ALL[0], k);
    assert_int_equal(vg_rows_add(&seen, &row), VG_OK);
  }
  const uint32_t elite[] = { 0 };
  const vg_search_opts opts = { .n_random = 20, .n_local = 5, .step = 0.1, .n_starts = 2, .rounds = 5 };
  assert_int_equal(vg_search_maximise(out, &found, 4, &(vg_acquisition){ flat, NULL, NULL }, &seen, elite, 1, NULL, 0, &opts, &rng), VG_OK);
  assert_int_equal(found, 0);
  vg_rows_deinit(&seen);
}

static void hypervolume_improvement(void **state) {
  (void)state;
  const double front[] = { 1, 3, 2, 2, 3, 1 }, reference[] = { 4, 4 };
  const double points[][2] = { { 0.5, 0.5 }, { 1.5, 2.5 }, { 2.5, 2.5 }, { 0.5, 3.5 }, { 5, 5 }, { 3.5, 0.5 } };
  for (int i = 0; i < 6; i++) {                        /* no variance: the improvement itself */
    double with[8], before, after;
    memcpy(with, front, sizeof front);
    memcpy(with + 6, points[i], sizeof points[i]);
    assert_int_equal(vg_pareto_hypervolume(&before, front, reference, 3, 2), VG_OK);
    assert_int_equal(vg_pareto_hypervolume(&after, with, reference, 4, 2), VG_OK);
    assert_near(exp(vg_log_ehvi(NULL, points[i], (double[]){ 1e-9, 1e-9 }, front, 3, reference)), after - before, 1e-7);
  }
  const double mean[] = { 1.6, 1.9 }, sd[] = { 0.7, 0.4 };
  double sum = 0, step = 0.02, slope4[4];              /* with variance: the integral over a grid */
  for (double a = -6; a < 6; a += step)
    for (double b = -6; b < 6; b += step) {
      double with[8], before, after, f[2] = { mean[0] + sd[0] * (a + step / 2), mean[1] + sd[1] * (b + step / 2) };
      memcpy(with, front, sizeof front);
      memcpy(with + 6, f, sizeof f);
      if (f[0] >= 4 || f[1] >= 4) continue;
      assert_int_equal(vg_pareto_hypervolume(&before, front, reference, 3, 2), VG_OK);
      assert_int_equal(vg_pareto_hypervolume(&after, with, reference, 4, 2), VG_OK);
      double za = a + step / 2, zb = b + step / 2;
      sum += (after - before) * exp(-0.5 * (za * za + zb * zb)) / (2 * M_PI) * step * step;
    }
  assert_near(exp(vg_log_ehvi(slope4, mean, sd, front, 3, reference)), sum, 1e-4);
  for (int k = 0; k < 4; k++) {
    double up[4] = { mean[0], mean[1], sd[0], sd[1] }, down[4];
    memcpy(down, up, sizeof up);
    up[k] += 1e-6, down[k] -= 1e-6;
    double difference = vg_log_ehvi(NULL, up, up + 2, front, 3, reference) - vg_log_ehvi(NULL, down, down + 2, front, 3, reference);
    assert_near(slope4[k], difference / 2e-6, 1e-5);
  }
  assert_true(isfinite(vg_log_ehvi(NULL, (double[]){ 40, 40 }, (double[]){ 0.5, 0.5 }, front, 3, reference)));
  assert_near(exp(vg_log_ehvi(NULL, (double[]){ 1, 1 }, (double[]){ 1e-9, 1e-9 }, NULL, 0, reference)), 9, 1e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(rows_follow_their_conditions),     cmocka_unit_test(latin_hypercube_takes_every_stratum),
    cmocka_unit_test(table_knows_its_rows_and_their_order), cmocka_unit_test(a_table_survives_lost_memory),
    cmocka_unit_test(exponential),                      cmocka_unit_test(minimum_in_a_box),
    cmocka_unit_test(search_finds_the_maximum),         cmocka_unit_test(search_of_an_exhausted_space),
    cmocka_unit_test(hypervolume_improvement),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
