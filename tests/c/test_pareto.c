#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "base/pareto.h"

static void ranks(void **state) {
  (void)state;
  const double f[] = { 0, 4, 1, 2, 2, 1, 4, 0, 2, 2, 1, 2, 5, 5 };
  int rank[7];
  assert_int_equal(vg_pareto_rank(rank, f, NULL, 7, 2), VG_OK);
  const int expected[] = { 0, 0, 0, 0, 1, 0, 2 };
  for (int i = 0; i < 7; i++) assert_int_equal(rank[i], expected[i]);
  const double violation[] = { 2, 0, 0, 0, 1, 0, 1 };
  assert_int_equal(vg_pareto_rank(rank, f, violation, 7, 2), VG_OK);
  const int deb[] = { 2, 0, 0, 0, 1, 0, 1 };
  for (int i = 0; i < 7; i++) assert_int_equal(rank[i], deb[i]);
}

/* The sorted sweep against the definition, on small grids where ties abound. */
static void ranks_follow_the_definition(void **state) {
  (void)state;
  unsigned seed = 7;
  for (int round = 0; round < 60; round++) {
    size_t n = 40, m = 1 + (size_t)round % 4;
    double f[160];
    int rank[40];
    for (size_t i = 0; i < n * m; i++) f[i] = (seed = seed * 1103515245u + 12345u) >> 16 & 7;
    assert_int_equal(vg_pareto_rank(rank, f, NULL, n, m), VG_OK);
    for (size_t i = 0; i < n; i++) {
      int deepest = -1;
      for (size_t j = 0; j < n; j++) {
        int le = 1, lt = 0;
        for (size_t k = 0; k < m; k++) le &= f[j * m + k] <= f[i * m + k], lt |= f[j * m + k] < f[i * m + k];
        if (le && lt && rank[j] > deepest) deepest = rank[j];
      }
      assert_int_equal(rank[i], deepest + 1);
    }
  }
}

static void crowding(void **state) {
  (void)state;
  const double f[] = { 0, 4, 1, 2, 2, 1, 4, 0 };
  const int rank[] = { 0, 0, 0, 0 };
  double c[4];
  assert_int_equal(vg_pareto_crowding(c, f, rank, 4, 2), VG_OK);
  assert_true(isinf(c[0]) && isinf(c[3]));
  assert_float_equal(c[1], 1.25, 1e-12);
  assert_float_equal(c[2], 1.25, 1e-12);
}

static void hypervolume(void **state) {
  (void)state;
  double v;
  const double two[] = { 1, 3, 2, 2, 3, 1 }, r2[] = { 4, 4 };
  assert_int_equal(vg_pareto_hypervolume(&v, two, r2, 3, 2), VG_OK);
  assert_float_equal(v, 6, 1e-12);
  const double three[] = { 1, 2, 3, 2, 1, 3, 3, 3, 1 }, r3[] = { 4, 4, 4 };
  assert_int_equal(vg_pareto_hypervolume(&v, three, r3, 3, 3), VG_OK);
  assert_float_equal(v, 10, 1e-12);
  const double one[] = { 1, 1, 1 }, r1[] = { 2, 2, 2 };
  assert_int_equal(vg_pareto_hypervolume(&v, one, r1, 1, 3), VG_OK);
  assert_float_equal(v, 1, 1e-12);
  const double outside[] = { 4, 0 };
  assert_int_equal(vg_pareto_hypervolume(&v, outside, r2, 1, 2), VG_OK);
  assert_float_equal(v, 0, 0);
  assert_int_equal(vg_pareto_hypervolume(&v, two, r2, 1, 4), VG_EARG);
  const double nan[] = { 1, NAN };
  assert_int_equal(vg_pareto_hypervolume(&v, nan, r2, 1, 2), VG_EARG);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(ranks), cmocka_unit_test(ranks_follow_the_definition),
                                      cmocka_unit_test(crowding), cmocka_unit_test(hypervolume) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
