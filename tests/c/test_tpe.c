#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "model/tpe.h"
#include "near.h"

static const vg_interval FIRST[] = { { 0, 0.34 } };
static const vg_guard GUARD[] = { { VG_GUARD_WITHIN, 1, 0, 1 } };
static const vg_column COLUMNS[] = { { 0 }, { .levels = 3, .category = true }, { .levels = 7 }, { .guard_length = 1, .group = 1 } };
static const vg_columns columns = { 4, COLUMNS, GUARD, FIRST };
static const vg_tpe_opts OPTS = { .candidates = 24, .prior_weight = 1, .multivariate = true };

static void fill(vg_rows *t, uint32_t *index, size_t n, uint64_t seed) {
  vg_rng rng = vg_rng_at(seed, 0);
  double row[4];
  for (size_t i = 0; i < n; i++) {
    vg_columns_random(&columns, row, &rng);
    assert_int_equal(vg_rows_add(t, row), VG_OK);
    index[i] = (uint32_t)(t->n - 1);
  }
}

static void widths(void **state) {
  (void)state;
  static const vg_column one_column[] = { { 0 } };
  static const vg_columns one = { 1, one_column, NULL, NULL };
  const double values[] = { 0.4, 0.1, 0.5 }, want[] = { 0.3, 0.3, 0.2, 1 };
  const uint32_t index[] = { 0, 1, 2 };
  const size_t column = 0;
  vg_rows t;
  vg_mixture m;
  vg_rows_init(&t, &one);
  for (int i = 0; i < 3; i++) assert_int_equal(vg_rows_add(&t, &values[i]), VG_OK);
  assert_int_equal(vg_mixture_init(&m, &t, index, 3, &column, 1, &OPTS), VG_OK);
  assert_int_equal(m.n, 4);
  for (int i = 0; i < 4; i++) assert_near(m.width[i], want[i], 1e-12);
  for (int i = 0; i < 4; i++) assert_near(m.log_weight[i], log(0.25), 1e-12);
  vg_mixture_deinit(&m);
  uint32_t thirty[30];
  for (uint32_t i = 0; i < 30; i++) {
    assert_int_equal(vg_rows_add(&t, &(double){ 0.5 + i * 1e-4 }), VG_OK);
    thirty[i] = i + 3;
  }
  assert_int_equal(vg_mixture_init(&m, &t, thirty, 30, &column, 1, &OPTS), VG_OK);
  assert_near(m.width[10], 1.0 / 32, 1e-12);
  double sum = 0;                                      /* the 25 newest weigh 1, the 5 older ones 1/30 ... 1 */
  for (int i = 0; i < 5; i++) sum += 1.0 / 30 + (29.0 / 30) * i / 4;
  assert_near(m.log_weight[0], log(1.0 / 30 / (sum + 26)), 1e-12);
  assert_near(m.log_weight[29], log(1 / (sum + 26)), 1e-12);
  vg_mixture_deinit(&m);
  assert_int_equal(vg_mixture_init(&m, &t, index, 0, &column, 1, &OPTS), VG_OK);      /* the prior alone */
  assert_near(vg_mixture_log_density(&m, &(double){ 0.5 }), vg_mixture_log_density(&m, &(double){ 0.1 }) + 0.08, 1e-12);
  vg_mixture_deinit(&m);
  vg_rows_deinit(&t);
}

/* Mass over all values of columns 0 (Simpson's rule), 1 and 2 (sums). */
static double total_mass(const vg_mixture *m) {
  enum { STEPS = 4000 };
  double sum = 0, row[4] = { 0 };
  bool has[4] = { false };
  for (size_t k = 0; k < m->d; k++) has[m->column[k]] = true;
  for (int64_t a = 0; a < (has[1] ? 3 : 1); a++)
    for (int64_t b = 0; b < (has[2] ? 7 : 1); b++)
      for (int i = 0; i <= (has[0] ? STEPS : 0); i++) {
        double simpson = !has[0] ? 1 : (i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2) / (3.0 * STEPS);
        row[0] = (double)i / STEPS, row[1] = vg_column_centre(&COLUMNS[1], a), row[2] = vg_column_centre(&COLUMNS[2], b);
        sum += simpson * exp(vg_mixture_log_density(m, row));
      }
  return sum;
}

static void densities_integrate_to_one(void **state) {
  (void)state;
  vg_rows t;
  uint32_t index[80];
  vg_rows_init(&t, &columns);
  fill(&t, index, 80, 1);
  const size_t sets[][3] = { { 0 }, { 1 }, { 2 }, { 0, 1, 2 } };
  const size_t lengths[] = { 1, 1, 1, 3 };
  for (int s = 0; s < 4; s++)
    for (size_t n = 0; n <= 80; n = n * 3 + 1) {
      vg_mixture m;
      assert_int_equal(vg_mixture_init(&m, &t, index, n, sets[s], lengths[s], &OPTS), VG_OK);
      assert_near(total_mass(&m), 1, 1e-9);
      vg_mixture_deinit(&m);
    }
  vg_rows_deinit(&t);
}

static void samples_follow_the_density(void **state) {
  (void)state;
  enum { DRAWS = 20000 };
  vg_rows t;
  uint32_t index[12];
  vg_mixture m;
  const size_t set[] = { 1, 2 };
  vg_rng rng = vg_rng_at(5, 0);
  int count[3][7] = { { 0 } };
  double row[4] = { 0 }, distance = 0;
  vg_rows_init(&t, &columns);
  fill(&t, index, 12, 2);
  assert_int_equal(vg_mixture_init(&m, &t, index, 12, set, 2, &OPTS), VG_OK);
  for (int i = 0; i < DRAWS; i++) {
    vg_mixture_sample(&m, row, &rng);
    count[vg_column_level(&COLUMNS[1], row[1])][vg_column_level(&COLUMNS[2], row[2])]++;
  }
  for (int64_t a = 0; a < 3; a++)
    for (int64_t b = 0; b < 7; b++) {
      row[1] = vg_column_centre(&COLUMNS[1], a), row[2] = vg_column_centre(&COLUMNS[2], b);
      double want = DRAWS * exp(vg_mixture_log_density(&m, row));
      distance += (count[a][b] - want) * (count[a][b] - want) / want;
    }
  assert_true(distance < 45);                          /* chi-square, 20 degrees of freedom: 45 is the 99.9 % point */
  vg_mixture_deinit(&m);
  vg_rows_deinit(&t);
}

/* A conditional column is modelled from the rows in which it is active, and suggested where the suggestion activates it. */
static void suggestions_of_a_conditional_space(void **state) {
  (void)state;
  vg_rows t;
  uint32_t index[60], good[10], bad[50];
  double out[4 * 8], near = 0, active = 0;
  vg_rows_init(&t, &columns);
  fill(&t, index, 50, 3);
  memcpy(bad, index, sizeof bad);
  for (uint32_t i = 0; i < 10; i++) {                  /* good: category 0, conditional number near 0.8 */
    double row[4] = { 0.5, vg_column_centre(&COLUMNS[1], 0), vg_column_centre(&COLUMNS[2], 3), 0.78 + 0.004 * i };
    assert_int_equal(vg_rows_add(&t, row), VG_OK);
    good[i] = (uint32_t)t.n - 1;
  }
  for (int multivariate = 0; multivariate < 2; multivariate++) {
    vg_tpe_opts opts = OPTS;
    opts.multivariate = multivariate;
    for (uint64_t seed = 0; seed < 20; seed++) {
      vg_rng rng = vg_rng_at(seed, 9);
      assert_int_equal(vg_tpe_suggest(out, 8, &t, good, 10, bad, 50, &opts, &rng), VG_OK);
      for (int i = 0; i < 8; i++) {
        const double *row = out + 4 * i;
        for (size_t j = 0; j < 4; j++) assert_int_equal(row[j] != VG_INACTIVE, vg_columns_is_active(&columns, row, j));
        if (row[3] != VG_INACTIVE) active++, near += fabs(row[3] - 0.8) < 0.15;
      }
    }
  }
  assert_true(active > 250 && near > 0.9 * active);
  vg_rows_deinit(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(widths), cmocka_unit_test(densities_integrate_to_one),
                                      cmocka_unit_test(samples_follow_the_density), cmocka_unit_test(suggestions_of_a_conditional_space) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
