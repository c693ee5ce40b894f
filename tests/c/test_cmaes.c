#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cmaes.h"
#include "base/eigen.h"

/* cmocka's own comparison rounds to float first. */
#define assert_near(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

enum { MOST = 40 };

static void check_eigen(size_t n, vg_rng *rng) {
  double a[MOST * MOST], copy[MOST * MOST], value[MOST], vector[MOST * MOST];
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = vg_rng_normal(rng);
  memcpy(copy, a, n * n * sizeof *a);
  assert_int_equal(vg_eigen_symmetric(value, vector, copy, n), VG_OK);
  for (size_t i = 0; i < n; i++) {
    assert_true(i == 0 || value[i - 1] <= value[i]);
    for (size_t j = 0; j < n; j++) {
      double av = 0, dot = 0;
      for (size_t k = 0; k < n; k++) {
        av += a[i * n + k] * vector[k * n + j];
        dot += vector[k * n + i] * vector[k * n + j];
      }
      assert_near(av, value[j] * vector[i * n + j], 1e-11);
      assert_near(dot, i == j, 1e-12);
    }
  }
}

static void eigen(void **state) {
  (void)state;
  vg_rng rng = vg_rng_at(5, 0);
  for (size_t n = 1; n <= MOST; n += n < 6 ? 1 : 17) check_eigen(n, &rng);
  double value[2], vector[4], known[] = { 2, 1, 1, 2 }, diagonal[] = { 3, 0, 0, -1 }, broken[] = { 1, NAN, NAN, 1 };
  assert_int_equal(vg_eigen_symmetric(value, vector, known, 2), VG_OK);
  assert_near(value[0], 1, 1e-15);
  assert_near(value[1], 3, 1e-15);
  assert_int_equal(vg_eigen_symmetric(value, vector, diagonal, 2), VG_OK);
  assert_near(value[0], -1, 0);
  assert_int_equal(vg_eigen_symmetric(value, vector, broken, 2), VG_ENAN);
}

typedef double objective(const double *x, size_t n);

static double sphere(const double *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
  return sum;
}

/* Axes from 1 to 1000, turned by 45 degrees in each pair of coordinates. */
static double ellipsoid(const double *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    size_t other = i ^ 1;
    double turned = other < n ? (i % 2 ? x[i] - x[other] : x[i] + x[other]) * M_SQRT1_2 : x[i];
    sum += pow(1e6, (double)i / (double)(n - 1)) * turned * turned;
  }
  return sum;
}

static double rosenbrock(const double *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i + 1 < n; i++) sum += 100 * pow(x[i + 1] + 1 - (x[i] + 1) * (x[i] + 1), 2) + x[i] * x[i];
  return sum;
}

typedef struct pick {
  double f;
  double x[MOST];
} pick;

static int compare_picks(const void *a, const void *b) {
  double fa = ((const pick *)a)->f, fb = ((const pick *)b)->f;
  return fa < fb ? -1 : fa > fb;
}

/* Evaluations until f < 1e-10, or `most`. *condition: of the covariance at the end. */
static size_t minimise(double *condition, objective *f, size_t n, size_t lambda, size_t most, uint64_t seed) {
  vg_cmaes *c = NULL;
  double mean[MOST], x[MOST * MOST], best = INFINITY;
  pick picks[MOST];
  vg_rng rng = vg_rng_at(seed, 0);
  size_t evaluations = 0;
  for (size_t i = 0; i < n; i++) mean[i] = 0.8;
  assert_int_equal(vg_cmaes_new(&c, mean, n, 0.5, lambda), VG_OK);
  while (evaluations < most && best > 1e-10) {
    for (size_t j = 0; j < lambda; j++, evaluations++) {
      vg_cmaes_sample(picks[j].x, c, &rng);
      picks[j].f = f(picks[j].x, n);
    }
    qsort(picks, lambda, sizeof *picks, compare_picks);
    best = fmin(best, picks[0].f);
    for (size_t j = 0; j < lambda; j++) memcpy(x + j * n, picks[j].x, n * sizeof *x);
    assert_int_equal(vg_cmaes_update(c, x), VG_OK);
  }
  *condition = vg_cmaes_get_spread(c).condition;
  vg_cmaes_free(c);
  return evaluations;
}

/* The budgets are 1.5 times what the reference implementations need (about 1800, 6000 and 6500 evaluations in ten dimensions). */
static void converges(void **state) {
  (void)state;
  double condition;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    assert_in_range(minimise(&condition, sphere, 10, 10, 20000, seed), 500, 2700);
    assert_true(condition < 10);
    assert_in_range(minimise(&condition, ellipsoid, 10, 10, 20000, seed), 2000, 9000);
    assert_true(condition > 1e5 && condition < 1e7);         /* the covariance has learnt the inverse Hessian */
  }
  int solved = 0;                                            /* Rosenbrock's valley has a second, local end */
  for (uint64_t seed = 1; seed <= 5; seed++) solved += minimise(&condition, rosenbrock, 10, 10, 10000, seed) < 10000;
  assert_true(solved >= 3);
}

static void one_dimension(void **state) {
  (void)state;
  double condition;
  assert_in_range(minimise(&condition, sphere, 1, 4, 2000, 3), 10, 500);
  assert_near(condition, 1, 0);
}

/* A solution from far away among the good ones must not blow the distribution up. */
static void foreign_solutions(void **state) {
  (void)state;
  vg_cmaes *c = NULL;
  double mean[4] = { 0, 0, 0, 0 }, x[8 * 4];
  vg_rng rng = vg_rng_at(9, 0);
  assert_int_equal(vg_cmaes_new(&c, mean, 4, 0.01, 8), VG_OK);
  for (size_t j = 0; j < 8; j++) vg_cmaes_sample(x + 4 * j, c, &rng);
  for (size_t k = 0; k < 4; k++) x[k] = 1000;
  assert_int_equal(vg_cmaes_update(c, x), VG_OK);
  vg_cmaes_spread s = vg_cmaes_get_spread(c);
  assert_true(s.widest < 0.1 && s.condition < 100);
  vg_cmaes_free(c);
}

static void refusals(void **state) {
  (void)state;
  vg_cmaes *c = NULL;
  double mean[2] = { 0, 0 };
  assert_int_equal(vg_cmaes_new(&c, mean, 0, 1, 4), VG_EARG);
  assert_int_equal(vg_cmaes_new(&c, mean, 2, 0, 4), VG_EARG);
  assert_int_equal(vg_cmaes_new(&c, mean, 2, 1, 1), VG_EARG);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(eigen), cmocka_unit_test(converges), cmocka_unit_test(one_dimension),
                                      cmocka_unit_test(foreign_solutions), cmocka_unit_test(refusals) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
