#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/quasi.h"
#include "base/rng.h"

/* cmocka's own comparison rounds to float first. */
#define assert_near(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

static void sobol_known(void **state) {
  (void)state;
  const double expected[5][2] = { { 0, 0 }, { 0.5, 0.5 }, { 0.75, 0.25 }, { 0.25, 0.75 }, { 0.375, 0.375 } };
  for (uint64_t i = 0; i < 5; i++) {
    double x[2];
    assert_int_equal(vg_sobol(x, i, 2, VG_SCRAMBLE_NONE, 0), VG_OK);
    assert_near(x[0], expected[i][0], 0);
    assert_near(x[1], expected[i][1], 0);
  }
  double x[VG_SOBOL_DIMENSIONS + 1];                         /* the last ones, as scipy 1.17 and torch 2.13 have them */
  assert_int_equal(vg_sobol(x, 1000, VG_SOBOL_DIMENSIONS, VG_SCRAMBLE_NONE, 0), VG_OK);
  assert_near(x[63], 0.4462890625, 0);
  assert_near(x[255], 0.2490234375, 0);
  assert_int_equal(vg_sobol(x, 1, VG_SOBOL_DIMENSIONS + 1, VG_SCRAMBLE_NONE, 0), VG_EARG);
  assert_int_equal(vg_sobol(x, UINT64_C(1) << 32, 2, VG_SCRAMBLE_NONE, 0), VG_EARG);
}

/* Every block of 2^k points has one in each of 2^k strata of every coordinate, scrambled or not. */
static void sobol_strata(void **state) {
  (void)state;
  enum { N = 64 };
  for (int scramble = VG_SCRAMBLE_NONE; scramble <= VG_SCRAMBLE_OWEN; scramble++) {
    for (uint64_t block = 0; block < 3; block++) {
      static unsigned char met[VG_SOBOL_DIMENSIONS][N];
      memset(met, 0, sizeof met);
      for (uint64_t i = 0; i < N; i++) {
        double x[VG_SOBOL_DIMENSIONS];
        assert_int_equal(vg_sobol(x, block * N + i, VG_SOBOL_DIMENSIONS, (vg_scramble)scramble, 7), VG_OK);
        for (size_t d = 0; d < VG_SOBOL_DIMENSIONS; d++) assert_int_equal(met[d][(int)(x[d] * N)]++, 0);
      }
    }
  }
}

/* In two dimensions every box of area 1/64 with sides of powers of two holds one of 64 points: a (0, 6, 2)-net, which scrambling keeps. */
static void sobol_is_a_net(void **state) {
  (void)state;
  for (int scramble = VG_SCRAMBLE_NONE; scramble <= VG_SCRAMBLE_OWEN; scramble++)
    for (int across = 0; across <= 6; across++) {
      int met[64] = { 0 };
      for (uint64_t i = 0; i < 64; i++) {
        double x[2];
        assert_int_equal(vg_sobol(x, i, 2, (vg_scramble)scramble, 12345), VG_OK);
        int column = (int)(x[0] * (1 << across)), row = (int)(x[1] * (1 << (6 - across)));
        assert_int_equal(met[(column << (6 - across)) + row]++, 0);
      }
    }
}

typedef vg_status maker(double *x, uint64_t i, uint64_t seed);

static vg_status plain(double *x, uint64_t i, uint64_t seed) {
  vg_rng rng = vg_rng_at(seed, i);
  for (int d = 0; d < 6; d++) x[d] = vg_rng_uniform(&rng);
  return VG_OK;
}
static vg_status owen(double *x, uint64_t i, uint64_t seed) { return vg_sobol(x, i, 6, VG_SCRAMBLE_OWEN, seed); }
static vg_status shifted(double *x, uint64_t i, uint64_t seed) { return vg_sobol(x, i, 6, VG_SCRAMBLE_SHIFT, seed); }
static vg_status halton(double *x, uint64_t i, uint64_t seed) {
  vg_halton(x, i + 1, 6, VG_SCRAMBLE_SHIFT, seed);
  return VG_OK;
}

/* Root mean square over seeds of the error of the integral of prod(1 + (x - 1/2)), which is 1. */
static double integration_error(maker *make, uint64_t n) {
  double squares = 0;
  enum { SEEDS = 16 };
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
      double x[6], product = 1;
      assert_int_equal(make(x, i, seed), VG_OK);
      for (int d = 0; d < 6; d++) product *= 0.5 + x[d];
      sum += product;
    }
    squares += pow(sum / (double)n - 1, 2) / SEEDS;
  }
  return sqrt(squares);
}

static void integrates_faster_than_chance(void **state) {
  (void)state;
  double chance = integration_error(plain, 64) / integration_error(plain, 4096);
  assert_true(chance > 4 && chance < 16);                    /* n^-1/2 would be 8 */
  assert_true(integration_error(shifted, 64) / integration_error(shifted, 4096) > 30);
  assert_true(integration_error(owen, 64) / integration_error(owen, 4096) > 100);
  assert_true(integration_error(halton, 64) / integration_error(halton, 4096) > 12);
  assert_true(integration_error(owen, 4096) < 2e-4);
}

static void halton_known(void **state) {
  (void)state;
  double x[4];
  vg_halton(x, 5, 4, VG_SCRAMBLE_NONE, 0);
  assert_near(x[0], 5.0 / 8, 1e-15);                  /* 101 reversed */
  assert_near(x[1], 7.0 / 9, 1e-15);                  /* 12 reversed: 21 */
  assert_near(x[2], 1.0 / 25, 1e-15);
  assert_near(x[3], 5.0 / 7, 1e-15);
}

static void scrambles_by_seed(void **state) {
  (void)state;
  double a[3], b[3], again[3];
  for (int scramble = VG_SCRAMBLE_SHIFT; scramble <= VG_SCRAMBLE_OWEN; scramble++) {
    assert_int_equal(vg_sobol(a, 9, 3, (vg_scramble)scramble, 1), VG_OK);
    assert_int_equal(vg_sobol(b, 9, 3, (vg_scramble)scramble, 2), VG_OK);
    assert_int_equal(vg_sobol(again, 9, 3, (vg_scramble)scramble, 1), VG_OK);
    for (int d = 0; d < 3; d++) {
      assert_true(a[d] != b[d]);
      assert_near(a[d], again[d], 0);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sobol_known), cmocka_unit_test(sobol_strata), cmocka_unit_test(sobol_is_a_net),
    cmocka_unit_test(integrates_faster_than_chance), cmocka_unit_test(halton_known), cmocka_unit_test(scrambles_by_seed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
