#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "model/forest.h"
#include "near.h"

enum { N = 60 };
static const vg_column COLUMNS[] = { { 0 }, { .levels = 5, .category = true }, { .levels = 12 } };
static const vg_columns columns = { 3, COLUMNS, NULL, NULL };
static const vg_forest_opts PLAIN = { .trees = 1, .bootstrap = false, .min_split = 2, .min_leaf = 1, .features = 1 };

typedef struct fixture {
  vg_rows rows;
  uint32_t index[N];
  double y[N];
} fixture;

static void setup_rows(fixture *f) {
  vg_rng rng = vg_rng_at(11, 0);
  double row[3];
  vg_rows_init(&f->rows, &columns);
  for (uint32_t i = 0; i < N; i++) {
    do vg_columns_random(&columns, row, &rng);
    while (vg_rows_has(&f->rows, row));
    assert_int_equal(vg_rows_add(&f->rows, row), VG_OK);
    f->index[i] = i;
    f->y[i] = 1000 + sin(6 * row[0]) + (double)(vg_column_level(&COLUMNS[1], row[1]) * 7 % 5) + row[2];
  }
}

static vg_forest *grown(const fixture *f, const vg_forest_opts *opts, const double *y, size_t n, uint64_t seed) {
  vg_forest *forest;
  vg_rng rng = vg_rng_at(seed, 0);
  assert_int_equal(vg_forest_new(&forest, f->rows.columns, opts), VG_OK);
  assert_int_equal(vg_forest_grow(forest, opts->trees, &f->rows, f->index, n, 0, y, &rng), VG_OK);
  return forest;
}

static void one_deep_tree_interpolates(void **state) {
  (void)state;
  fixture f;
  double mean[N], sd[N];
  setup_rows(&f);
  vg_forest *forest = grown(&f, &PLAIN, f.y, N, 1);
  assert_int_equal(vg_forest_predict(forest, mean, sd, f.rows.value, N), VG_OK);
  for (int i = 0; i < N; i++) {
    assert_near(mean[i], f.y[i], 1e-9);
    assert_true(sd[i] < 1e-3);
  }
  vg_forest_free(forest);
  vg_rows_deinit(&f.rows);
}

/* The first split of a tree whose leaves hold two thirds or one third of the samples, against all splits tried by hand. */
static void split_is_that_of_brute_force(void **state) {
  (void)state;
  fixture f;
  double mean[N], sd[N];
  setup_rows(&f);
  for (size_t n = 4; n <= 12; n++) {
    vg_forest_opts stump = PLAIN;
    stump.min_split = n;                               /* the root alone can be split */
    vg_forest *forest = grown(&f, &stump, f.y, n, n);
    assert_int_equal(vg_forest_predict(forest, mean, sd, f.rows.value, n), VG_OK);
    double got = 0, best = HUGE_VAL;
    for (size_t i = 0; i < n; i++) got += (f.y[i] - mean[i]) * (f.y[i] - mean[i]);
    for (unsigned mask = 1; mask < (1u << n) - 1; mask++) {                 /* every partition that a threshold or a set of levels can make */
      bool possible = false;
      for (size_t j = 0; j < 3 && !possible; j++) {
        double highest_left = -1, lowest_right = 2;
        unsigned left_levels = 0, right_levels = 0;
        for (size_t i = 0; i < n; i++) {
          double u = vg_rows_at(&f.rows, i)[j];
          if (mask >> i & 1) highest_left = fmax(highest_left, u), left_levels |= 1u << (int)(u * 5);
          else lowest_right = fmin(lowest_right, u), right_levels |= 1u << (int)(u * 5);
        }
        possible = j == 1 ? !(left_levels & right_levels) : highest_left < lowest_right;
      }
      if (!possible) continue;
      double sum[2] = { 0 }, count[2] = { 0 }, rest = 0;
      for (size_t i = 0; i < n; i++) sum[mask >> i & 1] += f.y[i], count[mask >> i & 1]++;
      for (size_t i = 0; i < n; i++) {
        double d = f.y[i] - sum[mask >> i & 1] / count[mask >> i & 1];
        rest += d * d;
      }
      best = fmin(best, rest);
    }
    assert_near(got, best, 1e-7);
    vg_forest_free(forest);
  }
  vg_rows_deinit(&f.rows);
}

static void variance_of_equal_trees_is_that_of_the_leaf(void **state) {
  (void)state;
  fixture f;
  double mean, sd, sum = 0, squares = 0;
  setup_rows(&f);
  vg_forest_opts opts = { .trees = 5, .bootstrap = false, .min_split = N + 1, .min_leaf = 1, .features = 1 };
  vg_forest *forest = grown(&f, &opts, f.y, N, 2);     /* the root is the leaf */
  assert_int_equal(vg_forest_predict(forest, &mean, &sd, f.rows.value, 1), VG_OK);
  for (int i = 0; i < N; i++) sum += f.y[i];
  for (int i = 0; i < N; i++) squares += (f.y[i] - sum / N) * (f.y[i] - sum / N);
  assert_near(mean, sum / N, 1e-9);
  assert_near(sd * sd, squares / N, 1e-9);
  vg_forest_free(forest);
  vg_rows_deinit(&f.rows);
}

/* Squaring a column in [0, 1] keeps its order, so the training rows fall into the same leaves. */
static void monotone_columns_change_nothing(void **state) {
  (void)state;
  fixture f, g;
  double mean[N], sd[N], mean_g[N], sd_g[N];
  setup_rows(&f);
  vg_rows_init(&g.rows, &columns);
  for (uint32_t i = 0; i < N; i++) {
    double row[3];
    memcpy(row, vg_rows_at(&f.rows, i), sizeof row);
    row[0] *= row[0];
    assert_int_equal(vg_rows_add(&g.rows, row), VG_OK);
    g.index[i] = i;
  }
  vg_forest_opts opts = { .trees = 1, .bootstrap = false, .min_split = 8, .min_leaf = 3, .features = 1 };
  vg_forest *a = grown(&f, &opts, f.y, N, 3), *b = grown(&g, &opts, f.y, N, 3);
  assert_int_equal(vg_forest_predict(a, mean, sd, f.rows.value, N), VG_OK);
  assert_int_equal(vg_forest_predict(b, mean_g, sd_g, g.rows.value, N), VG_OK);
  for (int i = 0; i < N; i++) {
    assert_near(mean_g[i], mean[i], 1e-9);
    assert_near(sd_g[i], sd[i], 1e-9);
  }
  vg_forest_free(a);
  vg_forest_free(b);
  vg_rows_deinit(&f.rows);
  vg_rows_deinit(&g.rows);
}

static void learns_and_is_reproducible(void **state) {
  (void)state;
  fixture f;
  double mean[N], sd[N], again[N], error = 0, spread = 0;
  setup_rows(&f);
  vg_forest_opts opts = { .trees = 30, .bootstrap = true, .min_split = 2, .min_leaf = 1, .features = 1 };
  vg_forest *a = grown(&f, &opts, f.y, N / 2, 5), *b = grown(&f, &opts, f.y, N / 2, 5);
  assert_int_equal(vg_forest_predict(a, mean, sd, f.rows.value, N), VG_OK);
  assert_int_equal(vg_forest_predict(b, again, sd, f.rows.value, N), VG_OK);
  for (int i = N / 2; i < N; i++) {                    /* rows it has not seen */
    error += (mean[i] - f.y[i]) * (mean[i] - f.y[i]);
    spread += (f.y[i] - 1002.5) * (f.y[i] - 1002.5);
    assert_true(sd[i] > 0);
  }
  assert_true(error < 0.5 * spread);
  assert_memory_equal(mean, again, sizeof mean);
  vg_forest_free(a);
  vg_forest_free(b);
  vg_rows_deinit(&f.rows);
}

static void pending_rows_are_believed(void **state) {
  (void)state;
  fixture f;
  double mean, sd, mean_after, sd_after;
  setup_rows(&f);
  vg_forest_opts opts = { .trees = 20, .bootstrap = false, .min_split = 2, .min_leaf = 1, .features = 1 };
  vg_rng rng = vg_rng_at(6, 0);
  vg_forest *forest = grown(&f, &opts, f.y, 30, 6);
  const double *pending = vg_rows_at(&f.rows, 30);
  assert_int_equal(vg_forest_predict(forest, &mean, &sd, pending, 1), VG_OK);
  assert_int_equal(vg_forest_grow(forest, 20, &f.rows, f.index, 30, 1, f.y, &rng), VG_OK);
  assert_int_equal(vg_forest_predict(forest, &mean_after, &sd_after, pending, 1), VG_OK);
  assert_near(mean_after, mean, 1e-9);
  assert_true(sd_after < 1e-3);
  vg_forest_free(forest);
  vg_rows_deinit(&f.rows);
}

/* Values that are one unit in the last place apart: a middle between them is one of them, and must not part the lists elsewhere. */
static void neighbouring_doubles_are_parted(void **state) {
  (void)state;
  static const vg_column plain[2] = { { 0 }, { 0 } };
  const vg_columns two = { 2, plain, NULL, NULL };
  vg_rng rng = vg_rng_at(12, 0);
  for (int trial = 0; trial < 50; trial++) {
    fixture f;
    double v = 0.2 + 0.5 * vg_rng_uniform(&rng), mean[3], sd[3];
    const double rows[3][2] = { { v, 0.1 }, { v, 0.9 }, { nextafter(v, 1), 0.5 } }, y[3] = { 0, 0, 1 };
    vg_rows_init(&f.rows, &two);
    for (uint32_t i = 0; i < 3; i++) {
      assert_int_equal(vg_rows_add(&f.rows, rows[i]), VG_OK);
      f.index[i] = i;
    }
    vg_forest *forest = grown(&f, &PLAIN, y, 3, (uint64_t)trial);
    assert_int_equal(vg_forest_predict(forest, mean, sd, f.rows.value, 3), VG_OK);
    for (int i = 0; i < 3; i++) assert_near(mean[i], y[i], 1e-12);
    vg_forest_free(forest);
    vg_rows_deinit(&f.rows);
  }
}

static void refusals(void **state) {
  (void)state;
  vg_forest *forest;
  vg_forest_opts none = PLAIN;
  double mean, sd, row[3] = { 0 };
  none.trees = 0;
  assert_int_equal(vg_forest_new(&forest, &columns, &none), VG_EARG);
  assert_int_equal(vg_forest_new(&forest, &columns, &PLAIN), VG_OK);
  assert_int_equal(vg_forest_predict(forest, &mean, &sd, row, 1), VG_EARG);
  vg_forest_free(forest);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_deep_tree_interpolates),      cmocka_unit_test(split_is_that_of_brute_force),
    cmocka_unit_test(variance_of_equal_trees_is_that_of_the_leaf), cmocka_unit_test(monotone_columns_change_nothing),
    cmocka_unit_test(learns_and_is_reproducible),      cmocka_unit_test(pending_rows_are_believed),
    cmocka_unit_test(neighbouring_doubles_are_parted), cmocka_unit_test(refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
